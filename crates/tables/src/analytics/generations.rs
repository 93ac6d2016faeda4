//! Events of type GENERATION, as Langfuse sent them before it sent events of all types.

use std::sync::Arc;

use model::{ColumnSpec, ColumnType, EventKind, Expr, TableName, TableSpec, TimestampStyle, event_column};

use super::EventTable;
use super::property::Properties;
use crate::build::{col, equals_text, map_get, total_cost_or_zero};
use crate::events::{self, columns::trace_name};

pub(super) fn table(of: &Properties<'_>) -> EventTable {
    let table = TableSpec {
        name: TableName::new("generations"),
        doc: "one row per event of type GENERATION with its trace's attributes",
        columns: columns(of),
        ..events::table()
    };
    let keep = Some(equals_text(col("type"), "GENERATION"));
    EventTable { table: Arc::new(table), kind: EventKind::Generation, keep }
}

fn columns(of: &Properties<'_>) -> Vec<ColumnSpec> {
    let mut columns = vec![
        of.timestamp("start_time", TimestampStyle::SqlMillis),
        of.text("langfuse_generation_name", "name"),
        of.text_or_empty("langfuse_trace_name", trace_name()),
        of.text("langfuse_trace_id", "trace_id"),
        of.always(event_column::ID, ColumnType::Text, col("span_id")),
        of.known("langfuse_cost_usd", ColumnType::COST, map_get("cost_details", "total")),
    ];
    columns.extend(units(of));
    columns.push(of.known_text(event_column::SESSION, col("session_id")));
    columns.extend(of.project());
    columns.extend([
        of.user("user_id"),
        of.seconds_between("langfuse_latency", "start_time", "end_time"),
        of.time_to_first_token(),
        of.known_text("langfuse_release", col("release")),
        of.known_text("langfuse_version", col("version")),
        of.known_text("langfuse_model", col("provided_model_name")),
        of.text("langfuse_level", "level"),
        of.tags("tags"),
        of.environment(),
        of.event_version(),
    ]);
    columns.extend(of.sessions());
    columns
}

/// Langfuse sends all tokens as `input_units`, and the cost in USD as `total_units`.
fn units(of: &Properties<'_>) -> [ColumnSpec; 3] {
    let total = |cost: Expr| of.always("langfuse_total_units", ColumnType::COST, cost);
    let output = of.tokens("langfuse_output_units", "output");
    match of.is_langfuse() {
        true => [of.tokens("langfuse_input_units", "total"), output, total(total_cost_or_zero())],
        false => [of.tokens("langfuse_input_units", "input"), output, of.tokens("langfuse_total_units", "total")],
    }
}
