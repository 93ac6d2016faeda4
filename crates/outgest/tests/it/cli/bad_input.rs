//! Bad input gets one clear error that names the field, the value and what to do, before any work.

use crate::support::Bench;

fn refused(arguments: &[&str], words: &[&str]) {
    let bench = Bench::with_reference_rows();
    let command = [&["export", "--project", "proj-e2e", "-o", "out.csv"], arguments].concat();
    bench.refused(command, words);
    assert_eq!(bench.listing(), Vec::<String>::new(), "something was written");
}

#[test]
fn an_unknown_column_is_named_with_a_suggestion() {
    refused(&["--columns", "id,traceID"], &["traceID", "traceId"]);
}

#[test]
fn a_duplicate_column_is_named() {
    refused(&["--columns", "id,name,id"], &["id", "twice"]);
}

#[test]
fn an_unknown_filter_column_is_named_with_a_suggestion() {
    refused(
        &["--filter", r#"{"type":"string","column":"traceNane","operator":"=","value":"x"}"#],
        &["traceNane", "traceName"],
    );
}

#[test]
fn an_operator_that_the_type_does_not_have_is_named() {
    refused(
        &["--filter", r#"{"type":"number","column":"latency","operator":"contains","value":1}"#],
        &["operator", "contains", ">="],
    );
}

#[test]
fn a_filter_type_that_the_column_does_not_take_is_named() {
    refused(&["--filter", r#"{"type":"number","column":"name","operator":">","value":1}"#], &["number", "name"]);
}

#[test]
fn a_value_of_the_wrong_type_is_named() {
    refused(&["--filter", r#"{"type":"number","column":"latency","operator":">","value":"2 s"}"#], &["value", "2 s"]);
}

#[test]
fn any_of_nothing_is_refused() {
    refused(&["--filter", r#"{"type":"stringOptions","column":"type","operator":"any of","value":[]}"#], &["any of"]);
}

#[test]
fn a_filter_that_is_not_json_is_refused_with_its_place() {
    refused(&["--filter", r#"{"type":"string","#], &["--filter", "JSON"]);
}

#[test]
fn every_problem_is_reported_at_once() {
    refused(
        &["--filter", r#"[{"type":"string","column":"nope","operator":"=","value":"x"}]"#, "--columns", "nada"],
        &["nope", "nada"],
    );
}

#[test]
fn an_unknown_name_in_where_is_named_with_a_suggestion() {
    refused(&["--where", "typo = 'SPAN'"], &["typo", "type"]);
}

#[test]
fn a_where_text_that_does_not_parse_says_where() {
    refused(&["--where", "type = "], &["--where", "character 7"]);
}

#[test]
fn a_bad_date_is_named() {
    refused(&["--since", "yesterday"], &["--since", "yesterday", "RFC 3339"]);
}

#[test]
fn a_window_that_ends_before_it_starts_is_refused() {
    refused(&["--since", "2026-06-02", "--until", "2026-06-02"], &["since", "until"]);
}

#[test]
fn a_limit_of_zero_is_refused() {
    refused(&["--limit", "0"], &["--limit"]);
}

#[test]
fn no_threads_are_refused() {
    refused(&["--threads", "0"], &["--threads"]);
}

#[test]
fn what_to_search_is_refused_without_a_search() {
    refused(&["--search-type", "content"], &["--search"]);
}

#[test]
fn a_manifest_in_the_place_of_a_file_is_refused() {
    refused(&["--manifest", "out.csv"], &["--manifest", "out.csv"]);
    refused(&["--manifest", "elsewhere/out.json"], &["--manifest", "beside"]);
    refused(&["--roll-size", "1MB", "--manifest", "out-part-00001.csv"], &["--manifest", "out-part-00001.csv"]);
}

#[test]
fn rolled_files_do_not_fit_into_standard_output() {
    let bench = Bench::with_reference_rows();
    bench.refused(["export", "--project", "proj-e2e", "-o", "-", "--roll-size", "1MB"], &["--roll-size"]);
}

#[test]
fn a_filter_file_that_cannot_be_read_is_named() {
    refused(&["--filter", "@missing.json"], &["--filter", "missing.json", "@"]);
}

#[test]
fn a_full_comparison_without_a_source_is_refused() {
    let bench = Bench::with_reference_rows();
    bench.ok(["export", "--project", "proj-e2e", "-o", "out.csv"]);
    bench.refused(["verify", "out.csv.manifest.json", "--source", "none", "--full"], &["--full", "--source none"]);
}

#[test]
fn an_unknown_format_is_named_with_a_suggestion() {
    refused(&["--format", "parket"], &["parket", "parquet"]);
}

#[test]
fn an_unknown_table_is_named_with_a_suggestion() {
    refused(&["--table", "event"], &["event", "events"]);
}

#[test]
fn a_project_without_rows_is_refused_unless_allowed() {
    let bench = Bench::with_reference_rows();
    bench.refused(["export", "--project", "nobody", "-o", "out.csv"], &["nobody", "--allow-empty"]);
    bench.ok(["export", "--project", "nobody", "--allow-empty", "-o", "out.csv"]);
    assert_eq!(bench.read("out.csv"), "");
}

#[test]
fn an_existing_output_is_refused_unless_overwritten() {
    let bench = Bench::with_reference_rows();
    bench.write("out.csv", "mine");
    bench.refused(["export", "--project", "proj-e2e", "-o", "out.csv"], &["out.csv", "--overwrite"]);
    assert_eq!(bench.read("out.csv"), "mine");
    bench.ok(["export", "--project", "proj-e2e", "-o", "out.csv", "--overwrite"]);
    assert_ne!(bench.read("out.csv"), "mine");
}

#[test]
fn a_part_of_an_earlier_export_is_refused_unless_overwritten() {
    let bench = Bench::with_reference_rows();
    bench.write("out-part-00002.csv", "mine");
    let rolled = ["export", "--project", "proj-e2e", "--roll-size", "1MB", "-o", "out.csv"];
    bench.refused(rolled, &["out-part-00002.csv", "--overwrite"]);
    assert_eq!(bench.listing(), ["out-part-00002.csv"]);
}

#[test]
fn an_output_inside_the_data_directory_is_refused() {
    let bench = Bench::with_reference_rows();
    for output in ["data/out.csv".to_owned(), format!("file://{}/outgest.db", bench.file("data").display())] {
        bench.refused(["export", "--project", "proj-e2e", "--overwrite", "-o", &output], &["data directory"]);
    }
}

#[test]
fn an_output_that_cannot_be_written_is_refused() {
    let bench = Bench::with_reference_rows();
    bench.write("file", "");
    bench.refused(["export", "--project", "proj-e2e", "-o", "file/out.csv"], &["file"]);
    assert_eq!(bench.listing(), ["file"]);
}

#[test]
fn an_option_that_the_format_does_not_have_is_refused() {
    refused(&["--format", "json", "--csv-header-always"], &["csv"]);
    refused(&["--format", "parquet", "--compression", "gzip"], &["compression", "parquet"]);
}

#[test]
fn a_mask_whose_pattern_explodes_is_refused() {
    refused(&["--mask", "input:/((a{1,500}){1,500}){1,500}/x/"], &["--mask", "too large"]);
}

#[test]
fn a_mask_of_an_unknown_column_is_named() {
    refused(&["--mask", "inptu"], &["inptu", "input"]);
}

#[test]
fn credentials_that_are_missing_are_asked_for_before_any_work() {
    let bench = Bench::with_reference_rows();
    bench.refused(["export", "--project", "proj-e2e", "-o", "az://container/file.csv"], &["account"]);
}

#[test]
fn secrets_in_a_url_are_not_echoed() {
    let bench = Bench::with_reference_rows();
    let stderr = bench.refused(
        ["export", "--project", "proj-e2e", "-o", "s3://bucket/x.csv?secret_access_key=hunter2&regoin=eu"],
        &["regoin"],
    );
    assert!(!stderr.contains("hunter2"), "{stderr}");
}

#[test]
fn a_manifest_that_cannot_be_read_is_named() {
    let bench = Bench::with_reference_rows();
    bench.refused(["verify", "missing.manifest.json"], &["missing.manifest.json"]);
    let path = bench.write("bad.manifest.json", "{");
    bench.refused(["verify", &path], &["bad.manifest.json"]);
}

#[test]
fn a_corrupt_store_is_named() {
    let bench = Bench::with_reference_rows();
    let log = bench.file("data/lake/events/_delta_log/00000000000000000001.json");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, &text[..text.len() / 2]).unwrap();
    bench.refused(["export", "--project", "proj-e2e", "-o", "out.csv"], &["00000000000000000001.json"]);
    assert_eq!(bench.listing(), Vec::<String>::new());
}

#[test]
fn a_corrupt_file_of_the_store_is_named() {
    let bench = Bench::with_reference_rows();
    let files = std::fs::read_dir(bench.file("data/lake/events")).unwrap().map(|entry| entry.unwrap().path());
    let parquet = files.filter(|path| path.extension().is_some_and(|found| found == "parquet"));
    for path in parquet {
        // As long as it was, so that only its content can tell.
        let mut bytes = std::fs::read(&path).unwrap();
        let end = bytes.len() - 8;
        bytes[8..end].fill(0xa5);
        std::fs::write(&path, bytes).unwrap();
    }
    bench.refused(["export", "--project", "proj-e2e", "-o", "out.csv"], &[".parquet"]);
    assert_eq!(bench.listing(), Vec::<String>::new());
}
