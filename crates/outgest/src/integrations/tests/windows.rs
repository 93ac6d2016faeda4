//! Single windows: what lies at the destination, and what becomes of faults.

use std::sync::Arc;

use destinations::memory::MemoryDestination;
use destinations::{Call, Trouble};
use futures_util::StreamExt;
use model::{
    ByteCount, Cadence, Compression, Cursor, Deletions, Fault, FaultKind, FileName, IntegrationSettings,
    IntegrationStatus, IntegrationStore, JobStore, Micros, Outcome, RawSchedule, RowCount, RunCause, RunState,
    Schedule, SchedulerStore, SchemaRule, Start, Stop, WindowManifest,
};
use pipeline::{Budget, FilesRead, Verification};
use serde_json::{Value, json};

use super::ledger::Ledger;
use super::world::{EPOCH, NoWaits, World, minute, project};
use crate::export::Request;

pub(super) fn event(id: &str, started: i64, stored: i64, change: Value) -> Value {
    let mut row = json!({
        "project_id": project(), "trace_id": "t1", "span_id": id, "name": "chat", "type": "SPAN",
        "start_time": minute(started), "updated_at": minute(stored), "created_at": minute(stored),
        "event_ts": minute(stored), "is_deleted": false, "input": "in", "output": "out",
        "metadata_names": ["k"], "metadata_values": ["v"],
    });
    row.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    row
}

pub(super) fn name(key: &str) -> FileName {
    FileName::new(key).unwrap()
}

pub(super) fn manifest(world: &World, key: &str) -> WindowManifest {
    serde_json::from_slice(&world.shelf.files.bytes(key).unwrap()).unwrap()
}

pub(super) fn keys(world: &World) -> Vec<String> {
    world.shelf.files.files().into_keys().map(|name| name.to_string()).collect()
}

#[tokio::test]
async fn a_window_has_langfuses_files_and_a_manifest_that_proves_them() {
    let world = World::new().await;
    world.append("events", &[event("a", 10, 20, json!({})), event("b", 10, 70, json!({}))], EPOCH);
    let made = world.integration("out", |_| {}).await;
    world.work(minute(70)).await;

    let files = [
        "out/p/manifests/2026-08-01T01-00-00.json",
        "out/p/observations_v2/2026-08-01T01-00-00.jsonl",
        "out/p/scores/2026-08-01T01-00-00.jsonl",
    ];
    assert_eq!(keys(&world), files);
    let rows = world.shelf.lines(&name(files[1]));
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0]["id"].as_str(), rows[0]["metadata"]["k"].as_str()), (Some("a"), Some("v")));
    assert_eq!(rows[0]["start_time"], "2026-08-01 00:10:00.000000");
    assert_eq!(
        (rows[0]["event_ts"].as_str(), &rows[0]["is_deleted"]),
        (Some("2026-08-01 00:20:00.000000"), &json!(false))
    );
    let manifest = manifest(&world, files[0]);
    assert_eq!((manifest.rows, manifest.late_rows, manifest.files.len()), (RowCount(1), RowCount(0), 2));
    assert_eq!(manifest.files[0].key.as_str(), files[1]);
    assert_eq!((manifest.window.from, manifest.window.to), (EPOCH, minute(60)));
    assert_eq!(manifest.files[0].cursor_min, Some(minute(20)));
    let run = world.runs(&made).await.remove(0);
    let result = run.result.unwrap();
    assert_eq!((run.state, result.manifest), (RunState::Completed, Some(name(files[0]))));
    // What proves the rows of a file is in the manifest, and not in the run beside it.
    assert_eq!((result.files[0].rows, result.files[0].sha256.len()), (RowCount(1), 64));
    assert_eq!((manifest.files[0].key_digest.rows(), result.files[0].key_digest.rows()), (1, 0));
    // The second hour has the row that was stored in it, an hour after it began.
    world.work(minute(130)).await;
    let second = self::manifest(&world, "out/p/manifests/2026-08-01T02-00-00.json");
    assert_eq!((second.rows, second.late_rows), (RowCount(1), RowCount(1)));
}

