use serde_json::json;

use super::*;

#[test]
fn export_names_lead_back_to_stored_columns() {
    let row = r#"{"id":"s","traceId":"t","traceName":"root","type":"GENERATION","startTime":"2026-06-01T00:00:00.000001Z",
        "promptVersion":3,"usageDetails":{"input":"18446744073709551615"},"costDetails":{"total":0.000000000001},
        "metadata":{"b":"1","a":"2","b":"3"},"parentObservationId":"","tags":["x"],"totalCost":1,"latencyMs":null,
        "projectId":"p","eventTs":"2026-06-02 00:00:00.000000"}"#;
    let (report, memory) = imported("a.jsonl", row.replace('\n', ""));
    let stored = &memory.rows("events")[0];
    for (column, value) in [
        ("span_id", json!("s")),
        ("trace_id", json!("t")),
        ("trace_name", json!("root")),
        ("start_time", json!("2026-06-01 00:00:00.000001")),
        ("prompt_version", json!(3)),
        ("usage_details", json!({"input": 18_446_744_073_709_551_615_u64})),
        ("metadata_names", json!(["b", "a", "b"])),
        ("metadata_values", json!(["1", "2", "3"])),
        ("tags", json!(["x"])),
        ("event_ts", json!("2026-06-02 00:00:00.000000")),
    ] {
        assert_eq!(stored[column], value, "{column}");
    }
    assert_eq!(stored["cost_details"]["total"], json!(1e-12));
    let ignored: Vec<(&str, u64)> =
        report.ignored.iter().map(|column| (column.name.as_str(), column.values.get())).collect();
    assert_eq!(ignored, [("latencyMs", 0), ("totalCost", 1)]);
}

#[test]
fn a_stored_column_goes_before_one_that_shows_it() {
    let row =
        |first: &str, second: &str| format!(r#"{{"id":"s","traceId":"t","startTime":"2026-06-01",{first},{second}}}"#);
    let (shown, stored) = (r#""traceName":"root""#, r#""storedTraceName":"""#);
    for text in [row(shown, stored), row(stored, shown)] {
        assert_eq!(imported("a.jsonl", text).1.rows("events")[0]["trace_name"], "");
    }
}

#[test]
fn payloads_may_be_json_and_other_text_may_not() {
    let (_, memory) = imported("a.jsonl", event("s", r#""input":{"a": [1.50]},"output":17"#));
    let row = &memory.rows("events")[0];
    assert_eq!((&row["input"], &row["output"]), (&json!("{\"a\": [1.50]}"), &json!("17")));
    assert!(
        refused("a.jsonl", event("s", r#""name":{"a":1}"#)).0.contains("column name: expected text, found an object")
    );
}

#[test]
fn empty_csv_cells_are_null() {
    let csv = "id,traceId,startTime,endTime,tags,metadata,usageDetails,promptVersion,usagePricingTierId,name\n\
               s,t,2026-06-01,,,,,,,\n\
               u,t,\"\"\"2026-06-01T00:00:00.007Z\"\"\",2026-06-02,\"[\"\"a\"\"]\",\"{\"\"k\"\":\"\"v\"\"}\",\"{\"\"n\"\":1}\",2,tier,n\n";
    let (_, memory) = imported("a.csv", csv);
    let rows = memory.rows("events");
    for (column, empty, full) in [
        ("end_time", json!(null), json!("2026-06-02 00:00:00.000000")),
        ("tags", json!([]), json!(["a"])),
        ("metadata_names", json!([]), json!(["k"])),
        ("usage_details", json!({}), json!({"n": 1})),
        ("prompt_version", json!(null), json!(2)),
        ("usage_pricing_tier_id", json!(null), json!("tier")),
        ("name", json!(""), json!("n")),
    ] {
        assert_eq!((&rows[0][column], &rows[1][column]), (&empty, &full), "{column}");
    }
    assert_eq!(rows[1]["start_time"], "2026-06-01 00:00:00.007000");
}

#[test]
fn langfuse_score_exports_are_scores() {
    let csv = "id,traceId,sessionId,datasetRunId,timestamp,source,name,dataType,value,stringValue,comment,metadata,observationId,traceName,userId,traceTags,environment,authorUserName\n\
               a,t,,,2026-06-01T00:00:00.000Z,API,accuracy,NUMERIC,0.5,,,{},o,chat,u,[],default,\n";
    let (report, memory) = imported("scores.csv", csv);
    let row = &memory.rows("scores")[0];
    assert_eq!((&row["value"], &row["observation_id"], &row["string_value"]), (&json!(0.5), &json!("o"), &json!(null)));
    assert!(report.ignored.iter().all(|column| column.why == Ignored::Derived), "{report}");
    assert_eq!(report.ignored.iter().filter(|column| column.values.get() == 1).count(), 2, "{report}");
}

#[test]
fn prefixed_score_columns_are_never_taken_for_columns() {
    let row = r#"{"id":"s","traceId":"t","startTime":"2026-06-01","score:name":[0.5],"score:level":"x"}"#;
    let (report, _) = imported("a.jsonl", row);
    assert!(report.ignored.iter().all(|column| column.why == Ignored::Score && column.values.get() == 1));
    assert_eq!(report.ignored.len(), 2);
}
