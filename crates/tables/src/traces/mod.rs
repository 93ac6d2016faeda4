//! Traces: one row per trace, made of its live events.
//!
//! Name, user, session, release and version are the newest that is not empty, a root's first;
//! input, output and metadata are the root's; tags are united; a trace starts with its earliest event.

pub(crate) mod aggregates;
mod filters;

use model::{ColumnSpec, ColumnType, Expr, Grouped, ObjectKind, OrderColumns, Relation, TableName, TableSpec};

use crate::build::{
    col, column, comments, flag, iso_millis, millis_between, null_if_empty, nullable, opt_in, optional_text, payload,
    text, timestamp, zip_map,
};
use crate::stored::stored_events;

pub(crate) fn table() -> TableSpec {
    TableSpec {
        name: TableName::new("traces"),
        doc: "one row per trace, with the root's input and output and sums over its observations",
        relation: Relation::Grouped(Grouped {
            over: stored_events(),
            by: "trace_id",
            keep: None,
            columns: aggregates::columns(),
        }),
        // The trace is its own trace, so that scores are found under it.
        attached: None,
        order: OrderColumns { time: "timestamp", trace_id: Some("id"), id: "id" },
        columns: columns(),
        filters: filters::filters(),
        search: filters::search(),
        comments: Some(ObjectKind::Trace),
        scores: true,
    }
}

/// The trace's name: as stored, else a root's own name, else null.
fn name() -> Expr {
    name_of("trace_name", "root_name")
}

/// The name of a trace of which these columns are known.
pub(crate) fn name_of(trace_name: &str, root_name: &str) -> Expr {
    Expr::Coalesce(vec![null_if_empty(col(trace_name)), null_if_empty(col(root_name))])
}

fn columns() -> Vec<ColumnSpec> {
    let metadata = column("metadata", "metadata", ColumnType::text_map(), zip_map("metadata_names", "metadata_values"));
    let latency = millis_between(col("timestamp"), col("last_end"));
    let sum = |name, stored| opt_in(column("usage", name, aggregates::COST_SUM, col(stored)));
    let tokens = |name, stored| opt_in(column("usage", name, ColumnType::UInt64, col(stored)));
    vec![
        text("core", "id", "id"),
        iso_millis(timestamp("core", "timestamp", "timestamp")),
        nullable(column("basic", "name", ColumnType::Text, name())),
        optional_text("basic", "userId", "user_id"),
        optional_text("basic", "sessionId", "session_id"),
        optional_text("basic", "release", "release"),
        optional_text("basic", "version", "version"),
        text("basic", "environment", "environment"),
        column("basic", "tags", ColumnType::text_list(), col("tags")),
        flag("basic", "bookmarked", "bookmarked"),
        flag("basic", "public", "public"),
        payload(optional_text("io", "input", "input")),
        payload(optional_text("io", "output", "output")),
        nullable(metadata),
        comments(),
        opt_in(column("metrics", "latencyMs", ColumnType::Int64, latency)),
        opt_in(column("metrics", "observationCount", ColumnType::Int64, col("observation_count"))),
        tokens("inputTokens", "input_tokens"),
        tokens("outputTokens", "output_tokens"),
        tokens("totalTokens", "total_tokens"),
        sum("inputCost", "input_cost"),
        sum("outputCost", "output_cost"),
        sum("totalCost", "total_cost"),
    ]
}
