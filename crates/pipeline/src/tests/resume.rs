//! Any crash, same result (promise 10).

use std::sync::Arc;

use model::{ByteCount, FaultKind, StopReason};

use super::doubles::{Bench, Ended, STATELESS_LINES, Trouble};

/// Runs with trouble at every call in turn, each time until the run is done, and compares the files.
async fn same_files_after(make: impl Fn() -> Bench, trouble: Trouble) {
    let undisturbed = make();
    let Ended::Done(expected) = undisturbed.attempt(None).await else { panic!("the undisturbed run fails") };
    let calls = undisturbed.calls_made();
    assert!(calls > 20, "the export is too small to tell: {calls} calls");
    let mut disturbed = 0;
    for call in 0..calls {
        let bench = make();
        let name = || bench.calls.names.lock().unwrap().get(call).cloned().unwrap_or_default();
        let mut ended = bench.attempt(Some((call, trouble))).await;
        if !matches!(ended, Ended::Done(_)) {
            disturbed += 1;
            for visible in bench.files().keys() {
                let whole = undisturbed.files().get(visible) == bench.files().get(visible);
                assert!(whole, "{visible} is visible in part after {trouble:?} at call {call} ({})", name());
            }
            ended = bench.attempt(None).await;
        }
        let Ended::Done(outcome) = ended else { panic!("{trouble:?} at call {call} ({}): {ended:?}", name()) };
        assert_eq!(bench.files(), undisturbed.files(), "{trouble:?} at call {call} ({})", name());
        let left = bench.shelf.uploads.lock().unwrap().len();
        assert_eq!(left, 0, "{trouble:?} at call {call} ({}) left uploads", name());
        assert_eq!(outcome.receipt, expected.receipt, "{trouble:?} at call {call} ({})", name());
    }
    assert!(disturbed * 2 > calls, "{trouble:?} disturbed only {disturbed} of {calls} calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_before_any_call_changes_nothing() {
    same_files_after(|| Bench::new(60), Trouble::CrashBefore).await;
    same_files_after(|| Bench::new(60).rolled(200), Trouble::CrashBefore).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_any_call_changes_nothing() {
    same_files_after(|| Bench::new(60), Trouble::CrashAfter).await;
    same_files_after(|| Bench::new(60).rolled(200), Trouble::CrashAfter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_at_any_call_changes_nothing() {
    same_files_after(|| Bench::new(60).rolled(200), Trouble::Stop(StopReason::HandOver)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_counts_the_rows_of_earlier_attempts() {
    let limited = || {
        let mut bench = Bench::new(60);
        bench.spec.limit = Some(model::RowCount(33));
        bench
    };
    same_files_after(limited, Trouble::CrashAfter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn formats_and_destinations_that_cannot_continue_begin_the_file_again() {
    let stateless = || {
        let mut bench = Bench::new(60).rolled(200);
        bench.spec.format = &*STATELESS_LINES;
        bench
    };
    same_files_after(stateless, Trouble::CrashBefore).await;
    let forgetful = || {
        let mut bench = Bench::new(60).rolled(200);
        Arc::get_mut(&mut bench.shelf).unwrap().resumable = false;
        bench
    };
    same_files_after(forgetful, Trouble::CrashAfter).await;
}

/// An export of 200 rows that crashed after two thirds of its calls, and how it should end.
async fn crashed_on_the_way() -> (Bench, Bench) {
    let whole = Bench::new(200);
    whole.run().await.unwrap();
    let bench = Bench::new(200);
    let ended = bench.attempt(Some((whole.calls_made() * 2 / 3, Trouble::CrashBefore))).await;
    assert!(matches!(ended, Ended::Crashed));
    let open = bench.notebook.last().unwrap().open.unwrap();
    assert!(open.rows.get() > 0 && open.block_end > ByteCount::ZERO);
    assert!(open.upload_bytes > open.block_end, "the upload is ahead of the block in these tests");
    (bench, whole)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_attempt_continues_after_the_last_durable_block() {
    let (bench, whole) = crashed_on_the_way().await;
    let open = bench.notebook.last().unwrap().open.unwrap();

    let Ended::Done(outcome) = bench.attempt(None).await else { panic!() };
    assert_eq!(outcome.rows_resumed, open.rows);
    assert_eq!(bench.files(), whole.files());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_gone_is_begun_again() {
    let (bench, whole) = crashed_on_the_way().await;
    bench.shelf.uploads.lock().unwrap().clear();

    let Ended::Done(outcome) = bench.attempt(None).await else { panic!() };
    assert_eq!(outcome.rows_resumed.get(), 0);
    assert_eq!(bench.files(), whole.files());
}

/// A source without snapshots may have changed rows whose bytes are uploaded but belong to no
/// durable block: continuing would tear the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_whose_uploaded_rows_have_changed_is_begun_again() {
    let (bench, _) = crashed_on_the_way().await;
    let after = bench.notebook.last().unwrap().open.unwrap().after.unwrap();
    for row in bench.source.rows.lock().unwrap().iter_mut().filter(|row| row.key() > after) {
        row.text = Some("changed".into());
    }
    let Ended::Done(_) = bench.attempt(None).await else { panic!() };

    let whole = Bench::new(200);
    whole.source.rows.lock().unwrap().clone_from(&bench.source.rows.lock().unwrap());
    whole.run().await.unwrap();
    assert_eq!(bench.shelf.file("out.txt"), whole.shelf.file("out.txt"));
}

#[tokio::test]
async fn a_checkpoint_of_another_version_is_refused() {
    let bench = Bench::new(5);
    let mut checkpoint = model::Checkpoint { version: 99, ..Default::default() };
    let fault = crate::run(bench.spec.clone(), bench.ports(), Some(checkpoint.clone())).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::BadRequest);
    checkpoint.version = 1;
    assert!(crate::run(bench.spec.clone(), bench.ports(), Some(checkpoint)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_recorded_before_its_first_byte_is_sent() {
    let bench = Bench::new(60).rolled(200);
    bench.run().await.unwrap();
    let names = bench.calls.names.lock().unwrap();
    let writing: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| ["open", "record", "write"].contains(name)).collect();
    let opens = writing.iter().enumerate().filter(|(_, name)| **name == "open");
    assert!(opens.clone().count() > 2);
    for (index, _) in opens {
        assert_eq!(writing[index + 1], "record");
    }
}
