//! Rows that are changed while a run reads them.

use std::time::Duration;

use model::{ByteCount, KeyRange, OrderKey, Reading, Stop};

use super::*;
use crate::clickhouse::engine::proxy::Trouble;
use arrow_array::types::Int64Type;
use futures_util::TryStreamExt;

/// Times of versions that were there when the read was planned, and of those stored while it runs.
const BEFORE: i64 = 1_000;
const DURING: i64 = 4_000;

fn event(span: &str, start: i64, stored: i64) -> serde_json::Value {
    event_of("t", span, start, stored)
}

fn event_of(trace: &str, span: &str, start: i64, stored: i64) -> serde_json::Value {
    json!({
        "project_id": "p1", "trace_id": trace, "span_id": span, "start_time": at(start), "event_ts": at(stored),
        "updated_at": at(stored), "name": format!("of {stored}"),
    })
}

/// A prepared read of which stretches are read one after the other, as a run does.
struct Run {
    reading: Arc<dyn Reading>,
    rows: Vec<(String, String)>,
}

impl Run {
    async fn begin(source: &ClickHouseSource, asked: ReadRequest) -> Self {
        let reading = source.prepare(asked).await.unwrap();
        reading.plan(None).await.unwrap();
        Self { reading, rows: Vec::new() }
    }

    /// Reads what starts in `from > start >= to`, newest first.
    async fn read(&mut self, from: Option<i64>, to: Option<i64>) {
        let batches = self.received(from, to).await;
        self.pass_on(batches).await;
    }

    async fn received(&self, from: Option<i64>, to: Option<i64>) -> Vec<RecordBatch> {
        let key = |seconds: i64| OrderKey::at(Micros(EPOCH.0 + seconds * 1_000_001 - 1));
        let range = KeyRange { from: from.map(key), to: to.map(key) };
        Arc::clone(&self.reading).read(range, Stop::new()).try_collect().await.unwrap()
    }

    async fn pass_on(&mut self, batches: Vec<RecordBatch>) {
        for batch in batches {
            let batch = self.reading.once_each(batch).await.unwrap();
            let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().iter().flatten();
            let rows = text(model::key_column::ID).zip(text("name"));
            self.rows.extend(rows.map(|(id, name)| (id.to_owned(), name.to_owned())));
        }
    }

    fn rows(&self) -> Vec<(&str, &str)> {
        self.rows.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect()
    }
}

async fn with_events(rows: &[serde_json::Value]) -> Option<(&'static Engine, String, ClickHouseSource)> {
    let engine = engine()?;
    let batch = batch_from_json(&events(), rows).unwrap();
    let (database, source) = stored(engine, &vec![(events(), vec![batch]), (scores(), Vec::new())]).await;
    // Versions that are merged away are not counted.
    engine.run(&database, "SYSTEM STOP MERGES events_full");
    Some((engine, database, source))
}

fn store(engine: &Engine, database: &str, rows: &[serde_json::Value]) {
    insert(engine, database, &events(), &batch_from_json(&events(), rows).unwrap());
}

#[tokio::test]
async fn a_row_changed_during_the_run_appears_once_and_is_counted() {
    let rows = [
        event("back", 500, BEFORE),
        event("forward", 100, BEFORE),
        event("in place", 400, BEFORE),
        event("later", 450, BEFORE),
        event("same", 300, BEFORE),
        event("twice", 480, BEFORE),
    ];
    let Some((engine, database, source)) = with_events(&rows).await else { return };
    let mut run = Run::begin(&source, request(events_table())).await;
    // Before its new place is read.
    store(engine, &database, &[event("forward", 490, DURING), event("in place", 400, DURING)]);
    run.read(None, Some(350)).await;
    // Behind what was read, into what was read, and where it was; a row that is new.
    let changed = [
        event("back", 200, DURING),
        event("later", 450, DURING + 1),
        event("same", 510, DURING),
        event("new", 50, DURING),
        event("twice", 150, DURING),
    ];
    store(engine, &database, &changed);
    store(engine, &database, &[event("twice", 120, DURING + 1)]);
    run.read(Some(350), None).await;
    let expected = [
        ("back", "of 1000"),
        ("twice", "of 1000"),
        ("later", "of 1000"),
        ("in place", "of 4000"),
        ("same", "of 1000"),
        ("forward", "of 1000"),
        ("new", "of 4000"),
    ];
    assert_eq!(run.rows(), expected);
    assert_eq!(run.reading.changed().await.unwrap().get(), 7, "each of them");
}

