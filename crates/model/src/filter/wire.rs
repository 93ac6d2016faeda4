//! The filter tree as it travels: what JSON and text are read into, before any table is known.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Number, Value, json};

use crate::{CompareOp, Fault, Micros, TracePosition};

/// So deep may `and`, `or` and `not` be nested. Every reading of the tree recurses, so the bound
/// keeps a request from exhausting a stack; people write two or three levels.
pub const NESTING_MAX: usize = 32;

/// A filter: a condition on one column, or a combination.
#[derive(Clone, Debug, PartialEq)]
pub enum WireFilter {
    /// `{"type":"and","filters":[…]}`, never empty.
    And(Vec<Self>),
    /// `{"type":"or","filters":[…]}`, never empty.
    Or(Vec<Self>),
    /// `{"type":"not","filter":…}`: exactly the rows that the inner filter does not select.
    Not(Box<Self>),
    /// A condition.
    Condition(Condition),
}

/// A test on one column.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Where the user wrote it: `filter[2]`. Not part of the wire form.
    pub at: String,
    /// Id, UI name or alias of a filter column.
    pub column: String,
    /// What must hold.
    pub test: Test,
}

/// What must hold of a column, one variant per wire type.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `datetime`
    Datetime {
        /// `>`, `<`, `>=` or `<=`.
        op: CompareOp,
        /// Bound.
        value: Micros,
    },
    /// `string`
    String {
        /// Operator.
        op: StringOp,
        /// Text compared with.
        value: String,
    },
    /// `number`
    Number {
        /// Any but `<>`.
        op: CompareOp,
        /// Bound.
        value: Number,
    },
    /// `stringOptions`
    StringOptions {
        /// `any of` or `none of`.
        op: OptionsOp,
        /// Accepted or excluded texts.
        values: Vec<String>,
    },
    /// `categoryOptions`
    CategoryOptions {
        /// Score name.
        key: String,
        /// `any of` or `none of`.
        op: OptionsOp,
        /// Accepted or excluded texts.
        values: Vec<String>,
    },
    /// `arrayOptions`
    ArrayOptions {
        /// Operator.
        op: OptionsOp,
        /// Texts looked for in the list.
        values: Vec<String>,
    },
    /// `stringObject`
    StringObject {
        /// Key.
        key: String,
        /// Operator.
        op: StringOp,
        /// Text compared with the key's value.
        value: String,
    },
    /// `numberObject`
    NumberObject {
        /// Score name.
        key: String,
        /// Any but `<>`.
        op: CompareOp,
        /// Bound.
        value: Number,
    },
    /// `booleanObject`
    BooleanObject {
        /// Score name.
        key: String,
        /// `=` or `<>`.
        op: CompareOp,
        /// Compared with.
        value: bool,
    },
    /// `boolean`
    Boolean {
        /// `=` or `<>`.
        op: CompareOp,
        /// Compared with.
        value: bool,
    },
    /// `null`, `is null`
    IsNull,
    /// `null`, `is not null`
    IsNotNull,
    /// `positionInTrace`
    PositionInTrace(TracePosition),
}

/// Operators of `string` and `stringObject`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum StringOp {
    Equals,
    Contains,
    DoesNotContain,
    StartsWith,
    EndsWith,
    Matches,
}

/// Operators of `stringOptions`, `categoryOptions` and `arrayOptions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum OptionsOp {
    AnyOf,
    NoneOf,
    AllOf,
}

/// Spellings of the string operators.
pub(super) const STRING_OPS: &[(&str, StringOp)] = &[
    ("=", StringOp::Equals),
    ("contains", StringOp::Contains),
    ("does not contain", StringOp::DoesNotContain),
    ("starts with", StringOp::StartsWith),
    ("ends with", StringOp::EndsWith),
    ("matches", StringOp::Matches),
];

/// Spellings of the number operators.
pub(super) const NUMBER_OPS: &[(&str, CompareOp)] = &[
    ("=", CompareOp::Eq),
    (">", CompareOp::Greater),
    ("<", CompareOp::Less),
    (">=", CompareOp::GreaterEq),
    ("<=", CompareOp::LessEq),
];

/// Spellings of the datetime operators.
pub(super) const DATETIME_OPS: &[(&str, CompareOp)] =
    &[(">", CompareOp::Greater), ("<", CompareOp::Less), (">=", CompareOp::GreaterEq), ("<=", CompareOp::LessEq)];

/// Spellings of the boolean operators.
pub(super) const BOOLEAN_OPS: &[(&str, CompareOp)] = &[("=", CompareOp::Eq), ("<>", CompareOp::NotEq)];

/// Spellings of the operators of `stringOptions` and `categoryOptions`.
pub(super) const OPTIONS_OPS: &[(&str, OptionsOp)] = &[("any of", OptionsOp::AnyOf), ("none of", OptionsOp::NoneOf)];

/// Spellings of the operators of `arrayOptions`.
pub(super) const ARRAY_OPS: &[(&str, OptionsOp)] =
    &[("any of", OptionsOp::AnyOf), ("none of", OptionsOp::NoneOf), ("all of", OptionsOp::AllOf)];

