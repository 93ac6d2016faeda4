//! The promises of [`Source`] and [`Reading`] as functions over any source; every source runs them all.
//!
//! A source is loaded with [`fixture::batches`] (or any rows of [`fixture::tables`]) and handed to
//! [`every_promise`]. [`agrees`] compares a source with the memory source, request by request;
//! [`arbitrary`] makes rows and filters for that. What a filter means is not tested here but by
//! comparing with the memory source, whose evaluator is tested by itself.

pub(crate) mod agreement;
pub(crate) mod arbitrary;
pub(crate) mod fixture;
pub(crate) mod golden;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, RecordBatch};
use arrow_select::concat::concat_batches;
use futures_util::TryStreamExt;
use model::{
    ByteCount, ColumnSpec, End, Expr, Fault, FaultKind, KeyRange, Micros, OrderKey, ProjectId, ReadRequest, Reading,
    RowCount, ScoreScope, Snapshot, Source, Stop, StopReason, Window,
};

/// Runs every promise on a source that holds rows for the request, with a filter that some pass.
pub(crate) async fn every_promise(source: &dyn Source, request: &ReadRequest) {
    rows_come_in_total_order_each_once(source, request).await;
    batches_hold_requested_columns_then_keys(source, request).await;
    slices_are_adjacent_and_bound_their_rows(source, request).await;
    slice_by_slice_equals_all_at_once(source, request).await;
    the_rest_follows_any_key(source, request).await;
    no_row_comes_before_the_earliest_time(source, request).await;
    few_rows_are_those_at_the_end_of_a_range(source, request).await;
    a_raised_stop_ends_the_stream(source, request).await;
    no_columns_means_keys_alone(source, request).await;
    a_tally_has_the_same_rows_in_any_order(source, request).await;
    an_unknown_project_is_empty(source, request).await;
    batches_stay_under_their_bytes(source, request).await;
    a_row_above_its_limit_fails_by_name(source, request).await;
    a_named_snapshot_reads_the_same(source, request).await;
    what_cannot_be_honoured_is_a_fault(source, request).await;
    scores_are_found_by_trace(source, request).await;
}

/// Every row of a request, in one batch.
pub(crate) async fn read_all(source: &dyn Source, request: &ReadRequest) -> Result<RecordBatch, Fault> {
    let reading = source.prepare(request.clone()).await?;
    let rows = read(&reading, KeyRange::ALL).await?;
    reading.close().await?;
    Ok(rows)
}

/// Asserts that a source returns the same schema and rows as the reference.
pub(crate) async fn agrees(reference: &dyn Source, source: &dyn Source, request: &ReadRequest) {
    let expected = read_all(reference, request).await.unwrap();
    let found = read_all(source, request).await.unwrap();
    assert_eq!(expected.schema(), found.schema());
    assert_eq!(keys(&expected), keys(&found), "{source} returns other rows for {:?}", request.filter);
    for (column, field) in expected.schema().fields().iter().enumerate() {
        assert_eq!(expected.column(column), found.column(column), "{source}: column {}", field.name());
    }
}

/// Asserts that a source that is read range by range, as slices are, has the rows of the reference.
pub(crate) async fn ranges_agree(reference: &dyn Source, source: &dyn Source, request: &ReadRequest) {
    let all = read_all(reference, request).await.unwrap();
    let reading = source.prepare(request.clone()).await.unwrap();
    let rows_of_range = all.num_rows().div_ceil(5).max(1);
    let ends: Vec<OrderKey> = keys(&all).into_iter().step_by(rows_of_range).skip(1).collect();
    let from = [None].into_iter().chain(ends.iter().cloned().map(Some));
    let to = ends.iter().cloned().map(Some).chain([None]);
    let mut parts = Vec::new();
    for (from, to) in from.zip(to) {
        parts.push(read(&reading, KeyRange { from, to }).await.unwrap());
    }
    reading.close().await.unwrap();
    let found = concat_batches(reading.schema(), &parts).unwrap();
    assert_eq!(keys(&found), keys(&all), "{source}: {:?}", request.filter);
    assert_eq!(found, all, "{source}: {:?}", request.filter);
}

