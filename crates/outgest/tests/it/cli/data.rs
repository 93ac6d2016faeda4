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
