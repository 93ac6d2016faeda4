//! Looking after the embedded store.

use crate::support::Bench;

#[test]
fn a_changed_byte_in_a_store_file_is_found_and_not_backed_up() {
    let bench = Bench::with_generated(2_000);
    assert!(bench.ok(["data", "check"]).contains("files with "));
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
    assert!(bench.ok(["data", "check"]).contains("files with "));
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
