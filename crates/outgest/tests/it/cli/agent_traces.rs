//! Traces as agent frameworks send them (chat messages within messages, tool calls with JSON in strings, hundreds of
//! metadata keys, escapes of escapes) go in and come out in every format, and go in again as they were.

use serde_json::Value;

use crate::support::Bench;

const FORMATS: [&str; 4] = ["jsonl", "json", "csv", "parquet"];

/// Everything that is stored of an event: neither score columns nor comments, which are stored elsewhere.
const STORED: &str = "core,basic,time,io,metadata,model,usage,prompt,metrics,tools,trace_context,stored,experiment,\
                      service,ingestion";

/// The events as a framework sent them.
fn fixture() -> (String, Vec<Value>) {
    let path = format!("{}/golden/agent-traces.jsonl", env!("CARGO_MANIFEST_DIR"));
    let rows =
        std::fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (path, rows)
}

/// What is stored, as JSONL whose text says every byte of it.
fn stored(bench: &Bench) -> String {
    bench.export("stored.jsonl", &["--project", "agent-traces", "--groups", STORED, "--unicode", "keep"])
}

#[test]
fn traces_of_agents_come_back_through_every_format() {
    let (path, sent) = fixture();
    let bench = Bench::new();
    assert!(bench.ok(["import", &path]).contains(&format!("stored {} events", sent.len())));
    let expected = stored(&bench);
    assert_eq!(expected.lines().count(), sent.len());
    for format in FORMATS {
        let file = format!("all.{format}");
        let all = ["export", "--project", "agent-traces", "--columns", "all", "--unicode", "keep", "-o", &file];
        bench.ok(all);
        bench.ok(["verify", "--full", &format!("{file}.manifest.json")]);

        let again = Bench::new();
        let report = again.ok(["import", bench.file(&file).to_str().unwrap()]);
        assert!(report.contains(&format!("read {} rows, stored {} events", sent.len(), sent.len())), "{report}");
        assert!(report.contains("column comments is not importable"), "{format}: {report}");
        assert!(stored(&again) == expected, "{format} lost something");
    }
}

#[test]
fn payloads_of_agents_are_exported_as_they_were_sent() {
    let (path, sent) = fixture();
    let bench = Bench::new();
    bench.ok(["import", &path]);
    let columns = "id,input,output,metadata,modelParameters,toolDefinitions,toolCalls,toolCallNames,statusMessage,tags";
    let rows = bench.rows(&["--project", "agent-traces", "--columns", columns, "--unicode", "keep"]);
    assert_eq!(rows.len(), sent.len());
    for sent in &sent {
        let row = rows.iter().find(|row| row["id"] == sent["span_id"]).unwrap();
        for (column, stored) in [
            ("input", "input"),
            ("output", "output"),
            ("modelParameters", "model_parameters"),
            ("toolCalls", "tool_calls"),
            ("toolCallNames", "tool_call_names"),
            ("toolDefinitions", "tool_definitions"),
            ("statusMessage", "status_message"),
            ("tags", "tags"),
        ] {
            // What is empty is null in the file.
            let empty = sent[stored] == "" && row[column].is_null();
            assert!(empty || row[column] == sent[stored], "{}: {column}: {}", sent["span_id"], row[column]);
        }
        let names = sent["metadata_names"].as_array().unwrap();
        for (name, value) in names.iter().zip(sent["metadata_values"].as_array().unwrap()) {
            // Of a key that comes twice a JSON reader shows the last.
            let last = names.iter().rposition(|other| other == name).unwrap();
            if sent["metadata_values"][last] == *value {
                assert_eq!(row["metadata"][name.as_str().unwrap()], *value, "{}: metadata {name}", sent["span_id"]);
            }
        }
    }
}