/// Asserts that pages of a source are those of the reference: some rows at both ends of everything, and on either
/// side of a row in the middle.
pub(crate) async fn pages_agree(reference: &dyn Source, source: &dyn Source, request: &ReadRequest) {
    let all = read_all(reference, request).await.unwrap();
    let reading = source.prepare(request.clone()).await.unwrap();
    let middle = keys(&all).get(all.num_rows() / 2).cloned();
    let half = all.num_rows() / 2;
    for (range, rows) in [
        (KeyRange::ALL, all.clone()),
        (KeyRange { from: middle.clone(), to: None }, all.slice(half, all.num_rows() - half)),
        (KeyRange { from: None, to: middle }, all.slice(0, if all.num_rows() > 0 { half } else { 0 })),
    ] {
        for (end, wanted) in [(End::First, 1), (End::First, 5), (End::Last, 5), (End::First, all.num_rows() + 1)] {
            let count = wanted.min(rows.num_rows());
            let first = if end == End::First { 0 } else { rows.num_rows() - count };
            let found = few_rows(&reading, range.clone(), end, wanted).await;
            let context = format!("{source}: {wanted} at {end:?} of {range:?}, {:?}", request.filter);
            assert_eq!(keys(&found), keys(&rows.slice(first, count)), "{context}");
            assert_eq!(found, rows.slice(first, count), "{context}");
        }
    }
}

/// The positions of a batch's rows in the total order.
pub(crate) fn keys(batch: &RecordBatch) -> Vec<OrderKey> {
    let first = batch.num_columns() - <dyn Reading>::KEY_COLUMNS;
    let times = batch.column(first).as_primitive::<TimestampMicrosecondType>();
    let traces = batch.column(first + 1).as_string::<i32>();
    let ids = batch.column(first + 2).as_string::<i32>();
    (0..batch.num_rows())
        .map(|row| OrderKey {
            time: Micros(times.value(row)),
            trace_id: traces.value(row).into(),
            id: ids.value(row).into(),
        })
        .collect()
}

async fn read(reading: &Arc<dyn Reading>, range: KeyRange) -> Result<RecordBatch, Fault> {
    let batches: Vec<RecordBatch> = Arc::clone(reading).read(range, Stop::new()).try_collect().await?;
    Ok(concat_batches(reading.schema(), &batches).unwrap())
}

async fn rows_come_in_total_order_each_once(source: &dyn Source, request: &ReadRequest) {
    let keys = keys(&read_all(source, request).await.unwrap());
    assert!(keys.len() > 2, "the fixture has rows that pass");
    assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
}

async fn batches_hold_requested_columns_then_keys(source: &dyn Source, request: &ReadRequest) {
    let reading = source.prepare(request.clone()).await.unwrap();
    let requested = request.columns.iter().map(ColumnSpec::to_field);
    let expected: Vec<_> = requested.chain(<dyn Reading>::key_fields()).collect();
    let promised: Vec<_> = reading.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    assert_eq!(promised, expected);
    let batches: Vec<RecordBatch> = Arc::clone(&reading).read(KeyRange::ALL, Stop::new()).try_collect().await.unwrap();
    for batch in batches {
        assert_eq!(&batch.schema(), reading.schema());
        assert!(batch.num_rows() > 0, "an empty batch says nothing");
        let cursor = batch.column(batch.num_columns() - 1).as_primitive::<TimestampMicrosecondType>();
        assert!(cursor.values().iter().all(|&instant| request.window.contains(Micros(instant))));
    }
}

async fn no_row_comes_before_the_earliest_time(source: &dyn Source, request: &ReadRequest) {
    let rows = read_all(source, request).await.unwrap();
    let cursor = rows.column(rows.num_columns() - 1).as_primitive::<TimestampMicrosecondType>();
    let mut times: Vec<i64> = cursor.values().to_vec();
    times.sort_unstable();
    let some = [times[0], times[times.len() / 2], times[times.len() - 1]];
    let begins = some.iter().flat_map(|time| [Some(Micros(*time)), Some(Micros(time + 1))]);
    for from in [request.window.from].into_iter().chain(begins) {
        let window = Window { from, ..request.window };
        let reading = source.prepare(ReadRequest { window, ..request.clone() }).await.unwrap();
        let earliest = reading.earliest().await.unwrap();
        reading.close().await.unwrap();
        assert!(earliest >= from || earliest.is_none(), "{source}: {earliest:?} is not in the window from {from:?}");
        if let Some(first) = times.iter().find(|time| from.is_none_or(|from| **time >= from.0)) {
            let earliest = earliest.unwrap_or_else(|| panic!("{source}: no row from {from:?} on"));
            assert!(earliest.0 <= *first, "{source}: {earliest} is later than the first row from {from:?} on");
        }
    }
}

