//! The filters of the real tables, against the vectors that Langfuse's own compiler was run on.

use model::filter::{SearchType, WireFilter, compile, compile_search, parse_where};
use serde_json::Value;

use super::*;

/// Vectors that fail in Langfuse and compile here, and what the document on differences says of them.
/// `metadata is null` fails in both: there in the database, here before anything is read. Which rows
/// differ is decided where rows are read.
const ACCEPTED_HERE: &[(&str, &str)] =
    &[("comment filter unresolved", "A comment filter fails unless the caller has replaced it by ids.")];

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("../../golden/filters.json")).unwrap()
}

fn compiled(vector: &Value) -> Result<(), Vec<String>> {
    let texts = |problems: Vec<model::FieldProblem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
    let events = find("events").unwrap();
    let filters = WireFilter::from_json(&vector["filter"], "filter").map_err(texts)?;
    compile(&events, &filters).map_err(texts)?;
    if let Some(query) = vector["searchQuery"].as_str() {
        let names: Vec<&str> = match &vector["searchType"] {
            Value::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect(),
            _ => vec!["id"],
        };
        let types: Vec<SearchType> =
            names.into_iter().map(|name| SearchType::parse("search-type", name).unwrap()).collect();
        compile_search(&events, query, &types).map_err(|problem| texts(vec![problem]))?;
    }
    Ok(())
}

#[test]
fn every_vector_compiles_or_fails_as_it_does_in_langfuse() {
    let document = include_str!("../../../../docs/differences-from-langfuse.md");
    for (_, said) in ACCEPTED_HERE {
        assert!(document.contains(said), "docs/differences-from-langfuse.md does not say: {said}");
    }
    let mut unused: Vec<&str> = ACCEPTED_HERE.iter().map(|(name, _)| *name).collect();
    for vector in vectors() {
        let name = vector["name"].as_str().unwrap();
        let accepted_here = ACCEPTED_HERE.iter().any(|(accepted, _)| *accepted == name);
        if accepted_here {
            assert!(vector.get("error").is_some(), "{name} does not differ");
            unused.retain(|listed| *listed != name);
        }
        let outcome = compiled(&vector);
        assert_eq!(outcome.is_ok(), vector.get("error").is_none() || accepted_here, "{name}: {outcome:?}");
    }
    assert!(unused.is_empty(), "no vector is called {unused:?}");
}

#[test]
fn every_filter_column_of_every_table_compiles_with_each_type_it_takes() {
    for table in all() {
        for column in &table.filters {
            for kind in column.kind.accepted_types() {
                let (operator, value) = match kind {
                    "string" | "stringObject" => ("contains", Value::from("x")),
                    "number" | "numberObject" => (">", Value::from(1.5)),
                    "datetime" => ("<", Value::from("2026-06-01T00:00:00Z")),
                    "boolean" | "booleanObject" => ("=", Value::from(true)),
                    "null" => ("is null", Value::from("")),
                    "positionInTrace" => ("=", Value::Null),
                    _ => ("any of", Value::from(vec!["x"])),
                };
                for name in [column.id, column.title].iter().chain(column.aliases) {
                    let mut filter = serde_json::json!({
                        "type": kind, "column": name, "operator": operator, "value": value,
                    });
                    if kind.ends_with("Object") || kind == "categoryOptions" {
                        filter["key"] = Value::from("k");
                    } else if kind == "positionInTrace" {
                        filter["key"] = Value::from("last");
                    }
                    let filters = WireFilter::from_json(&filter, "filter").unwrap();
                    let compiled = compile(table, &filters).unwrap_or_else(|problems| panic!("{problems:?}"));
                    assert!(compiled.is_some(), "{} by {name}", table.name);
                }
            }
        }
    }
}

#[test]
fn every_column_that_langfuse_filters_events_by_is_there() {
    let table = find("events").unwrap();
    let ids = "environment ingestionApiKey ingestionSdkName ingestionSdkVersion ingestionSource type id name traceId \
               startTime endTime timeToFirstToken latency tokensPerSecond inputCost outputCost totalCost level \
               statusMessage model providedModelName modelId inputTokens outputTokens totalTokens tokens metadata \
               evaluatorId ruleId version release promptName promptVersion input output sessionId userId traceName \
               traceTags tags traceEnvironment hasParentObservation isRootObservation hasInput hasOutput \
               parentObservationId experimentDatasetId experimentName experimentId isExperimentItemRootSpan \
               toolDefinitions toolCalls toolNames calledToolNames scores scores_avg score_categories score_booleans \
               trace_scores_avg trace_score_categories trace_score_booleans commentCount commentContent";
    for id in ids.split_whitespace() {
        assert!(table.filters.iter().any(|column| column.id == id), "{id}");
    }
    for title in ["Latency (s)", "Cost ($)", "Available Tool Names", "Trace Scores (categorical)", "SCORES"] {
        assert!(table.filter_column(title).is_some(), "{title}");
    }
    assert!(table.filter_column("user id").is_none(), "names are matched exactly");
}

#[test]
fn a_line_of_text_filters_the_real_tables() {
    for (table, line) in [
        ("events", r#"type = "GENERATION" and totalCost > 0.01 and metadata.region = "eu""#),
        ("events", r#"scores.accuracy >= 0.5 or not (traceTags contains "prod" and hasInput = true)"#),
        ("observations", r#""Latency (s)" > 2 and positionInTrace = "last""#),
        ("traces", r#"level in ("ERROR", "WARNING") and errorCount > 1 and "Total Cost ($)" < 3"#),
        ("sessions", "sessionDuration > 60 and userIds contains 'u' and commentCount = 0"),
        ("scores", r#"dataType = "NUMERIC" and value < 0.5 and metadata.k is not null"#),
    ] {
        let table = find(table).unwrap();
        let filter = parse_where(&table, line, "where").unwrap_or_else(|problems| panic!("{line}: {problems:?}"));
        compile(&table, &[filter]).unwrap_or_else(|problems| panic!("{line}: {problems:?}"));
    }
}