#[tokio::test]
async fn a_row_that_moves_between_two_attempts_comes_in_one_of_them() {
    let rows = [event("a", 500, BEFORE), event("forward", 100, BEFORE), event("back", 480, BEFORE)];
    let Some((engine, database, source)) = with_events(&rows).await else { return };
    let mut first = Run::begin(&source, request(events_table())).await;
    first.read(None, Some(450)).await;
    // From what is not read yet into what was, and the other way.
    store(engine, &database, &[event("forward", 490, DURING), event("back", 200, DURING)]);
    let mut second = Run::begin(&source, request(events_table())).await;
    second.read(Some(450), None).await;
    assert_eq!(first.rows(), [("a", "of 1000"), ("back", "of 1000")]);
    assert_eq!(second.rows(), [("forward", "of 1000")]);
}

/// Of two parts of an export each has rows of its own: what one of them passed on the other does not know.
#[tokio::test]
async fn a_row_that_is_changed_in_its_place_and_then_moves_comes_in_one_of_two_parts() {
    let rows = [event("a", 500, BEFORE), event("back", 480, BEFORE), event("forward", 100, BEFORE)];
    let Some((engine, database, source)) = with_events(&rows).await else { return };
    let mut runs = Vec::new();
    for deleted in [DeletedRows::LeftOut, DeletedRows::Included] {
        let asked = ReadRequest { deleted, ..request(events_table()) };
        for _ in 0..3 {
            runs.push(Run::begin(&source, asked.clone()).await);
        }
    }
    store(engine, &database, &[event("back", 480, DURING), event("forward", 100, DURING)]);
    store(engine, &database, &[event("back", 200, DURING + 1), event("forward", 490, DURING + 1)]);
    for of_request in runs.chunks_mut(3) {
        let [first, second, whole] = of_request else { panic!("three runs of each request") };
        first.read(None, Some(450)).await;
        second.read(Some(450), None).await;
        whole.read(None, None).await;
        assert_eq!(first.rows(), [("a", "of 1000"), ("back", "of 4000")]);
        assert_eq!(second.rows(), [("forward", "of 4000")]);
        assert_eq!(whole.rows(), [("a", "of 1000"), ("back", "of 4000"), ("forward", "of 4000")]);
    }
}

#[tokio::test]
async fn a_row_that_no_longer_passes_in_its_place_comes_where_it_moved() {
    let Some((engine, database, source)) = with_events(&[event("a", 500, BEFORE), event("b", 480, BEFORE)]).await
    else {
        return;
    };
    let filter = Some(Expr::compare(Expr::column("name"), CompareOp::Eq, Expr::text("of 4000")).negate());
    let asked = ReadRequest { filter, ..request(events_table()) };
    let (mut first, mut second) = (Run::begin(&source, asked.clone()).await, Run::begin(&source, asked).await);
    store(engine, &database, &[event("b", 480, DURING)]);
    store(engine, &database, &[event("b", 200, DURING + 1)]);
    first.read(None, Some(450)).await;
    second.read(Some(450), None).await;
    assert_eq!(first.rows(), [("a", "of 1000")]);
    assert_eq!(second.rows(), [("b", "of 4001")]);
}

#[tokio::test]
async fn rows_that_changed_are_asked_about_by_halves_where_the_server_meets_a_limit() {
    let rows = [event("a", 500, BEFORE), event("b", 490, BEFORE), event("c", 480, BEFORE)];
    let Some((engine, database, _)) = with_events(&rows).await else { return };
    let proxy = Proxy::start(engine.address());
    let source = through(&proxy, &database).await;
    let mut run = Run::begin(&source, request(events_table())).await;
    store(engine, &database, &[event("a", 300, DURING), event("b", 310, DURING), event("c", 320, DURING)]);
    let is_of_several: fn(&str) -> bool = |request| {
        request.contains("param_since") && ["'a'", "'b'", "'c'"].iter().filter(|id| request.contains(**id)).count() > 1
    };
    let too_large = Trouble::refusal(241, "Query memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)");
    proxy.make(too_large, is_of_several, 10);
    run.read(Some(450), None).await;
    assert!(run.rows().is_empty(), "each of them comes where it was: {:?}", run.rows());
    assert_eq!(10 - proxy.left(), 2, "all three, and the half of two");
}

