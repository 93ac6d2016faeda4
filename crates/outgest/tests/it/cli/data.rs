//! Looking after the embedded store.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Bench, Ended};

#[test]
fn a_changed_byte_in_a_store_file_is_found_and_not_backed_up() {
    let bench = Bench::with_generated(2_000);
    assert!(bench.ok(["data", "check"]).contains(" read\n"));
    bench.ok(["data", "backup", "good"]);

    let events = bench.file("data/lake/events");
    let mut files = std::fs::read_dir(events).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|path| path.extension().is_some_and(|extension| extension == "parquet")).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // The backup has the file under a name of its own: a new file leaves it as it is.
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, bytes).unwrap();

    let name = file.file_name().unwrap().to_str().unwrap();
    bench.refused(["data", "check"], &["1 of ", "damaged", "restore the store"]);
    bench.refused(["data", "backup", "bad"], &[name, "SHA-256"]);
    assert_eq!(bench.listing(), ["good"], "half a backup was left");

    std::fs::remove_dir_all(bench.file("data")).unwrap();
    bench.ok(["data", "restore", "good"]);
    assert!(bench.ok(["data", "check"]).contains(" read\n"));
    assert_eq!(bench.rows(&["--project", "p", "--columns", "id"]).len(), 2_000);
}

#[test]
fn compaction_and_a_backup_change_no_export_and_expiry_takes_old_rows_alone() {
    let bench = Bench::new();
    for seed in ["5", "6", "7"] {
        bench.ok(["generate", "--project", "p", "--events", "300", "--end", "2020-01-01", "--seed", seed]);
    }
    let all = ["--project", "p", "--columns", "all"];
    let before = bench.export("before.jsonl", &all);
    assert_eq!(before.lines().count(), 900);

    let compacted = bench.ok(["data", "compact"]);
    assert!(compacted.contains("events: 3 files became 1"), "{compacted}");
    assert!(bench.export("compacted.jsonl", &all) == before);
    bench.ok(["verify", "before.jsonl.manifest.json", "--full"]);

    bench.ok(["data", "backup", "copy"]);
    let mut restore = bench.bare_command(["--data", "elsewhere", "data", "restore", "copy"]);
    assert!(restore.output().unwrap().status.success());
    assert!(bench.export("restored.jsonl", &[&all[..], &["--source", "elsewhere"]].concat()) == before);
    bench.refused(["data", "restore", "copy"], &["holds a store already"]);

    bench.refused(["data", "expire", "--older-than", "90x"], &["--older-than", "90x", "90d"]);
    let info: serde_json::Value = serde_json::from_str(&bench.ok(["data", "info", "--json"])).unwrap();
    assert_eq!(info["store"]["tables"][0]["name"], "events");
    let expired = bench.ok(["data", "expire", "--older-than", "1w"]);
    assert!(expired.contains("events: ") && expired.contains("removed"), "{expired}");
    bench.refused(["export", "--project", "p", "-o", "none.csv"], &["no rows"]);
    assert!(bench.export("kept.jsonl", &[&all[..], &["--source", "elsewhere"]].concat()) == before);
}

/// Names of the data files of the bench's events.
fn data_files(bench: &Bench) -> BTreeSet<String> {
    let files = std::fs::read_dir(bench.file("data/lake/events")).unwrap();
    let names = files.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".parquet")).collect()
}

#[test]
fn an_export_in_another_process_keeps_the_files_that_it_reads() {
    let bench = Bench::new();
    for seed in ["1", "2"] {
        bench.ok(["generate", "--project", "p", "--events", "400", "--seed", seed]);
    }
    let undisturbed = bench.export("undisturbed.jsonl", &["--project", "p"]);
    let read = data_files(&bench);
    let slow = ["export", "--project", "p", "--max-rate", "400kB", "-o", "slow.jsonl"];
    let mut export = bench.command(slow).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let readers = bench.file("data/lake/events/_readers");
    while !std::fs::read_dir(&readers).is_ok_and(|locks| locks.count() > 1) {
        std::thread::sleep(Duration::from_millis(5));
    }

    // What the export reads is replaced and, by the setting, cleaned away at once.
    let compact = || {
        let mut command = bench.command(["data", "compact"]);
        let ended = command.env("OUTGEST_RETENTION_REPLACED_FILES", "1ms").output().unwrap();
        assert!(ended.status.success(), "{}", Ended::of(ended).stderr);
    };
    bench.ok(["generate", "--project", "p", "--events", "400", "--seed", "3"]);
    compact();
    compact();
    assert!(export.try_wait().unwrap().is_none(), "the export ended too early to tell");
    assert!(data_files(&bench).is_superset(&read), "files of a reader were removed");

    let ended = Ended::of(export.wait_with_output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(bench.read("slow.jsonl") == undisturbed);
    compact();
    assert!(data_files(&bench).is_disjoint(&read), "files that nobody reads were kept");
}

#[test]
fn a_restore_that_was_killed_is_refused_by_everything_but_the_next_restore() {
    let bench = Bench::with_generated(200);
    bench.ok(["data", "backup", "copy"]);
    let before = bench.rows(&["--project", "p", "--columns", "id"]);
    // As a crash in the middle leaves it: marked, with the rows and without the rest.
    let data = bench.file("data");
    std::fs::remove_file(data.join("outgest.db")).unwrap();
    std::fs::write(data.join("restore.unfinished"), "").unwrap();
    for command in [&["export", "--project", "p", "-o", "x.csv"][..], &["data", "info"], &["import", "x.jsonl"]] {
        bench.refused(command, &["a restore to", "has not finished", "outgest data restore once more"]);
    }
    bench.refused(["data", "restore", "nothing"], &["nothing is not a backup"]);

    bench.ok(["data", "restore", "copy"]);

    assert!(!data.join("restore.unfinished").exists());
    assert_eq!(bench.rows(&["--project", "p", "--columns", "id"]), before);
    bench.refused(["data", "restore", "copy"], &["holds a store already"]);
}

/// Sends Ctrl-C.
fn interrupt(process: &std::process::Child) {
    assert!(Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap().success());
}

#[test]
fn generating_into_a_file_that_is_interrupted_leaves_nothing_and_replaces_nobodys_file() {
    let bench = Bench::new();
    let endless = ["generate", "--project", "p", "--events", "100000000", "-o", "events.jsonl"];
    let process = bench.command(endless).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !std::fs::metadata(bench.file("events.jsonl.partial")).is_ok_and(|partial| partial.len() > 0) {
        std::thread::sleep(Duration::from_millis(5));
    }
    bench.refused(endless, &["events.jsonl.partial exists already", "another command writes it"]);
    interrupt(&process);
    assert_ne!(process.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(bench.listing(), Vec::<String>::new());

    bench.write("events.jsonl.partial", "somebody's");
    let few = ["generate", "--project", "p", "--events", "10", "-o", "events.jsonl"];
    bench.refused(few, &["events.jsonl.partial exists already"]);
    assert_eq!(bench.read("events.jsonl.partial"), "somebody's");
    bench.ok(few.iter().copied().chain(["--overwrite"]));
    assert_eq!(bench.listing(), ["events.jsonl"]);
}
