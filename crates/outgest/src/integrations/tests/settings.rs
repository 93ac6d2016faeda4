//! Settings that change while windows are under way, or between a window and its revision.

use std::time::Duration;

use model::{
    Fault, FaultKind, Integration, IntegrationSettings, IntegrationStatus, IntegrationStore, IntegrationTable,
    JobStore, RowCount, RunCause, RunState, SchemaRule, WindowManifest,
};
use serde_json::{Value, json};

use super::windows::{event, keys, manifest, name, seen, times};
use super::world::{EPOCH, World, minute, project};

/// Rows of several blocks.
fn rows() -> Vec<Value> {
    (0..400).map(|n| event(&format!("s{n:03}"), n % 60, 20, json!({"metadata_values": ["v".repeat(200)]}))).collect()
}

async fn changed(world: &World, made: &Integration, change: impl FnOnce(&mut IntegrationSettings)) {
    let mut shown = world.shown(made).await;
    change(&mut shown.settings);
    world.change(&shown).await;
}

fn basic(settings: &mut IntegrationSettings) {
    settings.tables[0].groups = vec!["basic".to_owned()];
    settings.files.as_mut().unwrap().roll_bytes = Some(model::ByteCount(20_000));
}

#[tokio::test]
async fn a_window_whose_settings_change_amid_it_begins_again_with_the_new_ones() {
    type Change = fn(&mut IntegrationSettings);
    let changes: [(&str, Change); 4] = [
        ("columns", |settings| settings.tables[0].groups.push("io".to_owned())),
        ("filter", |settings| settings.tables[0].wheres = vec!["id != \"s007\"".to_owned()]),
        ("mask", |settings| settings.tables[0].masks = vec!["name:hash".to_owned()]),
        ("prefix", |settings| settings.files.as_mut().unwrap().prefix = "elsewhere/".to_owned()),
    ];
    for killed_after in [1, 2, 3, 4] {
        for (what, change) in changes {
            let world = World::new().await;
            world.append("events", &rows(), EPOCH);
            let made = world.integration("out", basic).await;
            world.tick(minute(70)).await;
            world.carry_out(world.claim().await.unwrap(), Some(killed_after)).await.unwrap();
            assert_ne!(world.runs(&made).await[0].state, RunState::Completed);
            changed(&world, &made, change).await;
            world.work(minute(70)).await;

            // The same as where the settings were those from the beginning.
            let other = World::new().await;
            other.append("events", &rows(), EPOCH);
            let alike = |settings: &mut IntegrationSettings| {
                basic(settings);
                change(settings);
            };
            other.integration("out", alike).await;
            other.work(minute(70)).await;
            let content = |world: &World| {
                let files = world.shelf.files.files();
                let files = files.into_iter().filter(|(name, _)| !name.as_str().contains("manifests"));
                files.map(|(name, file)| (name.to_string(), file.bytes.to_vec())).collect::<Vec<_>>()
            };
            assert!(content(&world) == content(&other), "{what}, killed after {killed_after}: {:?}", keys(&world));
            assert_eq!(world.shelf.files.uploads_left(), 0, "{what}, killed after {killed_after}");
        }
    }
}

#[tokio::test]
async fn a_window_that_begins_again_with_fewer_files_leaves_none_of_the_others() {
    let world = World::new().await;
    let many: Vec<Value> = (0..20_000).map(|n| event(&format!("s{n:05}"), n % 60, 20, json!({}))).collect();
    world.append("events", &many, EPOCH);
    let made = world.integration("out", basic).await;
    world.tick(minute(70)).await;
    world.carry_out(world.claim().await.unwrap(), Some(6)).await.unwrap();
    assert!(keys(&world).iter().any(|key| key.contains("-part-00002")), "{:?}", keys(&world));
    changed(&world, &made, |settings| settings.tables[0].wheres = vec!["id = \"s00007\"".to_owned()]).await;
    world.work(minute(70)).await;
    let keys = keys(&world);
    assert!(keys.len() == 3 && !keys.iter().any(|key| key.contains("-part-00002")), "{keys:?}");
    assert_eq!(world.shelf.files.uploads_left(), 0);
}

