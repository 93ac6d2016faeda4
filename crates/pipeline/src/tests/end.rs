//! How runs end: limits, stops, empty results, progress and log lines.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model::{ByteCount, KeyRange, Manifest, OrderKey, RowCount, StopReason};

use super::doubles::{Bench, Ended, Row, Trouble, row};

fn ids(bench: &Bench, file: &str) -> Vec<String> {
    let bytes = bench.shelf.file(file);
    let lines = String::from_utf8(bytes).unwrap();
    lines.lines().filter_map(|line| line.split_once(',').map(|(id, _)| id.to_owned())).collect()
}

#[tokio::test]
async fn a_limit_keeps_the_first_rows_and_says_whether_it_cut() {
    let mut sorted: Vec<Row> = (0..30).map(row).collect();
    sorted.sort_by_key(Row::key);
    for (limit, kept, truncated) in [(1, 1, true), (29, 29, true), (30, 30, false), (31, 30, false)] {
        let mut bench = Bench::new(30);
        bench.spec.limit = Some(RowCount(limit));
        let outcome = bench.run().await.unwrap();
        let expected: Vec<&str> = sorted[..kept].iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids(&bench, "out.txt"), expected, "limit {limit}");
        assert_eq!(outcome.receipt.manifest.truncated, truncated, "limit {limit}");
        assert_eq!(outcome.receipt.manifest.rows, RowCount(kept as u64));
    }
}

#[tokio::test]
async fn a_run_without_rows_makes_one_empty_file() {
    for bench in [Bench::new(0), Bench::new(0).rolled(100)] {
        let outcome = bench.run().await.unwrap();
        let manifest = outcome.receipt.manifest;
        assert_eq!((manifest.files.len(), manifest.rows), (1, RowCount(0)));
        assert_eq!(bench.shelf.file(manifest.files[0].key.as_str()), b"{}\n");
        assert_eq!(manifest.files[0].cursor_min, None);
    }
}

#[tokio::test]
async fn a_row_that_moved_during_the_run_comes_once_and_is_counted() {
    let bench = Bench::new(30);
    // A batch of which nothing is left is among them.
    let moved: Vec<String> = [3, 4, 5, 17].map(|index| row(index).id).to_vec();
    *bench.source.moved.lock().unwrap() = moved.clone();
    let manifest = bench.run().await.unwrap().receipt.manifest;
    assert_eq!((manifest.rows, manifest.changed_during_run), (RowCount(26), RowCount(4)));
    let ids = ids(&bench, "out.txt");
    assert_eq!(ids.len(), 26);
    assert!(moved.iter().all(|moved| !ids.contains(moved)));
    let manifest = Bench::new(30).run().await.unwrap().receipt.manifest;
    assert!(!serde_json::to_string(&manifest).unwrap().contains("changed_during_run"), "nothing changed");
}

