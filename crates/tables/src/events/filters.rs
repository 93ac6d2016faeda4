//! What events can be filtered and searched by: every column that Langfuse's events table accepts,
//! under the same ids and names. Observations, which are the same rows, use the same list.

use model::{CompareOp, Expr, FilterColumn, FilterKind, ScoreFilters, ScoreLevel, SearchColumns};

use super::columns::trace_name;
use crate::build::{
    absent_text_filter, also_named, col, comment_filters, divide, equals_text, filter, full_text_filter, is_root,
    length, list_filter, map_get, metadata_filter, metadata_value, millis_between, null_if_empty, number_filter,
    score_filters, seconds, seconds_filter, sum_where_key_contains, text_filter,
};

pub(crate) fn filters() -> Vec<FilterColumn> {
    let mut columns = vec![
        text_filter("environment", "Environment", col("environment")),
        text_filter("ingestionApiKey", "API Key", col("ingestion_api_key")),
        text_filter("ingestionSdkName", "SDK Name", col("ingestion_sdk_name")),
        text_filter("ingestionSdkVersion", "SDK Version", col("ingestion_sdk_version")),
        text_filter("ingestionSource", "Ingestion Source", col("source")),
        text_filter("type", "Type", col("type")),
        text_filter("id", "ID", col("span_id")),
        text_filter("name", "Name", col("name")),
        text_filter("traceId", "Trace ID", col("trace_id")),
        filter("startTime", "Start Time", FilterKind::Time(col("start_time"))),
        filter("endTime", "End Time", FilterKind::Time(col("end_time"))),
        text_filter("level", "Level", col("level")),
        text_filter("statusMessage", "Status Message", col("status_message")),
        text_filter("model", "Model", col("provided_model_name")),
        text_filter("providedModelName", "Provided Model Name", col("provided_model_name")),
        text_filter("modelId", "Model ID", col("model_id")),
        metadata_filter(),
        text_filter("evaluatorId", "Evaluator ID", evaluator_id()),
        text_filter("ruleId", "Rule ID", rule_id()),
        text_filter("version", "Version", col("version")),
        absent_text_filter("release", "Release", col("release")),
        text_filter("promptName", "Prompt Name", col("prompt_name")),
        number_filter("promptVersion", "Prompt Version", col("prompt_version")),
        full_text_filter("input", "Input", col("input")),
        full_text_filter("output", "Output", col("output")),
        text_filter("sessionId", "Session ID", col("session_id")),
        text_filter("userId", "User ID", col("user_id")),
        text_filter("traceName", "Trace Name", trace_name()),
        list_filter("traceTags", "Trace Tags", col("tags")),
        list_filter("tags", "Tags", col("tags")),
        text_filter("traceEnvironment", "Trace Environment", col("environment")),
        absent_text_filter("parentObservationId", "Parent Observation ID", col("parent_span_id")),
        text_filter("experimentDatasetId", "Experiment Dataset ID", col("experiment_dataset_id")),
        text_filter("experimentName", "Experiment Name", col("experiment_name")),
        absent_text_filter("experimentId", "Experiment ID", col("experiment_id")),
        number_filter("toolDefinitions", "Available Tools", length(col("tool_definitions"))),
        number_filter("toolCalls", "Tool Calls", length(col("tool_calls"))),
        also_named(
            &["Available Tool Names"],
            list_filter("toolNames", "Tool Names", Expr::MapKeys(Box::new(col("tool_definitions")))),
        ),
        list_filter("calledToolNames", "Called Tool Names", col("tool_call_names")),
    ];
    columns.extend(measures());
    columns.extend(booleans());
    columns.extend(score_filters());
    columns.extend(trace_score_filters());
    columns.extend(comment_filters());
    columns.push(filter("positionInTrace", "Position in Trace", FilterKind::TracePosition));
    columns
}

pub(crate) fn search() -> SearchColumns {
    SearchColumns {
        id: ["span_id", "name", "trace_name", "user_id", "session_id", "trace_id"].map(col).to_vec(),
        input: Some(col("input")),
        output: Some(col("output")),
    }
}

fn measures() -> Vec<FilterColumn> {
    let millis_to = |end| millis_between(col("start_time"), col(end));
    let tokens_per_second = divide(sum_where_key_contains("usage_details", "output"), seconds(millis_to("end_time")));
    vec![
        seconds_filter("timeToFirstToken", "Time To First Token (s)", millis_to("completion_start_time")),
        seconds_filter("latency", "Latency (s)", millis_to("end_time")),
        number_filter("tokensPerSecond", "Tokens per second", tokens_per_second),
        number_filter("inputCost", "Input Cost ($)", sum_where_key_contains("cost_details", "input")),
        number_filter("outputCost", "Output Cost ($)", sum_where_key_contains("cost_details", "output")),
        also_named(&["Cost ($)"], number_filter("totalCost", "Total Cost ($)", map_get("cost_details", "total"))),
        number_filter("inputTokens", "Input Tokens", sum_where_key_contains("usage_details", "input")),
        number_filter("outputTokens", "Output Tokens", sum_where_key_contains("usage_details", "output")),
        number_filter("totalTokens", "Total Tokens", map_get("usage_details", "total")),
        number_filter("tokens", "Tokens", map_get("usage_details", "total")),
    ]
}

fn booleans() -> Vec<FilterColumn> {
    let not_empty = |name| equals_text(col(name), "").negate();
    let is_item_root = Expr::compare(col("experiment_item_root_span_id"), CompareOp::Eq, col("span_id"));
    [
        ("hasParentObservation", "Has Parent Observation", not_empty("parent_span_id")),
        ("isRootObservation", "Is Root Observation", is_root()),
        ("hasInput", "Has Input", not_empty("input")),
        ("hasOutput", "Has Output", not_empty("output")),
        ("isExperimentItemRootSpan", "Is Experiment Item Root Span", is_item_root),
    ]
    .into_iter()
    .map(|(id, title, predicate)| filter(id, title, FilterKind::Bool(predicate)))
    .collect()
}

fn trace_score_filters() -> Vec<FilterColumn> {
    let trace = |numbers, categories, booleans| FilterKind::Score {
        accepts: ScoreFilters { level: ScoreLevel::Trace, numbers, categories, booleans },
    };
    vec![
        filter("trace_scores_avg", "Trace Scores (numeric)", trace(true, false, false)),
        filter("trace_score_categories", "Trace Scores (categorical)", trace(false, true, false)),
        filter("trace_score_booleans", "Trace Scores (boolean)", trace(false, false, true)),
    ]
}

/// Metadata of evaluations; empty, not null, where the event is none.
fn evaluator_id() -> Expr {
    Expr::Coalesce(vec![metadata_value("evaluator_id"), Expr::text("")])
}

fn rule_id() -> Expr {
    let rule = null_if_empty(metadata_value("evaluation_rule_id"));
    Expr::Coalesce(vec![rule, metadata_value("job_configuration_id"), Expr::text("")])
}
