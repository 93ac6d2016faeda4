//! Events: one row per observation, with the columns of Langfuse's batch export and, on request,
//! everything else that is stored.

pub(crate) mod columns;
pub(crate) mod filters;

use model::{ObjectKind, OrderColumns, Relation, TableName, TableSpec};

use crate::stored::stored_events;

pub(crate) fn table() -> TableSpec {
    TableSpec {
        name: TableName::new("events"),
        doc: "one row per event (span, generation, tool call, …) with its trace's attributes",
        relation: Relation::Stored(stored_events()),
        attached: None,
        order: OrderColumns { time: "start_time", trace_id: Some("trace_id"), id: "span_id" },
        columns: columns::columns(),
        filters: filters::filters(),
        search: filters::search(),
        comments: Some(ObjectKind::Observation),
        scores: true,
    }
}