#[tokio::test]
async fn a_window_that_moves_to_another_bucket_leaves_nothing_in_the_first() {
    let world = World::new().await;
    world.append("events", &rows(), EPOCH);
    let bucket = |name: &str| {
        let name = name.to_owned();
        move |settings: &mut IntegrationSettings| {
            settings.options.insert("bucket".to_owned(), name);
        }
    };
    let first = bucket("first");
    let made = world
        .integration("out", |settings| {
            basic(settings);
            first(settings);
        })
        .await;
    world.tick(minute(70)).await;
    world.carry_out(world.claim().await.unwrap(), Some(4)).await.unwrap();
    assert!(!world.shelf.bucket("first").files().is_empty());
    changed(&world, &made, bucket("second")).await;
    world.work(minute(70)).await;
    assert_eq!(world.runs(&made).await[0].state, RunState::Completed);
    assert!(world.shelf.bucket("first").files().is_empty());
    assert_eq!(world.shelf.bucket("first").uploads_left(), 0);
    assert_eq!(world.shelf.bucket("second").files().len(), 3);
}

#[tokio::test]
async fn a_manifest_of_settings_that_have_changed_does_not_outlive_its_files() {
    let world = World::new().await;
    world.append("events", &rows(), EPOCH);
    let made = world.integration("out", basic).await;
    world.tick(minute(70)).await;
    // The worker dies between the manifest and the end of the job.
    let claim = world.claim().await.unwrap();
    let job = claim.job.clone();
    let log = world.store.run_log(&claim.lease, model::Stop::new());
    let context = jobs::Context { log, token: claim.lease.token, progress: std::sync::Arc::new(pipeline::Silent) };
    world.windows.run(&job, context).await.unwrap();
    world.store.set_clock_ahead(Duration::from_secs(31));
    changed(&world, &made, |settings| settings.files.as_mut().unwrap().prefix = "elsewhere/".to_owned()).await;
    world.work(minute(70)).await;
    let keys = keys(&world);
    assert!(!keys.is_empty() && keys.iter().all(|key| key.starts_with("elsewhere/")), "{keys:?}");
}

#[tokio::test]
async fn a_revision_says_what_it_cannot_have_any_more() {
    let world = World::new().await;
    world.append("events", &[seen("a", 10, 20)], EPOCH);
    let made = world.integration("out", |_| {}).await;
    let (ledger, sent) = world.receiver("https://ours.example").await;
    world.work(minute(70)).await;
    let stuck = [seen("stuck", 12, 30), seen("more", 12, 30)];
    world.append("events", &stuck, EPOCH);
    // One table is gone by the time its rows are found to be missing.
    for of in [&made, &sent] {
        changed(&world, of, |settings| settings.tables.retain(|table| table.table != "events")).await;
    }
    world.reconcile(minute(70)).await;
    for of in [&made, &sent] {
        assert_ne!(world.shown(of).await.status(), IntegrationStatus::Failed);
        let run = world.runs(of).await.remove(0);
        assert_eq!((run.cause, run.state), (RunCause::Reconcile, RunState::Completed));
        let warnings = run.result.unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].contains("does not export that table"), "{warnings:?}");
    }
    assert_eq!(times(&ledger), [("a".to_owned(), 1)]);
    assert!(keys(&world).iter().all(|key| !key.contains(".r2")));

    // Others are left out by a filter that came later.
    let table = IntegrationTable {
        table: "events".to_owned(),
        wheres: vec!["id != \"two\"".to_owned()],
        ..IntegrationTable::default()
    };
    for of in [&made, &sent] {
        changed(&world, of, |settings| settings.tables = vec![IntegrationTable { wheres: vec![], ..table.clone() }])
            .await;
    }
    world.append("events", &[seen("b", 70, 80)], EPOCH);
    world.work(minute(130)).await;
    world.append("events", &[seen("one", 70, 81), seen("two", 70, 81)], EPOCH);
    for of in [&made, &sent] {
        changed(&world, of, |settings| settings.tables = vec![table.clone()]).await;
    }
    world.reconcile(minute(130)).await;
    let run = world.runs(&sent).await.remove(0);
    assert_eq!((run.cause, run.result.as_ref().unwrap().rows), (RunCause::Reconcile, RowCount(1)));
    let warnings = run.result.unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].starts_with("1 of the 2 rows of events"), "{warnings:?}");
    let revision = manifest(&world, "out/p/manifests/2026-08-01T02-00-00.r2.json");
    assert_eq!(revision.rows, RowCount(1));
    let run = world.runs(&made).await.remove(0);
    assert!(run.result.unwrap().warnings.iter().any(|told| told.starts_with("1 of the 2 rows")));
}

