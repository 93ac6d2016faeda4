//! Stored scores: the columns of ClickHouse's `scores`.

use model::{ColumnType, StoredTable};

use super::{imported_at, nullable, plain, required, text, text_or};

pub(super) fn table() -> StoredTable {
    let optional_text = |name| nullable(name, ColumnType::Text);
    StoredTable {
        name: "scores",
        columns: vec![
            required("id", ColumnType::Text),
            required("timestamp", ColumnType::Timestamp),
            required("project_id", ColumnType::Text),
            text_or("environment", "default"),
            optional_text("trace_id"),
            optional_text("session_id"),
            optional_text("dataset_run_id"),
            optional_text("observation_id"),
            required("name", ColumnType::Text),
            plain("value", ColumnType::Float64),
            text("source"),
            optional_text("comment"),
            plain("metadata", ColumnType::text_map()),
            optional_text("author_user_id"),
            optional_text("config_id"),
            required("data_type", ColumnType::Text),
            optional_text("string_value"),
            optional_text("queue_id"),
            imported_at("created_at"),
            imported_at("updated_at"),
            imported_at("event_ts"),
            plain("is_deleted", ColumnType::Bool),
            optional_text("execution_trace_id"),
            text("long_string_value"),
            text("ingestion_api_key"),
            text_or("ingestion_sdk_name", "unknown"),
            text_or("ingestion_sdk_version", "unknown"),
        ],
        key: &["project_id", "id"],
        time: "timestamp",
        version: "event_ts",
        deleted: "is_deleted",
        ingested: "updated_at",
    }
}
