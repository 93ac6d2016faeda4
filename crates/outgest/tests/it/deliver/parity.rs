//! What arrives beside what Langfuse sends for the same rows: equal but for the differences that
//! `docs/differences-from-langfuse.md` lists, in any time zone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Kind, arguments};
use crate::support::{Bench, Ended};

/// Properties that PostHog's own client adds; ours says what it is itself.
const SENDER: [&str; 4] = ["$lib", "$lib_version", "$is_server", "$geoip_disable"];

pub(super) const ZONES: [&str; 3] = ["UTC", "Asia/Kolkata", "America/New_York"];

/// A property that differs on purpose: row, property, our value as JSON, and what the document says of it.
struct Difference(&'static str, &'static str, &'static str, &'static str);

const DIGITS: &str = "Counts and costs keep every digit.";
const NEWEST: &str = "Decided by `event_ts`, ties by the later write.";

const DIFFERENCES: &[Difference] = &[
    Difference("ev-003", "langfuse_input_units", "9007199254740993", DIGITS),
    Difference("ev-020", "langfuse_observation_name", r#""naïve 日本""#, NEWEST),
    Difference("ev-020", "langfuse_latency", "3263", NEWEST),
    Difference("ev-020", "timestamp", r#""2026-06-01 00:12:20.140002""#, NEWEST),
    Difference("ev-020", "time", "1780272740140", NEWEST),
];

/// What Langfuse makes of the reference rows, by row, with the differences put in. Each of them must occur.
fn golden() -> BTreeMap<String, Value> {
    let lines = include_str!("golden/analytics_events.jsonl").lines();
    let events = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut golden: BTreeMap<String, Value> =
        events.map(|event| (event["event"]["langfuse_id"].as_str().unwrap().to_owned(), event)).collect();
    let document = include_str!("../../../../../docs/differences-from-langfuse.md");
    for Difference(row, property, ours, said) in DIFFERENCES {
        assert!(document.contains(said), "{said}");
        let ours: Value = serde_json::from_str(ours).unwrap();
        let event = golden.get_mut(*row).unwrap();
        for receiver in ["posthog", "mixpanel"] {
            let Some(theirs) = event[receiver]["properties"].get_mut(*property) else { continue };
            assert_ne!(*theirs, ours, "{row} no longer differs in {property}");
            *theirs = ours.clone();
        }
    }
    golden
}

/// Delivers the reference rows and returns what arrived, by row.
fn delivered(kind: Kind, zone: &str, more: &[&str]) -> BTreeMap<String, Value> {
    let bench = Bench::with_reference_rows();
    let receiver = kind.receiver(&BTreeSet::new(), None);
    let fixed = ["--project", "proj-e2e", "--base-url", "http://localhost:3000", "--project-name", "E2E Project"];
    let arguments = arguments(kind, &receiver, &[&fixed[..], more].concat());
    let ended = Ended::of(bench.command(arguments).env("KEY", kind.key()).env("TZ", zone).output().unwrap());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let state = receiver.state();
    assert_eq!(state.refusals, Vec::<String>::new());
    let row = |event: &Value| event["properties"]["langfuse_id"].as_str().unwrap().to_owned();
    state.ledger.events().map(|event| (row(event), event.clone())).collect()
}

#[test]
fn events_are_those_of_langfuse_in_every_time_zone() {
    let golden = golden();
    for zone in ZONES {
        let posthog = delivered(Kind::PostHog, zone, &["--until", "2026-08-01"]);
        let mixpanel = delivered(Kind::Mixpanel, zone, &["--until", "2026-08-01"]);
        assert_eq!(posthog.keys().collect::<Vec<_>>(), golden.keys().collect::<Vec<_>>(), "{zone}");
        assert_eq!(mixpanel.keys().collect::<Vec<_>>(), golden.keys().collect::<Vec<_>>(), "{zone}");
        for (row, theirs) in &golden {
            assert_eq!(mixpanel[row], theirs["mixpanel"], "{zone}, {row}");
            assert_eq!(posthog[row], sent_by_client(&theirs["posthog"]), "{zone}, {row}");
        }
    }
}

/// What PostHog's client makes of an event, which is given to it with a timestamp as ClickHouse prints it.
fn sent_by_client(event: &Value) -> Value {
    let mut properties = event["properties"].clone();
    for (property, value) in
        SENDER.into_iter().zip([json!("outgest"), json!(env!("CARGO_PKG_VERSION")), json!(true), json!(true)])
    {
        properties[property] = value;
    }
    json!({
        "event": event["event"],
        "distinct_id": event["distinctId"],
        "uuid": event["uuid"],
        "timestamp": format!("{}Z", properties["timestamp"].as_str().unwrap().replace(' ', "T")),
        "properties": properties,
    })
}

/// The properties that the `event` dialect has, and none beside them.
#[test]
fn the_event_dialect_has_the_listed_properties_in_one_unit_each() {
    let golden = golden();
    let listed = [
        "langfuse_id",
        "timestamp",
        "langfuse_event_name",
        "langfuse_trace_name",
        "langfuse_trace_id",
        "langfuse_url",
        "langfuse_user_url",
        "langfuse_cost_usd",
        "langfuse_input_units",
        "langfuse_output_units",
        "langfuse_total_units",
        "langfuse_session_id",
        "langfuse_project_id",
        "langfuse_user_id",
        "langfuse_latency",
        "langfuse_time_to_first_token",
        "langfuse_release",
        "langfuse_version",
        "langfuse_model",
        "langfuse_level",
        "langfuse_type",
        "langfuse_tags",
        "langfuse_environment",
        "langfuse_event_version",
    ];
    let own = ["$session_id", "$set", "$process_person_profile"];
    let events = delivered(Kind::PostHog, "Asia/Kolkata", &["--dialect", "event", "--until", "2026-08-01"]);
    assert_eq!(events.len(), golden.len());
    let mut seen = BTreeSet::new();
    for (row, event) in &events {
        let (ours, theirs) = (&event["properties"], &golden[row]["posthog"]["properties"]);
        assert_eq!(event["event"], "langfuse event");
        assert_eq!(event["uuid"], golden[row]["posthog"]["uuid"], "{row}");
        seen.extend(ours.as_object().unwrap().keys().map(String::as_str));
        assert_eq!(ours["timestamp"], event["timestamp"]);
        assert_eq!(ours["langfuse_event_name"].as_str().unwrap_or_default(), theirs["langfuse_observation_name"]);
        let seconds = ours["langfuse_latency"].as_f64();
        assert_eq!(seconds.map(|seconds| (seconds * 1_000.0).round()), theirs["langfuse_latency"].as_f64(), "{row}");
        assert_ne!(ours["langfuse_session_id"], "", "{row}");
    }
    let allowed: BTreeSet<&str> = listed.iter().chain(&own).chain(&SENDER).copied().collect();
    assert_eq!(seen, allowed);
}

#[test]
fn every_table_arrives_under_its_own_name() {
    let bench = Bench::with_reference_rows();
    for kind in Kind::BOTH {
        let receiver = kind.receiver(&BTreeSet::new(), None);
        let more = ["--project", "proj-e2e", "--tables", "events,generations,scores,traces"];
        let ended = super::deliver(&bench, kind, &receiver, &more);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert_eq!(ended.stdout.lines().count(), 4, "{}", ended.stdout);
        let ids = |arguments: &[&str]| super::ids(&bench, &[&["--project", "proj-e2e"][..], arguments].concat());
        let state = receiver.state();
        let rows = |table| state.ledger.rows(kind.event(table));
        assert_eq!(rows("events"), ids(&[]), "{kind:?}");
        assert_eq!(rows("generations"), ids(&["--where", "type = \"GENERATION\""]), "{kind:?}");
        assert_eq!(rows("traces"), ids(&["--table", "traces"]), "{kind:?}");
        // Corrections are not listed, and neither are scores of nothing.
        let listed = r#"dataType in ("NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT")"#;
        let listed = ["--table", "scores", "--where", listed];
        let scores = rows("scores");
        assert!(!scores.is_empty() && scores.is_subset(&ids(&listed)), "{kind:?}");
        assert_eq!(state.refusals, Vec::<String>::new(), "{kind:?}");
    }
}
