//! Traces: one row per trace. One whose events changed appears again in the window of the change.

use model::{Aggregate, AggregateColumn, ColumnType, Expr, Relation, TableSpec};

use super::observations::millis;
use super::{event_ts, same, spec};
use crate::build::{col, column, flag, null_if_empty, nullable, optional_text, payload, timestamp, zip_map};
use crate::traces::name_of;

pub(super) fn traces() -> TableSpec {
    let time = |name| millis(timestamp("core", name, name));
    let metadata = column("metadata", "metadata", ColumnType::text_map(), zip_map("metadata_names", "metadata_values"));
    let absent = |name| optional_text("basic", name, name);
    let name = Expr::Coalesce(vec![null_if_empty(name_of("trace_name", "root_name")), Expr::text("")]);
    let columns = vec![
        same("core", "id"),
        time("timestamp"),
        column("basic", "name", ColumnType::Text, name),
        same("basic", "environment"),
        same("core", "project_id"),
        nullable(metadata),
        absent("user_id"),
        absent("session_id"),
        absent("release"),
        absent("version"),
        flag("basic", "public", "public"),
        flag("basic", "bookmarked", "bookmarked"),
        column("basic", "tags", ColumnType::text_list(), col("tags")),
        payload(optional_text("io", "input", "input")),
        payload(optional_text("io", "output", "output")),
        time("created_at"),
        time("updated_at"),
        event_ts(),
    ];
    let mut table = spec("traces", crate::traces::table(), columns);
    if let Relation::Grouped(grouped) = &mut table.relation {
        let at = |name, aggregate| AggregateColumn { name, kind: ColumnType::Timestamp, aggregate };
        let project = Aggregate::FirstNonEmpty(col("project_id"));
        grouped.columns.extend([
            AggregateColumn { name: "project_id", kind: ColumnType::Text, aggregate: project },
            at("created_at", Aggregate::Min(col("created_at"))),
            at("updated_at", Aggregate::Max(col("updated_at"))),
            // The newest of its events: what is exported later is greater.
            at("event_ts", Aggregate::Max(col("event_ts"))),
        ]);
    }
    table
}