#[tokio::test]
async fn deletions_are_rows_without_payload_or_are_counted() {
    let world = World::new().await;
    let said = json!({
        "model_parameters": "{\"stop\":[]}", "tool_definitions": {"search": "{}"}, "tool_calls": ["{\"city\":\"Z\"}"],
        "tool_call_names": ["search"],
    });
    world.append("events", &[event("a", 10, 20, said.clone()), event("b", 9, 20, said.clone())], EPOCH);
    let mut deletion = event("a", 10, 30, said.clone());
    deletion["is_deleted"] = json!(true);
    world.append("events", &[deletion], EPOCH);
    world.integration("rows", |_| {}).await;
    world.integration("counted", |settings| settings.deletions = Deletions::Count).await;
    world.work(minute(70)).await;
    let rows = world.shelf.lines(&name("rows/p/observations_v2/2026-08-01T01-00-00.jsonl"));
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["is_deleted"], &rows[1]["is_deleted"]), (&json!(true), &json!(false)));
    for payload in ["input", "output", "metadata"].into_iter().chain(said.as_object().unwrap().keys().map(|key| &**key))
    {
        assert_eq!(rows[0][payload], Value::Null, "{payload}");
        assert_ne!(rows[1][payload], Value::Null, "{payload}");
    }
    assert_eq!(world.shelf.lines(&name("counted/p/observations_v2/2026-08-01T01-00-00.jsonl")).len(), 1);
    for place in ["rows", "counted"] {
        let manifest = manifest(&world, &format!("{place}/p/manifests/2026-08-01T01-00-00.json"));
        assert_eq!(manifest.deleted_rows, RowCount(1), "{place}");
    }
}

#[tokio::test]
async fn late_rows_of_windows_by_start_time_are_reported() {
    let world = World::new().await;
    world.append("events", &[event("a", 10, 20, json!({}))], EPOCH);
    let made = world.integration("out", |settings| settings.cursor = Cursor::StartTime).await;
    world.work(minute(70)).await;
    world.append("events", &[event("late", 11, 75, json!({}))], EPOCH);
    world.work(minute(130)).await;
    let runs = world.runs(&made).await;
    let late: Vec<u64> = runs.iter().map(|run| run.result.as_ref().unwrap().late_rows.get()).collect();
    assert_eq!(late, [1, 0]);
    let rows: u64 = runs.iter().map(|run| run.result.as_ref().unwrap().rows.get()).sum();
    assert_eq!(rows, 1);
    // The comparison makes a revision of it.
    world.reconcile(minute(130)).await;
    let runs = world.runs(&made).await;
    let revision = runs.iter().find(|run| run.name.revision == 2).unwrap();
    assert_eq!((revision.cause, revision.result.as_ref().unwrap().rows), (RunCause::Reconcile, RowCount(1)));
}

#[tokio::test]
async fn every_table_of_every_preset_is_written_with_equal_rows_in_every_format() {
    let world = World::new().await;
    world.append("events", &[event("a", 10, 20, json!({})), event("b", 11, 21, json!({}))], EPOCH);
    let score = json!({"project_id": project(), "id": "sc", "name": "q", "value": 0.5, "data_type": "NUMERIC",
        "trace_id": "t1", "timestamp": minute(12), "updated_at": minute(22), "event_ts": minute(22)});
    let correction = json!({"project_id": project(), "id": "co", "name": "q", "data_type": "CORRECTION",
        "timestamp": minute(12), "updated_at": minute(22), "event_ts": minute(22)});
    world.append("scores", &[score, correction], EPOCH);
    for format in ["csv", "json", "jsonl", "parquet"] {
        world
            .integration(format, |settings| {
                let names = ["scores", "traces", "observations", "events"];
                let table = |name: &str| model::IntegrationTable { table: name.to_owned(), ..Default::default() };
                settings.tables = names.map(table).to_vec();
                let files = settings.files.as_mut().unwrap();
                files.format = format.to_owned();
                files.compression =
                    if format == "parquet" { Compression::None } else { Compression::Gzip }.as_str().to_owned();
            })
            .await;
    }
    world.work(minute(70)).await;
    for format in ["csv", "json", "jsonl", "parquet"] {
        let manifest = manifest(&world, &format!("{format}/p/manifests/2026-08-01T01-00-00.json"));
        assert_eq!(manifest.export_source, "TRACES_OBSERVATIONS_EVENTS");
        let rows: Vec<(String, u64)> =
            manifest.files.iter().map(|file| (file.table.to_string(), file.row_count.get())).collect();
        let expected = [("scores", 1), ("traces", 1), ("observations", 2), ("observations_v2", 2)];
        assert_eq!(rows, expected.map(|(table, rows)| (table.to_owned(), rows)), "{format}");
        for file in &manifest.files {
            assert!(
                world
                    .shelf
                    .files
                    .bytes(file.key.as_str())
                    .is_some_and(|bytes| bytes.len() as u64 == file.size_bytes.get())
            );
        }
    }
}

