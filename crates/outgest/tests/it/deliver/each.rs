//! Deliveries to a PostHog that answers for each event (`--option api=v1`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Kind, deliver, ids};
use crate::servers::analytics::{FakePostHogV1, ILLEGAL, Receiver, Trouble};
use crate::support::Bench;

const V1: [&str; 5] = ["--option", "api=v1", "--option", "request_events=200", "--json"];

#[test]
fn every_event_is_accounted_for_by_what_is_said_of_it() {
    let bench = Bench::with_generated(3_000);
    let all = ids(&bench, &["--project", "p"]);
    let poison: BTreeSet<String> = all.iter().step_by(701).cloned().collect();
    let troubles = [
        Trouble::Status(503, None),
        Trouble::AnswerLost,
        Trouble::None,
        Trouble::AnswerTorn,
        Trouble::HalfStored,
        Trouble::Cut,
        Trouble::AnswerSlow,
    ];
    let receiver = Receiver::start(FakePostHogV1 { poison: poison.clone(), ..FakePostHogV1::default() });
    let receiver = receiver.troubled(&troubles);
    let ended = deliver(&bench, Kind::PostHog, &receiver, &[&V1[..], &["--tables", "events"]].concat());

    assert_eq!(ended.code, 4, "{}", ended.stderr);
    let state = receiver.state();
    let taken: BTreeSet<String> = all.difference(&poison).cloned().collect();
    assert!(state.ledger.rows("langfuse observation") == taken);
    assert_eq!((state.ledger.changed.as_slice(), state.refusals.as_slice()), (&[][..], &[][..]));
    let receipt: Value = serde_json::from_str(ended.stdout.lines().next().unwrap()).unwrap();
    let count = |name: &str| receipt["counts"][name].as_u64().unwrap();
    assert_eq!((count("accepted"), count("rejected")), (taken.len() as u64, poison.len() as u64), "{receipt}");
    assert!(count("retried") > taken.len() as u64 / 32, "{receipt}");
    let letters = bench.read(receipt["dead_letters"].as_str().unwrap());
    assert_eq!(letters.lines().filter(|letter| letter.contains("PostHog: this event is poison")).count(), poison.len());
}

/// What `/batch/` makes one person of, this endpoint would drop.
#[test]
fn ids_that_mean_nobody_are_no_reason_to_lose_an_event() {
    let bench = Bench::new();
    let row = |id: &str, user: &str| {
        let row = serde_json::json!({"project_id": "p", "trace_id": "t", "span_id": id, "start_time": "2026-06-01",
                                     "name": "chat", "type": "SPAN", "user_id": user});
        format!("{row}\n")
    };
    let written = ILLEGAL.iter().flat_map(|id| [(*id).to_owned(), id.to_uppercase(), format!(" {id} ")]);
    let users: Vec<String> = written.chain(["ada@example.com".to_owned()]).collect();
    let rows: String = users.iter().enumerate().map(|(number, user)| row(&format!("s{number}"), user)).collect();
    bench.ok(["import", &bench.write("rows.jsonl", rows)]);
    let receiver = Receiver::start(FakePostHogV1::default());
    let more = ["--since", "2026-05-01", "--base-url", "https://tracing.example.com"];
    let ended = deliver(&bench, Kind::PostHog, &receiver, &[&V1[..], &more].concat());
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let state = receiver.state();
    let is_person = |event: &&Value| event["options"].get("process_person_profile").is_none();
    let persons: Vec<&str> =
        state.ledger.events().filter(is_person).map(|event| event["distinct_id"].as_str().unwrap()).collect();
    assert_eq!((state.ledger.len(), persons), (users.len(), vec!["ada@example.com"]));
}

#[test]
fn a_server_without_it_and_a_project_over_its_quota_end_the_delivery_at_once() {
    let bench = Bench::with_generated(300);
    let old = Kind::PostHog.receiver(&BTreeSet::new(), None);
    let ended = deliver(&bench, Kind::PostHog, &old, &["--option", "api=v1"]);
    ended.assert_refused(&["answered 404", "leave the option api out"]);
    let full = Receiver::start(FakePostHogV1 { is_over_quota: true, ..FakePostHogV1::default() });
    let ended = deliver(&bench, Kind::PostHog, &full, &["--option", "api=v1"]);
    ended.assert_refused(&["billing_limit_exceeded", "quota"]);
    assert_eq!((old.state().ledger.len(), full.state().ledger.len()), (0, 0));
    let ended = deliver(&bench, Kind::PostHog, &full, &["--option", "api=v3"]);
    ended.assert_refused(&["\"v3\"", "batch or v1"]);
}