async fn slices_are_adjacent_and_bound_their_rows(source: &dyn Source, request: &ReadRequest) {
    let reading = source.prepare(request.clone()).await.unwrap();
    let plan = reading.plan(None).await.unwrap();
    assert_eq!(plan.slices.first().unwrap().range.from, None);
    assert_eq!(plan.slices.last().unwrap().range.to, None);
    for pair in plan.slices.windows(2) {
        assert!(pair[0].range.to.is_some() && pair[0].range.to == pair[1].range.from);
    }
    for slice in &plan.slices {
        let rows = read(&reading, slice.range.clone()).await.unwrap().num_rows();
        assert!(rows as u64 <= slice.rows.get(), "{rows} rows in a slice of at most {}", slice.rows);
    }
}

async fn slice_by_slice_equals_all_at_once(source: &dyn Source, request: &ReadRequest) {
    let reading = source.prepare(request.clone()).await.unwrap();
    let whole = read(&reading, KeyRange::ALL).await.unwrap();
    let mut parts = Vec::new();
    for slice in reading.plan(None).await.unwrap().slices {
        parts.push(read(&reading, slice.range).await.unwrap());
    }
    assert_eq!(concat_batches(reading.schema(), &parts).unwrap(), whole);
}

async fn the_rest_follows_any_key(source: &dyn Source, request: &ReadRequest) {
    let reading = source.prepare(request.clone()).await.unwrap();
    let whole = read(&reading, KeyRange::ALL).await.unwrap();
    let every = whole.num_rows().div_ceil(30);
    for (row, key) in keys(&whole).iter().enumerate().step_by(every) {
        let mut rest = Vec::new();
        for slice in reading.plan(Some(key)).await.unwrap().slices {
            rest.push(read(&reading, slice.range).await.unwrap());
        }
        let rest = concat_batches(reading.schema(), &rest).unwrap();
        assert_eq!(rest, whole.slice(row + 1, whole.num_rows() - row - 1), "after {key:?}");
    }
}

async fn few_rows_are_those_at_the_end_of_a_range(source: &dyn Source, request: &ReadRequest) {
    let whole = read_all(source, request).await.unwrap();
    let all = keys(&whole);
    let reading = source.prepare(request.clone()).await.unwrap();
    for place in [None, Some(whole.num_rows() / 2)] {
        for end in [End::First, End::Last] {
            // From a row on, and before it.
            let (range, rows) = match (place, end) {
                (None, _) => (KeyRange::ALL, 0..all.len()),
                (Some(row), End::First) => (KeyRange { from: Some(all[row].clone()), to: None }, row..all.len()),
                (Some(row), End::Last) => (KeyRange { from: None, to: Some(all[row].clone()) }, 0..row),
            };
            let expected = whole.slice(rows.start, rows.len());
            for wanted in [7, all.len() + 1] {
                let found = few_rows(&reading, range.clone(), end, wanted).await;
                let count = wanted.min(expected.num_rows());
                let first = if end == End::First { 0 } else { expected.num_rows() - count };
                assert_eq!(found, expected.slice(first, count), "{wanted} rows at {end:?} of {range:?}");
            }
        }
    }
}

/// So many rows at an end of a range, found part by part as pages are.
pub(crate) async fn few_rows(reading: &Arc<dyn Reading>, range: KeyRange, end: End, wanted: usize) -> RecordBatch {
    let (mut left, mut before, mut found) = (Some(range), 0, Vec::new());
    let mut rows = 0;
    while let Some(range) = left.take() {
        let part = reading.part(&range, end, RowCount::from(wanted), before).await.unwrap();
        let part = part.unwrap_or_else(|| range.clone());
        let batches = Arc::clone(reading).few(part.clone(), end, RowCount::from(wanted - rows), Stop::new());
        let batches: Vec<RecordBatch> = batches.try_collect().await.unwrap();
        let here = concat_batches(reading.schema(), &batches).unwrap();
        let count = here.num_rows().min(wanted - rows);
        rows += count;
        match end {
            End::First => found.push(here.slice(0, count)),
            End::Last => found.insert(0, here.slice(here.num_rows() - count, count)),
        }
        let (from, to) = match end {
            End::First => (part.to, range.to),
            End::Last => (range.from, part.from),
        };
        left = (rows < wanted && from != to).then_some(KeyRange { from, to });
        before += 1;
    }
    concat_batches(reading.schema(), &found).unwrap()
}