#[tokio::test]
async fn a_window_that_is_killed_again_and_again_ends_with_the_same_files() {
    let rows: Vec<Value> = (0..400).map(|n| event(&format!("s{n:03}"), n % 60, 20, json!({}))).collect();
    let mut whole: Option<Vec<(String, Vec<u8>)>> = None;
    for killed_after in [None, Some(1), Some(2), Some(3), Some(4)] {
        let world = World::new().await;
        world.append("events", &rows, EPOCH);
        world
            .integration("out", |settings| settings.files.as_mut().unwrap().roll_bytes = Some(ByteCount(20_000)))
            .await;
        world.tick(minute(70)).await;
        let mut attempts = 0;
        while let Some(claim) = world.claim().await {
            attempts += 1;
            world.carry_out(claim, killed_after.filter(|_| attempts < 6)).await.unwrap();
        }
        let files = world.shelf.files.files();
        let content = files.into_iter().map(|(name, file)| (name.to_string(), file.bytes.to_vec())).collect::<Vec<_>>();
        assert!(content.iter().any(|(name, _)| name.contains("-part-00001")), "{content:?}");
        assert_eq!(world.shelf.files.uploads_left(), 0);
        // The manifest names the integration, whose id is another one each time.
        let content: Vec<_> = content.into_iter().filter(|(name, _)| !name.contains("manifests")).collect();
        let whole = whole.get_or_insert_with(|| content.clone());
        assert_eq!(*whole, content, "killed after {killed_after:?}");
    }
}

#[tokio::test]
async fn a_fault_that_only_a_person_can_remove_pauses_at_once_and_others_go_on() {
    fn denied() -> Fault {
        Fault::new(FaultKind::Credentials, "AccessDenied: no such key").hint("enter the secret again")
    }
    let world = World::new().await;
    let made = world.integration("out", |_| {}).await;
    let other = world.integration("other", |_| {}).await;
    world.shelf.refuse(&made, Some(denied));
    world.work(minute(70)).await;
    assert_eq!(world.shown(&other).await.cursor, Some(minute(60)));
    let paused = world.shown(&made).await;
    assert_eq!(paused.status(), IntegrationStatus::Failed);
    let failure = paused.pause.unwrap().failure.unwrap();
    assert_eq!((failure.kind.as_str(), failure.hint.as_deref()), ("credentials", Some("enter the secret again")));
    assert_eq!(world.runs(&made).await[0].attempts, 1);
    // Nothing more of it is tried until somebody resumes it, while the other one has its next two windows.
    assert_eq!(world.work(minute(200)).await, 2);
    assert_eq!((world.runs(&made).await.len(), world.shown(&other).await.cursor), (1, Some(minute(180))));
    // Then nothing is missing.
    world.shelf.refuse(&made, None);
    world.store.resume_integration(&project(), &made.id).await.unwrap();
    world.work(minute(200)).await;
    assert_eq!(world.shown(&made).await.cursor, Some(minute(180)));
    assert_eq!(world.runs(&made).await.len(), 3);
}

#[tokio::test]
async fn an_outage_is_waited_out_and_holds_up_nobody() {
    fn away() -> Fault {
        Fault::new(FaultKind::Unavailable, "503")
    }
    let world = World::new().await;
    let made = world.integration("out", |_| {}).await;
    world.tick(minute(70)).await;
    world.shelf.refuse(&made, Some(away));
    let other = world.integration("other", |_| {}).await;
    for hour in 1..=30 {
        let waits = world.claim().await.unwrap();
        // While one worker waits for the destination that is away, another one goes on with the other integration.
        world.tick(minute(hour * 60 + 10)).await;
        let claim = world.claim().await.unwrap();
        world.carry_out(claim, None).await.unwrap();
        assert_eq!(world.shown(&other).await.cursor, Some(minute(hour * 60)));
        assert!(world.carry_out(waits, None).await.is_err());
    }
    assert_eq!(world.shown(&made).await.status(), IntegrationStatus::Running);
    assert_eq!(world.runs(&made).await[0].attempts, 30);
    world.shelf.refuse(&made, None);
    world.work(minute(70)).await;
    assert_eq!(world.shown(&made).await.cursor, Some(minute(60)));
}

