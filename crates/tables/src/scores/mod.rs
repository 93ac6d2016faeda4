//! Scores: one row per live score of any kind, with name, user and tags of its trace.
//!
//! Those are what the traces table shows, from the live events of the trace, and null where there are
//! none. Langfuse also shows the author's name, which the store does not know: it is null beside the
//! author's id.

use model::{
    Attached, ColumnSpec, ColumnType, Expr, FilterColumn, FilterKind, Grouped, OrderColumns, Relation, SearchColumns,
    TableName, TableSpec,
};

use crate::build::{
    absent_text_filter, also_named, col, column, equals_text, filter, if_then, iso_millis, list_filter, map_get, null,
    null_if_empty, nullable, number_filter, opt_in, optional_text, text, text_filter, timestamp,
};
use crate::stored::{stored_events, stored_scores};
use crate::traces::{aggregates, name_of};

pub(crate) fn table() -> TableSpec {
    TableSpec {
        name: TableName::new("scores"),
        doc: "one row per score of a trace, observation, session or dataset run",
        relation: Relation::Stored(stored_scores()),
        attached: Some(Attached {
            on: "trace_id",
            groups: Grouped { over: stored_events(), by: "trace_id", keep: None, columns: aggregates::of_score() },
        }),
        order: OrderColumns { time: "timestamp", trace_id: Some("trace_id"), id: "id" },
        columns: columns(),
        filters: filters(),
        search: SearchColumns::default(),
        comments: None,
        scores: false,
    }
}

/// The name of the score's trace.
fn trace_name() -> Expr {
    name_of("trace_name", "trace_root_name")
}

fn columns() -> Vec<ColumnSpec> {
    let optional = |group, name, stored| nullable(text(group, name, stored));
    let mut columns = vec![
        text("core", "id", "id"),
        optional("core", "traceId", "trace_id"),
        optional("core", "sessionId", "session_id"),
        optional("core", "datasetRunId", "dataset_run_id"),
        iso_millis(timestamp("core", "timestamp", "timestamp")),
        text("basic", "source", "source"),
        text("basic", "name", "name"),
        text("basic", "dataType", "data_type"),
        column("basic", "value", ColumnType::Float64, col("value")),
        optional("basic", "stringValue", "string_value"),
        optional("basic", "comment", "comment"),
        column("metadata", "metadata", ColumnType::text_map(), col("metadata")),
        optional("core", "observationId", "observation_id"),
        nullable(column("trace_context", "traceName", ColumnType::Text, trace_name())),
        optional_text("trace_context", "userId", "trace_user_id"),
        nullable(column("trace_context", "traceTags", ColumnType::text_list(), col("trace_tags"))),
        text("basic", "environment", "environment"),
        nullable(column("basic", "authorUserName", ColumnType::Text, null())),
    ];
    columns.extend(
        [
            text("core", "projectId", "project_id"),
            optional("basic", "authorUserId", "author_user_id"),
            optional("basic", "configId", "config_id"),
            optional("basic", "queueId", "queue_id"),
            optional("basic", "executionTraceId", "execution_trace_id"),
            text("basic", "longStringValue", "long_string_value"),
            timestamp("time", "createdAt", "created_at"),
            timestamp("time", "updatedAt", "updated_at"),
            text("ingestion", "ingestionApiKey", "ingestion_api_key"),
            text("ingestion", "ingestionSdkName", "ingestion_sdk_name"),
            text("ingestion", "ingestionSdkVersion", "ingestion_sdk_version"),
            timestamp("ingestion", "eventTs", "event_ts"),
        ]
        .map(opt_in),
    );
    columns
}

fn filters() -> Vec<FilterColumn> {
    let evaluator = Expr::Coalesce(vec![
        null_if_empty(map_get("metadata", "evaluator_id")),
        map_get("metadata", "job_configuration_id"),
        Expr::text(""),
    ]);
    // `True` or `False`, as stored; other scores have no such value.
    let boolean = if_then(equals_text(col("data_type"), "BOOLEAN"), col("string_value"), null());
    vec![
        text_filter("id", "ID", col("id")),
        filter("timestamp", "Timestamp", FilterKind::Time(col("timestamp"))),
        text_filter("environment", "Environment", col("environment")),
        text_filter("traceId", "Trace ID", col("trace_id")),
        absent_text_filter("observationId", "Observation ID", col("observation_id")),
        text_filter("sessionId", "Session ID", col("session_id")),
        text_filter("name", "Name", col("name")),
        text_filter("evaluatorId", "Evaluator ID", evaluator),
        number_filter("value", "Value", col("value")),
        text_filter("booleanValue", "Boolean Value", boolean),
        text_filter("source", "Source", col("source")),
        text_filter("comment", "Comment", col("comment")),
        text_filter("authorUserId", "Author User ID", col("author_user_id")),
        text_filter("dataType", "Data Type", col("data_type")),
        text_filter("stringValue", "String Value", col("string_value")),
        filter("metadata", "Metadata", FilterKind::TextMap(col("metadata"))),
        text_filter("traceName", "Trace Name", trace_name()),
        text_filter("userId", "User ID", null_if_empty(col("trace_user_id"))),
        also_named(&["traceTags"], list_filter("trace_tags", "Trace Tags", col("trace_tags"))),
    ]
}
