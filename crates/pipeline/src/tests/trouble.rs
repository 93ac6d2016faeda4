//! Failures that may heal are waited out, others end the run; rows are never lost or doubled.

use std::sync::Arc;

use model::{FaultKind, Format, RowCount};

use super::doubles::{Bench, Ended, LINES, Trouble};
use crate::Patience;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failure_of_any_call_changes_nothing() {
    let whole = Bench::new(60).rolled(200);
    let Ended::Done(expected) = whole.attempt(None).await else { panic!() };
    for call in 0..whole.calls_made() {
        let failed = [FaultKind::Unavailable, FaultKind::Throttled].map(Trouble::FailBefore);
        for trouble in [failed[0], failed[1], Trouble::FailAfter(FaultKind::Timeout), Trouble::Cut] {
            let bench = Bench::new(60).rolled(200);
            let ended = bench.attempt(Some((call, trouble))).await;
            let name = bench.calls.names.lock().unwrap()[call].clone();
            let Ended::Done(outcome) = ended else { panic!("{trouble:?} at call {call} ({name}): {ended:?}") };
            assert_eq!(bench.files(), whole.files(), "{trouble:?} at call {call} ({name})");
            assert_eq!(outcome.receipt, expected.receipt, "{trouble:?} at call {call} ({name})");
            assert_eq!(outcome.rows_resumed, RowCount(0));
        }
    }
}

/// Rows are read beside the run: whoever takes them must not think that a reader which panicked was through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_of_the_source_is_a_fault_and_never_a_short_file() {
    let whole = Bench::new(60).rolled(200);
    whole.attempt(None).await;
    let names = whole.calls.names.lock().unwrap().clone();
    let reads: Vec<usize> = (0..names.len()).filter(|call| names[*call] == "read").collect();
    assert!(reads.len() > 10);
    for call in reads {
        let bench = Bench::new(60).rolled(200);
        let ended = bench.attempt(Some((call, Trouble::Panic))).await;
        let panicked = bench.calls.names.lock().unwrap()[call] == "read";
        match ended {
            Ended::Failed(fault) if panicked => assert_eq!(fault.kind(), FaultKind::Bug, "call {call}"),
            Ended::Done(_) if !panicked => {}
            ended => panic!("call {call}: {ended:?}"),
        }
        assert!(bench.files().iter().all(|(file, bytes)| whole.files().get(file) == Some(bytes)), "call {call}");
    }
}

