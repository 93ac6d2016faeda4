//! Columns of the events export. The first 32 and their order are Langfuse's; the rest is opt-in
//! and completes them, so that an export of all columns holds everything that is stored.

use model::{ColumnSpec, ColumnType, Expr};

use crate::build::{
    col, column, comments, flag, if_then, is_root, millis_between, null, null_if_empty, nullable, opt_in, payload,
    text, timestamp, total_cost_or_zero, truth, zip_map,
};

pub(super) fn columns() -> Vec<ColumnSpec> {
    let opt_in_columns = own().into_iter().chain(experiment()).chain(ingestion()).map(opt_in);
    default_columns().into_iter().chain(opt_in_columns).collect()
}

fn default_columns() -> Vec<ColumnSpec> {
    let usage = ColumnType::Map(Box::new(ColumnType::UInt64));
    let cost = ColumnType::Map(Box::new(ColumnType::COST));
    let millis_to = |end| millis_between(col("start_time"), col(end));
    vec![
        text("core", "id", "span_id"),
        text("core", "traceId", "trace_id"),
        nullable(column("trace_context", "traceName", ColumnType::Text, trace_name())),
        text("core", "type", "type"),
        text("basic", "name", "name"),
        timestamp("core", "startTime", "start_time"),
        nullable(timestamp("core", "endTime", "end_time")),
        nullable(timestamp("time", "completionStartTime", "completion_start_time")),
        text("basic", "environment", "environment"),
        text("basic", "version", "version"),
        text("basic", "userId", "user_id"),
        text("basic", "sessionId", "session_id"),
        text("basic", "level", "level"),
        text("basic", "statusMessage", "status_message"),
        text("prompt", "promptName", "prompt_name"),
        text("prompt", "promptId", "prompt_id"),
        nullable(column("prompt", "promptVersion", ColumnType::Int64, col("prompt_version"))),
        text("model", "modelId", "model_id"),
        text("model", "providedModelName", "provided_model_name"),
        column("model", "modelParameters", ColumnType::Text, model_parameters()),
        column("usage", "usageDetails", usage, col("usage_details")),
        column("usage", "costDetails", cost, col("cost_details")),
        column("usage", "totalCost", ColumnType::COST, total_cost_or_zero()),
        payload(text("io", "input", "input")),
        payload(text("io", "output", "output")),
        column("metadata", "metadata", ColumnType::text_map(), zip_map("metadata_names", "metadata_values")),
        nullable(column("metrics", "latencyMs", ColumnType::Int64, millis_to("end_time"))),
        nullable(column("metrics", "timeToFirstTokenMs", ColumnType::Int64, millis_to("completion_start_time"))),
        column("trace_context", "tags", ColumnType::text_list(), col("tags")),
        text("trace_context", "release", "release"),
        text("core", "parentObservationId", "parent_span_id"),
        comments(),
    ]
}

/// The parameters of the model's call: as stored, and where that is null, as only the tables of version 3 have it, what
/// Langfuse's migration writes into the event.
pub(crate) fn model_parameters() -> Expr {
    Expr::Coalesce(vec![col("model_parameters"), Expr::text("{}")])
}

/// The trace's name: as stored, else a root's own name, else null.
pub(crate) fn trace_name() -> Expr {
    let own_name = if_then(is_root(), null_if_empty(col("name")), null());
    Expr::Coalesce(vec![null_if_empty(col("trace_name")), own_name])
}

/// What the event itself says beyond the default columns. The group `stored` is what other columns
/// show only as derived: without it an import could not restore a row exactly.
fn own() -> Vec<ColumnSpec> {
    let usage = ColumnType::Map(Box::new(ColumnType::UInt64));
    let cost = ColumnType::Map(Box::new(ColumnType::COST));
    vec![
        text("core", "projectId", "project_id"),
        flag("basic", "bookmarked", "bookmarked"),
        flag("basic", "public", "public"),
        column("basic", "isRootObservation", ColumnType::Bool, truth(is_root())),
        timestamp("time", "createdAt", "created_at"),
        timestamp("time", "updatedAt", "updated_at"),
        nullable(text("usage", "usagePricingTierId", "usage_pricing_tier_id")),
        nullable(text("usage", "usagePricingTierName", "usage_pricing_tier_name")),
        column("tools", "toolDefinitions", ColumnType::text_map(), col("tool_definitions")),
        column("tools", "toolCalls", ColumnType::text_list(), col("tool_calls")),
        column("tools", "toolCallNames", ColumnType::text_list(), col("tool_call_names")),
        text("stored", "storedTraceName", "trace_name"),
        flag("stored", "isAppRoot", "is_app_root"),
        column("stored", "providedUsageDetails", usage, col("provided_usage_details")),
        column("stored", "providedCostDetails", cost, col("provided_cost_details")),
    ]
}

fn experiment() -> Vec<ColumnSpec> {
    let pairs = |name, names, values| column("experiment", name, ColumnType::text_map(), zip_map(names, values));
    vec![
        text("experiment", "experimentId", "experiment_id"),
        text("experiment", "experimentName", "experiment_name"),
        pairs("experimentMetadata", "experiment_metadata_names", "experiment_metadata_values"),
        text("experiment", "experimentDescription", "experiment_description"),
        text("experiment", "experimentDatasetId", "experiment_dataset_id"),
        text("experiment", "experimentItemId", "experiment_item_id"),
        nullable(timestamp("experiment", "experimentItemVersion", "experiment_item_version")),
        text("experiment", "experimentItemExpectedOutput", "experiment_item_expected_output"),
        pairs("experimentItemMetadata", "experiment_item_metadata_names", "experiment_item_metadata_values"),
        text("experiment", "experimentItemRootSpanId", "experiment_item_root_span_id"),
    ]
}

/// How the event was sent and stored.
fn ingestion() -> Vec<ColumnSpec> {
    vec![
        text("service", "serviceName", "service_name"),
        text("service", "serviceVersion", "service_version"),
        text("service", "scopeName", "scope_name"),
        text("service", "scopeVersion", "scope_version"),
        text("service", "telemetrySdkLanguage", "telemetry_sdk_language"),
        text("service", "telemetrySdkName", "telemetry_sdk_name"),
        text("service", "telemetrySdkVersion", "telemetry_sdk_version"),
        text("ingestion", "source", "source"),
        text("ingestion", "ingestionApiKey", "ingestion_api_key"),
        text("ingestion", "ingestionSdkName", "ingestion_sdk_name"),
        text("ingestion", "ingestionSdkVersion", "ingestion_sdk_version"),
        text("ingestion", "blobStorageFilePath", "blob_storage_file_path"),
        column("ingestion", "eventBytes", ColumnType::UInt64, col("event_bytes")),
        timestamp("ingestion", "eventTs", "event_ts"),
    ]
}