#[tokio::test]
async fn what_was_read_ahead_is_passed_on_once() {
    let Some((engine, database, source)) = with_events(&[event("a", 500, BEFORE), event("b", 400, BEFORE)]).await
    else {
        return;
    };
    let mut run = Run::begin(&source, request(events_table())).await;
    let first = run.received(None, Some(450)).await;
    store(engine, &database, &[event("a", 300, DURING)]);
    // The second stretch is here before the first one is passed on.
    let second = run.received(Some(450), None).await;
    run.pass_on(first).await;
    run.pass_on(second).await;
    assert_eq!(run.rows(), [("a", "of 1000"), ("b", "of 1000")]);
    assert_eq!(run.reading.changed().await.unwrap().get(), 1);
}

#[tokio::test]
async fn a_row_that_the_filter_had_left_out_comes_when_it_moves() {
    let Some((engine, database, source)) =
        with_events(&[event("a", 500, BEFORE), event("b", 400, BEFORE), event("c", 350, 1_001)]).await
    else {
        return;
    };
    let filter = Some(Expr::compare(Expr::column("name"), CompareOp::Eq, Expr::text("of 1000")).negate());
    let mut run = Run::begin(&source, ReadRequest { filter, ..request(events_table()) }).await;
    run.read(None, Some(450)).await;
    store(engine, &database, &[event("a", 300, DURING)]);
    run.read(Some(450), None).await;
    assert_eq!(run.rows(), [("c", "of 1001"), ("a", "of 4000")]);
}

#[tokio::test]
async fn nothing_is_counted_where_nothing_changed_and_what_was_outranked_before_stays_out() {
    let Some((engine, database, source)) = with_events(&[event("a", 500, BEFORE), event("b", 400, BEFORE)]).await
    else {
        return;
    };
    store(engine, &database, &[event("a", 300, BEFORE + 1)]);
    let mut run = Run::begin(&source, request(events_table())).await;
    run.read(None, None).await;
    assert_eq!(run.rows(), [("b", "of 1000"), ("a", "of 1001")]);
    assert_eq!(run.reading.changed().await.unwrap().get(), 0);
}

/// The ids of traces that a run passes on: the rows that are there first, and what is stored behind each stretch.
async fn traces_of_a_run(
    rows: &[serde_json::Value],
    stretches: &[(Option<i64>, Option<i64>, &[serde_json::Value])],
) -> Option<Vec<String>> {
    let (engine, database, source) = with_events(rows).await?;
    let mut run = Run::begin(&source, request(traces_table())).await;
    for (from, to, stored) in stretches {
        run.read(*from, *to).await;
        store(engine, &database, stored);
    }
    Some(run.rows.into_iter().map(|(id, _)| id).collect())
}

#[tokio::test]
async fn a_trace_that_grows_backwards_before_its_place_is_read_appears_once() {
    let rows = [event_of("w", "1", 500, BEFORE), event_of("x", "2", 400, BEFORE), event_of("y", "3", 380, BEFORE)];
    let grown = [event_of("x", "4", 300, DURING), event_of("y", "5", 200, DURING)];
    let further = [event_of("x", "6", 100, DURING + 1)];
    let stretches: [(_, _, &[_]); 4] = [
        (None, Some(450), &grown),
        (Some(450), Some(250), &further),
        (Some(250), Some(150), &[]),
        (Some(150), None, &[]),
    ];
    if let Some(ids) = traces_of_a_run(&rows, &stretches).await {
        assert_eq!(ids, ["w", "x", "y"]);
    }
}

