//! What traces can be filtered and searched by. Columns about observations look at the trace's
//! events together: counts and sums, and for `level` whether any event has it.

use model::{FilterColumn, FilterKind, SearchColumns};

use super::name;
use crate::build::{
    col, comment_filters, filter, full_text_filter, is_true, list_filter, metadata_filter, millis_between,
    null_if_empty, number_filter, score_filters, seconds_filter, text_filter,
};

pub(super) fn filters() -> Vec<FilterColumn> {
    let mut columns = vec![
        filter("bookmarked", "⭐️", FilterKind::Bool(is_true(col("bookmarked")))),
        list_filter("level", "Level", col("levels")),
        text_filter("id", "ID", col("id")),
        text_filter("traceId", "Trace ID", col("id")),
        text_filter("name", "Name", name()),
        text_filter("traceName", "Trace Name", name()),
        filter("timestamp", "Timestamp", FilterKind::Time(col("timestamp"))),
        text_filter("userId", "User ID", null_if_empty(col("user_id"))),
        text_filter("sessionId", "Session ID", null_if_empty(col("session_id"))),
        metadata_filter(),
        text_filter("version", "Version", null_if_empty(col("version"))),
        text_filter("release", "Release", null_if_empty(col("release"))),
        text_filter("environment", "Environment", col("environment")),
        list_filter("tags", "Tags", col("tags")),
        list_filter("traceTags", "Trace Tags", col("tags")),
        full_text_filter("input", "Input", col("input")),
        full_text_filter("output", "Output", col("output")),
        number_filter("warningCount", "Warning Level Count", col("warning_count")),
        number_filter("errorCount", "Error Level Count", col("error_count")),
        number_filter("defaultCount", "Default Level Count", col("default_count")),
        number_filter("debugCount", "Debug Level Count", col("debug_count")),
        number_filter("inputTokens", "Input Tokens", col("input_tokens")),
        number_filter("outputTokens", "Output Tokens", col("output_tokens")),
        number_filter("totalTokens", "Total Tokens", col("total_tokens")),
        number_filter("tokens", "Tokens", col("total_tokens")),
        seconds_filter("latency", "Latency (s)", millis_between(col("timestamp"), col("last_end"))),
        number_filter("inputCost", "Input Cost ($)", col("input_cost")),
        number_filter("outputCost", "Output Cost ($)", col("output_cost")),
        number_filter("totalCost", "Total Cost ($)", col("total_cost")),
    ];
    columns.extend(score_filters());
    columns.extend(comment_filters());
    columns
}

pub(super) fn search() -> SearchColumns {
    SearchColumns {
        id: vec![col("id"), col("user_id"), name()],
        input: Some(col("input")),
        output: Some(col("output")),
    }
}