#[tokio::test]
async fn a_whole_history_begins_with_the_first_row_of_any_table() {
    let world = World::new().await;
    world.append("events", &[event("a", 10, 60 * 24 * 3 + 5, json!({}))], EPOCH);
    let score = json!({"project_id": project(), "id": "sc", "name": "q", "value": 0.5, "data_type": "NUMERIC",
        "timestamp": minute(12), "updated_at": minute(60 * 30 + 7), "event_ts": minute(22)});
    world.append("scores", &[score], EPOCH);
    let made = world.integration("out", |settings| settings.start = Start::History).await;
    world.work(minute(60 * 24 * 3 + 70)).await;
    let runs = world.runs(&made).await;
    assert_eq!(runs.last().unwrap().name.span.from, minute(60 * 30));
    assert_eq!(runs.len(), 24 * 3 + 1 - 30);
    let rows: u64 = runs.iter().map(|run| run.result.as_ref().unwrap().rows.get()).sum();
    assert_eq!(rows, 2);
}

#[tokio::test]
async fn a_whole_history_does_not_begin_with_a_row_that_is_gone_or_filtered_away() {
    let world = World::new().await;
    let day = 60 * 24;
    let mut deletion = event("gone", 5, day * 5, json!({}));
    deletion["is_deleted"] = json!(true);
    let other = event("other", day * 2, day * 2, json!({"environment": "staging"}));
    let first = event("first", day * 3 + 61, day * 3 + 61, json!({}));
    for row in [event("gone", 5, 5, json!({})), other, first, deletion] {
        world.append("events", &[row], EPOCH);
    }
    let cursors = [Cursor::Ingested, Cursor::StartTime];
    let mut made = Vec::new();
    for cursor in cursors {
        let change = |settings: &mut IntegrationSettings| {
            (settings.start, settings.cursor, settings.deletions) = (Start::History, cursor, Deletions::Count);
            settings.tables[0].wheres = vec!["environment != \"staging\"".to_owned()];
        };
        made.push(world.integration(cursor.as_str(), change).await);
    }
    world.work(minute(day * 3 + 130)).await;
    for (made, cursor) in made.iter().zip(cursors) {
        let runs = world.runs(made).await;
        assert_eq!(runs.last().unwrap().name.span.from, minute(day * 3 + 60), "{cursor:?}");
    }
}

#[tokio::test]
async fn rows_that_became_visible_too_late_are_a_revision_and_nothing_is_overwritten() {
    let world = World::new().await;
    world.append("events", &[event("a", 10, 20, json!({})), event("b", 10, 21, json!({}))], EPOCH);
    let made = world.integration("out", |_| {}).await;
    world.work(minute(70)).await;
    let first = world.shelf.files.files();
    // One row was stored in the window and is seen only now; another was changed since.
    world.append("events", &[event("stuck", 12, 30, json!({})), event("b", 10, 90, json!({}))], EPOCH);
    assert_eq!(world.reconcile(minute(70)).await, 1);
    let runs = world.runs(&made).await;
    assert_eq!((runs.len(), runs[0].cause, runs[0].name.revision), (2, RunCause::Reconcile, 2));
    let found = runs[1].found_later.clone().unwrap();
    assert_eq!((found.missing_rows, found.superseded_rows), (RowCount(1), RowCount(1)));
    let revision = manifest(&world, "out/p/manifests/2026-08-01T01-00-00.r2.json");
    assert_eq!(revision.supersedes, Some(name("out/p/manifests/2026-08-01T01-00-00.json")));
    let rows = world.shelf.lines(&name("out/p/observations_v2/2026-08-01T01-00-00.r2.jsonl"));
    assert_eq!((rows.len(), rows[0]["id"].as_str()), (1, Some("stuck")));
    for (name, file) in first {
        assert_eq!(world.shelf.files.bytes(name.as_str()), Some(file.bytes), "{name} was overwritten");
    }
    // A window without differences makes no revision.
    let clean = World::new().await;
    clean.append("events", &[event("a", 10, 20, json!({}))], EPOCH);
    let made = clean.integration("out", |_| {}).await;
    clean.work(minute(70)).await;
    clean.reconcile(minute(70)).await;
    let run = clean.runs(&made).await.remove(0);
    assert_eq!((run.name.revision, run.found_later.unwrap().missing_rows), (1, RowCount(0)));
}