#[tokio::test]
async fn a_revision_has_a_row_of_its_trace_and_not_its_namesakes_in_others() {
    let of = |trace: &str, id: &str, stored: i64| {
        let mut row = seen(id, 10, stored);
        row["trace_id"] = json!(trace);
        row
    };
    let world = World::new().await;
    world.append("events", &[of("t1", "a", 20), of("t2", "a", 20), of("t2", "b", 20)], EPOCH);
    let files = world.integration("out", |_| {}).await;
    let (ledger, events) = world.receiver("https://ours.example").await;
    world.work(minute(70)).await;
    let sent = |ledger: &super::ledger::Ledger| times(ledger).iter().map(|(_, times)| times).sum::<u64>();
    let before = sent(&ledger);
    world.append("events", &[of("t3", "a", 30), of("t1", "b", 30)], EPOCH);
    world.reconcile(minute(70)).await;
    for of in [&files, &events] {
        let run = world.runs(of).await.remove(0);
        assert_eq!((run.cause, run.result.unwrap().rows), (RunCause::Reconcile, RowCount(2)));
    }
    let lines = world.shelf.lines(&name("out/p/observations_v2/2026-08-01T01-00-00.r2.jsonl"));
    let mut rows: Vec<_> =
        lines.iter().map(|row| (row["trace_id"].as_str().unwrap(), row["id"].as_str().unwrap())).collect();
    rows.sort_unstable();
    assert_eq!(rows, [("t1", "b"), ("t3", "a")]);
    assert_eq!(sent(&ledger), before + 2);
}

#[tokio::test]
async fn events_that_were_sent_before_a_long_pause_are_not_sent_again() {
    fn denied() -> Fault {
        Fault::new(FaultKind::Credentials, "401")
    }
    let world = World::new().await;
    let rows: Vec<Value> = (0..400).map(|number| seen(&format!("s{number:03}"), 10, 20)).collect();
    world.append("events", &rows, EPOCH);
    let (ledger, made) = world.receiver("https://ours.example").await;
    world.tick(minute(70)).await;
    world.carry_out(world.claim().await.unwrap(), Some(3)).await.unwrap();
    let sent: u64 = times(&ledger).iter().map(|(_, times)| times).sum();
    assert!(sent > 0 && sent < 400, "{sent}");
    world.shelf.refuse(&made, Some(denied));
    world.work(minute(70)).await;
    assert_eq!(world.shown(&made).await.status(), IntegrationStatus::Failed);
    world.store.set_clock_ahead(Duration::from_secs(3 * 24 * 3_600));
    world.work(minute(70)).await;
    world.shelf.refuse(&made, None);
    world.store.resume_integration(&project(), &made.id).await.unwrap();
    world.work(minute(70)).await;
    let times = times(&ledger);
    let all: u64 = times.iter().map(|(_, times)| times).sum();
    assert_eq!(times.len(), 400);
    // What was not recorded when the worker died comes twice, what was recorded does not.
    assert!(all < 400 + sent, "{all} events, {sent} of them before the pause");
}

