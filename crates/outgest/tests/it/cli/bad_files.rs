//! Files that cannot be imported: one clear error that names the place in them, and nothing is stored.

use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::support::{Bench, Ended};

/// A row that can be stored.
const ROW: &str = r#"{"trace_id":"t","span_id":"s","start_time":"2026-06-01","input":"x"}"#;

/// Imports a file with this content, which must be refused with these words and leave nothing.
fn refused(name: &str, content: impl AsRef<[u8]>, words: &[&str]) {
    let bench = Bench::new();
    bench.write(name, content);
    bench.refused(["import", "--project", "p", name], &[&[name], words].concat());
    assert_nothing_stored(&bench);
}

fn assert_nothing_stored(bench: &Bench) {
    let info = bench.ok(["data", "info"]);
    assert_eq!(info.matches("no rows").count(), 2, "{info}");
}

#[test]
fn a_nul_in_a_line_is_named() {
    refused("a.jsonl", format!("{ROW}\n{{\"trace_id\":\"a\0b\"}}\n"), &["line 2", "control character"]);
}

#[test]
fn invalid_utf8_is_named_with_its_line() {
    refused("a.jsonl", [ROW.as_bytes(), b"\n{\"trace_id\":\"\xff\"}\n"].concat(), &["line 2", "UTF-8", "byte 14"]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_row() {
    let bench = Bench::new();
    bench.write("a.jsonl", format!("\u{feff}{ROW}\n"));
    let report = bench.ok(["import", "--project", "p", "a.jsonl"]);
    assert!(report.contains("stored 1 event,"), "{report}");
}

#[test]
fn a_bad_value_is_named_with_file_line_column_and_value() {
    let row = ROW.replace("2026-06-01", "yesterday");
    refused("a.jsonl", format!("{ROW}\n{row}\n"), &["line 2", "start_time", "yesterday", "--rejects"]);
}

/// The line is not read to its end and never held whole: what a user waits for is one hundredth of it.
#[test]
fn a_line_of_two_gigabytes_is_refused_at_the_limit() {
    const LINE_BYTES: usize = 2_000_000_000;
    /// The limit on rows, and buffers that double on their way to it.
    const MEMORY_MAX: u64 = 400 << 20;
    let bench = Bench::new();
    let mut import = bench.command(["import", "--project", "p", "-"]);
    let mut import =
        import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = import.stdin.take().unwrap();
    stdin.write_all(format!("{ROW}\n{{\"input\":\"").as_bytes()).unwrap();
    let piece = vec![b'x'; 1 << 20];
    let (mut given, mut memory, began) = (0, 0, Instant::now());
    // Writing fails once the import has seen enough and gone.
    while given < LINE_BYTES && stdin.write_all(&piece).is_ok() {
        given += piece.len();
        memory = peak_memory(import.id()).unwrap_or(memory);
    }
    drop(stdin);
    let ended = Ended::of(import.wait_with_output().unwrap());

    ended.assert_refused(&["stdin line 2", "longer than 104857600 bytes", "--rejects", "nothing was stored"]);
    assert_eq!(ended.code, 2);
    assert!(given < 200_000_000, "{given} bytes were read");
    assert!(memory < MEMORY_MAX, "{memory} bytes of memory");
    assert_nothing_stored(&bench);
    println!("refused after {given} bytes and {:?}, with {memory} bytes of memory", began.elapsed());
}

/// Largest resident set of a process so far; `None` once it has ended, or where the system does not tell.
fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// Where each gzip member of a file ends.
fn member_ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![];
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut member = flate2::bufread::GzDecoder::new(rest);
        std::io::copy(&mut member, &mut std::io::sink()).unwrap();
        rest = member.into_inner();
        ends.push(bytes.len() - rest.len());
    }
    ends
}

#[test]
fn a_gzip_file_that_was_cut_off_between_members_is_refused_by_import_and_verify() {
    let bench = Bench::with_generated(6_000);
    for name in ["t.jsonl.gz", "t.csv.gz"] {
        bench.ok(["export", "--project", "p", "-o", name]);
        let whole = std::fs::read(bench.file(name)).unwrap();
        let ends = member_ends(&whole);
        assert!(ends.len() > 2, "{name} has {} members", ends.len());
        for end in &ends[..ends.len() - 1] {
            let other = Bench::new();
            other.write(name, &whole[..*end]);
            other.run(["import", "--project", "p", name]).assert_refused(&[name, "ends too early", "cut off"]);
            assert_nothing_stored(&other);
        }
        bench.write(name, &whole[..ends[1]]);
        let verified = bench.run(["verify", &format!("{name}.manifest.json")]);
        assert_eq!(verified.code, 3, "{}{}", verified.stdout, verified.stderr);
        assert!(verified.stdout.contains(name) && verified.stdout.contains("bytes"), "{}", verified.stdout);
    }
}