#[tokio::test]
async fn a_window_whose_manifest_is_gone_says_so_and_is_not_compared_again() {
    let world = World::new().await;
    world.append("events", &[event("a", 10, 20, json!({}))], EPOCH);
    let made = world.integration("out", |_| {}).await;
    world.work(minute(70)).await;
    // From now on files go elsewhere.
    let mut shown = world.shown(&made).await;
    shown.settings.options.insert("bucket".to_owned(), "other".to_owned());
    world.change(&shown).await;

    // Something else was missing the first time, such as a table of the source.
    world.queue_reconciliations().await;
    let (step, hint) = (Some("preparing the read".to_owned()), None);
    let failure = model::Failure { step, kind: "not_found".to_owned(), message: "no such table".to_owned(), hint };
    world.store.settle(world.claim().await.unwrap().lease, Outcome::Failed(failure)).await.unwrap();
    // Once may be the word of a proxy, so it is looked for a second time.
    for _ in 0..2 {
        assert_eq!(world.reconcile(minute(70)).await, 1);
        let run = world.runs(&made).await.remove(0);
        let failure = run.found_later.unwrap().failure.unwrap();
        assert_eq!(failure.kind, "not_found");
        assert!(failure.message.contains("out/p/manifests/2026-08-01T01-00-00.json"), "{}", failure.message);
    }
    assert_eq!(world.reconcile(minute(70)).await, 0);
}

#[tokio::test]
async fn traces_that_changed_in_their_window_and_were_seen_too_late_are_a_revision() {
    let world = World::new().await;
    let of = |trace: &str, id: &str, stored: i64| event(id, 10, stored, json!({"trace_id": trace}));
    world.append("events", &[of("t1", "a", 20), of("t2", "b", 21), of("t3", "c", 22)], EPOCH);
    let traces = |settings: &mut IntegrationSettings| {
        settings.tables.truncate(1);
        settings.tables[0].table = "traces".to_owned();
    };
    let made = world.integration("out", traces).await;
    world.work(minute(70)).await;
    // An event of one trace was stored in the window and is seen only now; another trace was changed since.
    world.append("events", &[of("t1", "stuck", 30), of("t2", "d", 90)], EPOCH);
    assert_eq!(world.reconcile(minute(70)).await, 1);
    let found = world.runs(&made).await[1].found_later.clone().unwrap();
    assert_eq!((found.missing_rows, found.superseded_rows), (RowCount(1), RowCount(1)));
    let rows = world.shelf.lines(&name("out/p/traces/2026-08-01T01-00-00.r2.jsonl"));
    let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!((ids, rows[0]["event_ts"].as_str()), (vec!["t1"], Some("2026-08-01 00:30:00.000000")));
}

/// An event whose version its receiver sees.
pub(super) fn seen(id: &str, started: i64, stored: i64) -> Value {
    event(id, started, stored, json!({"version": minute(stored).0.to_string()}))
}

pub(super) fn times(ledger: &Ledger) -> Vec<(String, u64)> {
    ledger.arrived().into_iter().map(|((_, id), row)| (id, row.times)).collect()
}

#[tokio::test]
async fn events_of_rows_that_became_visible_too_late_are_sent_as_a_revision_and_no_others() {
    let world = World::new().await;
    world.append("events", &["a", "b", "c"].map(|id| seen(id, 10, 20)), EPOCH);
    let (ledger, made) = world.receiver("https://ours.example").await;
    world.work(minute(70)).await;
    // One row was stored in the window and is seen only now, another one was corrected in it; a third was changed since.
    world.append("events", &[seen("stuck", 12, 30), seen("b", 10, 31), seen("c", 10, 90)], EPOCH);
    // Nobody sends anything while the integration is paused.
    let by = model::Actor::System;
    world.store.pause_integration(&project(), &made.id, &by).await.unwrap();
    assert_eq!(world.reconcile(minute(70)).await, 0);
    // What is asked for by now is no matter: the window is compared with what was asked for then.
    let mut shown = world.shown(&made).await;
    shown.settings.tables.retain(|table| table.table != "scores");
    world.change(&shown).await;
    world.store.resume_integration(&project(), &made.id).await.unwrap();
    assert_eq!(world.reconcile(minute(70)).await, 1);

    let runs = world.runs(&made).await;
    assert_eq!((runs.len(), runs[0].cause, runs[0].name.revision), (2, RunCause::Reconcile, 2));
    let found = runs[1].found_later.clone().unwrap();
    assert_eq!((found.missing_rows, found.superseded_rows), (RowCount(2), RowCount(2)));
    assert_eq!(found.revision.as_ref(), Some(&runs[0].id));
    assert_eq!(runs[0].result.as_ref().unwrap().rows, RowCount(2));
    assert_eq!(times(&ledger), [("a", 1), ("b", 2), ("c", 1), ("stuck", 1)].map(|(id, times)| (id.to_owned(), times)));
    // What was kept for the comparison is forgotten, and a revision is not compared.
    assert_eq!(world.reconcile(minute(70)).await, 0);
    for run in &runs {
        let kept: Vec<_> = world.store.sent_keys(&run.id, "events").collect().await;
        assert!(kept.is_empty(), "{kept:?}");
    }
    // A window without differences makes no revision.
    world.work(minute(130)).await;
    world.reconcile(minute(130)).await;
    let run = world.runs(&made).await.remove(0);
    assert_eq!((run.name.span.to, run.name.revision), (minute(120), 1));
    assert_eq!(run.found_later.unwrap().missing_rows, RowCount(0));
}

