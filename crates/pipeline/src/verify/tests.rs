//! Every planted defect is found and named (promise 8).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use futures_util::stream;
use model::{
    ByteCount, Fault, FaultKind, FileName, FormatOptions, KeyDigest, Manifest, Micros, RowCount, Stop, Window,
};

use super::sent::in_rounds;
use super::{
    Against, DIFFERENCES_MAX, Difference, FilesRead, RowName, SentVerification, Verification, VerifyReport, verify,
};
use crate::Budget;
use crate::tests::doubles::{Bench, NoWaits, Row, Trouble, row};

/// An export of 60 rows in several files whose window ends behind all of them.
async fn exported(columns: &[&str]) -> (Bench, Manifest) {
    let mut bench = Bench::new(60).rolled(300);
    bench.spec.output_columns = columns.iter().map(|column| (*column).to_owned()).collect();
    bench.spec.request.window = Window::new(None, Some(Micros(1_000_000))).unwrap();
    let manifest = bench.run().await.unwrap().receipt.manifest;
    assert!(manifest.files.len() > 2);
    (bench, manifest)
}

const WITH_VERSION: &[&str] = &["id", "traceId", "event_ts", "text"];
const WITHOUT_VERSION: &[&str] = &["id", "traceId", "text"];
const WITHOUT_KEYS: &[&str] = &["id", "text"];

async fn report(bench: &Bench, manifest: &Manifest) -> VerifyReport {
    report_of(bench, manifest, false).await
}

async fn report_of(bench: &Bench, manifest: &Manifest, full: bool) -> VerifyReport {
    verify(verification(bench, manifest, full)).await.unwrap()
}

fn verification(bench: &Bench, manifest: &Manifest, full: bool) -> Verification {
    let request = bench.spec.request.clone();
    Verification {
        files: FilesRead::All,
        altered: vec![],
        manifest: manifest.clone(),
        destination: Arc::clone(&bench.shelf) as _,
        format: bench.spec.format,
        options: FormatOptions::default(),
        against: Some(Against { source: Arc::clone(&bench.source) as _, request, full }),
        stop: Stop::new(),
        waits: Arc::new(NoWaits),
        budget: Budget::for_cores(2),
    }
}

async fn differences(bench: &Bench, manifest: &Manifest) -> Vec<String> {
    report(bench, manifest).await.differences.iter().map(ToString::to_string).collect()
}

/// Changes the bytes of the second file.
fn edit(bench: &Bench, manifest: &Manifest, change: impl Fn(String) -> String) -> FileName {
    let name = manifest.files[1].key.clone();
    let mut visible = bench.shelf.visible.lock().unwrap();
    let bytes = visible.get_mut(name.as_str()).unwrap();
    *bytes = change(String::from_utf8(bytes.clone()).unwrap()).into_bytes();
    name
}

fn rows_of(file: &str) -> Vec<&str> {
    file.lines().filter(|line| line.contains(',')).collect()
}

#[tokio::test]
async fn an_untouched_export_has_no_difference() {
    for columns in [WITH_VERSION, WITHOUT_VERSION, WITHOUT_KEYS] {
        let (bench, manifest) = exported(columns).await;
        let report = report(&bench, &manifest).await;
        assert_eq!(report.differences, []);
        assert_eq!((report.files_read, report.rows_in_files), (manifest.files.len(), RowCount(60)));
        assert_eq!(report.rows_in_source, Some(RowCount(60)));
    }
}

#[tokio::test]
async fn a_read_that_cannot_be_ended_changes_no_result() {
    let (bench, manifest) = exported(WITH_VERSION).await;
    bench.source.unclosable.store(true, Ordering::SeqCst);
    assert_eq!(report(&bench, &manifest).await.differences, []);

    let closed = || bench.source.closed.load(Ordering::SeqCst);
    let before = closed();
    bench.calls.only("read");
    bench.calls.arm(Some((0, Trouble::FailBefore(FaultKind::Corrupt))));
    let fault = verify(verification(&bench, &manifest, false)).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Corrupt, "{fault}");
    assert_eq!(closed(), before + 1, "what failed is ended too");
}

