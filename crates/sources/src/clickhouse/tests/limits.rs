//! Limits of the server that are met before rows are: at the plan, at the look at versions, at scores.

use std::collections::HashSet;

use futures_util::TryStreamExt;
use model::{End, FaultKind, KeyRange, Plan, Reading, RowCount, ScoreRow, Stop};

use super::sizes::with_mebibytes;
use super::*;
use crate::clickhouse::engine::proxy::Trouble;
use crate::clickhouse::live::DEAD_IN_SLICE;
use crate::clickhouse::reading::ClickHouseReading;

/// Traces of one event each.
const TRACES: u32 = 300_000;
/// How many of them have a version with another start besides.
const MOVED: u32 = 500;

/// A deployment whose events take more memory to be counted, and to be looked at, than a limited query may have.
fn with_traces(engine: &Engine, traces: u32, moved: u32) -> String {
    let database = engine.database();
    engine.langfuse_tables(&database);
    engine.run(&database, "DROP VIEW events_core_mv");
    let start = format!("fromUnixTimestamp64Micro(toInt64({} + number * 1000000), 'UTC')", EPOCH.0);
    for (count, later, version) in [(traces, 0, 1), (moved, 7, 2)] {
        engine.run(
            &database,
            &format!(
                "INSERT INTO events_full (project_id, trace_id, span_id, start_time, event_ts, created_at, updated_at) \
                 SELECT 'p1', concat('trace ', toString(number)), 's', {start} + INTERVAL {later} HOUR, \
                 fromUnixTimestamp64Micro(toInt64({} + {version}), 'UTC') AS stored, stored, stored FROM numbers({count})",
                EPOCH.0
            ),
        );
    }
    database
}

/// The plan of a request, and everything that its queries leave out as outranked.
async fn planned(
    source: &ClickHouseSource,
    asked: &ReadRequest,
) -> Result<(Plan, Vec<(String, String)>), model::Fault> {
    let reading = ClickHouseReading::new(asked.clone(), &source.database, &source.client)?;
    let plan = reading.plan(None).await?;
    let (stop, places) = (Stop::new(), reading.compiled.looked_through.keys().copied());
    let mut outranked = reading.shared.without_outranked(String::new(), places, None, &stop).await?.1;
    // Of the rows themselves, where they are stored as such.
    if reading.compiled.read().contains(DEAD_IN_SLICE) {
        let query = reading.query(DEAD_IN_SLICE.to_owned(), &KeyRange::ALL, "rows", &stop).await?.unwrap();
        outranked.extend(query.parameters.into_iter().filter(|(name, _)| name.starts_with("slice_")));
    }
    reading.close().await?;
    Ok((plan, outranked))
}

/// What queries of a database were for that ended with this number.
fn ended_with(engine: &Engine, database: &str, code: u32) -> Vec<String> {
    engine.run("default", "SYSTEM FLUSH LOGS");
    let purposes = engine.run(
        "default",
        &format!(
            "SELECT DISTINCT JSONExtractString(log_comment, 'purpose') AS purpose FROM system.query_log \
             WHERE current_database = '{database}' AND exception_code = {code} ORDER BY purpose FORMAT TSV"
        ),
    );
    purposes.lines().map(str::to_owned).collect()
}

/// What the server answers to a query that takes too long.
fn too_slow() -> Trouble {
    Trouble::refusal(159, "Timeout exceeded: elapsed 600.1 seconds, maximum: 600. (TIMEOUT_EXCEEDED)")
}

/// What the server answers to a query that takes too much memory.
fn too_large() -> Trouble {
    Trouble::refusal(241, "Query memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)")
}

#[tokio::test]
async fn what_is_planned_and_looked_at_is_divided_where_memory_is_short() {
    let engine = need_engine!();
    let database = with_traces(engine, TRACES, MOVED);
    let connected = async |options: &str| {
        ClickHouseSource::connect(engine.options("default", &database, options), places()).await.unwrap()
    };
    let (plenty, little) = (connected("").await, connected("memory_bytes_max=12MB&threads_max=1").await);
    for name in ["traces", "events"] {
        let asked = ReadRequest { columns: Vec::new(), ..request(tables::find(name).unwrap()) };
        let (expected, outranked) = planned(&plenty, &asked).await.unwrap();
        assert!(outranked.iter().any(|(_, list)| list.len() > 35 * MOVED as usize), "{name}: {outranked:?}");
        let found = planned(&little, &asked).await.unwrap();
        assert!(found.0 == expected, "{name}: {:?} and {expected:?}", found.0);
        assert!(found.1 == outranked, "{name}");
    }
    assert_eq!(ended_with(engine, &database, 241), ["the number of rows", "the versions of rows"]);
}

