//! Scores: one row per score. Corrections, which are texts of people, are none of them.

use model::{ColumnType, TableSpec};

use super::observations::millis;
use super::{event_ts, optional, same, spec};
use crate::build::{col, column, timestamp};

/// The kinds of scores that are exported.
pub(super) const LISTED: &str = r#"{"type":"stringOptions","column":"dataType","operator":"any of","value":["NUMERIC","BOOLEAN","CATEGORICAL","TEXT"]}"#;

pub(super) fn scores() -> TableSpec {
    let time = |name| millis(timestamp("core", name, name));
    let columns = vec![
        same("core", "id"),
        time("timestamp"),
        same("core", "project_id"),
        same("core", "environment"),
        optional("core", "trace_id"),
        optional("core", "observation_id"),
        optional("core", "session_id"),
        optional("core", "dataset_run_id"),
        same("core", "name"),
        column("core", "value", ColumnType::Float64, col("value")),
        same("core", "source"),
        optional("core", "comment"),
        same("core", "data_type"),
        optional("core", "string_value"),
        time("created_at"),
        time("updated_at"),
        event_ts(),
    ];
    spec("scores", crate::scores::table(), columns)
}
