//! What a command that does nothing, or that failed, must leave alone.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::servers::s3::S3Server;
use crate::support::{Bench, Ended};

/// Starts an export that takes long and waits until some of it is on disk.
fn under_way(bench: &Bench) -> Child {
    let arguments = ["export", "--project", "p", "--max-rate", "1MB", "-o", "out.jsonl"];
    let export = bench.command(arguments).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let has_bytes = || std::fs::metadata(bench.file("out.jsonl.partial")).is_ok_and(|found| found.len() > 0);
    while !has_bytes() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    export
}

/// Starts an export that takes long and kills it once some of it is on disk.
fn killed(bench: &Bench) {
    let mut export = under_way(bench);
    export.kill().unwrap();
    export.wait().unwrap();
    assert_eq!(bench.listing(), ["out.jsonl.partial"]);
}

#[test]
fn a_dry_run_and_a_refused_request_leave_an_unfinished_export_to_be_resumed() {
    let bench = Bench::with_generated(3_000);
    killed(&bench);

    bench.ok(["export", "--project", "p", "-o", "out.jsonl", "--dry-run"]);
    bench.refused(["export", "--project", "q", "-o", "out.jsonl"], &["--allow-empty"]);
    bench.refused(["export", "--project", "p", "-o", "out.jsonl", "--limit", "3", "--resume"], &["something else"]);

    assert_eq!(bench.listing(), ["out.jsonl.partial"]);
    bench.ok(["export", "--project", "p", "-o", "out.jsonl", "--resume"]);
    assert_eq!(bench.listing(), ["out.jsonl", "out.jsonl.manifest.json"]);
}

#[test]
fn an_export_that_begins_anew_removes_what_an_unfinished_one_left() {
    let bench = Bench::with_generated(3_000);
    killed(&bench);
    let info = bench.ok(["data", "info"]);
    assert!(info.contains("exports that did not finish") && info.contains("interrupted after"), "{info}");

    bench.ok(["export", "--project", "p", "-o", "out.jsonl", "--limit", "3"]);

    assert_eq!(bench.listing(), ["out.jsonl", "out.jsonl.manifest.json"]);
    assert_eq!(bench.read("out.jsonl").lines().count(), 3);
    bench.ok(["verify", "out.jsonl.manifest.json"]);
}

#[test]
fn an_export_that_is_under_way_is_not_taken_over() {
    let bench = Bench::with_generated(1_000);
    let mut first = under_way(&bench);
    let process = format!("process {}", first.id());

    for again in [&["--limit", "3"][..], &["--resume"], &["--overwrite"], &["--roll-size", "1MB"]] {
        let arguments = [&["export", "--project", "p", "-o", "out.jsonl"], again].concat();
        bench.refused(arguments, &["out.jsonl", "being exported already", &process, "--output"]);
    }
    bench.ok(["export", "--project", "p", "-o", "out.jsonl", "--dry-run"]);
    assert!(bench.ok(["data", "info"]).contains("exports under way"));
    bench.ok(["export", "--project", "p", "-o", "other.jsonl", "--limit", "3", "--no-manifest"]);

    assert!(first.wait().unwrap().success());
    assert_eq!(bench.listing(), ["other.jsonl", "out.jsonl", "out.jsonl.manifest.json"]);
    bench.ok(["verify", "out.jsonl.manifest.json"]);
    bench.ok(["export", "--project", "p", "-o", "out.jsonl", "--overwrite", "--limit", "3"]);
    assert!(std::fs::read_dir(bench.file("data/running")).unwrap().next().is_none());
}

/// What is written to standard output belongs to no run, so one does not take another over.
#[test]
fn exports_to_standard_output_run_side_by_side() {
    let bench = Bench::with_generated(2_000);
    let rows = ["export", "--project", "p", "--columns", "id,input", "-o", "-"];
    let slow = [&rows[..], &["--max-rate", "1MB"]].concat();
    let slow = bench.command(slow).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let quick = bench.run(rows);

    let slow = Ended::of(slow.wait_with_output().unwrap());

    assert_eq!((quick.code, slow.code), (0, 0), "{}{}", quick.stderr, slow.stderr);
    assert!(slow.stdout == quick.stdout && quick.stdout.lines().count() > 2_000);
    let info = bench.ok(["data", "info"]);
    assert!(!info.contains("did not finish"), "{info}");
}

