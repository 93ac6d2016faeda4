//! Traces, with sums over their events.

use std::sync::Arc;

use model::{
    Aggregate, AggregateColumn, ColumnSpec, ColumnType, EventKind, Expr, Relation, TableSpec, TimestampStyle,
    event_column,
};

use super::EventTable;
use super::property::Properties;
use crate::build::{col, if_then, is_true, map_get, null};
use crate::traces::{self, aggregates::COST_SUM};

pub(super) fn table(of: &Properties<'_>) -> EventTable {
    let mut table = TableSpec { columns: columns(of), ..traces::table() };
    if let Relation::Grouped(groups) = &mut table.relation {
        groups.columns.push(knows_cost());
    }
    EventTable { table: Arc::new(table), kind: EventKind::Trace, keep: None }
}

/// Whether any event of a trace has a cost: a sum of none is zero, and a cost that nobody knows is not.
fn knows_cost() -> AggregateColumn {
    let is_known = Expr::IsNull(Box::new(map_get("cost_details", "total"))).negate();
    AggregateColumn { name: "knows_cost", kind: ColumnType::Bool, aggregate: Aggregate::AnyTrue(is_known) }
}

fn columns(of: &Properties<'_>) -> Vec<ColumnSpec> {
    let mut columns = vec![
        of.timestamp("timestamp", TimestampStyle::SqlMillis),
        of.known_text("langfuse_trace_name", traces::name_of("trace_name", "root_name")),
        of.always(event_column::ID, ColumnType::Text, col("id")),
        of.known("langfuse_cost_usd", COST_SUM, if_then(is_true(col("knows_cost")), col("total_cost"), null())),
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