/// Those of many rows are named in more than one list; of too many to be named they are looked for by the query itself.
#[tokio::test]
async fn outranked_versions_are_found_however_many_rows_have_several() {
    let engine = need_engine!();
    for (moved, is_named) in [(5_001, true), (20_001, false)] {
        let database = with_traces(engine, 100_000, moved);
        let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
        let asked = ReadRequest { columns: Vec::new(), ..request(tables::find("events").unwrap()) };
        let (_, outranked) = planned(&source, &asked).await.unwrap();
        let lists = outranked.iter().filter(|(name, _)| !name.ends_with("_starts"));
        let versions: HashSet<&str> = lists.flat_map(|(_, list)| list.trim_matches(['[', ']']).split(',')).collect();
        assert_eq!(versions.len(), moved as usize);
        engine.run("default", "SYSTEM FLUSH LOGS");
        let asked_again = engine.run(
            "default",
            &format!(
                "SELECT count() > 0, countIf(query LIKE '%HAVING min(%') > 0 FROM system.query_log \
                 WHERE current_database = '{database}' AND type = 'QueryFinish' AND query LIKE '%AS best%' FORMAT TSV"
            ),
        );
        assert_eq!(asked_again.trim(), if is_named { "1\t0" } else { "1\t1" });
    }
}

/// What a query for slices holds and no other, and one for versions.
const MARKS: [(&str, &str); 2] = [("AS bucket", "the number of rows"), ("AS best", "the versions of rows")];

#[tokio::test]
async fn what_is_planned_and_looked_at_is_divided_where_time_is_short_and_told_where_that_does_not_help() {
    let engine = need_engine!();
    let database = with_traces(engine, 40_000, MOVED);
    let proxy = Proxy::start(engine.address());
    let source = through(&proxy, &database).await;
    // A whole table of few versions is looked at by one query.
    let asked = ReadRequest { columns: Vec::new(), ..request(tables::find("traces").unwrap()) };
    let expected = planned(&source, &asked).await.unwrap();
    for (mark, purpose) in MARKS {
        for times in [1, 3] {
            proxy.make(too_slow(), mark, times);
            assert!(planned(&source, &asked).await.unwrap() == expected, "{purpose}, {times} times");
            assert_eq!(proxy.left(), 0, "{purpose}: it did not happen");
        }
        proxy.make(too_slow(), mark, 1_000);
        let fault = planned(&source, &asked).await.err().unwrap_or_else(|| panic!("{purpose}: no fault"));
        assert_eq!(fault.kind(), FaultKind::Timeout);
        let (told, hint) = (fault.public_message(), fault.public_hint().unwrap_or_default());
        assert!(told.contains(purpose) && told.contains("TIMEOUT_EXCEEDED"), "{fault}");
        assert!(hint.contains("seconds_max") && hint.contains("narrow the export"), "{hint}");
        assert!(1_000 - proxy.left() < 20, "{purpose}: asked {} times", 1_000 - proxy.left());
        proxy.make(too_large(), mark, 1_000);
        let fault = planned(&source, &asked).await.err().unwrap_or_else(|| panic!("{purpose}: no fault"));
        assert_eq!(fault.kind(), FaultKind::TooLarge { limit: None });
        assert!(fault.public_hint().is_some_and(|hint| hint.contains("memory_bytes_max")), "{fault:?}");
        proxy.make(too_large(), mark, 0);
    }
}

/// The value that a query has for a number.
fn number(request: &str, name: &str) -> Option<i64> {
    let (_, rest) = request.split_once(&format!("name=\"param_{name}\""))?;
    rest.split_once("\r\n\r\n")?.1.lines().next()?.parse().ok()
}

/// How many minutes the rows of a query start within.
fn minutes(request: &str) -> Option<i64> {
    Some((number(request, "hi")? - number(request, "lo")?) / (60 * Micros::PER_SECOND))
}