#[tokio::test]
async fn the_manifest_describes_every_file() {
    let bench = Bench::new(90).rolled(250);
    let manifest = bench.run().await.unwrap().receipt.manifest;
    assert!(manifest.files.len() > 3);
    for (index, file) in manifest.files.iter().enumerate() {
        assert_eq!(file.key.as_str(), format!("out-part-{:05}.txt", index + 1));
        let bytes = bench.shelf.file(file.key.as_str());
        let mut hash = crate::hash::Hash::default();
        hash.update(&bytes);
        assert_eq!(file.sha256, hash.finish());
        assert_eq!(file.head.bytes, ByteCount::from(bytes.len()));
        assert!(bytes.len() >= 250 || index + 1 == manifest.files.len());
        assert_eq!(file.rows.get(), ids(&bench, file.key.as_str()).len() as u64);
        assert_eq!(file.rows.get(), file.key_digest.rows());
        assert!(file.cursor_min <= file.cursor_max && file.cursor_min.is_some());
    }
    assert_eq!(manifest.rows, RowCount(90));
    assert_eq!(manifest.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["id", "text"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_at_any_call_leaves_nothing() {
    let whole = Bench::new(60).rolled(200);
    whole.attempt(None).await;
    for call in 0..whole.calls_made() {
        let bench = Bench::new(60).rolled(200);
        let started = Instant::now();
        let ended = bench.attempt(Some((call, Trouble::Stop(StopReason::Cancelled)))).await;
        assert!(started.elapsed() < Duration::from_secs(2));
        let name = bench.calls.names.lock().unwrap()[call].clone();
        match ended {
            Ended::Failed(_) => {
                assert!(bench.files().is_empty(), "call {call} ({name}) left {:?}", bench.files().keys());
                assert!(bench.shelf.uploads.lock().unwrap().is_empty(), "call {call} ({name}) left an upload");
                assert!(bench.notebook.last().is_none_or(|left| left.done.is_empty() && left.open.is_none()));
            }
            // The manifest was written before the cancel was seen.
            Ended::Done(_) => assert_eq!(name, "publish"),
            Ended::Crashed => panic!(),
        }
    }
}

/// Of a call whose answer is not waited for nobody knows whether it did its work. An upload that is begun
/// at that moment has no known id; it is found by the name of its file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_while_a_call_is_in_flight_leaves_no_file_and_no_upload() {
    let whole = Bench::new(60).rolled(200);
    whole.attempt(None).await;
    for call in 0..whole.calls_made() {
        let bench = Bench::new(60).rolled(200);
        let ended = bench.attempt(Some((call, Trouble::StopInFlight(StopReason::Cancelled)))).await;
        let name = bench.calls.names.lock().unwrap()[call].clone();
        assert!(matches!(ended, Ended::Failed(_)), "call {call} ({name})");
        assert!(bench.files().is_empty(), "call {call} ({name}) left {:?}", bench.files().keys());
        let uploads = bench.shelf.uploads.lock().unwrap().len();
        assert_eq!(uploads, 0, "call {call} ({name}) left uploads");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_successor_removes_what_its_predecessor_uploaded() {
    let bench = Bench::new(200);
    assert!(matches!(bench.attempt(Some((100, Trouble::CrashBefore))).await, Ended::Crashed));
    assert_eq!(bench.shelf.uploads.lock().unwrap().len(), 1);
    let ended = bench.attempt(Some((0, Trouble::Stop(StopReason::Cancelled)))).await;
    assert!(matches!(ended, Ended::Failed(_)));
    assert!(bench.shelf.uploads.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_a_cancelled_run_cannot_remove_is_left_to_its_successor() {
    let whole = Bench::new(60).rolled(200);
    whole.attempt(None).await;
    let bench = Bench::new(60).rolled(200);
    // The manifest is written last, so that every file is there when the run dies.
    let publish = whole.calls_made() - 1;
    assert!(matches!(bench.attempt(Some((publish, Trouble::CrashBefore))).await, Ended::Crashed));
    let first = bench.files().into_keys().next().unwrap();
    assert!(bench.files().len() > 1);

    *bench.shelf.stuck.lock().unwrap() = Some(first.clone());
    assert!(matches!(bench.attempt(Some((0, Trouble::Stop(StopReason::Cancelled)))).await, Ended::Failed(_)));
    assert_eq!(bench.files().into_keys().collect::<Vec<_>>(), [first]);

    *bench.shelf.stuck.lock().unwrap() = None;
    assert!(matches!(bench.attempt(Some((0, Trouble::Stop(StopReason::Cancelled)))).await, Ended::Failed(_)));
    assert!(bench.files().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_lease_stops_every_write_and_touches_nothing() {
    let whole = Bench::new(60).rolled(200);
    whole.attempt(None).await;
    for call in 0..whole.calls_made() {
        let bench = Bench::new(60).rolled(200);
        bench.attempt(Some((call, Trouble::Stop(StopReason::LeaseLost)))).await;
        let names = bench.calls.names.lock().unwrap();
        // An upload that nobody has recorded may be removed by who opened it.
        let writes = |name: &&String| !["prepare", "plan", "read", "once each", "abort"].contains(&name.as_str());
        let later: Vec<&String> = names[call + 1..].iter().filter(writes).collect();
        // Reading runs beside writing: one write may have begun at the very moment.
        let begun = usize::from(!writes(&&names[call]));
        assert!(later.len() <= begun, "after the lease was lost at call {call} ({}): {later:?}", names[call]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_only_grows_and_ends_at_one() {
    for (limit, rows) in [(None, 300), (Some(RowCount(300)), 300), (Some(RowCount(200)), 200)] {
        let mut bench = Bench::new(300).rolled(500);
        bench.spec.limit = limit;
        bench.run().await.unwrap();
        let states = bench.watched.0.lock().unwrap();
        assert!(states.len() > 20);
        for pair in states.windows(2) {
            assert!(pair[0].share <= pair[1].share && pair[0].rows <= pair[1].rows, "{pair:?}");
            let grows = pair[0].bytes_written <= pair[1].bytes_written && pair[0].files_done <= pair[1].files_done;
            assert!(grows, "{pair:?}");
            assert!(pair[0].share < 1.0, "done before the manifest is written: {pair:?}");
        }
        let last = states.last().unwrap();
        assert_eq!((last.share, last.rows), (1.0, RowCount(rows)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_larger_than_every_budget_passes() {
    let mut bench = Bench::new(20);
    bench.source.rows.lock().unwrap()[7].text = Some("y".repeat(3 << 20));
    bench.spec.budget.prefetch_bytes = ByteCount(1024);
    bench.spec.budget.batch_bytes = ByteCount(1024);
    bench.spec.budget.block_bytes = ByteCount(1024);
    let outcome = tokio::time::timeout(Duration::from_secs(20), bench.run()).await.expect("no deadlock").unwrap();
    assert_eq!(outcome.receipt.manifest.rows, RowCount(20));
}

#[tokio::test]
async fn one_line_is_logged_per_ten_thousand_rows() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut bench = Bench::new(25_000);
    for (index, row) in bench.source.rows.lock().unwrap().iter_mut().enumerate() {
        row.id = format!("s{index:06}");
        row.text = None;
    }
    let source = Arc::get_mut(&mut bench.source).unwrap();
    (source.slice_rows, source.batch_rows) = (5_000, 2_500);
    bench.rule = crate::canonical::CanonicalRule::STANDARD;
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    bench.run().await.unwrap();
    drop(logging);

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let exporting: Vec<&serde_json::Value> = lines.iter().filter(|line| line["level"] == "INFO").collect();
    assert_eq!(exporting.len(), 2, "{text}");
    assert_eq!(exporting[1]["fields"]["message"], "exporting events of project p: 20000 rows");
    assert_eq!(exporting[1]["fields"]["run.id"], "run-1");
    assert_eq!(exporting[1]["fields"]["project.id"], "p");
    assert_eq!(exporting[1]["fields"]["rows"], 20_000);
}

#[tokio::test]
async fn parts_written_apart_have_together_the_rows_of_the_whole() {
    let mut sorted: Vec<Row> = (0..90).map(row).collect();
    sorted.sort_by_key(Row::key);
    let (first_cut, second_cut) = (sorted[40].key(), sorted[70].key());
    let range = |from: &Option<OrderKey>, to: &Option<OrderKey>| KeyRange { from: from.clone(), to: to.clone() };
    let (first_cut, second_cut) = (Some(first_cut), Some(second_cut));
    let ranges = [range(&None, &first_cut), range(&first_cut, &second_cut), range(&second_cut, &None)];

    let mut written = Vec::new();
    let mut manifests = Vec::new();
    for (number, range) in (1..).zip(ranges) {
        let mut bench = Bench::new(90);
        bench.spec.range = range;
        bench.spec.files = bench.spec.files.part(number);
        manifests.push(bench.run().await.unwrap().receipt.manifest);
        written.extend(ids(&bench, &format!("out-part-{number:05}.txt")));
    }

    assert_eq!(written, sorted.iter().map(|row| row.id.clone()).collect::<Vec<_>>());
    let whole = Manifest::joined(manifests).unwrap();
    assert_eq!((whole.rows, whole.files.len()), (RowCount(90), 3));
}

#[tokio::test]
async fn only_the_first_part_of_a_run_writes_an_empty_file() {
    for (number, files) in [(1, 1), (2, 0)] {
        let mut bench = Bench::new(0);
        bench.spec.files = bench.spec.files.part(number);
        let manifest = bench.run().await.unwrap().receipt.manifest;
        assert_eq!((manifest.files.len(), bench.files().len()), (files, files), "part {number}");
    }
}
