//! What an export does that was asked for, as it is typed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::Bench;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn ids(rows: &[Value]) -> BTreeSet<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

/// The line that the first issue of the project promises.
#[test]
fn the_ids_of_a_filter_up_to_a_time_are_exported_as_typed() {
    let bench = Bench::with_reference_rows();
    let filter = r#"[{"type":"stringOptions","column":"type","operator":"any of","value":["GENERATION"]}]"#;
    bench.ok([
        "export",
        "--project",
        "proj-e2e",
        "--filter",
        filter,
        "--until",
        "2026-08-01T00:00:00Z",
        "--columns",
        "id",
        "--format",
        "jsonl",
        "-o",
        "ids.jsonl",
    ]);

    let found: Vec<Value> = bench.read("ids.jsonl").lines().map(json).collect();
    let all = bench.rows(&["--project", "proj-e2e", "--columns", "id,type"]);
    let expected: Vec<Value> = all.into_iter().filter(|row| row["type"] == "GENERATION").collect();
    assert!(expected.len() > 10);
    assert_eq!(ids(&found), ids(&expected));
    assert!(found.iter().all(|row| row.as_object().unwrap().len() == 1), "{found:?}");
}

#[test]
fn masked_values_leave_in_no_format() {
    let bench = Bench::new();
    let row = r#"{"trace_id":"t","span_id":"s","start_time":"2026-06-01","input":"call 555-0199, m\\u00fcller","output":"secret",
        "metadata_names":["email","plan"],"metadata_values":["a@x.io","pro"]}"#;
    bench.ok(["import", "--project", "p", &bench.write("a.jsonl", row.replace('\n', " "))]);
    let masks = ["--mask", r"input:/\d{3}-\d{4}|müller/#/", "--mask", "output:hash,metadata.email"];
    for name in ["out.csv", "out.json", "out.jsonl", "kept.jsonl"] {
        let rule = if name == "kept.jsonl" { "keep" } else { "decode" };
        let text =
            bench.export(name, &[&["--project", "p", "--columns", "all", "--unicode", rule], &masks[..]].concat());
        for hidden in ["555", "müller", "00fc", "secret", "a@x.io"] {
            assert!(!text.contains(hidden), "{hidden} is in {name}: {text}");
        }
        assert!(text.contains("call #, #") && text.contains("[REDACTED]") && text.contains("pro"), "{name}: {text}");
    }
    bench.ok(["verify", "out.csv.manifest.json", "--full"]);
}

#[test]
fn a_dry_run_bounds_what_it_would_read_and_writes_nothing() {
    let bench = Bench::with_reference_rows();
    let arguments = ["export", "--project", "proj-e2e", "-o", "out.csv", "--dry-run"];
    let plan = json(&bench.ok([&arguments[..], &["--json"]].concat()));
    let text = bench.ok(arguments);
    assert_eq!(bench.listing(), Vec::<String>::new());

    let rows = bench.rows(&["--project", "proj-e2e"]).len() as u64;
    assert!(plan["rows_max"].as_u64().unwrap() >= rows && plan["bytes_max"].as_u64().unwrap() > 0, "{plan}");
    assert_eq!((&plan["output"], &plan["query"]["table"]), (&json("\"out.csv\""), &json("\"events\"")));
    assert!(text.contains("out.csv") && text.contains("filters are not counted"), "{text}");
}

