//! Twenty defects, planted one at a time in a finished export; verify exits with 3 and names each.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Bench, Ended};

const FILE: &str = "out.jsonl";
const MANIFEST: &str = "out.jsonl.manifest.json";

/// A finished export of a hundred events that has no differences.
fn exported() -> Bench {
    exported_with(&[])
}

fn exported_with(arguments: &[&str]) -> Bench {
    let bench = Bench::with_generated(100);
    bench.ok([&["export", "--project", "p", "-o", FILE], arguments].concat());
    assert_eq!(bench.run(["verify", MANIFEST]).code, 0);
    bench
}

/// Verify finds differences, and says these words about them.
fn found(bench: &Bench, arguments: &[&str], words: &[&str]) {
    let Ended { code, stdout, stderr } = bench.run([&["verify", MANIFEST], arguments].concat());
    assert_eq!(code, 3, "stdout: {stdout}\nstderr: {stderr}");
    for word in words {
        assert!(stdout.contains(word), "{word:?} is not in: {stdout}");
    }
}

fn edit_file(bench: &Bench, edit: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<String> = bench.read(FILE).lines().map(str::to_owned).collect();
    edit(&mut lines);
    bench.write(FILE, lines.join("\n") + "\n");
}

fn edit_manifest(bench: &Bench, edit: impl FnOnce(&mut Value)) {
    let mut manifest: Value = serde_json::from_str(&bench.read(MANIFEST)).unwrap();
    edit(&mut manifest);
    bench.write(MANIFEST, manifest.to_string());
}

/// Makes the manifest agree with an edited file in everything but its keys.
fn hide_edit(bench: &Bench) {
    use sha2::{Digest, Sha256};
    let bytes = fs::read(bench.file(FILE)).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let rows = bytes.iter().filter(|byte| **byte == b'\n').count();
    edit_manifest(bench, |manifest| {
        manifest["files"][0]["bytes"] = json!(bytes.len());
        manifest["files"][0]["sha256"] = json!(sha256);
        manifest["files"][0]["rows"] = json!(rows);
        manifest["files"][0]["tag"] = Value::Null;
        manifest["rows"] = json!(rows);
        manifest["bytes"] = json!(bytes.len());
    });
}

/// Stores one more event in the window, as of the time given.
fn import(bench: &Bench, fields: Value) {
    let mut row = json!({
        "project_id": "p", "trace_id": "planted-trace", "span_id": "planted", "start_time": "2026-06-25 00:00:00.000000",
        "name": "planted", "type": "SPAN",
    });
    for (name, value) in fields.as_object().unwrap() {
        row[name] = value.clone();
    }
    let path = bench.write("planted.jsonl", row.to_string() + "\n");
    bench.ok(["import", &path]);
}

fn first_row(bench: &Bench) -> Value {
    serde_json::from_str(bench.read(FILE).lines().next().unwrap()).unwrap()
}

#[test]
fn a_row_removed_from_the_file() {
    let bench = exported();
    edit_file(&bench, |lines| drop(lines.remove(7)));
    found(&bench, &[], &[FILE, "bytes", "SHA-256", "rows"]);
}

#[test]
fn a_row_doubled_in_the_file() {
    let bench = exported();
    edit_file(&bench, |lines| lines.push(lines[7].clone()));
    found(&bench, &[], &[FILE, "rows"]);
}

#[test]
fn a_byte_flipped_in_the_file() {
    let bench = exported();
    let mut bytes = fs::read(bench.file(FILE)).unwrap();
    let place = bytes.iter().rposition(|byte| byte.is_ascii_lowercase()).unwrap();
    bytes[place] ^= 1;
    fs::write(bench.file(FILE), bytes).unwrap();
    found(&bench, &[], &[FILE, "SHA-256"]);
}

#[test]
fn a_file_that_is_missing() {
    let bench = exported();
    fs::remove_file(bench.file(FILE)).unwrap();
    found(&bench, &[], &[FILE, "missing"]);
}

#[test]
fn a_file_that_was_cut_short() {
    let bench = exported();
    let bytes = fs::read(bench.file(FILE)).unwrap();
    fs::write(bench.file(FILE), &bytes[..bytes.len() / 2]).unwrap();
    found(&bench, &[], &[FILE, "bytes"]);
}