async fn a_raised_stop_ends_the_stream(source: &dyn Source, request: &ReadRequest) {
    let small = ReadRequest { batch_bytes_max: ByteCount(1), ..request.clone() };
    let reading = source.prepare(small).await.unwrap();
    let total = read(&reading, KeyRange::ALL).await.unwrap().num_rows();
    let stop = Stop::new();
    let mut stream = Arc::clone(&reading).read(KeyRange::ALL, stop.clone());
    let mut rows = stream.try_next().await.unwrap().unwrap().num_rows();
    stop.raise(StopReason::Cancelled);
    let fault = loop {
        match stream.try_next().await {
            Ok(Some(batch)) => rows += batch.num_rows(),
            Ok(None) => panic!("a stopped stream of {rows} of {total} rows looks complete"),
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.kind(), FaultKind::Cancelled);
    assert!(rows < total, "nothing was stopped");
    assert!(stream.try_next().await.unwrap().is_none(), "the stream ends with its first fault");
}

async fn no_columns_means_keys_alone(source: &dyn Source, request: &ReadRequest) {
    let with_columns = read_all(source, request).await.unwrap();
    let bare = ReadRequest { columns: Vec::new(), ..request.clone() };
    let without = read_all(source, &bare).await.unwrap();
    assert_eq!(without.num_columns(), <dyn Reading>::KEY_COLUMNS);
    assert_eq!(keys(&without), keys(&with_columns));
}

async fn a_tally_has_the_same_rows_in_any_order(source: &dyn Source, request: &ReadRequest) {
    let bare = ReadRequest { columns: Vec::new(), ..request.clone() };
    for request in [request, &bare] {
        let reading = source.prepare(request.clone()).await.unwrap();
        let mut expected = printed(&read(&reading, KeyRange::ALL).await.unwrap(), request.columns.len());
        let mut slices = vec![KeyRange::ALL];
        slices.extend(reading.plan(None).await.unwrap().slices.into_iter().map(|slice| slice.range));
        let mut found: [Vec<String>; 2] = Default::default();
        for (place, range) in slices.into_iter().enumerate() {
            let batches = Arc::clone(&reading).tally(range, Stop::new());
            let batches: Vec<RecordBatch> = batches.try_collect().await.unwrap();
            found[place.min(1)].extend(batches.iter().flat_map(|batch| printed(batch, request.columns.len())));
        }
        expected.sort_unstable();
        for mut found in found {
            found.sort_unstable();
            assert_eq!(found, expected, "{source} counts other rows than it reads");
        }
    }
}

/// The requested cells and the time of every row.
fn printed(batch: &RecordBatch, columns: usize) -> Vec<String> {
    let time = batch.column_by_name(model::key_column::TIME).expect("every batch has the time of its rows");
    let cells = batch.columns()[..columns].iter().chain([time]);
    let cells: Vec<_> = cells.map(|column| (0..column.len()).map(|row| column.slice(row, 1)).collect()).collect();
    let row = |row: usize| format!("{:?}", cells.iter().map(|column: &Vec<_>| &column[row]).collect::<Vec<_>>());
    (0..batch.num_rows()).map(row).collect()
}

async fn an_unknown_project_is_empty(source: &dyn Source, request: &ReadRequest) {
    let nobody = ProjectId::new("nobody");
    assert!(source.has_project(&request.project, &request.table).await.unwrap());
    assert!(!source.has_project(&nobody, &request.table).await.unwrap());
    let request = ReadRequest { project: nobody, ..request.clone() };
    assert_eq!(read_all(source, &request).await.unwrap().num_rows(), 0);
    let plan = source.prepare(request).await.unwrap().plan(None).await.unwrap();
    assert_eq!(plan.rows().get(), 0);
}

async fn batches_stay_under_their_bytes(source: &dyn Source, request: &ReadRequest) {
    let whole = read_all(source, request).await.unwrap();
    let most = ByteCount(bytes(&whole) / 3);
    let request = ReadRequest { batch_bytes_max: most, ..request.clone() };
    let reading = source.prepare(request).await.unwrap();
    let batches: Vec<RecordBatch> = Arc::clone(&reading).read(KeyRange::ALL, Stop::new()).try_collect().await.unwrap();
    for batch in &batches {
        assert!(bytes(batch) <= most.get() || batch.num_rows() == 1, "{} bytes, at most {most}", bytes(batch));
    }
    assert_eq!(concat_batches(reading.schema(), &batches).unwrap(), whole);
}

/// Bytes of the cells of a batch, not of the buffers it may share with others.
fn bytes(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap() as u64).sum()
}