/// Every operator of a wire type.
pub(super) fn operators(type_name: &str) -> impl Iterator<Item = &'static str> {
    fn names<T>(spellings: &'static [(&'static str, T)]) -> Vec<&'static str> {
        spellings.iter().map(|(name, _)| *name).collect()
    }
    let all = match type_name {
        "string" | "stringObject" => names(STRING_OPS),
        "number" | "numberObject" => names(NUMBER_OPS),
        "datetime" => names(DATETIME_OPS),
        "boolean" | "booleanObject" => names(BOOLEAN_OPS),
        "stringOptions" | "categoryOptions" => names(OPTIONS_OPS),
        "arrayOptions" => names(ARRAY_OPS),
        "null" => vec!["is null", "is not null"],
        "positionInTrace" => vec!["="],
        _ => vec![],
    };
    all.into_iter()
}

/// The spelling of an operator.
pub(super) fn spelling<T: PartialEq>(op: &T, spellings: &[(&'static str, T)]) -> &'static str {
    spellings.iter().find(|(_, candidate)| candidate == op).map_or("<>", |(text, _)| text)
}

impl Test {
    /// The type's name on the wire.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Datetime { .. } => "datetime",
            Self::String { .. } => "string",
            Self::Number { .. } => "number",
            Self::StringOptions { .. } => "stringOptions",
            Self::CategoryOptions { .. } => "categoryOptions",
            Self::ArrayOptions { .. } => "arrayOptions",
            Self::StringObject { .. } => "stringObject",
            Self::NumberObject { .. } => "numberObject",
            Self::BooleanObject { .. } => "booleanObject",
            Self::Boolean { .. } => "boolean",
            Self::IsNull | Self::IsNotNull => "null",
            Self::PositionInTrace(_) => "positionInTrace",
        }
    }
}

impl WireFilter {
    /// A condition written at `at`.
    pub fn condition(at: impl Into<String>, column: impl Into<String>, test: Test) -> Self {
        Self::Condition(Condition { at: at.into(), column: column.into(), test })
    }

    /// Whether `and`, `or` and `not` are nested at most `levels` deep. Looks no deeper than that.
    pub fn nests_within(&self, levels: usize) -> bool {
        match self {
            Self::Condition(_) => true,
            Self::And(parts) | Self::Or(parts) => levels > 0 && parts.iter().all(|part| part.nests_within(levels - 1)),
            Self::Not(inner) => levels > 0 && inner.nests_within(levels - 1),
        }
    }

    /// The wire form. [`WireFilter::from_json`] reads it back.
    pub fn to_json(&self) -> Value {
        let list = |parts: &[Self]| parts.iter().map(Self::to_json).collect::<Vec<_>>();
        match self {
            Self::And(parts) => json!({ "type": "and", "filters": list(parts) }),
            Self::Or(parts) => json!({ "type": "or", "filters": list(parts) }),
            Self::Not(inner) => json!({ "type": "not", "filter": inner.to_json() }),
            Self::Condition(condition) => Value::Object(condition.to_json()),
        }
    }
}

impl Condition {
    fn to_json(&self) -> Map<String, Value> {
        let (operator, key, value) = match &self.test {
            Test::Datetime { op, value } => (spelling(op, DATETIME_OPS), None, json!(value)),
            Test::String { op, value } => (spelling(op, STRING_OPS), None, json!(value)),
            Test::Number { op, value } => (spelling(op, NUMBER_OPS), None, json!(value)),
            Test::StringOptions { op, values } => (spelling(op, OPTIONS_OPS), None, json!(values)),
            Test::CategoryOptions { key, op, values } => (spelling(op, OPTIONS_OPS), Some(key.clone()), json!(values)),
            Test::ArrayOptions { op, values } => (spelling(op, ARRAY_OPS), None, json!(values)),
            Test::StringObject { key, op, value } => (spelling(op, STRING_OPS), Some(key.clone()), json!(value)),
            Test::NumberObject { key, op, value } => (spelling(op, NUMBER_OPS), Some(key.clone()), json!(value)),
            Test::BooleanObject { key, op, value } => (spelling(op, BOOLEAN_OPS), Some(key.clone()), json!(value)),
            Test::Boolean { op, value } => (spelling(op, BOOLEAN_OPS), None, json!(value)),
            Test::IsNull => ("is null", None, json!("")),
            Test::IsNotNull => ("is not null", None, json!("")),
            Test::PositionInTrace(position) => {
                let (key, value) = match position {
                    TracePosition::Root => ("root", Value::Null),
                    TracePosition::FromStart(1) => ("first", Value::Null),
                    TracePosition::FromEnd(1) => ("last", Value::Null),
                    TracePosition::FromStart(n) => ("nthFromStart", json!(n)),
                    TracePosition::FromEnd(n) => ("nthFromEnd", json!(n)),
                };
                ("=", Some(key.to_owned()), value)
            }
        };
        let mut object = Map::new();
        object.insert("type".to_owned(), self.test.type_name().into());
        object.insert("column".to_owned(), self.column.clone().into());
        if let Some(key) = key {
            object.insert("key".to_owned(), key.into());
        }
        object.insert("operator".to_owned(), operator.into());
        if !value.is_null() {
            object.insert("value".to_owned(), value);
        }
        object
    }
}

impl Serialize for WireFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for WireFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let read = Self::from_json(&value, "filter").map_err(Fault::of_problems).map_err(serde::de::Error::custom)?;
        match <[Self; 1]>::try_from(read) {
            Ok([one]) => Ok(one),
            Err(_) => Err(serde::de::Error::custom("filter: give one object, not an array")),
        }
    }
}
