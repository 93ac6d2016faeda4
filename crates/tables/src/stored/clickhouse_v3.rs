//! Where version 3 keeps what became events: observations and traces, each in a table of its own.
//!
//! A row of observations is an event with attributes of its trace. For groups (traces, sessions) a trace
//! is an event too, the root of its trace, called `t-` and the trace's id, as Langfuse's own migration
//! makes it; observations without parent hang below it.

use model::{Joined, PhysicalTable, Serves};

pub(super) fn tables() -> Vec<PhysicalTable> {
    vec![observations(), observations_of_groups(), traces()]
}

const TRACE: Joined = Joined { name: "traces", by: "t.trace_id", id: "id" };
const SORTING_KEY: &str = "project_id, type, toDate(start_time), id";
const PAYLOADS: &[&str] = &["input", "output", "metadata_names", "metadata_values"];

/// Observations as rows.
fn observations() -> PhysicalTable {
    PhysicalTable {
        stored: "events",
        layout: "v3",
        serves: Serves::Rows,
        name: "observations",
        columns: &[
            ("span_id", "t.id"),
            ("parent_span_id", "ifNull(t.parent_observation_id, '')"),
            ("model_id", "ifNull(t.internal_model_id, '')"),
            // Null stays null, and each table says what that is: `{}` in events, null in observations.
            ("model_parameters", "toNullable(t.model_parameters)"),
            ("metadata_names", "CAST(mapKeys(t.metadata) AS Array(String))"),
            ("metadata_values", "mapValues(t.metadata)"),
            ("trace_name", "ifNull(j.name, '')"),
            ("user_id", "ifNull(j.user_id, '')"),
            ("session_id", "ifNull(j.session_id, '')"),
            ("release", "ifNull(j.release, '')"),
            ("public", "j.public"),
            ("tags", "j.tags"),
        ],
        joined: Some(TRACE),
        sorting_key: SORTING_KEY,
        row_bytes: None,
        payloads: PAYLOADS,
    }
}

/// Observations as members of groups: what is said of the trace comes from its own row.
fn observations_of_groups() -> PhysicalTable {
    PhysicalTable {
        serves: Serves::Groups,
        columns: &[
            ("span_id", "t.id"),
            ("parent_span_id", "ifNull(t.parent_observation_id, concat('t-', t.trace_id))"),
            ("model_id", "ifNull(t.internal_model_id, '')"),
            ("metadata_names", "CAST(mapKeys(t.metadata) AS Array(String))"),
            ("metadata_values", "mapValues(t.metadata)"),
            ("session_id", "ifNull(j.session_id, '')"),
        ],
        ..observations()
    }
}

/// Traces as the roots of their groups.
fn traces() -> PhysicalTable {
    PhysicalTable {
        serves: Serves::Groups,
        name: "traces",
        columns: &[
            ("span_id", "concat('t-', t.id)"),
            ("trace_id", "t.id"),
            ("parent_span_id", "''"),
            ("start_time", "t.timestamp"),
            ("trace_name", "t.name"),
            ("metadata_names", "CAST(mapKeys(t.metadata) AS Array(String))"),
            ("metadata_values", "mapValues(t.metadata)"),
        ],
        joined: None,
        sorting_key: "project_id, toDate(timestamp), id",
        ..observations()
    }
}
