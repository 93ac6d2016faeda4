//! Results on standard output, whoever reads them.

use std::process::Stdio;

use crate::support::{Bench, Ended};

/// Runs a command whose reader has left before anything is printed.
fn without_reader(bench: &Bench, arguments: &[&str]) -> Ended {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = bench.command(arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    Ended::of(child.wait_with_output().unwrap())
}

#[test]
fn a_reader_that_has_left_is_no_failure_of_a_command() {
    let bench = Bench::with_reference_rows();
    bench.ok(["export", "--project", "proj-e2e", "-o", "out.csv"]);
    for arguments in [
        &["data", "info"][..],
        &["data", "info", "--json"],
        &["verify", "out.csv.manifest.json"],
        &["export", "--project", "proj-e2e", "-o", "again.csv"],
        &["export", "--project", "proj-e2e", "--dry-run"],
    ] {
        let ended = without_reader(&bench, arguments);
        assert_eq!((ended.code, &*ended.stderr), (0, ""), "{arguments:?}");
    }
}

#[test]
fn rows_that_nobody_reads_are_a_failure() {
    let bench = Bench::with_reference_rows();
    let ended = without_reader(&bench, &["export", "--project", "proj-e2e", "-o", "-"]);
    ended.assert_refused(&["closed by its reader", "head"]);
    assert_eq!(ended.code, 1);
}

#[test]
fn a_report_that_cannot_be_printed_does_not_hide_that_the_work_is_done() {
    let bench = Bench::with_reference_rows();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut export = bench.command(["export", "--project", "proj-e2e", "-o", "out.csv"]);
    let child = export.stdout(full).stderr(Stdio::piped()).spawn().unwrap();

    let ended = Ended::of(child.wait_with_output().unwrap());

    ended.assert_refused(&["cannot write to standard output", "is done"]);
    assert_eq!(bench.listing(), ["out.csv", "out.csv.manifest.json"]);
}