#[tokio::test]
async fn each_piece_of_a_slice_without_rows_may_meet_limits_of_its_own() {
    let engine = need_engine!();
    let (database, _) = langfuse(engine, &ends::rows(-1, 0)).await;
    let proxy = Proxy::start(engine.address());
    let source = through(&proxy, &database).await;
    let hour = Window::new(Some(EPOCH), Some(instant(3_600))).unwrap();
    // Which no row passes, as only reading tells.
    let filter = Some(Expr::compare(Expr::column("input"), CompareOp::Eq, Expr::text("nothing")));
    let asked = ReadRequest { window: hour, filter, ..request(tables::find("events").unwrap()) };
    let reading = source.prepare(asked).await.unwrap();
    reading.plan(None).await.unwrap();
    let read = async || Arc::clone(&reading).read(KeyRange::ALL, Stop::new()).try_collect::<Vec<RecordBatch>>().await;
    let above_10: fn(&str) -> bool = |request| request.contains("throwIf(") && minutes(request).is_some_and(|n| n > 10);
    proxy.make(too_slow(), above_10, 1_000);
    assert_eq!(read().await.unwrap().len(), 0);
    assert_eq!(1_000 - proxy.left(), 7, "the hour, its halves, and their halves");
    // What is smaller than the third half fails alike.
    let above_5: fn(&str) -> bool = |request| request.contains("throwIf(") && minutes(request).is_some_and(|n| n > 5);
    proxy.make(too_slow(), above_5, 1_000);
    assert_eq!(read().await.unwrap_err().kind(), FaultKind::Timeout);
    assert_eq!(1_000 - proxy.left(), 4);
    reading.close().await.unwrap();
}

#[tokio::test]
async fn hours_far_apart_that_are_counted_by_the_minute_are_divided_where_time_is_short() {
    let engine = need_engine!();
    // Two hours with more than a slice holds, a hundred days apart.
    let database = with_mebibytes(engine, 80, "intDiv(number, 40) * 8640000000000 + number % 40 * 90000000");
    let proxy = Proxy::start(engine.address());
    let source = through(&proxy, &database).await;
    let asked = request(tables::find("events").unwrap());
    let expected = planned(&source, &asked).await.unwrap();
    assert!(expected.0.slices.len() > 2, "{:?}", expected.0);
    let above_40: fn(&str) -> bool =
        |request| request.contains("param_within") && minutes(request).is_some_and(|n| n > 40);
    proxy.make(too_slow(), above_40, 1_000);
    assert!(planned(&source, &asked).await.unwrap() == expected);
    assert_eq!(1_000 - proxy.left(), 3, "both hours together, and each");
}

#[tokio::test]
async fn a_page_comes_where_its_first_part_cannot_be_told_for_want_of_memory_or_time() {
    let engine = need_engine!();
    let (database, _) = langfuse(engine, &ends::rows(-1, 0)).await;
    let proxy = Proxy::start(engine.address());
    let source = through(&proxy, &database).await;
    let reading = source.prepare(request(tables::find("events").unwrap())).await.unwrap();
    let part = async || reading.part(&KeyRange::ALL, End::First, RowCount(1), 0).await;
    assert_ne!(part().await.unwrap(), Some(KeyRange::ALL), "ten rows are more than a part for one");
    for (what, refusal) in [("time", too_slow()), ("memory", too_large())] {
        proxy.make(refusal, "OFFSET {versions", 1);
        assert_eq!(part().await.unwrap(), Some(KeyRange::ALL), "{what}");
        assert_eq!(proxy.left(), 0, "{what}: it did not happen");
    }
    // Another fault stands.
    proxy.make(Trouble::refusal(516, "Authentication failed. (AUTHENTICATION_FAILED)"), "OFFSET {versions", 1);
    assert_eq!(part().await.unwrap_err().kind(), FaultKind::Credentials);
    reading.close().await.unwrap();
}

/// Scores in several parts that are never merged, in versions, some of them deleted or moved.
fn with_scores(engine: &Engine) -> String {
    let database = engine.database();
    engine.langfuse_tables(&database);
    engine.run(&database, "SYSTEM STOP MERGES scores");
    for part in 0..8 {
        engine.run(
            &database,
            &format!(
                "INSERT INTO scores (id, timestamp, project_id, trace_id, name, value, data_type, event_ts, updated_at, \
                 is_deleted) SELECT concat('s', toString(number), '.', toString({part} % 4)), \
                 fromUnixTimestamp64Milli(toInt64({} + (number % 8000) * 1000), 'UTC'), 'p1', concat('t', toString(number)), \
                 concat('name ', toString(number % 5)), number + {part}, 'NUMERIC', \
                 fromUnixTimestamp64Milli(toInt64({} + {part}), 'UTC') AS stored, stored, {part} = 7 AND number % 10 = 0 \
                 FROM numbers(40000)",
                EPOCH.0 / 1_000,
                EPOCH.0 / 1_000,
            ),
        );
    }
    database
}