#[tokio::test]
async fn a_window_that_waits_until_its_stored_rows_are_replaced_is_carried_out_with_those_there_are() {
    fn denied() -> Fault {
        Fault::new(FaultKind::Credentials, "401")
    }
    for sends_events in [true, false] {
        let world = World::new().await;
        let more = json!({"version": minute(20).0.to_string(), "metadata_values": ["v".repeat(200)]});
        let rows: Vec<Value> = (0..400).map(|n| event(&format!("s{n:03}"), n % 60, 20, more.clone())).collect();
        world.append("events", &rows[..200], EPOCH);
        world.append("events", &rows[200..], EPOCH);
        let (ledger, made) = match sends_events {
            true => world.receiver("https://ours.example").await,
            false => (world.shelf.ledger("https://nobodys.example"), world.integration("out", basic).await),
        };
        world.tick(minute(70)).await;
        world.carry_out(world.claim().await.unwrap(), Some(3)).await.unwrap();
        world.shelf.refuse(&made, Some(denied));
        world.work(minute(70)).await;
        assert_eq!(world.shown(&made).await.status(), IntegrationStatus::Failed);
        // Files are merged, and what they replaced is gone when somebody resumes it.
        world.append("events", &[seen("later", 10, 65)], EPOCH);
        let lake = world.lake.clone().keeping_replaced_files(Duration::ZERO);
        for now in [80, 90] {
            lake.compact("events", minute(now)).unwrap();
        }
        world.shelf.refuse(&made, None);
        world.store.resume_integration(&project(), &made.id).await.unwrap();
        world.work(minute(70)).await;
        let run = world.runs(&made).await.remove(0);
        assert_eq!((run.state, run.result.unwrap().rows), (RunState::Completed, RowCount(400)), "{:?}", run.failure);
        let mut ids: Vec<String> = match sends_events {
            true => times(&ledger).into_iter().map(|(id, _)| id).collect(),
            false => keys(&world)
                .iter()
                .filter(|key| key.contains("/observations_v2/"))
                .flat_map(|key| world.shelf.lines(&name(key)))
                .map(|row| row["id"].as_str().unwrap().to_owned())
                .collect(),
        };
        assert_eq!(ids.len(), 400, "each once");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 400);
    }
}

#[tokio::test]
async fn frozen_columns_of_every_table_outlive_a_revision_of_another() {
    let world = World::new().await;
    let score = |id: &str| {
        json!({"project_id": project(), "id": id, "name": "q", "value": 0.5, "data_type": "NUMERIC",
            "trace_id": "t1", "timestamp": minute(12), "updated_at": minute(22), "event_ts": minute(22)})
    };
    world.append("events", &[event("a", 10, 20, json!({}))], EPOCH);
    let made = world
        .integration("out", |settings| {
            settings.tables[0].groups = vec!["basic".to_owned()];
            settings.files.as_mut().unwrap().schema = SchemaRule::Frozen;
        })
        .await;
    world.work(minute(70)).await;
    // A revision that has scores alone.
    world.append("scores", &[score("late")], EPOCH);
    world.reconcile(minute(70)).await;
    let run = world.runs(&made).await.remove(0);
    assert_eq!((run.cause, run.result.as_ref().unwrap().files.len()), (RunCause::Reconcile, 1));
    changed(&world, &made, |settings| settings.tables[0].groups.push("io".to_owned())).await;
    world.work(minute(130)).await;
    let columns = |window: &str| -> Vec<String> {
        let manifest: WindowManifest = manifest(&world, &format!("out/p/manifests/{window}.json"));
        manifest.exports[0].columns.iter().map(|column| column.name.clone()).collect()
    };
    assert_eq!(columns("2026-08-01T02-00-00"), columns("2026-08-01T01-00-00"));
    let told = world.runs(&made).await.remove(0).result.unwrap().schema_changed;
    assert_eq!(told[0].added, ["input", "output"]);
}