#[tokio::test]
async fn changed_files_are_found() {
    type Change = fn(String) -> String;
    let changes: [(&str, Change, &[&str]); 6] = [
        (
            "a row removed",
            |text| text.replacen(&format!("{}\n", rows_of(&text)[1]), "", 1),
            &["bytes", "SHA-256", "rows"],
        ),
        (
            "a row doubled",
            |text| text.replacen(rows_of(&text)[1], &[rows_of(&text)[1]; 2].join("\n"), 1),
            &["bytes", "SHA-256", "rows"],
        ),
        ("a byte flipped", |text| text.replacen("s0", "s9", 1), &["SHA-256"]),
        ("rows swapped", |text| text.split_inclusive('\n').rev().collect(), &["SHA-256"]),
        ("emptied", |_| String::new(), &["bytes", "SHA-256", "rows"]),
        ("something else", |text| "<html>\n".to_owned() + &text, &["bytes", "SHA-256", "cannot be read back"]),
    ];
    for (what, change, expected) in changes {
        let (bench, manifest) = exported(WITH_VERSION).await;
        let file = edit(&bench, &manifest, change);
        let found = differences(&bench, &manifest).await;
        assert_eq!(found.len(), expected.len(), "{what}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(file.as_str()) && found.contains(expected), "{what}: {found}");
        }
    }
}

#[tokio::test]
async fn missing_and_exchanged_files_are_found() {
    let (bench, manifest) = exported(WITH_VERSION).await;
    bench.shelf.visible.lock().unwrap().remove(manifest.files[1].key.as_str());
    assert_eq!(differences(&bench, &manifest).await, ["out-part-00002.txt: missing"]);

    let (bench, manifest) = exported(WITH_VERSION).await;
    {
        let mut visible = bench.shelf.visible.lock().unwrap();
        let [first, second] = [0, 1].map(|file: usize| manifest.files[file].key.as_str());
        let (one, two) = (visible[first].clone(), visible[second].clone());
        visible.insert(first.to_owned(), two);
        visible.insert(second.to_owned(), one);
    }
    let found = differences(&bench, &manifest).await.join("\n");
    assert!(found.contains("00001.txt: its content") && found.contains("00002.txt: its content"), "{found}");
}

#[tokio::test]
async fn edited_manifests_are_found() {
    type Edit = fn(&mut Manifest);
    let edits: [(&str, Edit, &str); 9] = [
        ("rows", |manifest| manifest.rows = RowCount(61), "61 rows, its files add up to 60"),
        ("bytes", |manifest| manifest.bytes = ByteCount(1), "says 1 bytes"),
        ("rows of a file", |manifest| manifest.files[0].rows = RowCount(1), "rows, the manifest says 1"),
        ("size of a file", |manifest| manifest.files[0].head.bytes = ByteCount(7), "bytes, the manifest says 7"),
        ("hash of a file", |manifest| manifest.files[0].sha256 = "00".into(), "the manifest says 00"),
        ("digest", |manifest| manifest.files[0].key_digest = KeyDigest::default(), "its key digest counts 0"),
        ("a file twice", |manifest| manifest.files.push(manifest.files[0].clone()), "listed twice"),
        ("window", |manifest| manifest.window.to = Some(Micros(5_000)), "do not lie in the window"),
        ("format", |manifest| manifest.files[0].format = "csv".into(), "cannot be read back"),
    ];
    for (what, change, expected) in edits {
        let (bench, mut manifest) = exported(WITH_VERSION).await;
        change(&mut manifest);
        let found = differences(&bench, &manifest).await;
        assert!(found.iter().any(|found| found.contains(expected)), "{what}: {found:?}");
    }
}

#[tokio::test]
async fn a_late_row_is_named() {
    for columns in [WITH_VERSION, WITHOUT_VERSION, WITHOUT_KEYS] {
        let (bench, manifest) = exported(columns).await;
        let mut late = row(77);
        late.ingested = manifest.exported_at.0 + 1;
        bench.source.rows.lock().unwrap().push(late);
        let found = differences(&bench, &manifest).await;
        assert_eq!(found, ["late row: t1/s077, stored 1970-01-01T00:00:02.000001Z, after the export"], "{columns:?}");
    }
}

#[tokio::test]
async fn a_row_that_was_left_out_is_named() {
    for columns in [WITH_VERSION, WITHOUT_VERSION, WITHOUT_KEYS] {
        let (bench, manifest) = exported(columns).await;
        bench.source.rows.lock().unwrap().push(row(77));
        let found = report(&bench, &manifest).await.differences;
        let [Difference::RowMissing(name)] = found.as_slice() else { panic!("{columns:?}: {found:?}") };
        assert_eq!(name.id, "s077");
    }
}