#[tokio::test]
async fn scores_are_asked_for_sparingly_where_memory_is_short() {
    let engine = need_engine!();
    let database = with_scores(engine);
    let asked = request(tables::find("events").unwrap());
    let scope = ScoreScope { project: asked.project.clone(), since: None };
    let names: Vec<String> = (0..2_000).map(|n| format!("t{}", n * 7)).collect();
    let traces: Vec<&str> = names.iter().map(String::as_str).collect();
    let names_of = async |options: &str| {
        let source = ClickHouseSource::connect(engine.options("default", &database, options), places()).await.unwrap();
        source.prepare(asked.clone()).await.unwrap().scores().score_names(&scope).await.unwrap()
    };
    let found = async |options: &str| {
        let source = ClickHouseSource::connect(engine.options("default", &database, options), places()).await.unwrap();
        let reading = source.prepare(asked.clone()).await.unwrap();
        let mut look_ups = Vec::new();
        // The first ones are of these traces alone.
        for _ in 0..4 {
            let mut scores: Vec<ScoreRow> = reading.scores().scores(&scope, &traces).await.unwrap();
            scores.sort_by(|a, b| a.id.cmp(&b.id));
            look_ups.push(scores);
        }
        reading.close().await.unwrap();
        look_ups
    };
    // What takes too much with two threads and large blocks, and not with one and small ones.
    let names = names_of("").await;
    assert_eq!(names.len(), 5);
    assert_eq!(names_of("memory_bytes_max=17MB").await, names);
    let expected = found("").await;
    assert!(expected.iter().all(|scores| *scores == expected[0] && scores.len() > 7_000), "{}", expected[0].len());
    assert!(found("memory_bytes_max=30MB").await == expected, "other scores");
    let ended = ended_with(engine, &database, 241);
    assert!(["names of scores", "scores"].iter().all(|purpose| ended.contains(&(*purpose).to_owned())), "{ended:?}");
}

#[tokio::test]
async fn scores_that_cannot_be_looked_up_at_once_are_in_parts_or_told() {
    let engine = need_engine!();
    let (database, _) = langfuse(engine, &stretches::rows()).await;
    let proxy = Proxy::start(engine.address());
    let source = through(&proxy, &database).await;
    let asked = request(tables::find("events").unwrap());
    let scope = ScoreScope { project: asked.project.clone(), since: None };
    let names: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    let traces: Vec<&str> = names.iter().map(String::as_str).collect();
    // Of these traces alone, all that are there, and, where those are too many, all of a stretch.
    for (before, held_max, times) in [(0, 1_000, 1), (2, 1_000, 1), (2, 100, 2)] {
        let reading = ClickHouseReading::holding(asked.clone(), &source.database, &source.client, held_max).unwrap();
        let reading = Arc::new(reading);
        let rows: Vec<RecordBatch> = Arc::clone(&reading).read(KeyRange::ALL, Stop::new()).try_collect().await.unwrap();
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 60);
        let scores = Reading::scores(&*reading);
        for _ in 0..before {
            scores.scores(&scope, &traces).await.unwrap();
        }
        proxy.make(too_slow(), "AS timestamp", times);
        let found = scores.scores(&scope, &traces).await.unwrap();
        assert_eq!(found.len(), 30, "behind {before}, at most {held_max}");
        assert_eq!(proxy.left(), 0, "behind {before}, at most {held_max}: it did not happen");
    }
    let reading = source.prepare(asked).await.unwrap();
    for mark in ["AS timestamp", "AS textual"] {
        proxy.make(too_slow(), mark, 1_000);
        let fault = match mark {
            "AS textual" => reading.scores().score_names(&scope).await.err(),
            _ => reading.scores().scores(&scope, &traces).await.err(),
        };
        let fault = fault.unwrap_or_else(|| panic!("{mark}: no fault"));
        assert_eq!(fault.kind(), FaultKind::Timeout);
        assert!(fault.public_hint().is_some_and(|hint| hint.contains("seconds_max")), "{fault:?}");
        assert!(1_000 - proxy.left() < 20, "asked {} times", 1_000 - proxy.left());
    }
}