/// The same name in two folders is two outputs.
#[test]
fn an_unfinished_export_is_not_mixed_up_with_one_of_another_folder() {
    let bench = Bench::with_generated(3_000);
    killed(&bench);
    std::fs::create_dir(bench.file("other")).unwrap();

    let mut other = bench.command(["export", "--project", "p", "-o", "out.jsonl", "--limit", "2"]);
    let ended = Ended::of(other.current_dir(bench.file("other")).output().unwrap());

    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(bench.listing(), ["other", "out.jsonl.partial"]);
    let resumed = bench.run(["export", "--project", "p", "-o", "out.jsonl", "--resume"]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(bench.ok(["data", "info", "--json"]).contains("\"attempts\":2"));
}

#[test]
fn a_rate_that_makes_no_sense_begins_no_run() {
    let bench = Bench::with_reference_rows();
    let arguments = ["export", "--project", "proj-e2e", "-o", "out.csv", "--max-rate", "fast"];
    bench.refused(arguments, &["--max-rate", "fast", "500MB"]);
    let info = bench.ok(["data", "info"]);
    assert!(!info.contains("did not finish"), "{info}");
}

#[test]
fn a_backup_is_not_made_inside_of_what_it_saves() {
    let bench = Bench::with_reference_rows();
    bench.refused(["data", "backup", "data/copy"], &["data/copy", "data directory"]);
    assert!(!bench.file("data/copy").exists());
}

#[test]
fn comments_come_from_the_source_that_rows_come_from() {
    let bench = Bench::with_reference_rows();
    let columns = ["--columns", "id,comments", "--format", "jsonl"];
    let expected = bench.export("here.jsonl", &[&["--project", "proj-e2e"], &columns[..]].concat());
    assert!(expected.contains("\"content\""), "{expected}");
    std::fs::rename(bench.file("data"), bench.file("elsewhere")).unwrap();

    let found =
        bench.export("there.jsonl", &[&["--project", "proj-e2e", "--source", "elsewhere"], &columns[..]].concat());

    assert!(found == expected);
}

#[test]
fn a_rolled_export_that_is_replaced_leaves_no_parts_behind() {
    let bench = Bench::with_generated(6_000);
    let rolled = ["export", "--project", "p", "--overwrite", "--roll-size", "1MB", "-o", "out.jsonl"];
    let manifest = "out.jsonl.manifest.json";
    bench.ok(rolled);
    assert!(bench.listing().len() > 4, "{:?}", bench.listing());
    bench.write("out-part-x.jsonl", "not ours");

    bench.ok([&rolled[..], &["--limit", "300"]].concat());
    assert_eq!(bench.listing(), ["out-part-00001.jsonl", "out-part-x.jsonl", manifest]);
    bench.ok(["verify", manifest]);

    bench.ok(["export", "--project", "p", "--overwrite", "--limit", "3", "-o", "out.jsonl"]);
    assert_eq!(bench.listing(), ["out-part-x.jsonl", "out.jsonl", manifest]);
    bench.ok(["verify", manifest]);
}

#[test]
fn nothing_of_a_replaced_export_is_left_in_a_bucket() {
    let bench = Bench::with_generated(6_000);
    let server = S3Server::start();
    server.create_bucket("bucket");
    let export = |more: &[&str]| {
        let to = ["export", "--project", "p", "--overwrite", "-o", "s3://bucket/out.csv"];
        let mut command = bench.command([&to[..], more].concat());
        let ended = Ended::of(command.envs(server.environment()).output().unwrap());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        // The server keeps what it knows of a file beside it.
        let mut files = server.files("bucket");
        files.retain(|name| !name.starts_with('.'));
        files.sort();
        files
    };
    assert!(export(&["--roll-size", "1MB"]).len() > 3);
    let (part, manifest) = ("out-part-00001.csv", "out.csv.manifest.json");
    assert_eq!(export(&["--roll-size", "1MB", "--limit", "3"]), [part, manifest]);
    assert_eq!(export(&["--limit", "3"]), ["out.csv", manifest]);
    assert_eq!(export(&["--limit", "3", "--no-manifest"]), ["out.csv"]);
}

#[test]
fn generated_files_replace_nothing_unless_told_to() {
    let bench = Bench::new();
    let generate = ["generate", "--project", "p", "--events", "5", "-o", "events.jsonl"];
    let scores = [&generate[..], &["--scores-output", "scores.parquet"]].concat();
    bench.write("events.jsonl", "mine");
    bench.refused(generate, &["events.jsonl", "exists already", "--overwrite"]);
    assert_eq!(bench.read("events.jsonl"), "mine");
    bench.ok([&generate[..], &["--overwrite"]].concat());
    assert!(bench.read("events.jsonl").lines().count() >= 5);

    std::fs::remove_file(bench.file("events.jsonl")).unwrap();
    bench.write("scores.parquet", "mine");
    bench.refused(&scores, &["scores.parquet", "exists already"]);
    bench.refused([&generate[..], &["--scores-output", "./events.jsonl"]].concat(), &["--scores-output"]);
    bench.ok(["generate", "--project", "p", "--events", "5"]);
    bench.refused(
        ["generate", "--project", "p", "--events", "5", "-o", "data/x.jsonl"],
        &["--output", "data directory"],
    );
    assert_eq!(bench.listing(), ["scores.parquet"]);
}
