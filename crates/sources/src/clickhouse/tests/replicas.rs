//! Tables that two servers hold replicas of: the same rows from either, and what is told of one that lags.

use serde_json::Value;

use super::*;
use crate::clickhouse::doctor::{Finding, Verdict, examine};
use crate::clickhouse::engine::Replicas;
use crate::conformance::pages_agree;

const STORED: [&str; 3] = ["events_full", "events_core", "scores"];
const DAY: i64 = 86_400;

async fn source(server: &Engine, database: &str, options: &str) -> ClickHouseSource {
    let options = server.options("reader:reader-secret", database, options);
    ClickHouseSource::connect(options, places()).await.unwrap()
}

fn event(id: &str, start: i64, version: i64, stored: i64) -> Value {
    json!({
        "project_id": "p1", "trace_id": "t", "span_id": id, "name": format!("{id} stored at {stored}"),
        "start_time": second(start), "event_ts": second(version), "updated_at": second(stored),
    })
}

/// Versions of which every other one is as old as the one before.
fn versions() -> Loaded {
    versions_of(|insert, is_late| insert / 2 * 10 - if is_late { 15 } else { 0 })
}

/// Versions of 50 events and scores, in ten inserts: their starts move by a minute, a day or a month, some come late,
/// and some are deletions. How old one is tell the number of its insert and whether it is late.
pub(super) fn versions_of(age: impl Fn(i64, bool) -> i64) -> Loaded {
    let mut state = 7_u64;
    let mut below = move |bound: i64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as i64 % bound
    };
    let mut inserts: [Vec<Vec<Value>>; 2] = Default::default();
    for insert in 0..10 {
        let (mut events, mut scores) = (Vec::new(), Vec::new());
        for number in (0..50).filter(|number| insert == 0 || (number + insert) % 3 != 0) {
            let moved = [0, 0, 60, DAY, 40 * DAY][below(5) as usize];
            let version = age(insert, below(6) == 0);
            let (id, start) = (format!("s{number}"), number * 600 + moved);
            let mut event = event(&id, start, version, insert);
            event["trace_id"] = json!(format!("t{}", number % 7));
            event["is_deleted"] = json!(below(8) == 0);
            let name = if below(2) == 0 { "n" } else { "m" };
            scores.push(json!({
                "id": id, "timestamp": event["start_time"], "project_id": "p1", "name": name,
                "trace_id": event["trace_id"], "data_type": "NUMERIC", "value": insert, "event_ts": event["event_ts"],
                "updated_at": event["updated_at"], "is_deleted": event["is_deleted"],
            }));
            events.push(event);
        }
        inserts[0].push(events);
        inserts[1].push(scores);
    }
    let tables = [tables::stored_events(), tables::stored_scores()];
    let loaded = tables.into_iter().zip(inserts).map(|(table, inserts)| {
        let batches = inserts.iter().map(|rows| batch_from_json(&table, rows).unwrap()).collect();
        (table, batches)
    });
    loaded.collect()
}

/// A database with these rows, every other insert through the other server.
fn stored_in_turn(replicas: &Replicas, loaded: &Loaded) -> String {
    let database = replicas.database();
    for (table, batches) in loaded {
        for (batch, server) in batches.iter().zip(replicas.both().into_iter().cycle()) {
            insert(server, &database, table, batch);
        }
    }
    replicas.wait(&database, &STORED);
    database
}

async fn agree_on_every_table(loaded: &Loaded, source: &ClickHouseSource) {
    let memory = MemorySource::new(loaded.clone()).unwrap();
    for table in tables::all() {
        let asked = request(Arc::clone(table));
        agrees(&memory, source, &asked).await;
        if matches!(table.relation, Relation::Stored(_)) {
            agrees(&memory, source, &ReadRequest { deleted: DeletedRows::Included, ..asked }).await;
        }
    }
}

#[tokio::test]
async fn every_replica_gives_the_rows_of_memory_before_and_after_merges() {
    let replicas = need_replicas!();
    let loaded = versions();
    let memory = MemorySource::new(loaded.clone()).unwrap();
    let database = stored_in_turn(replicas, &loaded);
    for is_merged in [false, true] {
        if is_merged {
            STORED.iter().for_each(|table| drop(replicas.a.run(&database, &format!("OPTIMIZE TABLE {table} FINAL"))));
            replicas.wait(&database, &STORED);
        }
        for server in replicas.both() {
            let source = source(server, &database, "").await;
            agree_on_every_table(&loaded, &source).await;
            let window = Window::new(Some(EPOCH), Some(instant(DAY))).unwrap();
            pages_agree(&memory, &source, &ReadRequest { window, ..request(tables::find("events").unwrap()) }).await;
        }
        agree_on_every_table(&loaded, &source(&replicas.b, &database, "cluster=replicas").await).await;
    }
}