#[test]
fn a_file_that_is_shorter_than_its_manifest_says_is_refused() {
    let bench = Bench::with_generated(200);
    for name in ["t.jsonl", "t.jsonl.zst"] {
        bench.ok(["export", "--project", "p", "-o", name]);
    }
    let (first, _) = bench.read("t.jsonl").split_once('\n').map(|(a, b)| (a.to_owned(), b.len())).unwrap();
    bench.write("t.jsonl", first.clone() + "\n");
    bench.write("t.jsonl.zst", zstd::encode_all(first.as_bytes(), 1).unwrap());
    for name in ["t.jsonl", "t.jsonl.zst"] {
        bench.refused(["import", name], &[name, "when it was exported", "manifest"]);
    }
    std::fs::remove_file(bench.file("t.jsonl.manifest.json")).unwrap();
    assert!(bench.ok(["import", "--project", "p", "t.jsonl"]).contains('1'));
}

#[test]
fn truncated_files_are_refused_whole() {
    let bench = Bench::with_generated(300);
    for (name, words) in [
        ("t.jsonl.gz", ["ends too early", "cut off"]),
        ("t.jsonl.zst", ["ends too early", "cut off"]),
        ("t.csv.gz", ["ends too early", "cut off"]),
        ("t.json", ["the file ends inside this row", "one JSON array"]),
        ("t.parquet", ["as Parquet", "footer"]),
    ] {
        bench.ok(["export", "--project", "p", "-o", name]);
        let bytes = std::fs::read(bench.file(name)).unwrap();
        for cut in [bytes.len() / 2, bytes.len() - 3] {
            let other = Bench::new();
            other.write(name, &bytes[..cut]);
            let ended = other.run(["import", "--project", "p", name]);
            // A whole row may be followed by nothing but the end that the array lacks.
            let words = if name == "t.json" && cut > bytes.len() / 2 { ["the file ends", words[1]] } else { words };
            ended.assert_refused(&[&[name], &words[..]].concat());
            assert_eq!(ended.code, 1, "{name}");
            assert_nothing_stored(&other);
        }
    }
}

#[test]
fn a_truncated_line_is_refused() {
    refused("a.jsonl", format!("{ROW}\n{}", &ROW[..ROW.len() - 9]), &["line 2", "cut off"]);
}

#[test]
fn parquet_with_wrong_types_names_column_and_both_types() {
    let columns: [(&str, ArrayRef); 3] = [
        ("trace_id", Arc::new(StringArray::from(vec!["t"]))),
        ("span_id", Arc::new(Int64Array::from(vec![1]))),
        ("start_time", Arc::new(StringArray::from(vec!["2026-06-01"]))),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    refused("a.parquet", writer.into_inner().unwrap(), &["column span_id", "Int64", "Utf8"]);
}

#[test]
fn what_is_no_parquet_is_told_by_its_name() {
    refused("a.parquet", format!("{ROW}\n"), &["no Parquet file", ".jsonl"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let bench = Bench::new();
    bench.refused(["import", "--project", "p", "missing.jsonl"], &["missing.jsonl", "no such file"]);
}

#[test]
fn an_import_that_failed_can_be_repeated_with_the_same_rejects_file() {
    let bench = Bench::new();
    bench.write("a.json", format!("[{ROW},{{}},"));
    let command = ["import", "--project", "p", "--rejects", "rejects.jsonl", "a.json"];
    bench.refused(command, &["the file ends before the end of the JSON array"]);
    assert_eq!(bench.listing(), ["a.json"]);

    bench.write("a.json", format!("[{ROW},{{}}]"));
    let report = bench.ok(command);

    assert!(report.contains("stored 1 event,") && report.contains("rejected 1"), "{report}");
    assert_eq!(bench.read("rejects.jsonl").lines().count(), 1);
}

#[test]
fn a_bad_row_behind_a_commit_does_not_claim_that_nothing_was_stored() {
    let bench = Bench::new();
    // A batch that is handed over, and so can be committed, has 8 MiB.
    let row = ROW.replace("\"x\"", &format!("\"{}\"", "x".repeat(1 << 20)));
    let rows: Vec<String> = (0..12).map(|number| row.replace("\"s\"", &format!("\"s{number}\""))).collect();
    bench.write("a.jsonl", format!("{}\n{{}}\n", rows.join("\n")));

    let stderr = bench
        .refused(["import", "--project", "p", "--commit-every", "1MB", "a.jsonl"], &["line 13", "committed before"]);

    assert!(!stderr.contains("nothing was stored"), "{stderr}");
    let info = bench.ok(["data", "info"]);
    assert!(info.contains("project p: "), "{info}");
}

/// An import that waits for input that does not come cannot notice a wish by itself.
#[cfg(unix)]
#[test]
fn an_import_that_waits_for_input_ends_when_it_is_told_to() {
    let bench = Bench::new();
    let mut import = bench.command(["import", "--project", "p", "-"]);
    let mut import =
        import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = import.stdin.take().unwrap();
    stdin.write_all(format!("{ROW}\n").as_bytes()).unwrap();
    // It listens for signals by the time it has made its store.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !bench.file("data/outgest.db").exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(500));
    let told = Instant::now();
    let killed = std::process::Command::new("kill").args(["-TERM", &import.id().to_string()]).status().unwrap();
    assert!(killed.success());

    let ended = Ended::of(import.wait_with_output().unwrap());

    assert_eq!(ended.code, 130, "{}", ended.stderr);
    assert!(ended.stderr.contains("nothing more is stored"), "{}", ended.stderr);
    assert!(told.elapsed() < Duration::from_secs(30), "{:?}", told.elapsed());
    drop(stdin);
    assert_nothing_stored(&bench);
}
