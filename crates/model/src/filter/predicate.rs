//! What each test means: the two-valued predicate that selects the rows SQL would select.
//!
//! Where SQL's answer is null the row is not selected; [`Expr::Not`] is a complement. So a negative
//! test on a value that may be null says explicitly that the value is there.

use super::number;
use super::tokens::query_tokens;
use super::wire::{OptionsOp, StringOp, Test};
use crate::{
    CaseRule, CommentTest, CompareOp, Expr, FilterKind, Literal, Relation, ScoreFilters, ScoreTest, ScoreValueTest,
    TableSpec, TextOp,
};

/// Why a column does not take a test.
pub(super) enum Refusal {
    /// Not this type.
    Type,
    /// Not this operator.
    Operator(String),
    /// Not this value.
    Value(String),
}

/// The predicate of one test on one column.
pub(super) fn of(table: &TableSpec, kind: &FilterKind, test: &Test) -> Result<Expr, Refusal> {
    if !kind.accepts(test) {
        return Err(Refusal::Type);
    }
    match (kind, test) {
        (FilterKind::Text { value, empty_is_null, full_text }, test) => {
            let column = TextColumn {
                value,
                nullable: may_be_null(table, value),
                empty_is_null: *empty_is_null,
                full_text: *full_text,
            };
            column.predicate(test)
        }
        (FilterKind::Number { value, decimal_shift }, Test::Number { op, value: bound }) => {
            Ok(Expr::compare(value.clone(), *op, Expr::Literal(number::literal(bound, *decimal_shift))))
        }
        (FilterKind::Time(value), Test::Datetime { op, value: bound }) => {
            Ok(Expr::compare(value.clone(), *op, Expr::Literal(Literal::Timestamp(*bound))))
        }
        (FilterKind::Number { value, .. } | FilterKind::Time(value) | FilterKind::TextList(value), Test::IsNull) => {
            Ok(Expr::IsNull(Box::new(value.clone())))
        }
        (FilterKind::Number { value, .. } | FilterKind::Time(value) | FilterKind::TextList(value), Test::IsNotNull) => {
            Ok(not_null(value))
        }
        // A predicate is never null.
        (FilterKind::Bool(_), Test::IsNull) => Ok(Expr::Or(vec![])),
        (FilterKind::Bool(_), Test::IsNotNull) => Ok(Expr::And(vec![])),
        (FilterKind::Bool(predicate), Test::Boolean { op, value }) => {
            let predicate = predicate.clone();
            Ok(if *value == (*op == CompareOp::Eq) { predicate } else { predicate.negate() })
        }
        (FilterKind::TextList(list), Test::ArrayOptions { op, values } | Test::StringOptions { op, values }) => {
            list_options(list, *op, values)
        }
        (FilterKind::TextPairs { names, values }, Test::StringObject { key, op, value }) => {
            let (names, values) = (Box::new(names.clone()), Box::new(values.clone()));
            object_text(Expr::ZipGet { names, values, key: key.as_str().into() }, *op, value)
        }
        (FilterKind::TextMap(map), Test::StringObject { key, op, value }) => {
            object_text(Expr::MapGet { map: Box::new(map.clone()), key: key.as_str().into() }, *op, value)
        }
        (FilterKind::Score { accepts }, test) => score(*accepts, test),
        (FilterKind::CommentCount, Test::Number { op, value }) => {
            Ok(comment_count(*op, value.as_f64().unwrap_or(f64::NAN)))
        }
        (FilterKind::CommentContent, Test::String { op, value }) => comment_content(*op, value),
        (FilterKind::TracePosition, Test::PositionInTrace(position)) => Ok(Expr::InTracePosition(*position)),
        _ => Err(Refusal::Type),
    }
}

/// A text column under a `string`, `stringOptions` or `null` test.
struct TextColumn<'a> {
    value: &'a Expr,
    nullable: bool,
    empty_is_null: bool,
    full_text: bool,
}

