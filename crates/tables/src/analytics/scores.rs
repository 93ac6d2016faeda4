//! Scores of traces, observations, sessions and dataset runs, with attributes of their traces.

use std::sync::Arc;

use model::{
    Aggregate, AggregateColumn, Attached, ColumnSpec, ColumnType, EventKind, Expr, TableSpec, TimestampStyle,
    event_column,
};

use super::EventTable;
use super::property::{MIXPANEL_SESSION, POSTHOG_SESSION, Properties, event_column_of};
use crate::build::{col, if_then, metadata_value, null_if_empty};
use crate::{scores, traces};

/// Data types of scores that Langfuse lists; corrections are not.
const LISTED: [&str; 4] = ["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT"];

pub(super) fn table(of: &Properties<'_>) -> EventTable {
    let base = scores::table();
    let attached = base.attached.map(|mut attached: Attached| {
        attached.groups.columns.extend(more_of_trace());
        attached
    });
    let table = TableSpec { columns: columns(of), attached, ..base };
    EventTable { table: Arc::new(table), kind: EventKind::Score, keep: Some(keep()) }
}

/// Listed scores of something.
fn keep() -> Expr {
    let accepted = LISTED.map(str::to_owned).to_vec();
    let listed = Expr::In { value: Box::new(col("data_type")), accepted };
    listed.and(Expr::Or(["trace_id", "session_id", "dataset_run_id"].map(is_known).to_vec()))
}

fn is_known(column: &str) -> Expr {
    Expr::IsNull(Box::new(col(column))).negate()
}

/// What scores show of their traces in analytics alone.
fn more_of_trace() -> [AggregateColumn; 4] {
    let newest = |name, expr| AggregateColumn {
        name,
        kind: ColumnType::Text,
        aggregate: Aggregate::FirstNonEmpty(Expr::Coalesce(vec![expr, Expr::text("")])),
    };
    [
        newest("trace_session_id", col("session_id")),
        newest("trace_release", col("release")),
        newest("trace_posthog_session", metadata_value(POSTHOG_SESSION)),
        newest("trace_mixpanel_session", metadata_value(MIXPANEL_SESSION)),
    ]
}

fn columns(of: &Properties<'_>) -> Vec<ColumnSpec> {
    let known = |name, column| of.known(name, ColumnType::Text, col(column));
    let session = Expr::Coalesce(vec![null_if_empty(col("session_id")), null_if_empty(col("trace_session_id"))]);
    let mut columns = vec![
        of.timestamp("timestamp", TimestampStyle::SqlMillis),
        of.text("langfuse_score_name", "name"),
        of.always("langfuse_score_value", ColumnType::Float64, col("value")),
        known("langfuse_score_comment", "comment"),
        of.always("langfuse_score_metadata", ColumnType::text_map(), col("metadata")),
        known("langfuse_score_string_value", "string_value"),
        of.text("langfuse_score_data_type", "data_type"),
        of.text_or_empty("langfuse_trace_name", traces::name_of("trace_name", "trace_root_name")),
        known("langfuse_trace_id", "trace_id"),
        of.always(event_column::ID, ColumnType::Text, col("id")),
        of.known(event_column::SESSION, ColumnType::Text, session),
    ];
    columns.extend(of.project());
    columns.extend([
        of.user("trace_user_id"),
        of.known_text("langfuse_release", col("trace_release")),
        of.tags("trace_tags"),
        of.environment(),
        of.event_version(),
        of.always("langfuse_score_entity_type", ColumnType::Text, entity_type()),
        known("langfuse_dataset_run_id", "dataset_run_id"),
        of.text_or_empty(event_column_of(POSTHOG_SESSION), col("trace_posthog_session")),
        of.text_or_empty(event_column_of(MIXPANEL_SESSION), col("trace_mixpanel_session")),
    ]);
    columns
}

/// What the score is of, by its own ids.
fn entity_type() -> Expr {
    let kinds = [("dataset_run_id", "dataset_run"), ("session_id", "session"), ("trace_id", "trace")];
    kinds
        .into_iter()
        .fold(Expr::text("unknown"), |otherwise, (column, kind)| if_then(is_known(column), Expr::text(kind), otherwise))
}
