//! Traces, with sums over their events.

use std::sync::Arc;

use model::{ColumnSpec, ColumnType, EventKind, TableSpec, TimestampStyle, event_column};

use super::EventTable;
use super::property::Properties;
use crate::build::col;
use crate::traces::{self, aggregates::COST_SUM};

pub(super) fn table(of: &Properties<'_>) -> EventTable {
    let table = TableSpec { columns: columns(of), ..traces::table() };
    EventTable { table: Arc::new(table), kind: EventKind::Trace, keep: None }
}

fn columns(of: &Properties<'_>) -> Vec<ColumnSpec> {
    let mut columns = vec![
        of.timestamp("timestamp", TimestampStyle::SqlMillis),
        of.known_text("langfuse_trace_name", traces::name_of("trace_name", "root_name")),
        of.always(event_column::ID, ColumnType::Text, col("id")),
        of.always("langfuse_cost_usd", COST_SUM, col("total_cost")),
        of.always("langfuse_count_observations", ColumnType::Int64, col("observation_count")),
        of.known_text(event_column::SESSION, col("session_id")),
    ];
    columns.extend(of.project());
    columns.extend([
        of.user("user_id"),
        of.seconds_between("langfuse_latency", "timestamp", "last_end"),
        of.known_text("langfuse_release", col("release")),
        of.known_text("langfuse_version", col("version")),
        of.tags("tags"),
        of.environment(),
        of.event_version(),
    ]);
    columns.extend(of.sessions());
    columns
}