impl TextColumn<'_> {
    fn predicate(&self, test: &Test) -> Result<Expr, Refusal> {
        match test {
            Test::String { op, value } => self.string(*op, value),
            Test::StringOptions { op, values } => self.options(*op, values),
            Test::IsNull if self.empty_is_null => Ok(self.empty_or_null()),
            Test::IsNotNull if self.empty_is_null => Ok(self.empty_or_null().negate()),
            Test::IsNull => Ok(Expr::IsNull(Box::new(self.value.clone()))),
            Test::IsNotNull => Ok(not_null(self.value)),
            _ => Err(Refusal::Type),
        }
    }

    fn string(&self, op: StringOp, text: &str) -> Result<Expr, Refusal> {
        let positive = matches!(op, StringOp::Equals | StringOp::Contains | StringOp::StartsWith | StringOp::EndsWith);
        if self.empty_is_null && text.is_empty() && positive {
            return Ok(self.empty_or_null());
        }
        let tokens = if self.full_text { query_tokens(text) } else { vec![] };
        let has_tokens = |tokens| Expr::HasAllTokens { value: Box::new(self.value.clone()), tokens };
        match op {
            StringOp::Equals if tokens.is_empty() => Ok(equals(self.value, text)),
            // The tokens follow from equality; naming them lets a full-text index find the row.
            StringOp::Equals => Ok(equals(self.value, text).and(has_tokens(tokens))),
            StringOp::DoesNotContain => {
                let mut parts = Vec::new();
                if self.empty_is_null {
                    parts.push(self.empty_or_null().negate());
                } else if self.nullable {
                    parts.push(not_null(self.value));
                }
                parts.push(text_test(self.value, TextOp::Contains, text, CaseRule::Exact).negate());
                Ok(all(parts))
            }
            StringOp::Matches if !self.full_text => {
                Err(Refusal::Operator("matches is for input, output and metadata; write contains".to_owned()))
            }
            StringOp::Matches if tokens.is_empty() => Err(no_token()),
            StringOp::Matches => {
                Ok(text_test(self.value, TextOp::Contains, text, CaseRule::Folded).and(has_tokens(tokens)))
            }
            StringOp::Contains => Ok(text_test(self.value, TextOp::Contains, text, CaseRule::Exact)),
            StringOp::StartsWith => Ok(text_test(self.value, TextOp::StartsWith, text, CaseRule::Exact)),
            StringOp::EndsWith => Ok(text_test(self.value, TextOp::EndsWith, text, CaseRule::Exact)),
        }
    }

    fn options(&self, op: OptionsOp, values: &[String]) -> Result<Expr, Refusal> {
        let is_in = Expr::In { value: Box::new(self.value.clone()), accepted: values.to_vec() };
        match op {
            OptionsOp::AnyOf if values.is_empty() => Err(any_of_nothing()),
            OptionsOp::AnyOf if self.empty_is_null && self.nullable && values.iter().any(String::is_empty) => {
                Ok(Expr::Or(vec![is_in, Expr::IsNull(Box::new(self.value.clone()))]))
            }
            OptionsOp::AnyOf => Ok(is_in),
            OptionsOp::NoneOf if values.is_empty() => Ok(Expr::And(vec![])),
            OptionsOp::NoneOf => {
                let mut parts = vec![is_in.negate()];
                if self.empty_is_null {
                    parts.push(self.empty_or_null().negate());
                } else if self.nullable {
                    parts.push(not_null(self.value));
                }
                Ok(all(parts))
            }
            OptionsOp::AllOf => Err(Refusal::Operator("all of is for lists".to_owned())),
        }
    }

    fn empty_or_null(&self) -> Expr {
        let empty = equals(self.value, "");
        if self.nullable { Expr::Or(vec![empty, Expr::IsNull(Box::new(self.value.clone()))]) } else { empty }
    }
}

fn list_options(list: &Expr, op: OptionsOp, values: &[String]) -> Result<Expr, Refusal> {
    let (list, texts) = (Box::new(list.clone()), values.to_vec());
    match op {
        OptionsOp::AnyOf if values.is_empty() => Err(any_of_nothing()),
        OptionsOp::NoneOf | OptionsOp::AllOf if values.is_empty() => Ok(Expr::And(vec![])),
        OptionsOp::AnyOf => Ok(Expr::HasAny { list, texts }),
        OptionsOp::NoneOf => Ok(Expr::HasAny { list, texts }.negate()),
        OptionsOp::AllOf => Ok(Expr::HasAll { list, texts }),
    }
}

/// A test on the value under a key; a row without the key passes none, not even `does not contain`.
fn object_text(value: Expr, op: StringOp, text: &str) -> Result<Expr, Refusal> {
    let exact = |op| text_test(&value, op, text, CaseRule::Exact);
    match op {
        StringOp::Equals => Ok(equals(&value, text)),
        StringOp::Contains => Ok(exact(TextOp::Contains)),
        StringOp::StartsWith => Ok(exact(TextOp::StartsWith)),
        StringOp::EndsWith => Ok(exact(TextOp::EndsWith)),
        StringOp::DoesNotContain => Ok(not_null(&value).and(exact(TextOp::Contains).negate())),
        StringOp::Matches => {
            let tokens = query_tokens(text);
            if tokens.is_empty() {
                return Err(no_token());
            }
            let contains = text_test(&value, TextOp::Contains, text, CaseRule::Folded);
            Ok(contains.and(Expr::HasAllTokens { value: Box::new(value.clone()), tokens }))
        }
    }
}