#[tokio::test]
async fn a_trace_whose_first_event_changes_in_its_place_appears_once() {
    // The second event of each lies in what was read before the change.
    let rows = [
        event_of("w", "1", 500, BEFORE),
        event_of("x", "2", 400, BEFORE),
        event_of("x", "3", 480, BEFORE),
        event_of("y", "4", 380, BEFORE),
        event_of("y", "5", 490, BEFORE),
    ];
    let ended = [event_of("x", "2", 400, DURING), event_of("y", "4", 380, DURING)];
    // One of them came when it grows.
    let grown = [event_of("x", "6", 300, DURING + 1), event_of("x", "2", 400, DURING + 1)];
    let stretches: [(_, _, &[_]); 3] =
        [(None, Some(450), &ended), (Some(450), Some(350), &grown), (Some(350), None, &[])];
    if let Some(ids) = traces_of_a_run(&rows, &stretches).await {
        assert_eq!(ids, ["w", "x", "y"]);
    }
}

#[tokio::test]
async fn a_trace_that_came_unchanged_does_not_come_again_when_it_grows_and_all_of_it_changes() {
    let rows = [event_of("x", "1", 500, BEFORE), event_of("y", "2", 400, BEFORE)];
    let grown = [event_of("x", "1", 500, DURING), event_of("x", "3", 300, DURING)];
    let stretches: [(_, _, &[_]); 2] = [(None, Some(450), &grown), (Some(450), None, &[])];
    if let Some(ids) = traces_of_a_run(&rows, &stretches).await {
        assert_eq!(ids, ["x", "y"]);
    }
}

#[tokio::test]
async fn traces_that_change_between_two_attempts_come_in_one_of_them() {
    let rows = [
        event_of("came", "1", 500, BEFORE),
        event_of("across", "2", 490, BEFORE),
        event_of("across", "3", 400, BEFORE),
        event_of("y", "4", 300, BEFORE),
    ];
    let Some((engine, database, source)) = with_events(&rows).await else { return };
    let mut first = Run::begin(&source, request(traces_table())).await;
    first.read(None, Some(450)).await;
    // One that came grows into what is not read yet, one that had not come changes in its place, one grows there.
    let changed = [
        event_of("came", "5", 350, DURING),
        event_of("came", "1", 500, DURING),
        event_of("across", "3", 400, DURING),
        event_of("y", "6", 200, DURING),
    ];
    store(engine, &database, &changed);
    let mut second = Run::begin(&source, request(traces_table())).await;
    second.read(Some(450), None).await;
    let ids = |run: &Run| run.rows.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first), ["came"]);
    assert_eq!(ids(&second), ["across", "y"]);
}

#[tokio::test]
async fn a_trace_that_grows_backwards_during_the_run_appears_once() {
    let rows = [event_of("x", "a", 500, BEFORE), event_of("y", "b", 400, BEFORE)];
    let Some((engine, database, source)) = with_events(&rows).await else { return };
    let mut run = Run::begin(&source, request(traces_table())).await;
    run.read(None, Some(450)).await;
    store(engine, &database, &[event_of("x", "c", 300, DURING), event_of("z", "d", 200, DURING)]);
    run.read(Some(450), None).await;
    let ids: Vec<&str> = run.rows.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["x", "y", "z"]);
    assert_eq!(run.reading.changed().await.unwrap().get(), 2, "one that came before and one that is new");
}

/// Writers tell the time before they store, by clocks of their own.
#[tokio::test]
async fn a_trace_that_came_does_not_come_again_where_what_it_grew_by_says_it_is_older_than_the_run() {
    let rows = [event_of("x", "a", 500, BEFORE), event_of("y", "b", 400, BEFORE)];
    let Some((engine, database, source)) = with_events(&rows).await else { return };
    let mut run = Run::begin(&source, request(traces_table())).await;
    run.read(None, Some(450)).await;
    store(engine, &database, &[event_of("x", "c", 300, BEFORE + 1)]);
    run.read(Some(450), None).await;
    let ids: Vec<&str> = run.rows.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["x", "y"]);
}

