//! Expressions as SQL: the third reading of [`Expr`], beside `memory` (the definition) and `lake`.
//!
//! A value prints as a [`Term`]: SQL with its type. Lists and maps cannot be null in ClickHouse, so a
//! term carries, where it may be null, the predicate that says so; it is empty then. Predicates print
//! as 0 or 1 and never as null. Text of queries comes from table specs and from here alone; whatever a
//! user wrote is bound through [`Parameters`].

mod fold;
mod number;
mod parameters;
mod predicate;
mod time;
mod value;

use model::{ColumnType, Fault, ScoreTest, TracePosition};

pub(super) use number::operator;
pub(super) use parameters::{Parameters, arrays_of_texts, escaped};
pub(super) use predicate::joined;
pub(super) use time::{compared, micros_of};
pub(super) use value::either_absent;

/// A value in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    /// The expression.
    pub sql: String,
    /// Its type.
    pub kind: ColumnType,
    /// For a list or map that may be null: what is true where it is.
    pub absent: Option<String>,
}

impl Term {
    pub(super) fn new(sql: impl Into<String>, kind: ColumnType) -> Self {
        Self { sql: sql.into(), kind, absent: None }
    }
}

/// What tests need that is not in the row: other rows of the same project.
pub(super) trait Surroundings {
    /// A predicate for the rows that have such a score.
    fn score(&self, test: &ScoreTest, parameters: &mut Parameters) -> Result<String, Fault>;

    /// A predicate for the rows that stand at such a place of their trace.
    fn position(&self, position: TracePosition, parameters: &mut Parameters) -> Result<String, Fault>;
}

/// Prints the expressions of one query.
pub(super) struct Printer<'a> {
    /// The columns that expressions refer to.
    pub names: &'a dyn Fn(&str) -> Option<Term>,
    /// Values of the query.
    pub parameters: &'a mut Parameters,
    /// Answers tests that need more than the row; `None` where expressions have none.
    pub surroundings: Option<&'a dyn Surroundings>,
}

/// A type as ClickHouse writes it.
pub(super) fn type_name(kind: &ColumnType) -> String {
    match kind {
        ColumnType::Text => "String".into(),
        ColumnType::Bool => "Bool".into(),
        ColumnType::Int64 => "Int64".into(),
        ColumnType::UInt64 => "UInt64".into(),
        ColumnType::Float64 => "Float64".into(),
        ColumnType::Decimal { precision, scale } => format!("Decimal({precision}, {scale})"),
        ColumnType::Timestamp => "DateTime64(6, 'UTC')".into(),
        ColumnType::List(item) => format!("Array({})", type_name(item)),
        ColumnType::Map(value) => format!("Map(String, {})", type_name(value)),
        // No source is asked for comments.
        ColumnType::Comments => "Array(String)".into(),
    }
}

/// Whether values of this type cannot be null in ClickHouse.
pub(super) fn is_composite(kind: &ColumnType) -> bool {
    matches!(kind, ColumnType::List(_) | ColumnType::Map(_) | ColumnType::Comments)
}

/// The value of this type that stands for nothing: empty, zero, false; the epoch.
pub(super) fn zero(kind: &ColumnType) -> String {
    match kind {
        ColumnType::Timestamp => "fromUnixTimestamp64Micro(toInt64(0), 'UTC')".into(),
        kind => format!("defaultValueOfTypeName({})", quoted(&type_name(kind))),
    }
}

/// Null of this type; an empty list or map where the type has no null.
pub(super) fn null(kind: &ColumnType) -> Term {
    if is_composite(kind) {
        return Term { sql: zero(kind), kind: kind.clone(), absent: Some("1".into()) };
    }
    Term::new(format!("CAST(NULL AS Nullable({}))", type_name(kind)), kind.clone())
}

/// A name in the text of a query.
pub(super) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A word of ours in the text of a query, as a literal.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", escaped(text))
}
