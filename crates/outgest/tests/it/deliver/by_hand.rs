//! Events of every table and dialect beside values that were written by hand from Langfuse's rules: what a property is
//! called, in which unit it is, and what it is where nothing is known. None of them was made by our own code: ids are
//! UUIDs of version 5 that another program computed.
//!
//! Rows of 2026-03-08 between two and three o'clock UTC: an hour that New York's clocks do not have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{Kind, arguments};
use crate::support::{Bench, Ended};

/// What PostHog's own client would say of itself, in our words.
fn sender() -> Value {
    json!({"$lib": "outgest", "$lib_version": env!("CARGO_PKG_VERSION"), "$is_server": true, "$geoip_disable": true})
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object"))
}

/// Objects in one.
fn together(parts: &[&Value]) -> Value {
    parts.iter().flat_map(|part| object(part).clone()).collect::<Map<_, _>>().into()
}

/// What is expected of a dialect, by event name and row.
fn expected(kind: Kind, dialect: &str) -> BTreeMap<(String, String), Value> {
    let lines = include_str!("golden/by_hand_expected.jsonl").lines();
    let of_dialect = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_dialect = of_dialect.filter(|expected| expected["dialect"] == dialect);
    let event = |expected: Value| {
        let (properties, own) = (&expected["properties"], &expected[kind.name()]);
        let name = &expected["names"][if kind == Kind::PostHog { 0 } else { 1 }];
        let event = match kind {
            Kind::PostHog => {
                let properties = together(&[properties, &own["properties"], &sender()]);
                together(&[own, &json!({"event": name, "properties": properties})])
            }
            Kind::Mixpanel => json!({"event": name, "properties": together(&[own, properties])}),
        };
        let row = properties["langfuse_id"].as_str().unwrap().to_owned();
        ((name.as_str().unwrap().to_owned(), row), event)
    };
    of_dialect.map(event).collect()
}

#[test]
fn every_property_is_what_the_rules_say() {
    let bench = Bench::new();
    bench.ok(["import", &bench.write("events.jsonl", include_str!("golden/by_hand_events.jsonl"))]);
    let scores = bench.write("scores.jsonl", include_str!("golden/by_hand_scores.jsonl"));
    bench.ok(["import", "--table", "scores", &scores]);
    let fixed = ["--project", "shop", "--project-name", "Shop", "--base-url", "https://tracing.example.com"];
    for (dialect, tables, zone) in [
        ("langfuse", "generations,scores,traces", "America/New_York"),
        ("event", "events,generations,scores,traces", "Asia/Kolkata"),
        ("event", "events,generations,scores,traces", "America/New_York"),
    ] {
        for kind in Kind::BOTH {
            let receiver = kind.receiver(&BTreeSet::new(), None);
            let more = [&fixed[..], &["--dialect", dialect, "--tables", tables]].concat();
            let mut command = bench.command(arguments(kind, &receiver, &more));
            let ended = Ended::of(command.env("KEY", kind.key()).env("TZ", zone).output().unwrap());
            assert_eq!(ended.code, 0, "{}", ended.stderr);
            let state = receiver.state();
            let place = |event: &Value| {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                (text(&event["event"]), text(&event["properties"]["langfuse_id"]))
            };
            let arrived: BTreeMap<_, _> = state.ledger.events().map(|event| (place(event), event.clone())).collect();
            let expected = expected(kind, dialect);
            assert_eq!(arrived.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{kind:?}, {dialect}");
            for (place, ours) in &arrived {
                assert_eq!(ours, &expected[place], "{kind:?}, {dialect}, {zone}, {place:?}");
            }
            assert_eq!(state.ledger.arrivals(), expected.len(), "{kind:?}, {dialect}");
        }
    }
}