/// Whoever uses rows up asks about those that changed, and would wait for itself.
#[tokio::test]
async fn rows_that_changed_are_asked_about_although_every_query_in_flight_waits_to_be_used_up() {
    let rows: Vec<_> = (0..50).map(|start| event(&format!("s{start}"), 100 + start, BEFORE)).collect();
    let Some((engine, database, _)) = with_events(&rows).await else { return };
    let options = engine.options("single:reader-secret", &database, "queries_max=1");
    let source = ClickHouseSource::connect(options, places()).await.unwrap();
    let asked = ReadRequest { batch_bytes_max: ByteCount(1), ..request(events_table()) };
    let run = Run::begin(&source, asked).await;
    store(engine, &database, &[event("s49", 149, DURING)]);
    let mut rows = Arc::clone(&run.reading).read(KeyRange::ALL, Stop::new());
    let first = rows.try_next().await.unwrap().unwrap();
    assert_eq!(first.num_rows(), 1);
    let asked = tokio::time::timeout(Duration::from_secs(20), run.reading.once_each(first));
    assert_eq!(asked.await.expect("it waits for ever").unwrap().num_rows(), 1);
    assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap().len(), 49);
}

#[tokio::test]
async fn a_trace_that_grows_comes_although_a_later_stretch_begins_to_be_read_first() {
    let rows = [
        event_of("w", "1", 510, BEFORE),
        event_of("x", "2", 500, BEFORE),
        event_of("y", "3", 400, BEFORE),
        event_of("z", "4", 300, BEFORE),
    ];
    let Some((engine, database, source)) = with_events(&rows).await else { return };
    let (mut whole, mut rest) = (
        Run::begin(&source, request(traces_table())).await,
        // Goes on behind what an earlier attempt passed on.
        Run::begin(&source, request(traces_table())).await,
    );
    store(engine, &database, &[event_of("x", "5", 200, DURING), event_of("y", "6", 190, DURING)]);
    let second = whole.received(Some(350), None).await;
    let first = whole.received(None, Some(350)).await;
    whole.pass_on(first).await;
    whole.pass_on(second).await;
    let second = rest.received(Some(350), None).await;
    let first = rest.received(Some(450), Some(350)).await;
    rest.pass_on(first).await;
    rest.pass_on(second).await;
    let ids = |run: &Run| run.rows.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&whole), ["w", "z", "x", "y"]);
    assert_eq!(ids(&rest), ["z", "y"], "the earlier attempt had x where it stood");
}

fn with(mut row: serde_json::Value, more: serde_json::Value) -> serde_json::Value {
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

#[tokio::test]
async fn a_row_that_moves_comes_once_where_what_it_is_linked_with_had_other_versions() {
    let linked = |stored: i64| with(event("linked", 50, stored), json!({"name": "link", "balance": 1}));
    let row = |start: i64, stored: i64| with(event("row", start, stored), json!({"note": "link"}));
    let Some((engine, database, source)) = with_events(&[linked(BEFORE), row(500, BEFORE)]).await else { return };
    store(engine, &database, &[linked(BEFORE + 1)]);
    let filter = Expr::compare(Expr::column("linked_count"), CompareOp::Less, Expr::Literal(Literal::Int(2)));
    let mut run = Run::begin(&source, ReadRequest { filter: Some(filter), ..request(linked_table()) }).await;
    run.read(None, Some(450)).await;
    store(engine, &database, &[row(300, DURING)]);
    run.read(Some(450), None).await;
    assert_eq!(run.rows(), [("row", "of 1000")]);
}

#[tokio::test]
async fn a_trace_that_came_is_known_by_the_members_it_had_when_the_run_was_planned() {
    let rows = [
        event_of("came", "1", 500, BEFORE),
        event_of("came", "2", 490, BEFORE),
        event_of("gone", "3", 500, BEFORE),
        event_of("gone", "4", 400, BEFORE),
        event_of("other", "5", 300, BEFORE),
    ];
    let Some((engine, database, source)) = with_events(&rows).await else { return };
    // In their places: two more versions of one member, and two members that are deleted.
    store(engine, &database, &[event_of("came", "1", 500, BEFORE + 1)]);
    store(engine, &database, &[event_of("came", "1", 500, BEFORE + 2)]);
    let deleted = |row| with(row, json!({"is_deleted": true}));
    let gone = [event_of("came", "2", 490, BEFORE + 1), event_of("gone", "4", 400, BEFORE + 1)];
    store(engine, &database, &gone.map(deleted));
    let few = Expr::compare(Expr::column("count"), CompareOp::Less, Expr::Literal(Literal::Int(3)));
    let asked = ReadRequest { filter: Some(few), ..request(traces_table()) };
    let mut first = Run::begin(&source, asked.clone()).await;
    first.read(None, Some(450)).await;
    store(engine, &database, &[event_of("came", "6", 350, DURING), event_of("gone", "7", 340, DURING)]);
    let mut second = Run::begin(&source, asked).await;
    second.read(Some(450), None).await;
    let ids = |run: &Run| run.rows.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&first), ["came", "gone"]);
    assert_eq!(ids(&second), ["other"]);
}