/// Exclusions hold for rows without such a score, at any level: they are complements.
fn score(accepts: ScoreFilters, test: &Test) -> Result<Expr, Refusal> {
    let entry = |key: &str, test| Expr::Score(ScoreTest { level: accepts.level, name: key.into(), test });
    match test {
        Test::NumberObject { key, op, value } => {
            Ok(entry(key, ScoreValueTest::Number { op: *op, value: value.as_f64().unwrap_or(f64::NAN) }))
        }
        Test::BooleanObject { key, op, value } => {
            let predicate = entry(key, ScoreValueTest::Boolean(*value));
            Ok(if *op == CompareOp::Eq { predicate } else { predicate.negate() })
        }
        Test::CategoryOptions { key, op, values } => match op {
            OptionsOp::AnyOf if values.is_empty() => Err(any_of_nothing()),
            OptionsOp::AnyOf => Ok(entry(key, ScoreValueTest::Category(values.clone()))),
            OptionsOp::NoneOf if values.is_empty() => Ok(Expr::And(vec![])),
            OptionsOp::NoneOf => Ok(entry(key, ScoreValueTest::Category(values.clone())).negate()),
            OptionsOp::AllOf => Err(Refusal::Operator("all of is for lists".to_owned())),
        },
        _ => Err(Refusal::Type),
    }
}

/// No comment test passes for an object without comments, so a count that zero passes is the
/// complement of its inverse.
fn comment_count(op: CompareOp, value: f64) -> Expr {
    let zero_passes = match op {
        CompareOp::Eq => 0.0 == value,
        CompareOp::NotEq => 0.0 != value,
        CompareOp::Less => 0.0 < value,
        CompareOp::LessEq => 0.0 <= value,
        CompareOp::Greater => 0.0 > value,
        CompareOp::GreaterEq => 0.0 >= value,
    };
    let count = |op| Expr::Comment(CommentTest::Count { op, value });
    if zero_passes { count(inverse(op)).negate() } else { count(op) }
}

fn inverse(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::NotEq,
        CompareOp::NotEq => CompareOp::Eq,
        CompareOp::Less => CompareOp::GreaterEq,
        CompareOp::LessEq => CompareOp::Greater,
        CompareOp::Greater => CompareOp::LessEq,
        CompareOp::GreaterEq => CompareOp::Less,
    }
}

fn comment_content(op: StringOp, text: &str) -> Result<Expr, Refusal> {
    let content = |op, negated| Ok(Expr::Comment(CommentTest::Content { op, needle: text.into(), negated }));
    match op {
        StringOp::Equals => content(None, false),
        StringOp::Contains => content(Some(TextOp::Contains), false),
        StringOp::DoesNotContain => content(Some(TextOp::Contains), true),
        StringOp::StartsWith => content(Some(TextOp::StartsWith), false),
        StringOp::EndsWith => content(Some(TextOp::EndsWith), false),
        StringOp::Matches => Err(Refusal::Operator("matches is not for comments; write contains".to_owned())),
    }
}

fn any_of_nothing() -> Refusal {
    Refusal::Value("any of [] would select no row; name at least one value".to_owned())
}

fn no_token() -> Refusal {
    Refusal::Value("matches needs at least one letter or digit".to_owned())
}

fn equals(value: &Expr, text: &str) -> Expr {
    Expr::compare(value.clone(), CompareOp::Eq, Expr::text(text))
}

fn text_test(value: &Expr, op: TextOp, needle: &str, case: CaseRule) -> Expr {
    Expr::Text { value: Box::new(value.clone()), op, needle: needle.into(), case }
}

fn not_null(value: &Expr) -> Expr {
    Expr::IsNull(Box::new(value.clone())).negate()
}

/// The conjunction; a single part stands alone.
fn all(mut parts: Vec<Expr>) -> Expr {
    match parts.len() {
        1 => parts.remove(0),
        _ => Expr::And(parts),
    }
}

/// Whether the value can be null in a row of the table. Says yes where it does not know.
fn may_be_null(table: &TableSpec, value: &Expr) -> bool {
    match value {
        Expr::Column(name) => match &table.relation {
            Relation::Stored(stored) => stored.column(name).is_none_or(|column| column.nullable),
            Relation::Grouped(_) => true,
        },
        Expr::Literal(literal) => *literal == Literal::Null,
        Expr::Coalesce(parts) => parts.iter().all(|part| may_be_null(table, part)),
        Expr::If { then, otherwise, .. } => may_be_null(table, then) || may_be_null(table, otherwise),
        _ => true,
    }
}