#[test]
fn a_file_that_is_empty() {
    let bench = exported();
    bench.write(FILE, "");
    found(&bench, &[], &[FILE, "0"]);
}

#[test]
fn a_file_replaced_by_that_of_another_export() {
    let bench = exported();
    bench.ok(["export", "--project", "p", "--limit", "5", "--no-manifest", "-o", "other.jsonl"]);
    fs::rename(bench.file("other.jsonl"), bench.file(FILE)).unwrap();
    found(&bench, &[], &[FILE, "rows"]);
}

#[test]
fn a_row_removed_from_file_and_manifest_alike() {
    let bench = exported();
    let id = first_row(&bench)["id"].as_str().unwrap().to_owned();
    edit_file(&bench, |lines| drop(lines.remove(0)));
    hide_edit(&bench);
    found(&bench, &["--full"], &[&id]);
}

#[test]
fn a_row_removed_from_a_parquet_file_and_its_manifest_alike() {
    let bench = exported();
    let id = first_row(&bench)["id"].as_str().unwrap().to_owned();
    let without = format!("id != \"{id}\"");
    bench.ok(["export", "--project", "p", "-o", "all.parquet"]);
    bench.ok(["export", "--project", "p", "-o", "less.parquet", "--where", &without]);
    let manifest = |file: &str| serde_json::from_str::<Value>(&bench.read(&format!("{file}.manifest.json"))).unwrap();
    let (mut all, less) = (manifest("all.parquet"), manifest("less.parquet"));
    for field in ["bytes", "sha256", "rows", "tag"] {
        all["files"][0][field] = less["files"][0][field].clone();
    }
    for field in ["bytes", "rows"] {
        all[field] = less[field].clone();
    }
    assert_eq!(bench.run(["verify", "--full", "all.parquet.manifest.json"]).code, 0);
    bench.write("all.parquet.manifest.json", all.to_string());
    fs::rename(bench.file("less.parquet"), bench.file("all.parquet")).unwrap();

    let Ended { code, stdout, .. } = bench.run(["verify", "--full", "all.parquet.manifest.json"]);

    assert_eq!(code, 3, "{stdout}");
    assert!(stdout.contains(&id), "{stdout}");
}

#[test]
fn a_row_doubled_in_file_and_manifest_alike() {
    let bench = exported();
    edit_file(&bench, |lines| lines.push(lines[0].clone()));
    hide_edit(&bench);
    found(&bench, &["--full"], &["rows"]);
}

#[test]
fn a_row_exchanged_for_a_foreign_one() {
    let bench = exported();
    edit_file(&bench, |lines| {
        let mut row: Value = serde_json::from_str(&lines[3]).unwrap();
        row["id"] = json!("foreign");
        lines[3] = row.to_string();
    });
    hide_edit(&bench);
    found(&bench, &["--full"], &["foreign"]);
}

#[test]
fn a_row_count_edited_in_the_manifest() {
    let bench = exported();
    edit_manifest(&bench, |manifest| manifest["files"][0]["rows"] = json!(99));
    found(&bench, &[], &["rows", "99"]);
}

#[test]
fn a_size_edited_in_the_manifest() {
    let bench = exported();
    edit_manifest(&bench, |manifest| manifest["files"][0]["bytes"] = json!(1));
    found(&bench, &[], &["bytes"]);
}

#[test]
fn a_hash_edited_in_the_manifest() {
    let bench = exported();
    edit_manifest(&bench, |manifest| manifest["files"][0]["sha256"] = json!("0".repeat(64)));
    found(&bench, &[], &["SHA-256"]);
}

#[test]
fn totals_edited_in_the_manifest() {
    let bench = exported();
    edit_manifest(&bench, |manifest| manifest["rows"] = json!(1_000));
    found(&bench, &[], &["1000"]);
}

#[test]
fn a_digest_edited_in_the_manifest() {
    let bench = exported();
    edit_manifest(&bench, |manifest| manifest["files"][0]["key_digest"] = json!("00=1:0000000000000001"));
    found(&bench, &[], &["key"]);
}

