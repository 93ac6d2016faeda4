//! Events of any type, with their trace's attributes.

use std::sync::Arc;

use model::{ColumnSpec, ColumnType, EventKind, TableSpec, TimestampStyle, event_column};

use super::EventTable;
use super::property::Properties;
use crate::build::{col, map_get, millis_between, total_cost_or_zero};
use crate::events::{self, columns::trace_name};

pub(super) fn table(of: &Properties<'_>) -> EventTable {
    let table = TableSpec { columns: columns(of), ..events::table() };
    EventTable { table: Arc::new(table), kind: EventKind::Observation, keep: None }
}

fn columns(of: &Properties<'_>) -> Vec<ColumnSpec> {
    let name = if of.is_langfuse() { "langfuse_observation_name" } else { "langfuse_event_name" };
    let mut columns = vec![
        of.timestamp("start_time", TimestampStyle::SqlMicros),
        of.text(name, "name"),
        of.known("langfuse_trace_name", ColumnType::Text, trace_name()),
        of.text("langfuse_trace_id", "trace_id"),
        of.always(event_column::ID, ColumnType::Text, col("span_id")),
        cost(of),
        of.tokens("langfuse_input_units", "input"),
        of.tokens("langfuse_output_units", "output"),
        of.tokens("langfuse_total_units", "total"),
        of.text(event_column::SESSION, "session_id"),
    ];
    columns.extend(of.project());
    columns.extend([
        of.user("user_id"),
        latency(of),
        of.time_to_first_token(),
        of.text("langfuse_release", "release"),
        of.text("langfuse_version", "version"),
        of.text("langfuse_model", "provided_model_name"),
        of.text("langfuse_level", "level"),
        of.text("langfuse_type", "type"),
        of.tags("tags"),
        of.environment(),
        of.event_version(),
    ]);
    columns.extend(of.sessions());
    columns
}

/// In USD. Langfuse sends zero where no cost is known.
fn cost(of: &Properties<'_>) -> ColumnSpec {
    match of.is_langfuse() {
        true => of.always("langfuse_cost_usd", ColumnType::COST, total_cost_or_zero()),
        false => of.known("langfuse_cost_usd", ColumnType::COST, map_get("cost_details", "total")),
    }
}

/// Seconds, as everywhere; Langfuse sends milliseconds for observations alone.
fn latency(of: &Properties<'_>) -> ColumnSpec {
    let name = "langfuse_latency";
    match of.is_langfuse() {
        true => of.known(name, ColumnType::Int64, millis_between(col("start_time"), col("end_time"))),
        false => of.seconds_between(name, "start_time", "end_time"),
    }
}
