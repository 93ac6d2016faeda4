//! Where a Langfuse deployment keeps events and scores in ClickHouse: physical names only.
//!
//! Columns are called there what they are called here, so only what differs is written down.

use model::{PhysicalTable, Serves};

use super::clickhouse_v3;

/// Every known place of the stored tables. Of several layouts the first one that holds rows is read.
pub fn clickhouse_tables() -> Vec<PhysicalTable> {
    let mut tables = vec![events(), scores()];
    tables.extend(clickhouse_v3::tables());
    tables
}

/// Version 4: one row per observation with the attributes of its trace.
fn events() -> PhysicalTable {
    PhysicalTable {
        stored: "events",
        layout: "v4",
        serves: Serves::Everything,
        name: "events_full",
        columns: &[],
        joined: None,
        sorting_key: "project_id, toStartOfMinute(start_time), xxHash32(trace_id), span_id, start_time",
        row_bytes: Some("event_bytes"),
        payloads: &["input", "output", "metadata_names", "metadata_values"],
    }
}

/// Scores are the same in versions 3 and 4.
fn scores() -> PhysicalTable {
    PhysicalTable {
        stored: "scores",
        layout: "v3 and v4",
        serves: Serves::Everything,
        name: "scores",
        columns: &[],
        joined: None,
        sorting_key: "project_id, toDate(timestamp), name, id",
        row_bytes: None,
        payloads: &["comment", "long_string_value", "metadata"],
    }
}