#[test]
fn a_file_listed_twice_in_the_manifest() {
    let bench = exported();
    edit_manifest(&bench, |manifest| {
        let file = manifest["files"][0].clone();
        manifest["files"].as_array_mut().unwrap().push(file);
    });
    found(&bench, &[], &[FILE, "twice"]);
}

#[test]
fn a_file_dropped_from_the_manifest() {
    let bench = exported();
    edit_manifest(&bench, |manifest| manifest["files"] = json!([]));
    found(&bench, &[], &["rows"]);
}

#[test]
fn a_wrong_window_in_the_manifest() {
    let bench = exported_with(&["--since", "2026-06-20"]);
    edit_manifest(&bench, |manifest| {
        manifest["query"]["window"]["from"] = json!("2026-06-29T00:00:00.000000Z");
        manifest["window"]["from"] = json!("2026-06-29T00:00:00.000000Z");
    });
    found(&bench, &[], &["window"]);
}

#[test]
fn a_row_that_arrived_late() {
    let bench = exported_with(&["--until", "2026-08-01"]);
    import(&bench, json!({}));
    found(&bench, &[], &["planted", "late"]);
}

/// A window without an end goes on: verify has no quarrel with a store that is in use.
#[test]
fn a_row_that_arrived_after_an_export_without_an_end_is_told_but_no_difference() {
    let bench = exported();
    import(&bench, json!({}));
    let Ended { code, stdout, .. } = bench.run(["verify", MANIFEST]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("1 row stored since"), "{stdout}");
}

/// Behind the last row of a limited export nothing was promised, however the rows before it moved.
#[test]
fn rows_behind_a_limit_are_no_differences() {
    let bench = exported_with(&["--limit", "40"]);
    let row = first_row(&bench);
    let corrected = json!({"trace_id": row["traceId"], "span_id": row["id"], "start_time": "2020-01-01 00:00:00"});
    import(&bench, corrected);
    let Ended { code, stdout, .. } = bench.run(["verify", MANIFEST]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("1 of the rows have a newer version"), "{stdout}");
}

/// The digest knows every key; files that hide theirs cannot name one, but do not disagree either.
#[test]
fn masked_keys_are_not_compared_with_those_of_the_source() {
    let bench = exported_with(&["--mask", "traceId:hash"]);
    import(&bench, json!({"updated_at": "2026-06-25 00:00:00.000000", "event_ts": "2026-06-25 00:00:00.000000"}));
    let Ended { code, stdout, .. } = bench.run(["verify", MANIFEST]);
    assert_eq!((code, stdout.matches("missing row").count()), (3, 1), "{stdout}");
    assert!(stdout.contains("planted") && !stdout.contains("gone row"), "{stdout}");
}

#[test]
fn a_row_that_was_there_and_is_not_in_the_export() {
    let bench = exported();
    import(&bench, json!({"updated_at": "2026-06-25 00:00:00.000000", "event_ts": "2026-06-25 00:00:00.000000"}));
    found(&bench, &[], &["planted", "missing"]);
}

#[test]
fn a_row_that_was_deleted_since_is_told_but_no_difference() {
    let bench = exported();
    let row = first_row(&bench);
    let start = row["startTime"].clone();
    import(&bench, json!({"trace_id": row["traceId"], "span_id": row["id"], "start_time": start, "is_deleted": 1}));
    let Ended { code, stdout, .. } = bench.run(["verify", MANIFEST]);
    assert_eq!(code, 0, "a later window has the deletion: {stdout}");
    assert!(stdout.contains("1 of the rows have a newer version by now, or were deleted"), "{stdout}");
}

#[test]
fn a_row_that_was_corrected_since_is_told_but_no_difference() {
    let bench = exported();
    let row = first_row(&bench);
    let start = row["startTime"].clone();
    import(&bench, json!({"trace_id": row["traceId"], "span_id": row["id"], "start_time": start, "name": "corrected"}));
    let Ended { code, stdout, .. } = bench.run(["verify", MANIFEST]);
    assert_eq!(code, 0, "a later window has the correction: {stdout}");
    assert!(stdout.contains("1 of the rows have a newer version"), "{stdout}");
}