#[tokio::test]
async fn a_member_that_moves_during_the_run_counts_once() {
    let rows = [event_of("w", "1", 510, BEFORE), event_of("x", "2", 400, BEFORE), event_of("x", "3", 395, BEFORE)];
    let Some((engine, database, source)) = with_events(&rows).await else { return };
    let mut run = Run::begin(&source, request(traces_table())).await;
    run.read(None, Some(450)).await;
    // One moves on, one into what was read, and one that is new moves once more.
    let moved = [
        event_of("x", "3", 390, DURING),
        event_of("x", "2", 500, DURING),
        event_of("x", "4", 380, DURING),
        event_of("x", "5", 370, DURING),
    ];
    store(engine, &database, &moved);
    store(engine, &database, &[event_of("x", "4", 360, DURING + 1)]);
    let rest = run.received(Some(450), None).await;
    let counts: Vec<i64> = rest
        .iter()
        .flat_map(|batch| batch.column_by_name("count").unwrap().as_primitive::<Int64Type>().values().to_vec())
        .collect();
    assert_eq!(counts, [4]);
    run.pass_on(rest).await;
    let ids: Vec<&str> = run.rows.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["w", "x"]);
}

#[tokio::test]
async fn a_score_that_is_given_again_on_another_day_during_the_run_is_looked_up_once() {
    let Some((engine, database, source)) = with_events(&[event("a", 500, BEFORE)]).await else { return };
    let give = |value: i64, days: i64, stored: i64| {
        let row = json!({
            "id": "s", "timestamp": at(100 + days * 86_400), "project_id": "p1", "name": "n", "data_type": "NUMERIC",
            "value": value, "trace_id": "t", "event_ts": at(stored), "updated_at": at(stored),
        });
        insert(engine, &database, &scores(), &batch_from_json(&scores(), &[row]).unwrap());
    };
    give(1, 0, BEFORE);
    let run = Run::begin(&source, request(events_table())).await;
    let scope = ScoreScope { project: request(events_table()).project, since: None };
    let look_ups = run.reading.scores();
    // The first ones ask for themselves, later ones look at what is held.
    for look_up in 0..4 {
        let found = look_ups.scores(&scope, &["t"]).await.unwrap();
        assert_eq!(found.iter().map(|score| score.value).collect::<Vec<_>>(), [1.0], "look-up {look_up}");
        give(2 + look_up, 1 + look_up, DURING + look_up);
    }
}

/// The table sorts by the name, so both versions stand in one place.
#[tokio::test]
async fn a_score_that_is_renamed_in_its_place_during_the_run_comes_once() {
    let engine = need_engine!();
    let table = tables::stored_scores();
    let score = |name: &str, stored: i64| {
        let row = json!({
            "id": "s", "timestamp": at(300), "project_id": "p1", "name": name, "data_type": "NUMERIC", "value": 1.0,
            "trace_id": "t", "event_ts": at(stored), "updated_at": at(stored),
        });
        batch_from_json(&table, &[row]).unwrap()
    };
    let loaded = vec![(Arc::clone(&table), vec![score("before", BEFORE)])];
    let (database, source) = langfuse(engine, &loaded).await;
    let mut run = Run::begin(&source, request(tables::find("scores").unwrap())).await;
    insert(engine, &database, &table, &score("after", DURING));
    run.read(None, None).await;
    let ids: Vec<&str> = run.rows.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["s"]);
}
