//! The rows that today's export selects, filter by filter, on the same stored data, as a promise that
//! every source keeps.
//!
//! `golden/e2e/filters.json` holds filters and the ids they were seen to match (the prefix `ev-` removed).
//! Where we select other rows on purpose, [`DIFFERENCES`] names the filter, what the document on
//! differences says of it, and our rows.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use model::filter::{SearchType, WireFilter, compile, compile_search};
use model::{
    ByteCount, Cursor, DeletedRows, Dialect, Expr, FieldProblem, Micros, ProjectId, ReadRequest, Reading, RunId,
    Source, StoredTable, VersionScope, Window,
};
use serde_json::Value;
use tables::analytics::{EVENT_TABLES, EventFacts, EventTable, event_table};

use super::{every_promise, keys, read_all};
use crate::memory::batch_from_json;

/// Filters that select other rows than today's export: name, what the document says, and our ids
/// (`None`: refused).
const DIFFERENCES: &[(&str, &str, Option<&str>)] = &[
    (
        "positionInTrace ignored",
        "`positionInTrace` is dropped by exports.",
        Some(
            "000 004 008 012 015 016 017 020 024 028 032 034 036 040 044 048 051 052 056 060 064 068 072 076 080 084 \
             085 088 092 096 100 102 104 108 112 116 119 120 124 128 132 136 140 144 148 152 153 156 160 164 168 170 \
             172 176 180 184 187 188 192 196",
        ),
    ),
    (
        "comment filter unresolved",
        // Nobody commented on this set.
        "Comment filters are a part of the language.",
        Some(""),
    ),
];

fn lines(name: &str) -> Vec<Value> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "golden", "e2e", name].iter().collect();
    BufReader::new(File::open(path).unwrap())
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

/// The events and scores of the golden set.
pub(crate) fn rows() -> Vec<(Arc<StoredTable>, Vec<RecordBatch>)> {
    let table = |stored: Arc<StoredTable>, file| {
        let batch = batch_from_json(&stored, &lines(file)).unwrap();
        (stored, vec![batch])
    };
    vec![table(tables::stored_events(), "events.jsonl"), table(tables::stored_scores(), "scores.jsonl")]
}

/// What today's export of the golden set reads: every event that started before August 2026.
fn request(table: &str, filter: Option<Expr>) -> ReadRequest {
    let table = tables::find(table).unwrap();
    let cutoff = Micros::parse_text("2026-08-01T00:00:00Z").unwrap();
    ReadRequest {
        run: RunId::new("golden"),
        project: ProjectId::new("proj-e2e"),
        columns: table.columns.clone(),
        table,
        filter,
        window: Window { from: None, to: Some(cutoff) },
        cursor: Cursor::StartTime,
        as_of: cutoff,
        snapshot: None,
        scores_since: None,
        batch_bytes_max: ByteCount::mebibytes(4),
        versions: VersionScope::default(),
        deleted: DeletedRows::LeftOut,
        row_bytes_max: ByteCount::mebibytes(100),
    }
}

/// A vector's filters and search as one predicate.
fn predicate(vector: &Value) -> Result<Option<Expr>, Vec<FieldProblem>> {
    let table = tables::find("events").unwrap();
    let filter = compile(&table, &WireFilter::from_json(&vector["filter"], "filter")?)?;
    let Some(query) = vector["searchQuery"].as_str() else { return Ok(filter) };
    let types = match vector["searchType"].as_array() {
        None => vec![SearchType::Id],
        Some(types) => types.iter().map(|name| SearchType::parse("search", name.as_str().unwrap()).unwrap()).collect(),
    };
    let search = compile_search(&table, query, &types).map_err(|problem| vec![problem])?;
    Ok(Some(match filter {
        Some(filter) => filter.and(search),
        None => search,
    }))
}

/// The ids that a filter selects, as the golden file writes them; `None` where it is refused.
async fn selected(source: &dyn Source, vector: &Value) -> Option<String> {
    let filter = predicate(vector).ok()?;
    // Comment filters are resolved before a source sees them; nobody commented on this set.
    let filter = filter.map(|filter| if matches!(filter, Expr::Comment(_)) { Expr::Or(vec![]) } else { filter });
    let bare = ReadRequest { columns: Vec::new(), ..request("events", filter) };
    let rows = read_all(source, &bare).await.unwrap();
    let mut ids: Vec<String> = keys(&rows).iter().map(|key| key.id.trim_start_matches("ev-").to_owned()).collect();
    ids.sort();
    Some(ids.join(" "))
}

/// The golden filters select the rows they always did, from a source that holds [`rows`].
pub(crate) async fn filters_select_the_rows_they_always_did(source: &dyn Source) {
    let vectors: Value =
        serde_json::from_reader(File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/e2e/filters.json")).unwrap())
            .unwrap();
    let mut unlisted = Vec::new();
    let mut listed = 0;
    for vector in vectors.as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        let ours = selected(source, vector).await;
        let expected = match DIFFERENCES.iter().find(|(listed, ..)| *listed == name) {
            Some((_, _, ours)) => {
                listed += 1;
                ours.map(str::to_owned)
            }
            None => vector["ids"].as_str().map(str::to_owned),
        };
        if ours != expected {
            unlisted
                .push(format!("{name}\n  filter   {}\n  expected {expected:?}\n  ours     {ours:?}", vector["filter"]));
        }
    }
    assert!(unlisted.is_empty(), "{} unlisted differences:\n{}", unlisted.len(), unlisted.join("\n"));
    assert_eq!(listed, DIFFERENCES.len(), "a listed difference names no vector");
}

#[test]
fn every_listed_difference_is_documented() {
    let document = include_str!("../../../../docs/differences-from-langfuse.md");
    for (_, said, _) in DIFFERENCES {
        assert!(document.contains(said), "docs/differences-from-langfuse.md does not say: {said}");
    }
}

/// All tables over the golden rows can be read, events by every promise.
pub(crate) async fn rows_keep_every_promise(source: &dyn Source) {
    for table in ["events", "observations", "scores", "sessions", "traces"] {
        let request = request(table, None);
        let rows = read_all(source, &request).await.unwrap();
        assert!(rows.num_rows() > 0 && rows.num_columns() == request.columns.len() + <dyn Reading>::KEY_COLUMNS);
        if table == "events" {
            every_promise(source, &request).await;
        }
    }
}

/// All tables over the golden rows are the same in two sources, row by row.
pub(crate) async fn agree(reference: &dyn Source, source: &dyn Source) {
    for table in ["events", "observations", "scores", "sessions", "traces"] {
        super::agrees(reference, source, &request(table, None)).await;
    }
    for (table, dialect) in EVENT_TABLES.into_iter().flat_map(|table| DIALECTS.map(|dialect| (table, dialect))) {
        super::agrees(reference, source, &events_request(table, dialect)).await;
    }
}

const DIALECTS: [Dialect; 2] = [Dialect::Langfuse, Dialect::Event];

/// What a delivery of events reads.
fn events_request(name: &str, dialect: Dialect) -> ReadRequest {
    let facts = EventFacts { project: ProjectId::new("proj-e2e"), project_name: Some("Name".to_owned()), dialect };
    let EventTable { table, keep, .. } = event_table(name, &facts).unwrap();
    ReadRequest { columns: table.columns.clone(), table, filter: keep, ..request("events", None) }
}