#[tokio::test]
async fn a_row_that_is_gone_is_named() {
    for columns in [WITH_VERSION, WITHOUT_VERSION] {
        let (bench, manifest) = exported(columns).await;
        bench.source.rows.lock().unwrap().retain(|row| row.id != "s020");
        let found = differences(&bench, &manifest).await;
        assert_eq!(found, ["gone row: t0/s020, was exported and is no longer in the source"]);
    }
    let (bench, manifest) = exported(WITHOUT_KEYS).await;
    bench.source.rows.lock().unwrap().retain(|row| row.id != "s020");
    let found = report(&bench, &manifest).await.differences;
    assert!(
        matches!(found.as_slice(), [Difference::Bucket { exported, stored, .. }] if exported.get() == stored.get() + 1)
    );
}

#[tokio::test]
async fn a_row_that_never_belonged_to_the_export_is_named() {
    let (bench, manifest) = exported(WITH_VERSION).await;
    bench.source.rows.lock().unwrap()[20].time = 2_000_000;
    let found = report(&bench, &manifest).await.differences;
    let [Difference::RowExtra(name)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(name.id, "s020");
}

#[tokio::test]
async fn a_wrong_version_is_named_where_files_hold_it_and_found_where_not() {
    let (bench, manifest) = exported(WITH_VERSION).await;
    bench.source.rows.lock().unwrap()[20].version = 999;
    let found = report(&bench, &manifest).await.differences;
    assert!(matches!(found.as_slice(), [Difference::RowVersion(name)] if name.id == "s020"), "{found:?}");

    let (bench, manifest) = exported(WITHOUT_VERSION).await;
    bench.source.rows.lock().unwrap()[20].version = 999;
    let found = report(&bench, &manifest).await.differences;
    assert!(!found.is_empty() && found.iter().all(|found| matches!(found, Difference::Bucket { .. })), "{found:?}");
}

#[tokio::test]
async fn only_a_full_verification_looks_at_versions_that_were_stored_long_before() {
    let (bench, manifest) = exported(WITH_VERSION).await;
    let outranking = Row { version: 999, ..row(20) };
    bench.source.old_versions.lock().unwrap().push(outranking);
    assert_eq!(report_of(&bench, &manifest, false).await.differences, []);
    let found = report_of(&bench, &manifest, true).await.differences;
    assert!(matches!(found.as_slice(), [Difference::RowVersion(name)] if name.id == "s020"), "{found:?}");
}

#[tokio::test]
async fn rows_changed_after_the_export_are_counted_and_no_difference() {
    for moved_to in [0, 2_000_000] {
        let (bench, manifest) = exported(WITH_VERSION).await;
        {
            let row = &mut bench.source.rows.lock().unwrap()[20];
            (row.version, row.ingested) = (999, manifest.exported_at.0 + 5);
            row.time += moved_to;
        }
        let report = report(&bench, &manifest).await;
        assert_eq!((report.differences, report.rows_superseded), (vec![], RowCount(1)));
    }
}

#[tokio::test]
async fn a_row_that_was_exported_twice_is_named() {
    let (bench, mut manifest) = exported(WITH_VERSION).await;
    // Consistent in itself: file, sizes, hash and digest all tell of the doubled row.
    let file = edit(&bench, &manifest, |text| text.replacen(rows_of(&text)[1], &[rows_of(&text)[1]; 2].join("\n"), 1));
    let bytes = bench.shelf.file(file.as_str());
    let doubled = String::from_utf8(bytes.clone()).unwrap();
    let doubled: Vec<&str> = rows_of(&doubled)[1].split(',').collect();
    let receipt = &mut manifest.files[1];
    let mut hash = crate::hash::Hash::default();
    hash.update(&bytes);
    receipt.sha256 = hash.finish();
    manifest.bytes = ByteCount(manifest.bytes.get() + bytes.len() as u64 - receipt.head.bytes.get());
    receipt.head.bytes = ByteCount::from(bytes.len());
    receipt.rows += RowCount(1);
    manifest.rows += RowCount(1);
    receipt.key_digest.add(doubled[1], doubled[0], Micros::parse_text(doubled[2]), &mut Vec::new());

    let found = report(&bench, &manifest).await.differences;
    assert!(matches!(found.as_slice(), [Difference::RowTwice(name)] if name.id == doubled[0]), "{found:?}");
}

#[tokio::test]
async fn an_export_that_a_limit_cut_is_compared_up_to_its_last_row() {
    let mut bench = Bench::new(60);
    bench.spec.limit = Some(RowCount(25));
    bench.spec.output_columns = WITH_VERSION.iter().map(|column| (*column).to_owned()).collect();
    let manifest = bench.run().await.unwrap().receipt.manifest;
    assert!(manifest.truncated);
    assert_eq!(differences(&bench, &manifest).await, Vec::<String>::new());
    bench.source.rows.lock().unwrap()[50].version = 7;
    assert_eq!(differences(&bench, &manifest).await.len(), 1);
}

/// The first 60 rows were sent, and the keys of so many of them kept.
async fn report_of_sent(bench: &Bench, kept: usize, rounds: u64) -> Result<VerifyReport, Fault> {
    let hash = |row: Row| KeyDigest::hash(&row.trace, &row.id, Some(Micros(row.version)), &mut Vec::new());
    let hashes: Vec<u64> = (0..kept).map(row).map(hash).collect();
    let pieces = || {
        let pieces: Vec<Result<Vec<u64>, Fault>> = hashes.chunks(7).map(|piece| Ok(piece.to_vec())).collect();
        stream::iter(pieces).boxed()
    };
    let verification = SentVerification {
        rows: RowCount(60),
        hashes: &pieces,
        against: Against { source: Arc::clone(&bench.source) as _, request: bench.spec.request.clone(), full: false },
        stop: Stop::new(),
        waits: Arc::new(NoWaits),
        budget: Budget::for_cores(2),
    };
    in_rounds(verification, rounds).await
}

#[tokio::test]
async fn rows_that_were_not_sent_are_named_and_those_that_changed_since_counted() {
    for rounds in [1, 2, 7] {
        let bench = Bench::new(60);
        let report = report_of_sent(&bench, 60, rounds).await.unwrap();
        let expected = VerifyReport { rows_in_source: Some(RowCount(60)), ..VerifyReport::default() };
        assert_eq!(report, expected, "{rounds} rounds");
        {
            let mut rows = bench.source.rows.lock().unwrap();
            // One is gone, one was sent in an older version, and two were seen too late.
            rows.retain(|row| row.id != "s020");
            rows.iter_mut().find(|row| row.id == "s030").unwrap().version = 999;
            rows.extend([row(77), row(78)]);
        }
        let report = report_of_sent(&bench, 60, rounds).await.unwrap();
        let mut missing: Vec<String> = report
            .differences
            .iter()
            .map(|difference| match difference {
                Difference::RowMissing(row) => row.id.clone(),
                other => panic!("{other}"),
            })
            .collect();
        missing.sort();
        assert_eq!(missing, ["s030", "s077", "s078"], "{rounds} rounds");
        assert_eq!(
            (report.rows_superseded, report.rows_in_source),
            (RowCount(2), Some(RowCount(61))),
            "{rounds} rounds"
        );
    }
}

#[tokio::test]
async fn keys_of_other_rows_than_were_sent_prove_nothing() {
    let fault = report_of_sent(&Bench::new(60), 59, 2).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Corrupt);
    assert!(fault.public_message().contains("59 rows were kept, but 60"), "{fault}");
}

#[test]
fn of_very_many_differences_the_rest_is_counted_and_so_are_the_rows_that_are_lacking() {
    let name = || RowName { trace_id: String::new(), id: "a".to_owned(), ingested: None };
    let mut report = VerifyReport::default();
    (0..DIFFERENCES_MAX).for_each(|_| report.add(Difference::RowMissing(name())));
    assert_eq!((report.differences.len(), report.differences_more), (DIFFERENCES_MAX, 0));
    let more = [Difference::RowGone(name()), Difference::RowLate(name()), Difference::RowVersion(name())];
    let more = VerifyReport { differences: more.to_vec(), ..VerifyReport::default() };
    report.merge(more);
    assert_eq!((report.differences.len(), report.differences_more), (DIFFERENCES_MAX, 3));
    assert_eq!(report.lacking_more, RowCount(2));
}