#[test]
fn the_receipt_is_the_manifest_with_time_and_resources() {
    let bench = Bench::with_reference_rows();
    let receipt = json(&bench.ok(["export", "--project", "proj-e2e", "-o", "out.csv", "--limit", "3", "--json"]));
    let manifest = json(&bench.read("out.csv.manifest.json"));
    for (field, value) in manifest.as_object().unwrap() {
        assert_eq!(&receipt[field], value, "{field}");
    }
    assert_eq!((&receipt["truncated"], &receipt["rows"]), (&json("true"), &json("3")));
    assert_eq!(receipt["manifest"], "out.csv.manifest.json");
    assert!(receipt["seconds"].as_f64().unwrap() > 0.0);
    assert!(receipt["process"]["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);

    // With rows on standard output nothing else is there, and no manifest anywhere.
    let before = bench.listing();
    let ended = bench.run(["export", "--project", "proj-e2e", "-o", "-", "--format", "json", "--json"]);
    assert!(json(&ended.stdout).as_array().unwrap().len() > 100);
    assert!(json(&ended.stderr)["manifest"].is_null());
    assert_eq!(bench.listing(), before);
}

#[test]
fn progress_and_every_ten_thousand_rows_are_told() {
    let bench = Bench::with_generated(20_500);
    let began = Instant::now();
    let arguments = ["--log", "info", "export", "--project", "p", "--columns", "id,input", "--progress", "json"];
    let ended = bench.run([&arguments[..], &["--max-rate", "10MB", "-o", "out.jsonl"]].concat());
    let took = began.elapsed();
    assert_eq!(ended.code, 0, "{}", ended.stderr);

    let told: Vec<Value> = ended.stderr.lines().filter(|line| line.starts_with('{')).map(json).collect();
    let most = took.as_millis() / Duration::from_millis(500).as_millis() + 3;
    assert!(told.len() as u128 <= most, "{} lines in {took:?}", told.len());
    let grows = |field: &str| told.windows(2).all(|pair| pair[0][field].as_f64() <= pair[1][field].as_f64());
    assert!(["share", "rows", "bytes", "files_done"].into_iter().all(grows), "{told:?}");
    let last = told.last().unwrap();
    let bytes = std::fs::metadata(bench.file("out.jsonl")).unwrap().len();
    assert_eq!((last["share"].as_f64(), last["rows"].as_u64()), (Some(1.0), Some(20_500)), "{last}");
    assert_eq!((last["bytes"].as_u64(), last["files_done"].as_u64()), (Some(bytes), Some(1)), "{last}");

    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("exporting events")).collect();
    assert_eq!(lines.len(), 2, "{}", ended.stderr);
    for (line, rows) in lines.iter().zip(["10000", "20000"]) {
        assert!(line.contains(&format!("exporting events of project p: {rows} rows")), "{line}");
        for field in ["run.id=", "project.id=p", &format!("rows={rows}")] {
            assert!(line.contains(field), "{field} is not in {line}");
        }
    }
    assert!(!ended.stderr.contains("migration"), "{}", ended.stderr);
}

#[test]
fn sessions_and_traces_are_made_of_the_events_that_name_them() {
    let bench = Bench::with_reference_rows();
    let events = bench.rows(&["--project", "proj-e2e", "--columns", "id,traceId,sessionId"]);
    let distinct = |column: &str| {
        events.iter().filter_map(|row| row[column].as_str()).filter(|id| !id.is_empty()).collect::<BTreeSet<_>>()
    };
    let traces = bench.rows(&["--project", "proj-e2e", "--table", "traces"]);
    assert_eq!(ids(&traces), distinct("traceId"));
    let sessions = bench.rows(&["--project", "proj-e2e", "--table", "sessions"]);
    assert_eq!(ids(&sessions), distinct("sessionId"));
    for session in &sessions {
        let of_it = events.iter().filter(|row| row["sessionId"] == session["id"]);
        let traces: BTreeSet<_> = of_it.map(|row| row["traceId"].as_str().unwrap()).collect();
        assert_eq!(session["countTraces"].as_u64(), Some(traces.len() as u64), "{session}");
    }
}

#[test]
fn field_groups_name_their_columns_in_the_tables_order() {
    let bench = Bench::with_reference_rows();
    let header = |groups: &str| {
        let text = bench.export("out.csv", &["--project", "proj-e2e", "--limit", "1", "--groups", groups]);
        text.lines().next().unwrap().to_owned()
    };
    let io = header("io");
    assert!(io.starts_with(r#""id","traceId""#) && io.ends_with(r#""input","output""#), "{io}");
    assert_eq!((&header("core,io"), &header("io,core")), (&io, &io));
}

/// Observations are events in the older layout: a file of them goes in as events.
#[test]
fn exported_observations_go_in_again() {
    let bench = Bench::with_reference_rows();
    let columns = "id,traceId,startTime,endTime,projectId,parentObservationId,type,environment,name,level,statusMessage,\
                   version,createdAt,updatedAt,input,output,metadata,model,internalModelId,modelParameters,latency,\
                   completionStartTime,promptId,promptName,promptVersion,providedUsageDetails,usageDetails,costDetails,\
                   providedCostDetails,totalCost,toolDefinitions,toolCalls,toolCallNames,traceTags,userId,modelId,eventTs";
    let observations = ["--project", "proj-e2e", "--table", "observations", "--columns", columns, "--unicode", "keep"];
    let exported = bench.export("all.jsonl", &observations);
    for name in ["all.jsonl", "all.csv", "all.parquet"] {
        bench.ok([&["export", "--overwrite", "-o", name], &observations[..]].concat());
        let other = Bench::new();
        let told = other.ok(["import", bench.file(name).to_str().unwrap()]);
        assert!(told.contains("stored 198 events") && told.contains("column latency is derived"), "{told}");
        assert!(other.export("back.jsonl", &observations) == exported, "{name}");
    }
}