#[tokio::test]
async fn more_than_ten_thousand_missing_events_are_sent_and_no_other_of_their_window() {
    let world = World::new().await;
    world.append("events", &[seen("a", 10, 20)], EPOCH);
    let (ledger, made) = world.receiver("https://ours.example").await;
    world.work(minute(70)).await;
    let stuck: Vec<Value> = (0..10_001).map(|number| seen(&format!("s{number:05}"), 12, 30)).collect();
    world.append("events", &stuck, EPOCH);
    world.reconcile(minute(70)).await;
    let runs = world.runs(&made).await;
    assert_eq!(runs[1].found_later.as_ref().unwrap().missing_rows, RowCount(10_001));
    assert_eq!(runs[0].result.as_ref().unwrap().rows, RowCount(10_001));
    let arrived = ledger.arrived();
    assert_eq!(arrived.len(), 10_002);
    assert!(arrived.values().all(|row| row.ids.len() == 1 && row.times == 1));
}

#[tokio::test]
async fn a_window_is_compared_with_what_its_last_receiver_was_sent() {
    let world = World::new().await;
    let rows: Vec<Value> = (0..200).map(|number| seen(&format!("s{number:03}"), 10, 20)).collect();
    world.append("events", &rows, EPOCH);
    let (first, made) = world.receiver("https://ours.example").await;
    world.tick(minute(70)).await;
    world.carry_out(world.claim().await.unwrap(), Some(3)).await.unwrap();
    assert!(!first.arrived().is_empty());
    let mut shown = world.shown(&made).await;
    shown.settings.options.insert("host".to_owned(), "https://other.example".to_owned());
    world.change(&shown).await;
    world.work(minute(70)).await;
    assert_eq!(world.shelf.ledger("https://other.example").arrived().len(), 200);
    world.reconcile(minute(70)).await;
    let run = world.runs(&made).await.remove(0);
    let found = run.found_later.unwrap();
    assert_eq!((found.missing_rows, found.superseded_rows), (RowCount(0), RowCount(0)));
}

#[tokio::test]
async fn two_windows_less_than_a_second_apart_share_no_key() {
    let world = World::new().await;
    world.append("events", &[event("a", 10, 20, json!({}))], EPOCH);
    let made = world.integration("out", |settings| settings.lag_seconds = 0).await;
    let now = Micros(minute(30).0 + 250);
    for later in [0, 1, 400_000] {
        world.store.run_integration(&project(), &made.id, Micros(now.0 + later)).await.unwrap();
        let claim = world.claim().await.unwrap();
        world.carry_out(claim, None).await.unwrap();
    }
    let manifests: Vec<String> = keys(&world).into_iter().filter(|key| key.contains("manifests")).collect();
    assert_eq!(manifests.len(), 3, "{manifests:?}");
}

#[tokio::test]
async fn new_columns_are_followed_or_left_out_and_both_are_told() {
    let world = World::new().await;
    let made = world.integration("out", |settings| settings.tables[0].groups = vec!["basic".to_owned()]).await;
    let frozen = world
        .integration("frozen", |settings| {
            settings.tables[0].groups = vec!["basic".to_owned()];
            settings.files.as_mut().unwrap().schema = SchemaRule::Frozen;
        })
        .await;
    world.work(minute(70)).await;
    for made in [&made, &frozen] {
        let mut shown = world.shown(made).await;
        shown.settings.tables[0].groups.push("io".to_owned());
        world.change(&shown).await;
    }
    world.work(minute(130)).await;
    let changes = |run: &model::WindowRun| run.result.as_ref().unwrap().schema_changed.clone();
    let followed = changes(&world.runs(&made).await[0]);
    assert_eq!((followed.len(), followed[0].added.as_slice()), (1, &["input".to_owned(), "output".to_owned()][..]));
    // What the columns of the first window leave out is told by every window that leaves it out.
    assert_eq!(changes(&world.runs(&frozen).await[0]), followed);
    let columns =
        |place: &str| manifest(&world, &format!("{place}/p/manifests/2026-08-01T02-00-00.json")).exports[0].clone();
    assert_eq!(columns("out").schema_version, 2);
    assert_eq!(columns("frozen").schema_version, 1);
}