/// An attempt that was killed may have completed the upload: its successor then finds it gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_was_completed_before_is_no_failure() {
    let whole = Bench::new(60);
    whole.attempt(None).await;
    let commit = whole.calls.names.lock().unwrap().iter().position(|name| name == "commit").unwrap();
    let bench = Bench::new(60);
    let ended = bench.attempt(Some((commit, Trouble::FailAfter(FaultKind::NotFound)))).await;
    assert!(matches!(ended, Ended::Done(_)), "{ended:?}");
    assert_eq!(bench.files(), whole.files());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_cannot_heal_leaves_no_partial_file() {
    let whole = Bench::new(60);
    whole.attempt(None).await;
    for call in 0..whole.calls_made() {
        let bench = Bench::new(60);
        let ended = bench.attempt(Some((call, Trouble::FailBefore(FaultKind::Credentials)))).await;
        let name = bench.calls.names.lock().unwrap()[call].clone();
        let Ended::Failed(fault) = ended else { panic!("call {call} ({name}): {ended:?}") };
        assert_eq!(fault.kind(), FaultKind::Credentials);
        // Without the log nothing may be touched; a visible file is a complete one that waits for its manifest.
        if name != "record" {
            assert!(bench.shelf.uploads.lock().unwrap().is_empty(), "call {call} ({name}) left an upload");
        }
        assert!(bench.files().iter().all(|(file, bytes)| whole.files().get(file) == Some(bytes)));

        let Ended::Done(_) = bench.attempt(None).await else { panic!("the run cannot be repeated after {name}") };
        assert_eq!(bench.files(), whole.files());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_does_not_heal_in_time_keeps_what_can_be_continued() {
    let mut bench = Bench::new(200);
    let once = Patience { attempts_max: 1, ..Patience::LONG };
    (bench.spec.budget.patience, bench.spec.budget.destination_patience) = (once, once);
    let ended = bench.attempt(Some((100, Trouble::FailBefore(FaultKind::Unavailable)))).await;
    assert!(matches!(ended, Ended::Failed(_)), "{ended:?}");
    let kept = bench.notebook.last().unwrap().open.unwrap();
    assert!(kept.rows > RowCount(0));

    let Ended::Done(outcome) = bench.attempt(None).await else { panic!() };
    assert_eq!(outcome.rows_resumed, kept.rows);
}

#[tokio::test]
async fn a_run_that_loses_rows_fails() {
    /// Drops the last row of every block.
    struct Lossy;
    struct LossyBlocks(Arc<dyn model::BlockEncoder>);
    impl model::BlockEncoder for LossyBlocks {
        fn encode(&self, rows: &[arrow_array::RecordBatch]) -> Result<model::EncodedBlock, model::Fault> {
            let mut rows = rows.to_vec();
            let last = rows.pop().unwrap();
            rows.push(last.slice(0, last.num_rows() - 1));
            self.0.encode(&rows)
        }
    }
    impl Format for Lossy {
        fn descriptor(&self) -> &model::FormatDescriptor {
            LINES.descriptor()
        }
        fn scanner(
            &self,
            options: &model::FormatOptions,
            columns: &[&str],
        ) -> Result<Box<dyn model::RowScanner>, model::Fault> {
            LINES.scanner(options, columns)
        }
        fn block_encoder(
            &self,
            schema: &arrow_schema::SchemaRef,
            options: &model::FormatOptions,
        ) -> Result<Arc<dyn model::BlockEncoder>, model::Fault> {
            Ok(Arc::new(LossyBlocks(LINES.block_encoder(schema, options)?)))
        }
        fn start(
            &self,
            schema: &arrow_schema::SchemaRef,
            options: &model::FormatOptions,
            resume: Option<&model::EncoderState>,
        ) -> Result<Box<dyn model::Encoder>, model::Fault> {
            LINES.start(schema, options, resume)
        }
    }
    let mut bench = Bench::new(30);
    bench.spec.format = &Lossy;
    let fault = bench.run().await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Bug);
    assert!(bench.files().is_empty(), "rows were lost and a file is visible");
}

#[tokio::test]
async fn rows_in_the_wrong_order_or_twice_fail_the_run() {
    let bench = Bench::new(30);
    let twice = bench.source.rows.lock().unwrap()[7].clone();
    bench.source.rows.lock().unwrap().push(twice);
    let fault = bench.run().await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Bug);
    assert!(fault.public_message().contains("s007"), "{fault}");
}

#[tokio::test]
async fn a_file_above_the_destinations_limit_is_refused_before_it_is_sent() {
    let mut bench = Bench::new(60);
    bench.spec.enrichments.clear();
    let shelf = Arc::get_mut(&mut bench.shelf).unwrap();
    shelf.file_bytes_max = 300;
    let fault = bench.run().await.unwrap_err();
    assert!(matches!(fault.kind(), FaultKind::TooLarge { .. }));
    assert!(bench.shelf.uploads.lock().unwrap().is_empty() && bench.files().is_empty());
}

#[tokio::test]
async fn a_column_that_nobody_produces_is_refused_before_any_byte() {
    let mut bench = Bench::new(3);
    bench.spec.output_columns.push("comments".into());
    assert!(bench.run().await.unwrap_err().public_message().contains("comments"));
    assert!(!bench.calls.names.lock().unwrap().contains(&"open".to_owned()));
}
