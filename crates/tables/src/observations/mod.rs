//! Observations: the same rows as events, with the columns of Langfuse's observations export.
//!
//! Times are ISO with milliseconds, durations are seconds, and what is absent is null instead of
//! empty. Prices are those of the model by default; the trace's timestamp is not part of the stored
//! data, its column is there and null.

use model::{
    ColumnSpec, ColumnType, Expr, FieldRole, ObjectKind, OrderColumns, PriceOf, Relation, TableName, TableSpec,
};

use crate::build::{
    col, column, comments, integer, iso_millis, length, map_get, millis_between, null, nullable, opt_in, optional_text,
    payload, seconds, sum_where_key_contains, text, timestamp, total_cost_or_zero, zip_map,
};
use crate::events::{columns::trace_name, filters};
use crate::stored::stored_events;

pub(crate) fn table() -> TableSpec {
    TableSpec {
        name: TableName::new("observations"),
        doc: "one row per observation, in the older column layout",
        relation: Relation::Stored(stored_events()),
        attached: None,
        order: OrderColumns { time: "start_time", trace_id: Some("trace_id"), id: "span_id" },
        columns: columns(),
        filters: filters::filters(),
        search: filters::search(),
        comments: Some(ObjectKind::Observation),
        scores: true,
    }
}

fn columns() -> Vec<ColumnSpec> {
    let mut columns = own();
    columns.extend(measures());
    columns.extend(attached());
    columns
}

fn own() -> Vec<ColumnSpec> {
    let time = |group, name, stored| iso_millis(timestamp(group, name, stored));
    vec![
        text("core", "id", "span_id"),
        text("core", "traceId", "trace_id"),
        time("core", "startTime", "start_time"),
        nullable(time("core", "endTime", "end_time")),
        text("core", "projectId", "project_id"),
        optional_text("core", "parentObservationId", "parent_span_id"),
        text("core", "type", "type"),
        text("basic", "environment", "environment"),
        text("basic", "name", "name"),
        text("basic", "level", "level"),
        optional_text("basic", "statusMessage", "status_message"),
        optional_text("basic", "version", "version"),
        time("time", "createdAt", "created_at"),
        time("time", "updatedAt", "updated_at"),
        payload(optional_text("io", "input", "input")),
        payload(optional_text("io", "output", "output")),
        column("metadata", "metadata", ColumnType::text_map(), zip_map("metadata_names", "metadata_values")),
        optional_text("model", "model", "provided_model_name"),
        optional_text("model", "internalModelId", "model_id"),
        payload(optional_text("model", "modelParameters", "model_parameters")),
        nullable(time("time", "completionStartTime", "completion_start_time")),
        optional_text("prompt", "promptId", "prompt_id"),
        optional_text("prompt", "promptName", "prompt_name"),
        nullable(column("prompt", "promptVersion", ColumnType::Int64, col("prompt_version"))),
    ]
}

fn measures() -> Vec<ColumnSpec> {
    let usage_map = || ColumnType::Map(Box::new(ColumnType::UInt64));
    let cost_map = || ColumnType::Map(Box::new(ColumnType::COST));
    let seconds_to = |name, end| {
        nullable(column("metrics", name, ColumnType::Float64, seconds(millis_between(col("start_time"), col(end)))))
    };
    let cost = |name, expr| column("usage", name, ColumnType::COST, expr);
    let tokens = |name, expr| column("usage", name, ColumnType::UInt64, expr);
    let total_tokens = Expr::Coalesce(vec![map_get("usage_details", "total"), integer(0)]);
    vec![
        seconds_to("latency", "end_time"),
        seconds_to("timeToFirstToken", "completion_start_time"),
        column("usage", "providedUsageDetails", usage_map(), col("provided_usage_details")),
        column("usage", "usageDetails", usage_map(), col("usage_details")),
        column("usage", "costDetails", cost_map(), col("cost_details")),
        column("usage", "providedCostDetails", cost_map(), col("provided_cost_details")),
        cost("inputCost", sum_where_key_contains("cost_details", "input")),
        cost("outputCost", sum_where_key_contains("cost_details", "output")),
        cost("totalCost", total_cost_or_zero()),
        tokens("inputUsage", sum_where_key_contains("usage_details", "input")),
        tokens("outputUsage", sum_where_key_contains("usage_details", "output")),
        tokens("totalUsage", total_tokens),
        nullable(text("usage", "usagePricingTierId", "usage_pricing_tier_id")),
        nullable(text("usage", "usagePricingTierName", "usage_pricing_tier_name")),
    ]
}

/// A price of the event's model.
fn price(name: &str, of: PriceOf) -> ColumnSpec {
    ColumnSpec { role: FieldRole::Price(of), ..optional_text("model", name, "model_id") }
}

/// Tools, the trace, the model and its prices.
fn attached() -> Vec<ColumnSpec> {
    let count = |name, stored| column("tools", name, ColumnType::Int64, length(col(stored)));
    vec![
        column("tools", "toolDefinitions", ColumnType::text_map(), col("tool_definitions")),
        column("tools", "toolCalls", ColumnType::text_list(), col("tool_calls")),
        column("tools", "toolCallNames", ColumnType::text_list(), col("tool_call_names")),
        nullable(column("trace_context", "traceName", ColumnType::Text, trace_name())),
        column("trace_context", "traceTags", ColumnType::text_list(), col("tags")),
        iso_millis(nullable(column("trace_context", "traceTimestamp", ColumnType::Timestamp, null()))),
        optional_text("trace_context", "userId", "user_id"),
        count("toolDefinitionsCount", "tool_definitions"),
        count("toolCallsCount", "tool_calls"),
        optional_text("model", "modelId", "model_id"),
        price("inputPrice", PriceOf::Input),
        price("outputPrice", PriceOf::Output),
        price("totalPrice", PriceOf::Total),
        comments(),
        opt_in(timestamp("ingestion", "eventTs", "event_ts")),
    ]
}
