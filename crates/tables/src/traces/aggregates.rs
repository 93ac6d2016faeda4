//! How the events of a trace become one row.

use model::{Aggregate, AggregateColumn, ColumnType, Expr};

use crate::build::{col, equals_text, if_then, integer, is_root, is_true, map_get, null, sum_where_key_contains};

/// Sums of costs: room for any number of stored costs.
pub(crate) const COST_SUM: ColumnType = ColumnType::Decimal { precision: 38, scale: 12 };

pub(super) fn columns() -> Vec<AggregateColumn> {
    let flag =
        |name| AggregateColumn { name, kind: ColumnType::Bool, aggregate: Aggregate::AnyTrue(is_true(col(name))) };
    let newest = |name| newest(name, name);
    // Null where no event of the trace is a root.
    let of_root = |name| Aggregate::First(if_then(is_root(), col(name), null()));
    let mut columns = vec![
        text("id", Aggregate::Group),
        starts("timestamp"),
        ends("last_end"),
        newest("trace_name"),
        root_name("root_name"),
        newest("user_id"),
        newest("session_id"),
        newest("release"),
        newest("version"),
        newest("environment"),
        tags("tags"),
        flag("bookmarked"),
        flag("public"),
        text("input", of_root("input")),
        text("output", of_root("output")),
        texts("metadata_names", of_root("metadata_names")),
        texts("metadata_values", of_root("metadata_values")),
        AggregateColumn { name: "observation_count", kind: ColumnType::Int64, aggregate: Aggregate::Count },
        texts("levels", Aggregate::DistinctTexts(col("level"))),
    ];
    columns.extend(
        [
            ("default_count", "DEFAULT"),
            ("debug_count", "DEBUG"),
            ("warning_count", "WARNING"),
            ("error_count", "ERROR"),
        ]
        .map(|(name, level)| count_of_level(name, level)),
    );
    columns.extend(sums());
    columns
}

/// What a score shows of its trace, by names that a score's own columns do not have.
pub(crate) fn of_score() -> Vec<AggregateColumn> {
    vec![
        newest("trace_name", "trace_name"),
        root_name("trace_root_name"),
        newest("trace_user_id", "user_id"),
        tags("trace_tags"),
    ]
}

fn text(name: &'static str, aggregate: Aggregate) -> AggregateColumn {
    AggregateColumn { name, kind: ColumnType::Text, aggregate }
}

fn texts(name: &'static str, aggregate: Aggregate) -> AggregateColumn {
    AggregateColumn { name, kind: ColumnType::text_list(), aggregate }
}

/// The newest text that is not empty, a root's first.
fn newest(name: &'static str, stored: &str) -> AggregateColumn {
    text(name, Aggregate::FirstNonEmpty(col(stored)))
}

fn root_name(name: &'static str) -> AggregateColumn {
    text(name, Aggregate::FirstNonEmpty(if_then(is_root(), col("name"), Expr::text(""))))
}

fn tags(name: &'static str) -> AggregateColumn {
    texts(name, Aggregate::UnionLists(col("tags")))
}

/// Earliest start of a group's events.
pub(crate) fn starts(name: &'static str) -> AggregateColumn {
    AggregateColumn { name, kind: ColumnType::Timestamp, aggregate: Aggregate::Min(col("start_time")) }
}

/// Latest end of a group's events; an event without end ends when it starts.
pub(crate) fn ends(name: &'static str) -> AggregateColumn {
    let end = Expr::Coalesce(vec![col("end_time"), col("start_time")]);
    AggregateColumn { name, kind: ColumnType::Timestamp, aggregate: Aggregate::Max(end) }
}

/// Tokens and costs of a group's events.
pub(crate) fn sums() -> [AggregateColumn; 6] {
    let tokens = |name, expr| AggregateColumn { name, kind: ColumnType::UInt64, aggregate: Aggregate::Sum(expr) };
    let cost = |name, expr| AggregateColumn { name, kind: COST_SUM, aggregate: Aggregate::Sum(expr) };
    [
        tokens("input_tokens", sum_where_key_contains("usage_details", "input")),
        tokens("output_tokens", sum_where_key_contains("usage_details", "output")),
        tokens("total_tokens", map_get("usage_details", "total")),
        cost("input_cost", sum_where_key_contains("cost_details", "input")),
        cost("output_cost", sum_where_key_contains("cost_details", "output")),
        cost("total_cost", map_get("cost_details", "total")),
    ]
}

fn count_of_level(name: &'static str, level: &str) -> AggregateColumn {
    let one = if_then(equals_text(col("level"), level), integer(1), integer(0));
    AggregateColumn { name, kind: ColumnType::Int64, aggregate: Aggregate::Sum(one) }
}
