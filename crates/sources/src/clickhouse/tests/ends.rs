//! The ends of slices and pages: faults behind the last row, and rows beside them that are too large.

use futures_util::TryStreamExt;
use model::{ByteCount, End, Fault, FaultKind, KeyRange, OrderKey, Reading, RowCount, Stop};

use super::*;
use crate::clickhouse::engine::proxy::Trouble;

/// Rows of the table, each a minute behind the other.
const ROWS: i64 = 10;

fn place(n: i64) -> Micros {
    instant(n * 60)
}

/// Scores, whose table is sorted by the day, and events; one of each has a text of so many bytes.
pub(super) fn rows(large: i64, bytes: usize) -> Loaded {
    let text = |n: i64| if n == large { "x".repeat(bytes) } else { "short".to_owned() };
    let common =
        |n: i64| json!({"project_id": "p1", "event_ts": place(n).to_sql_text(), "updated_at": place(n).to_sql_text()});
    let merged = |n: i64, more: serde_json::Value| {
        let mut row = common(n);
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let event = |n: i64| {
        let start = place(n).to_sql_text();
        merged(n, json!({"trace_id": "t", "span_id": format!("s{n}"), "start_time": start, "input": text(n)}))
    };
    let score = |n: i64| {
        let given = place(n).to_sql_text();
        merged(
            n,
            json!({"id": format!("s{n}"), "timestamp": given, "name": "n", "value": n, "data_type": "NUMERIC",
                "comment": text(n), "trace_id": "t"}),
        )
    };
    let (events, scores) = (tables::stored_events(), tables::stored_scores());
    let batches = (
        batch_from_json(&events, &(0..ROWS).map(event).collect::<Vec<_>>()).unwrap(),
        batch_from_json(&scores, &(0..ROWS).map(score).collect::<Vec<_>>()).unwrap(),
    );
    vec![(events, vec![batches.0]), (scores, vec![batches.1])]
}

fn ids(rows: &RecordBatch) -> Vec<String> {
    keys(rows).iter().map(|key| key.id.to_string()).collect()
}

/// The ids of rows from the latest of these to the earliest.
fn from_to(latest: i64, earliest: i64) -> Vec<String> {
    (earliest..=latest).rev().map(|n| format!("s{n}")).collect()
}

async fn read_in(reading: &Arc<dyn Reading>, range: KeyRange) -> Result<RecordBatch, Fault> {
    let batches: Vec<RecordBatch> = Arc::clone(reading).read(range, Stop::new()).try_collect().await?;
    Ok(arrow_select::concat::concat_batches(reading.schema(), &batches).unwrap())
}

#[tokio::test]
async fn a_fault_behind_the_last_row_doubles_none() {
    let engine = need_engine!();
    let (database, _) = langfuse(engine, &rows(-1, 0)).await;
    let proxy = Proxy::start(engine.address());
    let source = through(&proxy, &database).await;
    let memory_short = Some("Code: 241. DB::Exception: Query memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)");
    let time_short = Some("Code: 159. DB::Exception: Timeout exceeded. (TIMEOUT_EXCEEDED)");
    for (name, mark) in [("events", "x_input"), ("scores", "x_comment")] {
        let asked = request(tables::find(name).unwrap());
        let reading = source.prepare(asked).await.unwrap();
        reading.plan(None).await.unwrap();
        // Every position of the range has come with the last row of a page: what breaks then is of no account.
        for words in [None, memory_short, time_short] {
            proxy.make(Trouble::AtTheEnd { words }, mark, 1);
            let few = Arc::clone(&reading).few(KeyRange::ALL, End::First, RowCount(4), Stop::new());
            let page: Vec<RecordBatch> = few.try_collect().await.unwrap();
            let page = arrow_select::concat::concat_batches(reading.schema(), &page).unwrap();
            assert_eq!(proxy.left(), 0, "{name}: it did not happen");
            assert_eq!(ids(&page), from_to(9, 6), "a page of {name}, {words:?}");
        }
        // Of a slice there might be more: limits are met with what is left of it.
        for words in [memory_short, time_short] {
            proxy.make(Trouble::AtTheEnd { words }, mark, 1);
            let rows = read_in(&reading, KeyRange::ALL).await.unwrap();
            assert_eq!(proxy.left(), 0, "{name}: it did not happen");
            assert_eq!(ids(&rows), from_to(9, 0), "all of {name}, {words:?}");
        }
        // Any other fault is told, behind the rows; whoever reads goes on behind the last one.
        proxy.make(Trouble::AtTheEnd { words: None }, mark, 1);
        let mut stream = Arc::clone(&reading).read(KeyRange::ALL, Stop::new());
        let first = stream.try_next().await.unwrap().unwrap();
        assert_eq!(ids(&first), from_to(9, 0));
        assert_eq!(stream.try_next().await.unwrap_err().kind(), FaultKind::Unavailable);
        let rest = read_in(&reading, KeyRange::ALL.after(keys(&first).last().unwrap()).unwrap()).await.unwrap();
        assert_eq!(rest.num_rows(), 0);
        reading.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_row_that_is_too_large_fails_no_slice_beside_it() {
    let engine = need_engine!();
    let (_, source) = langfuse(engine, &rows(5, 50_000)).await;
    for name in ["events", "scores"] {
        let asked = ReadRequest { row_bytes_max: ByteCount(10_000), ..request(tables::find(name).unwrap()) };
        let reading = source.prepare(asked.clone()).await.unwrap();
        let at = |n: i64| OrderKey::at(place(n));
        // What starts later, and what starts earlier, up to the microsecond.
        let later = read_in(&reading, KeyRange { from: None, to: Some(at(5)) }).await.unwrap();
        assert_eq!(ids(&later), from_to(9, 6), "{name}");
        let before = OrderKey::at(Micros(place(5).0 - 1));
        let earlier = read_in(&reading, KeyRange { from: Some(before.clone()), to: None }).await.unwrap();
        assert_eq!(ids(&earlier), from_to(4, 0), "{name}");
        let few = Arc::clone(&reading).few(KeyRange::ALL, End::Last, RowCount(5), Stop::new());
        let page: Vec<RecordBatch> = few.try_collect().await.unwrap();
        assert_eq!(page.iter().flat_map(ids).collect::<Vec<_>>(), from_to(4, 0), "a page of {name}");
        for range in [KeyRange::ALL, KeyRange { from: Some(at(5)), to: Some(before) }] {
            let fault = read_in(&reading, range).await.unwrap_err();
            assert_eq!(fault.kind(), FaultKind::TooLarge { limit: Some(ByteCount(10_000)) }, "{name}: {fault}");
            assert!(fault.public_message().contains("row s5 has"), "{name}: {fault}");
        }
        // Neither does one that the filter leaves out, or the window.
        let id = if name == "events" { "span_id" } else { "id" };
        let other = Expr::compare(Expr::column(id), CompareOp::Eq, Expr::text("s5")).negate();
        let filtered = read_all(&source, &ReadRequest { filter: Some(other), ..asked.clone() }).await.unwrap();
        assert_eq!(filtered.num_rows(), 9, "{name}");
        for cursor in [Cursor::StartTime, Cursor::Ingested] {
            let window = Window::new(Some(place(6)), None).unwrap();
            let rows = read_all(&source, &ReadRequest { window, cursor, ..asked.clone() }).await.unwrap();
            assert_eq!(ids(&rows), from_to(9, 6), "{name} by {cursor:?}");
        }
    }
}