#[tokio::test]
async fn golden_rows_are_those_of_memory_on_every_replica() {
    let replicas = need_replicas!();
    let loaded = golden::rows();
    let database = stored_in_turn(replicas, &loaded);
    for server in replicas.both() {
        let source = source(server, &database, "").await;
        golden::rows_keep_every_promise(&source).await;
        golden::agree(&MemorySource::new(loaded.clone()).unwrap(), &source).await;
    }
}

/// Replicas number the inserts of each month by themselves, so that an earlier one may have the greater number.
#[tokio::test]
async fn of_equal_versions_in_two_months_the_later_one_lives() {
    let replicas = need_replicas!();
    let table = tables::stored_events();
    let batch = |rows: &[Value]| batch_from_json(&table, rows).unwrap();
    let mut batches: Vec<RecordBatch> = (0..3).map(|n| batch(&[event(&format!("other{n}"), n, 1, n)])).collect();
    batches.push(batch(&[event("moved", 10, 5, 4)]));
    batches.push(batch(&[event("moved", 10 + 40 * DAY, 5, 5)]));
    let loaded = vec![(Arc::clone(&table), batches), (tables::stored_scores(), Vec::new())];
    let database = stored_in_turn(replicas, &loaded);
    for server in replicas.both() {
        agree_on_every_table(&loaded, &source(server, &database, "").await).await;
    }
}

async fn examined(server: &Engine, user: &str, database: &str, options: &str) -> Vec<Finding> {
    examine(server.options(user, database, options), &tables::stored(), &places()).await.unwrap()
}

/// What is found of replicas, as it is printed.
fn of_replicas(findings: &[Finding]) -> Vec<String> {
    let findings = findings.iter().filter(|finding| finding.about == "replica");
    findings.map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_a_replica_lacks_is_told_and_read_once_it_came() {
    let replicas = need_replicas!();
    let table = tables::stored_events();
    let rows = |ids: &[&str]| {
        let rows: Vec<Value> = ids.iter().map(|id| event(id, 10, 1, 1)).collect();
        batch_from_json(&table, &rows).unwrap()
    };
    let scores = (tables::stored_scores(), Vec::new());
    let first = vec![(Arc::clone(&table), vec![rows(&["early"])]), scores.clone()];
    let both = vec![(Arc::clone(&table), vec![rows(&["early"]), rows(&["late"])]), scores];
    let database = stored_in_turn(replicas, &first);
    let Replicas { a, b } = replicas;
    b.run(&database, "SYSTEM STOP FETCHES events_full");
    insert(a, &database, &table, &both[0].1[1]);
    b.run(&database, "SYSTEM SYNC REPLICA events_full PULL");

    agree_on_every_table(&both, &source(a, &database, "").await).await;
    agree_on_every_table(&first, &source(b, &database, "").await).await;
    let findings = examined(b, "reader:reader-secret", &database, "").await;
    let lines = of_replicas(&findings);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("note    replica: \"b\" of events_full on "), "{lines:?}");
    assert!(lines[0].contains("s behind (inserts that it lacks: 1, entries in its queue: "), "{lines:?}");
    assert!(lines[1].starts_with("ok      replica: \"b\" of scores on "), "{lines:?}");
    assert!(findings.iter().all(|finding| finding.verdict != Verdict::Failed), "{findings:?}");
    assert_eq!(of_replicas(&examined(a, "default", &database, "").await).len(), 1);
    // Through a cluster either may be read.
    let lines = of_replicas(&examined(a, "default", &database, "cluster=replicas").await);
    assert_eq!(lines.iter().filter(|line| line.starts_with("note    replica: \"b\"")).count(), 1, "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("ok      replica: \"a\"")).count(), 1, "{lines:?}");

    b.run(&database, "SYSTEM START FETCHES events_full");
    replicas.wait(&database, &STORED);
    agree_on_every_table(&both, &source(b, &database, "").await).await;
    let findings = examined(b, "default", &database, "").await;
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Ok), "{findings:?}");
    let table = findings.iter().find(|finding| finding.about == "table").unwrap();
    assert!(
        table.text.starts_with("events_full (Langfuse v4), ReplicatedReplacingMergeTree, 2 stored rows"),
        "{table}"
    );
}

#[tokio::test]
async fn a_user_who_may_not_see_replicas_is_told_so() {
    let replicas = need_replicas!();
    replicas.both().into_iter().for_each(|server| drop(server.run("default", "CREATE DATABASE limited")));
    replicas.langfuse_tables("limited");
    let findings = examined(&replicas.a, "no_scores:reader-secret", "limited", "").await;
    let replicas: Vec<&Finding> = findings.iter().filter(|finding| finding.about == "replica").collect();
    assert_eq!(replicas.len(), 1, "{findings:?}");
    assert_eq!(replicas[0].verdict, Verdict::Note);
    assert_eq!(replicas[0].hint.as_deref(), Some("GRANT SELECT ON system.replicas TO no_scores"));
}
