//! Sessions: one row per session id, made of the live events that carry it.
//!
//! A session is bookmarked or public where one of its events is: the store keeps no record of a
//! session by itself. Durations are seconds.

use model::{
    Aggregate, AggregateColumn, ColumnSpec, ColumnType, Expr, FilterColumn, FilterKind, Grouped, ObjectKind,
    OrderColumns, Relation, SearchColumns, TableName, TableSpec,
};

use crate::build::{
    also_named, col, column, comment_filters, comments, equals_text, filter, flag, is_true, iso_millis, list_filter,
    millis_between, number_filter, seconds, seconds_filter, text, text_filter, timestamp,
};
use crate::stored::stored_events;
use crate::traces::aggregates::{COST_SUM, ends, starts, sums};

pub(crate) fn table() -> TableSpec {
    TableSpec {
        name: TableName::new("sessions"),
        doc: "one row per session, with sums over its traces",
        relation: Relation::Grouped(Grouped {
            over: stored_events(),
            by: "session_id",
            keep: Some(equals_text(col("session_id"), "").negate()),
            columns: aggregates(),
        }),
        attached: None,
        order: OrderColumns { time: "created_at", trace_id: None, id: "id" },
        columns: columns(),
        filters: filters(),
        search: SearchColumns::default(),
        comments: Some(ObjectKind::Session),
        scores: false,
    }
}

fn aggregates() -> Vec<AggregateColumn> {
    let texts = |name, aggregate| AggregateColumn { name, kind: ColumnType::text_list(), aggregate };
    let flag =
        |name| AggregateColumn { name, kind: ColumnType::Bool, aggregate: Aggregate::AnyTrue(is_true(col(name))) };
    let mut columns = vec![
        AggregateColumn { name: "id", kind: ColumnType::Text, aggregate: Aggregate::Group },
        starts("created_at"),
        ends("last_end"),
        AggregateColumn {
            name: "trace_count",
            kind: ColumnType::Int64,
            aggregate: Aggregate::CountDistinct(col("trace_id")),
        },
        texts("user_ids", Aggregate::DistinctTexts(col("user_id"))),
        texts("environments", Aggregate::DistinctTexts(col("environment"))),
        texts("tags", Aggregate::UnionLists(col("tags"))),
        flag("bookmarked"),
        flag("public"),
    ];
    columns.extend(sums());
    columns
}

/// Milliseconds from the first start to the last end.
fn duration() -> Expr {
    millis_between(col("created_at"), col("last_end"))
}

fn columns() -> Vec<ColumnSpec> {
    let cost = |name, stored| column("usage", name, COST_SUM, col(stored));
    let traces = |name| column("basic", name, ColumnType::Int64, col("trace_count"));
    vec![
        text("core", "id", "id"),
        column("basic", "userIds", ColumnType::text_list(), col("user_ids")),
        traces("countTraces"),
        column("metrics", "sessionDuration", ColumnType::Float64, seconds(duration())),
        cost("inputCost", "input_cost"),
        cost("outputCost", "output_cost"),
        cost("totalCost", "total_cost"),
        column("usage", "totalTokens", ColumnType::UInt64, col("total_tokens")),
        column("basic", "traceTags", ColumnType::text_list(), col("tags")),
        iso_millis(timestamp("core", "createdAt", "created_at")),
        flag("basic", "bookmarked", "bookmarked"),
        flag("basic", "public", "public"),
        // Langfuse's name for the number of traces, once more.
        traces("totalCount"),
        comments(),
    ]
}

fn filters() -> Vec<FilterColumn> {
    let mut columns = vec![
        filter("bookmarked", "⭐️", FilterKind::Bool(is_true(col("bookmarked")))),
        filter("createdAt", "Created At", FilterKind::Time(col("created_at"))),
        list_filter("userIds", "User IDs", col("user_ids")),
        list_filter("environment", "Environment", col("environments")),
        also_named(&["Session Duration (s)"], seconds_filter("sessionDuration", "Session Duration", duration())),
        also_named(&["tracesCount", "Traces Count"], number_filter("countTraces", "Count Traces", col("trace_count"))),
        also_named(&["Input Cost ($)"], number_filter("inputCost", "Session Input Cost", col("input_cost"))),
        also_named(&["Output Cost ($)"], number_filter("outputCost", "Session Output Cost", col("output_cost"))),
        also_named(&["Total Cost ($)"], number_filter("totalCost", "Session Total Cost", col("total_cost"))),
        number_filter("inputTokens", "Input Tokens", col("input_tokens")),
        number_filter("outputTokens", "Output Tokens", col("output_tokens")),
        also_named(&["Usage"], number_filter("totalTokens", "Total Tokens", col("total_tokens"))),
        number_filter("usage", "Session Total Usage", col("total_tokens")),
        list_filter("traceTags", "Trace Tags", col("tags")),
        text_filter("id", "ID", col("id")),
    ];
    columns.extend(comment_filters());
    columns
}
