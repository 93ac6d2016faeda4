//! Short names for the expressions and columns that tables are written in.

use model::{
    ColumnSpec, ColumnType, CompareOp, Expr, FieldRole, FilterColumn, FilterKind, Literal, ScoreFilters, ScoreLevel,
    TimestampStyle,
};

// --- expressions --------------------------------------------------------------------------------

pub(crate) fn col(name: &str) -> Expr {
    Expr::column(name)
}

pub(crate) fn null() -> Expr {
    Expr::Literal(Literal::Null)
}

pub(crate) fn integer(value: i64) -> Expr {
    Expr::Literal(Literal::Int(value))
}

pub(crate) fn null_if_empty(value: Expr) -> Expr {
    Expr::NullIfEmpty(Box::new(value))
}

pub(crate) fn if_then(when: Expr, then: Expr, otherwise: Expr) -> Expr {
    Expr::If { when: Box::new(when), then: Box::new(then), otherwise: Box::new(otherwise) }
}

pub(crate) fn millis_between(from: Expr, to: Expr) -> Expr {
    Expr::MillisBetween { from: Box::new(from), to: Box::new(to) }
}

pub(crate) fn divide(numerator: Expr, denominator: Expr) -> Expr {
    Expr::Divide { numerator: Box::new(numerator), denominator: Box::new(denominator) }
}

/// Seconds of a number of milliseconds.
pub(crate) fn seconds(millis: Expr) -> Expr {
    divide(millis, integer(1000))
}

pub(crate) fn map_get(map: &str, key: &str) -> Expr {
    Expr::MapGet { map: Box::new(col(map)), key: key.into() }
}

pub(crate) fn sum_where_key_contains(map: &str, needle: &str) -> Expr {
    Expr::MapSumWhereKeyContains { map: Box::new(col(map)), needle: needle.into() }
}

/// The total cost of an event; zero where none is stored.
pub(crate) fn total_cost_or_zero() -> Expr {
    let zero = Expr::Literal(Literal::Decimal { unscaled: 0, scale: 12 });
    Expr::Coalesce(vec![map_get("cost_details", "total"), zero])
}

pub(crate) fn length(value: Expr) -> Expr {
    Expr::Length(Box::new(value))
}

pub(crate) fn zip_map(names: &str, values: &str) -> Expr {
    Expr::ZipMap { names: Box::new(col(names)), values: Box::new(col(values)) }
}

/// The metadata value of `key`, null where absent.
pub(crate) fn metadata_value(key: &str) -> Expr {
    Expr::ZipGet { names: Box::new(col("metadata_names")), values: Box::new(col("metadata_values")), key: key.into() }
}

pub(crate) fn equals_text(value: Expr, text: &str) -> Expr {
    Expr::compare(value, CompareOp::Eq, Expr::text(text))
}

pub(crate) fn is_true(value: Expr) -> Expr {
    Expr::IsTrue(Box::new(value))
}

/// An event without parent, or marked as the application's root.
pub(crate) fn is_root() -> Expr {
    Expr::Or(vec![equals_text(col("parent_span_id"), ""), is_true(col("is_app_root"))])
}

/// A predicate as a value.
pub(crate) fn truth(predicate: Expr) -> Expr {
    if_then(predicate, Expr::Literal(Literal::Bool(true)), Expr::Literal(Literal::Bool(false)))
}

// --- columns ------------------------------------------------------------------------------------

/// A column that is exported by default and never null.
pub(crate) fn column(group: &'static str, name: &str, kind: ColumnType, expr: Expr) -> ColumnSpec {
    ColumnSpec {
        name: name.to_owned(),
        kind,
        nullable: false,
        expr,
        group,
        default: true,
        role: FieldRole::Plain,
        timestamps: TimestampStyle::SqlMicros,
    }
}

pub(crate) fn text(group: &'static str, name: &str, stored: &str) -> ColumnSpec {
    column(group, name, ColumnType::Text, col(stored))
}

/// A text that is null where nothing is stored.
pub(crate) fn optional_text(group: &'static str, name: &str, stored: &str) -> ColumnSpec {
    nullable(column(group, name, ColumnType::Text, null_if_empty(col(stored))))
}

