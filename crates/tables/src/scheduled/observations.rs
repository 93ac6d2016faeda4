//! Events, and observations in the older layout: one row per event.

use model::{ColumnSpec, ColumnType, Expr, FieldRole, PriceOf, TableSpec, TimestampStyle};

use super::{event_ts, optional, same, spec};
use crate::build::{
    col, column, flag, is_root, map_get, millis_between, nullable, optional_text, payload, seconds, text, timestamp,
    total_cost_or_zero, truth, zip_map,
};
use crate::events::columns::{model_parameters, trace_name};

/// Field groups, in the order of files.
pub(super) const GROUPS: [&str; 11] =
    ["core", "basic", "time", "io", "metadata", "model", "usage", "prompt", "metrics", "trace_context", "tools"];

/// Events: times have microseconds, and what is absent is empty as it is stored.
pub(super) fn events() -> TableSpec {
    let mut columns = vec![
        text("core", "id", "span_id"),
        same("core", "trace_id"),
        timestamp("core", "start_time", "start_time"),
        nullable(timestamp("core", "end_time", "end_time")),
        same("core", "project_id"),
        text("core", "parent_observation_id", "parent_span_id"),
        same("core", "type"),
        same("basic", "name"),
        same("basic", "level"),
        same("basic", "status_message"),
        same("basic", "version"),
        same("basic", "environment"),
        flag("basic", "bookmarked", "bookmarked"),
        flag("basic", "public", "public"),
        same("basic", "user_id"),
        same("basic", "session_id"),
        column("basic", "is_root_observation", ColumnType::Bool, truth(is_root())),
        nullable(timestamp("time", "completion_start_time", "completion_start_time")),
        timestamp("time", "created_at", "created_at"),
        timestamp("time", "updated_at", "updated_at"),
        metadata(),
        same("model", "provided_model_name"),
        same("model", "model_id"),
        payload(column("model", "model_parameters", ColumnType::Text, model_parameters())),
        usage_details(),
        cost_details(),
        column("usage", "total_cost", ColumnType::COST, total_cost_or_zero()),
        optional("usage", "usage_pricing_tier_id"),
        optional("usage", "usage_pricing_tier_name"),
        same("prompt", "prompt_id"),
        same("prompt", "prompt_name"),
        nullable(column("prompt", "prompt_version", ColumnType::Int64, col("prompt_version"))),
    ];
    columns.extend(durations());
    columns.extend([
        column("trace_context", "tags", ColumnType::text_list(), col("tags")),
        same("trace_context", "release"),
        // Never null: an unknown name is empty.
        column("trace_context", "trace_name", ColumnType::Text, Expr::Coalesce(vec![trace_name(), Expr::text("")])),
        tool_definitions(),
        tool_calls(),
        tool_call_names(),
        payload(same("io", "input")),
        payload(same("io", "output")),
    ]);
    columns.extend(prices());
    columns.push(event_ts());
    spec("observations_v2", crate::events::table(), columns)
}

/// The older layout: times have milliseconds, and what is absent is null.
pub(super) fn observations() -> TableSpec {
    let time = |group, name| millis(timestamp(group, name, name));
    let absent = |group, name| optional_text(group, name, name);
    let [latency, time_to_first_token] = durations();
    let mut columns = vec![
        text("core", "id", "span_id"),
        same("core", "trace_id"),
        same("core", "project_id"),
        same("basic", "environment"),
        same("core", "type"),
        optional_text("core", "parent_observation_id", "parent_span_id"),
        time("core", "start_time"),
        nullable(time("core", "end_time")),
        same("basic", "name"),
        metadata(),
        same("basic", "level"),
        absent("basic", "status_message"),
        absent("basic", "version"),
        payload(absent("io", "input")),
        payload(absent("io", "output")),
        absent("model", "provided_model_name"),
        payload(absent("model", "model_parameters")),
        usage_details(),
        cost_details(),
        nullable(time("time", "completion_start_time")),
        absent("prompt", "prompt_name"),
        nullable(column("prompt", "prompt_version", ColumnType::Int64, col("prompt_version"))),
        nullable(column("usage", "total_cost", ColumnType::COST, map_get("cost_details", "total"))),
        latency,
        time_to_first_token,
        absent("model", "model_id"),
        time("time", "created_at"),
        time("time", "updated_at"),
        absent("prompt", "prompt_id"),
        tool_calls(),
        tool_call_names(),
        tool_definitions(),
        optional("usage", "usage_pricing_tier_name"),
    ];
    columns.extend(prices());
    columns.push(event_ts());
    spec("observations", crate::observations::table(), columns)
}

/// A time printed with three digits.
pub(super) fn millis(column: ColumnSpec) -> ColumnSpec {
    ColumnSpec { timestamps: TimestampStyle::SqlMillis, ..column }
}

pub(super) fn metadata() -> ColumnSpec {
    column("metadata", "metadata", ColumnType::text_map(), zip_map("metadata_names", "metadata_values"))
}

fn usage_details() -> ColumnSpec {
    column("usage", "usage_details", ColumnType::Map(Box::new(ColumnType::UInt64)), col("usage_details"))
}

fn cost_details() -> ColumnSpec {
    column("usage", "cost_details", ColumnType::Map(Box::new(ColumnType::COST)), col("cost_details"))
}

/// Latency and time to first token, in seconds.
fn durations() -> [ColumnSpec; 2] {
    [("latency", "end_time"), ("time_to_first_token", "completion_start_time")].map(|(name, end)| {
        let elapsed = seconds(millis_between(col("start_time"), col(end)));
        nullable(column("metrics", name, ColumnType::Float64, elapsed))
    })
}

fn tool_definitions() -> ColumnSpec {
    column("tools", "tool_definitions", ColumnType::text_map(), col("tool_definitions"))
}

fn tool_calls() -> ColumnSpec {
    column("tools", "tool_calls", ColumnType::text_list(), col("tool_calls"))
}

fn tool_call_names() -> ColumnSpec {
    column("tools", "tool_call_names", ColumnType::text_list(), col("tool_call_names"))
}

/// Prices of the event's model.
fn prices() -> [ColumnSpec; 3] {
    [("input_price", PriceOf::Input), ("output_price", PriceOf::Output), ("total_price", PriceOf::Total)]
        .map(|(name, of)| ColumnSpec { role: FieldRole::Price(of), ..optional_text("model", name, "model_id") })
}
