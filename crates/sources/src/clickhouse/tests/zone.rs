//! A server whose days are not those of the rows: tables that are sorted by the day sort by its own.

use model::FaultKind;

use super::*;
use crate::clickhouse::engine::western_engine;
use crate::conformance::pages_agree;

macro_rules! need_western_engine {
    () => {
        match western_engine() {
            Some(engine) => engine,
            None => return eprintln!("left out: needs the stack of `cargo xtask test`"),
        }
    };
}

#[tokio::test]
async fn every_promise_holds_west_of_greenwich() {
    let engine = need_western_engine!();
    assert_eq!(engine.run("default", "SELECT timezone()").trim(), "America/Los_Angeles");
    let (_, source) = stored(engine, &fixture::batches()).await;
    agreement::every_promise_of_the_fixture(&source).await;
    agreement::on_tests_that_need_more_than_the_row(&source).await;
    agreement::on_attached_columns(&source).await;
    agreement::on_deletions(&source).await;
}

#[tokio::test]
async fn rows_that_move_are_one_west_of_greenwich() {
    let engine = need_western_engine!();
    a_score_is_one_row(engine).await;
    let windows =
        [(Cursor::StartTime, None, None), (Cursor::StartTime, Some(60), None), (Cursor::Ingested, Some(2), Some(3))];
    v3::is_one_row_wherever_it_moves(engine, &windows).await;
    v3::joins_its_observations_once(engine).await;
    v3::give_the_rows_of_the_events_they_become(engine).await;
}

/// Scores around every midnight of three days, the server's and that of the rows, some of which moved over one of them
/// by an hour. In these days clocks go back in Los Angeles.
#[tokio::test]
async fn scores_around_midnights_are_there_once_each() {
    let engine = need_western_engine!();
    // 2026-10-31 00:00:00 UTC; the night that has an hour twice is the next one.
    let begin = 1_793_404_800;
    let instant = |minutes: i64| Micros((begin + minutes * 60) * Micros::PER_SECOND);
    let hours = 72;
    let score = |id: &str, minutes: i64, version: i64, is_deleted: bool| {
        let stored = instant(hours * 60 + version).to_sql_text();
        json!({
            "id": id, "timestamp": instant(minutes).to_sql_text(), "project_id": "p1", "name": "n",
            "data_type": "NUMERIC", "value": version, "trace_id": format!("t{id}"), "is_deleted": is_deleted,
            "event_ts": stored, "updated_at": stored,
        })
    };
    let first: Vec<_> = (0..hours * 2).map(|n| score(&n.to_string(), n * 30, 1, false)).collect();
    let moved = (0..hours * 2).filter(|n| n % 3 > 0);
    let moved = moved.map(|n| score(&n.to_string(), n * 30 + if n % 2 == 0 { 61 } else { -61 }, 2, n % 12 == 1));
    let table = tables::stored_scores();
    let batch = |rows: &[serde_json::Value]| batch_from_json(&table, rows).unwrap();
    let loaded = vec![(Arc::clone(&table), vec![batch(&first), batch(&moved.collect::<Vec<_>>())])];
    let (database, source) = langfuse(engine, &loaded).await;
    let memory =
        MemorySource::new(loaded.into_iter().chain([(tables::stored_events(), Vec::new())]).collect()).unwrap();
    let asked = ReadRequest { as_of: instant(hours * 60 + 60), ..request(tables::find("scores").unwrap()) };
    // From midnight to midnight, of the rows and of the server, whose second day has 25 hours; and by the hour around
    // each midnight, that hour among them which is there twice.
    let (of_rows, of_server): ([i64; 4], [i64; 3]) = ([0, 24, 48, 72], [7, 31, 56]);
    let days = [&of_rows[..], &of_server[..]].map(|midnights| midnights.windows(2));
    let days = days.into_iter().flatten().map(|day| (day[0], day[1]));
    let midnights = of_rows.iter().chain(&of_server);
    let is_near = |hour: &i64| midnights.clone().any(|midnight| (midnight - hour).abs() <= 2);
    let windows: Vec<(i64, i64)> = days.chain((0..hours).filter(is_near).map(|hour| (hour, hour + 1))).collect();
    for is_merged in [false, true] {
        if is_merged {
            engine.run(&database, "OPTIMIZE TABLE scores FINAL");
        }
        assert_eq!(read_all(&source, &asked).await.unwrap().num_rows(), 132);
        for (from, to) in &windows {
            let window = Window::new(Some(instant(from * 60)), Some(instant(to * 60))).unwrap();
            agrees(&memory, &source, &ReadRequest { window, ..asked.clone() }).await;
        }
        pages_agree(&memory, &source, &asked).await;
        let filter = Expr::compare(Expr::column("value"), CompareOp::Eq, Expr::Literal(Literal::Float(2.0)));
        let filtered = ReadRequest { filter: Some(filter), ..asked.clone() };
        agrees(&memory, &source, &filtered).await;
        pages_agree(&memory, &source, &filtered).await;
    }
}

/// With its setting a look for what outranks a row saw no deletion that starts at another time.
#[tokio::test]
async fn a_profile_that_merges_versions_in_every_query_brings_no_deleted_row_back() {
    let Some(engine) = engine() else { return eprintln!("left out: needs the stack of `cargo xtask test`") };
    let row = |start: i64, stored: i64, is_deleted: u8| {
        json!({
            "project_id": "p1", "trace_id": "t", "span_id": "s", "start_time": at(start), "event_ts": at(stored),
            "updated_at": at(stored), "is_deleted": is_deleted,
        })
    };
    let batch = |row| batch_from_json(&events(), &[row]).unwrap();
    let loaded = vec![(events(), vec![batch(row(10, 20, 0)), batch(row(400, 30, 1))]), (scores(), Vec::new())];
    let (database, _) = stored(engine, &loaded).await;
    let options = engine.options("finalizing:reader-secret", &database, "");
    let source = ClickHouseSource::connect(options, places()).await.unwrap();
    for table in [events_table(), traces_table()] {
        assert_eq!(read_all(&source, &request(table)).await.unwrap().num_rows(), 0);
    }
}

/// What a user's profile sets is overruled where it would count, and refused where it may not be.
#[tokio::test]
async fn a_profile_with_another_zone_changes_no_row() {
    let Some(engine) = engine() else { return eprintln!("left out: needs the stack of `cargo xtask test`") };
    let (database, _) = stored(engine, &fixture::batches()).await;
    let connect = async |user: &str| ClickHouseSource::connect(engine.options(user, &database, ""), places()).await;
    let source = connect("western:reader-secret").await.unwrap();
    agreement::every_promise_of_the_fixture(&source).await;
    let Err(fault) = connect("western_reader:reader-secret").await else {
        panic!("a zone that cannot be changed was accepted");
    };
    assert_eq!(fault.kind(), FaultKind::Configuration);
    assert!(fault.public_message().contains("session_timezone = America/Los_Angeles"), "{fault}");
    assert!(fault.public_hint().is_some_and(|hint| hint.contains("set session_timezone to ''")), "{fault:?}");
}
