//! Slices and pages behind a filter: planned and read from versions that may pass, whatever replaced them.

use std::time::Duration;

use super::*;

/// Rows whose names take turns, a second apart, with so many bytes each as far as planning knows.
fn rows(count: i64, bytes: u64, version: i64) -> Vec<serde_json::Value> {
    let row = |n: i64| {
        json!({
            "project_id": "p1", "trace_id": format!("t{}", n / 4), "span_id": format!("s{n}"), "start_time": second(n),
            "event_ts": second(version), "updated_at": second(n), "name": format!("n{}", n % 10), "event_bytes": bytes,
            "input": "x", "metadata_names": [], "metadata_values": [],
        })
    };
    (0..count).map(row).collect()
}

async fn filled(engine: &Engine, rows: &[&[serde_json::Value]]) -> (String, ClickHouseSource) {
    let events = tables::stored_events();
    let batches = rows.iter().map(|rows| batch_from_json(&events, rows).unwrap()).collect();
    langfuse(engine, &vec![(events, batches)]).await
}

fn named(name: &str) -> Expr {
    Expr::compare(Expr::column("name"), CompareOp::Eq, Expr::text(name))
}

#[tokio::test]
async fn slices_are_as_wide_as_what_may_pass() {
    let engine = need_engine!();
    let (_, source) = filled(engine, &[&rows(400, 1 << 20, 1)]).await;
    let all = planned(&source, &everything()).await;
    let rows = |plan: &Plan| plan.slices.iter().map(|slice| slice.rows.get()).sum::<u64>();
    assert!(all.slices.len() > 4 && rows(&all) == 400, "{} slices", all.slices.len());
    let few = planned(&source, &ReadRequest { filter: Some(named("n3")), ..everything() }).await;
    assert_eq!((few.slices.len(), rows(&few)), (2, 40), "40 MiB");
    // What only payloads tell is not looked for in advance.
    let input = Expr::compare(Expr::column("input"), CompareOp::Eq, Expr::text("y"));
    let with_input = Expr::And(vec![input.clone(), named("n3")]);
    assert_eq!(planned(&source, &ReadRequest { filter: Some(input), ..everything() }).await, all);
    assert_eq!(planned(&source, &ReadRequest { filter: Some(with_input), ..everything() }).await, few);
}

#[tokio::test]
async fn a_row_passes_by_its_newest_version_alone() {
    let engine = need_engine!();
    let mut newer = rows(60, 1, 2);
    for (n, row) in newer.iter_mut().enumerate() {
        // The same name, another one, another place with either, and a deletion.
        match n % 5 {
            0 => {}
            1 => row["name"] = json!("other"),
            2 => row["start_time"] = json!(second(n as i64 + 1_000)),
            3 => {
                row["name"] = json!("other");
                row["start_time"] = json!(second(n as i64 + 2_000));
            }
            _ => row["is_deleted"] = json!(true),
        }
    }
    let older = rows(100, 1, 1);
    let (database, source) = filled(engine, &[&older, &newer]).await;
    let events = tables::stored_events();
    let batches = [&older, &newer].map(|rows| batch_from_json(&events, rows).unwrap()).to_vec();
    let memory = MemorySource::new(vec![(events, batches)]).unwrap();
    let trace = Expr::compare(Expr::column("trace_id"), CompareOp::Eq, Expr::text("t3"));
    let filters =
        [named("n2"), named("other"), named("n2").negate(), trace.clone(), Expr::And(vec![trace, named("n3")])];
    for merged in [false, true] {
        for filter in &filters {
            let asked = ReadRequest { filter: Some(filter.clone()), ..everything() };
            agrees(&memory, &source, &asked).await;
            crate::conformance::pages_agree(&memory, &source, &asked).await;
        }
        if !merged {
            merge(engine, &database);
        }
    }
}

/// Waits until the server has logged what was asked of a database: it logs a query after its last byte was sent.
pub(super) fn all_logged(engine: &Engine, database: &str) {
    let text = format!(
        "SELECT countIf(type = 'QueryStart') AS begun, begun > 0 AND begun = countIf(type != 'QueryStart') \
         FROM system.query_log WHERE has(databases, '{database}')"
    );
    for _ in 0..500 {
        engine.run("default", "SYSTEM FLUSH LOGS");
        if engine.run("default", &text).trim().ends_with("\t1") {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("queries of {database} are not logged after ten seconds");
}

/// Rows that the server read for queries of a purpose.
pub(super) fn rows_read(engine: &Engine, database: &str, purpose: &str) -> u64 {
    all_logged(engine, database);
    let text = format!(
        "SELECT sum(read_rows) FROM system.query_log WHERE type = 'QueryFinish' AND has(databases, '{database}') \
         AND JSONExtractString(log_comment, 'purpose') = '{purpose}'"
    );
    engine.run("default", &text).trim().parse().unwrap()
}

/// Rows of a granule, which is read as a whole.
const GRANULE: u64 = 8_192;

#[tokio::test]
async fn skip_indexes_and_the_primary_key_find_the_rows() {
    let engine = need_engine!();
    let few = Expr::compare(Expr::column("user_id"), CompareOp::Eq, Expr::text("somebody"));
    let stretch = Window::new(Some(instant(90_000)), None).unwrap();
    let ingested = ReadRequest { cursor: Cursor::Ingested, window: stretch, ..everything() };
    let by_start = ReadRequest { window: stretch, ..everything() };
    let by_user = ReadRequest { filter: Some(few), ..everything() };
    // Of thirteen granules the stretch lies in the last three, the rows of the user in one. What is not told by the
    // primary key is read twice, for the ids of the rows and for the rows; an index of ten ids is wrong about every
    // tenth of the other granules.
    for (asked, expected, granules_max) in [(ingested, 10_000, 7), (by_start, 10_000, 4), (by_user, 10, 5)] {
        let mut all = rows(100_000, 100, 1);
        for row in &mut all[50_000..50_010] {
            row["user_id"] = json!("somebody");
        }
        let (database, source) = filled(engine, &[&all]).await;
        assert_eq!(read_all(&source, &asked).await.unwrap().num_rows(), expected);
        let read = rows_read(engine, &database, "rows");
        assert!(read > 0 && read <= granules_max * GRANULE, "{read} of 100,000 rows were read for {expected}");
        engine.run("default", &format!("DROP DATABASE {database}"));
    }
}