async fn a_row_above_its_limit_fails_by_name(source: &dyn Source, request: &ReadRequest) {
    let request = ReadRequest { row_bytes_max: ByteCount(10), ..request.clone() };
    let first = {
        let unlimited = ReadRequest { row_bytes_max: ByteCount(u64::MAX), ..request.clone() };
        keys(&read_all(source, &unlimited).await.unwrap()).remove(0)
    };
    let fault = read_all(source, &request).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::TooLarge { limit: Some(ByteCount(10)) });
    assert!(fault.public_message().contains(&*first.id), "{fault} does not name {first:?}");
}

async fn a_named_snapshot_reads_the_same(source: &dyn Source, request: &ReadRequest) {
    let reading = source.prepare(request.clone()).await.unwrap();
    let snapshot = reading.snapshot().cloned();
    assert_eq!(snapshot.is_some(), source.capabilities().snapshots);
    if snapshot.is_none() {
        return;
    }
    let again = ReadRequest { snapshot, ..request.clone() };
    assert_eq!(read_all(source, &again).await.unwrap(), read(&reading, KeyRange::ALL).await.unwrap());
    let gone = ReadRequest { snapshot: Some(Snapshot("nowhere".into())), ..request.clone() };
    assert!(source.prepare(gone).await.is_err(), "a snapshot that does not exist was accepted");
}

async fn what_cannot_be_honoured_is_a_fault(source: &dyn Source, request: &ReadRequest) {
    let mut odd = request.columns[0].clone();
    odd.expr = Expr::column("no_such_column");
    let columns = ReadRequest { columns: vec![odd], ..request.clone() };
    let fault = source.prepare(columns).await.err().expect("an unknown column was accepted");
    assert!(fault.public_message().contains("no_such_column"), "{fault}");
    let filter = Some(Expr::IsNull(Box::new(Expr::column("no_such_column"))));
    let filtered = ReadRequest { filter, ..request.clone() };
    assert!(source.prepare(filtered).await.is_err(), "a filter on an unknown column was accepted");
}

async fn scores_are_found_by_trace(source: &dyn Source, request: &ReadRequest) {
    let scores = source.prepare(request.clone()).await.unwrap().scores();
    let scope = ScoreScope { project: request.project.clone(), since: None };
    let names = scores.score_names(&scope).await.unwrap();
    assert!(!names.is_empty() && names.is_sorted_by(|a, b| a.name.as_bytes() < b.name.as_bytes()), "{names:?}");

    // Whichever column of the key names the trace.
    let keys = keys(&read_all(source, request).await.unwrap());
    let mut traces: Vec<&str> = keys.iter().flat_map(|key| [&*key.trace_id, &*key.id]).collect();
    traces.sort_unstable();
    traces.dedup();
    let found = scores.scores(&scope, &traces).await.unwrap();
    assert!(!found.is_empty());
    for score in &found {
        assert!(traces.binary_search(&&*score.trace_id).is_ok());
        let name = names.iter().find(|name| *name.name == *score.name).expect("every score has a listed name");
        let numeric = matches!(&*score.data_type, "NUMERIC" | "BOOLEAN");
        assert!(if numeric { name.numeric } else { name.textual }, "{score:?}");
    }

    let latest = found.iter().map(|score| score.timestamp).max().unwrap();
    let recent = ScoreScope { since: Some(latest), ..scope };
    let found = scores.scores(&recent, &traces).await.unwrap();
    assert!(!found.is_empty() && found.iter().all(|score| score.timestamp == latest));
}