pub(crate) fn timestamp(group: &'static str, name: &str, stored: &str) -> ColumnSpec {
    column(group, name, ColumnType::Timestamp, col(stored))
}

pub(crate) fn flag(group: &'static str, name: &str, stored: &str) -> ColumnSpec {
    column(group, name, ColumnType::Bool, col(stored))
}

/// The comments column. Its expression is never evaluated: sources are not asked for it, the
/// comments enrichment makes it.
pub(crate) fn comments() -> ColumnSpec {
    ColumnSpec { role: FieldRole::Comments, ..column("comments", "comments", ColumnType::Comments, null()) }
}

pub(crate) fn nullable(column: ColumnSpec) -> ColumnSpec {
    ColumnSpec { nullable: true, ..column }
}

/// A column that is exported only when it is asked for.
pub(crate) fn opt_in(column: ColumnSpec) -> ColumnSpec {
    ColumnSpec { default: false, ..column }
}

/// A text that users write freely, to which the "parsed JSON" option applies.
pub(crate) fn payload(column: ColumnSpec) -> ColumnSpec {
    ColumnSpec { role: FieldRole::Payload, ..column }
}

/// A timestamp printed as Langfuse prints dates.
pub(crate) fn iso_millis(column: ColumnSpec) -> ColumnSpec {
    ColumnSpec { timestamps: TimestampStyle::IsoMillis, ..column }
}

// --- filters ------------------------------------------------------------------------------------

pub(crate) fn filter(id: &'static str, title: &'static str, kind: FilterKind) -> FilterColumn {
    FilterColumn { id, title, aliases: &[], kind }
}

pub(crate) fn text_filter(id: &'static str, title: &'static str, value: Expr) -> FilterColumn {
    filter(id, title, FilterKind::Text { value, empty_is_null: false, full_text: false })
}

/// A text for which empty and null are the same.
pub(crate) fn absent_text_filter(id: &'static str, title: &'static str, value: Expr) -> FilterColumn {
    filter(id, title, FilterKind::Text { value, empty_is_null: true, full_text: false })
}

/// A text that is searched by whole tokens.
pub(crate) fn full_text_filter(id: &'static str, title: &'static str, value: Expr) -> FilterColumn {
    filter(id, title, FilterKind::Text { value, empty_is_null: false, full_text: true })
}

pub(crate) fn number_filter(id: &'static str, title: &'static str, value: Expr) -> FilterColumn {
    filter(id, title, FilterKind::Number { value, decimal_shift: 0 })
}

/// A filter in seconds over a value in milliseconds.
pub(crate) fn seconds_filter(id: &'static str, title: &'static str, millis: Expr) -> FilterColumn {
    filter(id, title, FilterKind::Number { value: millis, decimal_shift: 3 })
}

pub(crate) fn list_filter(id: &'static str, title: &'static str, list: Expr) -> FilterColumn {
    filter(id, title, FilterKind::TextList(list))
}

pub(crate) fn metadata_filter() -> FilterColumn {
    let kind = FilterKind::TextPairs { names: col("metadata_names"), values: col("metadata_values") };
    filter("metadata", "Metadata", kind)
}

pub(crate) fn also_named(aliases: &'static [&'static str], column: FilterColumn) -> FilterColumn {
    FilterColumn { aliases, ..column }
}

/// The score columns of every level: `scores` takes all three types, the others one each.
pub(crate) fn score_filters() -> Vec<FilterColumn> {
    let any = |numbers, categories, booleans| FilterKind::Score {
        accepts: ScoreFilters { level: ScoreLevel::Any, numbers, categories, booleans },
    };
    vec![
        filter("scores", "Scores", any(true, true, true)),
        filter("scores_avg", "Scores (numeric)", any(true, false, false)),
        filter("score_categories", "Scores (categorical)", any(false, true, false)),
        filter("score_booleans", "Scores (boolean)", any(false, false, true)),
    ]
}

pub(crate) fn comment_filters() -> Vec<FilterColumn> {
    vec![
        filter("commentCount", "Comment Count", FilterKind::CommentCount),
        filter("commentContent", "Comment Content", FilterKind::CommentContent),
    ]
}