/// A score of this name that was stored at this minute.
fn score(id: &str, name: &str, stored: i64) -> Value {
    json!({"project_id": project(), "id": id, "name": name, "value": 0.5, "data_type": "NUMERIC",
        "trace_id": "t1", "timestamp": minute(12), "updated_at": minute(stored), "event_ts": minute(stored)})
}

/// What the runs of an integration tell of score names, the oldest window first.
async fn new_names(world: &World, of: &model::Integration) -> Vec<Vec<String>> {
    let names = |run: model::WindowRun| -> Vec<String> {
        let changed = run.result.unwrap().schema_changed;
        assert!(changed.iter().all(|change| change.table == "scores" && change.added.is_empty()), "{changed:?}");
        changed.into_iter().flat_map(|change| change.score_names).collect()
    };
    world.runs(of).await.into_iter().rev().map(names).collect()
}

#[tokio::test]
async fn a_new_score_name_is_told_once_by_the_window_that_has_it_first() {
    let world = World::new().await;
    let stored = [("a", 20), ("a", 80), ("b", 90), ("b", 140), ("a", 200), ("c", 210)];
    for (id, (name, at)) in stored.into_iter().enumerate() {
        world.append("scores", &[score(&format!("s{id}"), name, at)], EPOCH);
    }
    let made = world.integration("out", |_| {}).await;
    let frozen = |settings: &mut IntegrationSettings| settings.files.as_mut().unwrap().schema = SchemaRule::Frozen;
    let frozen = world.integration("frozen", frozen).await;
    let masked = world.integration("masked", |settings| settings.tables[1].masks = vec!["name:hash".to_owned()]).await;
    let filter = "name = \"a\"".to_owned();
    let filtered = world.integration("filtered", |settings| settings.tables[1].wheres = vec![filter]).await;
    for hour in 1..=4 {
        world.work(minute(hour * 60 + 10)).await;
    }
    let told = |names: [&[&str]; 4]| -> Vec<Vec<String>> {
        names.map(|names| names.iter().map(|name| (*name).to_owned()).collect()).to_vec()
    };
    let expected: Vec<Vec<String>> = told([&[], &["b"], &[], &["c"]]);
    assert_eq!(new_names(&world, &made).await, expected);
    // Scores are rows: columns that stay leave none of them out.
    assert_eq!(new_names(&world, &frozen).await, expected);
    let rows = world.shelf.lines(&name("frozen/p/scores/2026-08-01T04-00-00.jsonl"));
    assert_eq!(rows.iter().map(|row| row["name"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "c"]);
    // What files do not say is not told beside them.
    for silent in [&masked, &filtered] {
        assert_eq!(new_names(&world, silent).await, told([&[]; 4]));
    }
    assert!(world.store.score_names(&masked.id).await.unwrap().is_empty());
    let kept: Vec<String> = world.store.score_names(&made.id).await.unwrap().remove(0).names.into_iter().collect();
    assert_eq!(kept, ["a", "b", "c"]);
    // Once, not with every run.
    let run = serde_json::to_string(&world.runs(&made).await[0].result).unwrap();
    assert!(!run.contains("\"a\"") && !run.contains("\"b\""), "{run}");
}

#[tokio::test]
async fn windows_side_by_side_tell_a_score_name_once_and_forget_none() {
    let world = World::new().await;
    world.append("scores", &[score("s0", "a", 20)], EPOCH);
    let made = world.integration("out", |_| {}).await;
    world.work(minute(70)).await;
    let overlapping = [("b", 80), ("c", 90), ("b", 140), ("d", 150)];
    for (id, (name, at)) in overlapping.into_iter().enumerate() {
        world.append("scores", &[score(&format!("s1{id}"), name, at)], EPOCH);
    }
    world.tick(minute(190)).await;
    let (newer, older) = (world.claim().await.unwrap(), world.claim().await.unwrap());
    // Neither has ended when the other looks.
    let (of_newer, of_older) = (world.export(&newer).await, world.export(&older).await);
    world.store.settle(newer.lease, of_newer).await.unwrap();
    world.store.settle(older.lease, of_older).await.unwrap();
    let again = [("a", 200), ("b", 201), ("c", 202), ("d", 203), ("e", 204)];
    for (id, (name, at)) in again.into_iter().enumerate() {
        world.append("scores", &[score(&format!("s2{id}"), name, at)], EPOCH);
    }
    world.work(minute(250)).await;
    let told = new_names(&world, &made).await;
    assert_eq!(told, [vec![], vec!["c"], vec!["b", "d"], vec!["e"]]);
}

#[tokio::test]
async fn a_score_name_is_new_once_however_often_its_window_is_tried_and_in_whatever_order_windows_end() {
    let world = World::new().await;
    world.append("scores", &[score("s0", "a", 20)], EPOCH);
    let made = world.integration("out", |_| {}).await;
    world.work(minute(70)).await;
    // Three windows at once: the newest first, then those that were missed.
    world.append("scores", &[score("s1", "b", 80), score("s2", "b", 140), score("s3", "c", 200)], EPOCH);
    world.tick(minute(250)).await;
    let mut attempts = 0;
    while let Some(claim) = world.claim().await {
        attempts += 1;
        let dies_after = Some(attempts).filter(|_| attempts < 4);
        drop(world.carry_out(claim, dies_after).await);
        world.tick(minute(250)).await;
    }
    assert!(attempts > 3, "nobody died");
    let mut told: Vec<String> = new_names(&world, &made).await.concat();
    told.sort();
    assert_eq!(told, ["b", "c"]);
    // A revision that has no scores forgets none of the names.
    world.append("events", &[event("stuck", 12, 30, json!({}))], EPOCH);
    world.reconcile(minute(250)).await;
    world.append("scores", &[score("s4", "a", 260), score("s5", "d", 261)], EPOCH);
    world.work(minute(310)).await;
    let runs = world.runs(&made).await;
    assert!(runs.iter().any(|run| run.cause == RunCause::Reconcile && run.state == RunState::Completed));
    assert_eq!(runs[0].result.as_ref().unwrap().schema_changed[0].score_names, ["d"]);
}

#[tokio::test]
async fn a_retried_window_leaves_one_manifest_that_tells_the_truth() {
    fn away() -> Fault {
        Fault::new(FaultKind::Unavailable, "503")
    }
    let world = World::new().await;
    world.append("events", &[event("a", 10, 20, json!({}))], EPOCH);
    world.integration("out", |_| {}).await;
    world.tick(minute(70)).await;
    // The manifest fails however often it is tried, after the files were written.
    let trouble = (1..=50).fold(Trouble::none(), |trouble, nth| trouble.fail(Call::Publish, nth, away));
    world.shelf.trouble(trouble);
    let claim = world.claim().await.unwrap();
    assert!(world.carry_out(claim, None).await.is_err());
    // Meanwhile the row is corrected.
    world.append("events", &[event("a", 10, 25, json!({"name": "corrected"}))], EPOCH);
    world.work(minute(70)).await;
    let manifests: Vec<String> = keys(&world).into_iter().filter(|key| key.contains("manifests")).collect();
    assert_eq!(manifests.len(), 1);
    let manifest = manifest(&world, &manifests[0]);
    let rows = world.shelf.lines(&manifest.files[0].key);
    assert_eq!(rows.len() as u64, manifest.files[0].row_count.get());
    let schedule = Schedule::new(RawSchedule::utc(Cadence::Hour)).unwrap();
    assert!(schedule.is_on_grid(model::Span { from: manifest.window.from, to: manifest.window.to }));
    for table in manifest.into_tables() {
        let request = Request::of_query(&table.query).unwrap();
        let files: Arc<MemoryDestination> = Arc::clone(&world.shelf.files);
        let verification = Verification {
            manifest: table,
            destination: files,
            format: request.format,
            options: request.format_options.clone(),
            files: FilesRead::All,
            altered: request.masked_columns(),
            against: None,
            stop: Stop::new(),
            waits: Arc::new(NoWaits),
            budget: Budget::for_cores(1),
        };
        let report = pipeline::verify(verification).await.unwrap();
        assert!(report.files_read == 1 && report.differences.is_empty(), "{report:?}");
    }
}
