//! Whatever a receiver does, every event is accounted for: accepted once and more under one id, or refused by
//! name (promises 16 and 17).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Kind, deliver, ids};
use crate::servers::analytics::{Contract, Judged, Receiver, Request, Trouble};
use crate::support::{Bench, Ended};

/// Enough for fifteen requests of 200.
const EVENTS: u64 = 3_000;
const SMALL_REQUESTS: [&str; 4] = ["--option", "request_events=200", "--tables", "events"];

fn assert_delivered(bench: &Bench, kind: Kind, receiver: &Receiver, ended: &Ended, refused: &BTreeSet<String>) {
    let state = receiver.state();
    let expected: BTreeSet<String> = ids(bench, &["--project", "p"]).difference(refused).cloned().collect();
    assert!(state.ledger.rows(kind.event("events")) == expected, "{kind:?}: {}", ended.stderr);
    assert_eq!(state.ledger.changed, Vec::<String>::new(), "{kind:?}: a replay was not the same");
    assert!(!ended.stderr.contains(kind.key()) && !ended.stdout.contains(kind.key()), "{kind:?} tells its key");
}

/// The receipt of a delivery with `--json`.
fn receipt(ended: &Ended) -> Value {
    serde_json::from_str(ended.stdout.lines().next().unwrap_or_else(|| panic!("{}", ended.stderr))).unwrap()
}

fn assert_conserved(receipt: &Value) {
    let count = |name: &str| receipt["counts"][name].as_u64().unwrap();
    assert_eq!(count("read"), count("accepted") + count("rejected"), "{receipt}");
}

#[test]
fn every_event_arrives_whatever_the_answers_are() {
    let bench = Bench::with_generated(EVENTS);
    let lists: [(&str, &[Trouble]); 4] = [
        (
            "a receiver that is busy",
            &[
                Trouble::Status(429, Some(1)),
                Trouble::Status(429, None),
                Trouble::Status(503, None),
                Trouble::None,
                Trouble::Status(500, None),
                Trouble::Status(502, Some(0)),
                Trouble::Status(408, None),
            ],
        ),
        (
            "a network that breaks",
            &[Trouble::Cut, Trouble::None, Trouble::AnswerLost, Trouble::AnswerTorn, Trouble::Cut],
        ),
        ("a receiver that is slow", &[Trouble::AnswerSlow, Trouble::AnswerSlow]),
        ("a receiver that stores half", &[Trouble::HalfStored, Trouble::None, Trouble::HalfStored]),
    ];
    for kind in Kind::BOTH {
        for (name, troubles) in lists {
            let receiver = kind.receiver(&BTreeSet::new(), None).troubled(troubles);
            let ended = deliver(&bench, kind, &receiver, &[&SMALL_REQUESTS[..], &["--json"]].concat());
            assert_eq!(ended.code, 0, "{kind:?}, {name}: {}", ended.stderr);
            assert_delivered(&bench, kind, &receiver, &ended, &BTreeSet::new());
            assert_eq!(receiver.state().refusals, Vec::<String>::new(), "{kind:?}, {name}");
            let receipt = receipt(&ended);
            assert_conserved(&receipt);
            assert_eq!(receipt["counts"]["accepted"], receiver.state().ledger.len() as u64, "{kind:?}, {name}");
            assert_eq!(receipt["counts"]["retried"].as_u64() > Some(0), name != "a receiver that is slow", "{receipt}");
        }
    }
}

#[test]
fn the_wait_that_a_receiver_asks_for_is_kept() {
    let bench = Bench::with_generated(300);
    for kind in Kind::BOTH {
        let receiver = kind.receiver(&BTreeSet::new(), None).troubled(&[Trouble::Status(429, Some(3))]);
        let began = Instant::now();
        let ended = deliver(&bench, kind, &receiver, &[]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        assert!(began.elapsed() >= Duration::from_secs(3), "{kind:?} was asked again too soon");
    }
}

#[test]
fn requests_that_are_too_large_are_cut_until_they_fit() {
    let bench = Bench::with_generated(EVENTS);
    for kind in Kind::BOTH {
        let receiver = kind.receiver(&BTreeSet::new(), Some(100_000));
        let ended = deliver(&bench, kind, &receiver, &["--json"]);
        assert_eq!(ended.code, 0, "{kind:?}: {}", ended.stderr);
        assert_delivered(&bench, kind, &receiver, &ended, &BTreeSet::new());
        let state = receiver.state();
        assert_eq!(state.ledger.arrivals(), state.ledger.len(), "{kind:?}: something was sent twice");
        assert!(state.refusals.len() < 60, "{kind:?}: {} requests were too large", state.refusals.len());
    }
}

#[test]
fn events_that_are_refused_are_kept_with_the_reason_and_nothing_else_is_lost() {
    let bench = Bench::with_generated(EVENTS);
    let poison: BTreeSet<String> = ids(&bench, &["--project", "p"]).into_iter().step_by(701).collect();
    assert!(poison.len() > 3);
    for kind in Kind::BOTH {
        let receiver = kind.receiver(&poison, None);
        let folder = format!("letters-{}", kind.name());
        let more = [&SMALL_REQUESTS[..], &["--json", "--dead-letters", &folder]].concat();
        let ended = deliver(&bench, kind, &receiver, &more);

        assert_eq!(ended.code, 4, "{kind:?}: {}", ended.stderr);
        assert_delivered(&bench, kind, &receiver, &ended, &poison);
        let receipt = receipt(&ended);
        assert_conserved(&receipt);
        assert_eq!(receipt["counts"]["rejected"], poison.len() as u64);
        let letters = bench.read(receipt["dead_letters"].as_str().unwrap());
        let letters: Vec<Value> = letters.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let dead: BTreeSet<String> = letters
            .iter()
            .map(|letter| letter["event"]["properties"]["langfuse_id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!((dead, letters.len()), (poison.clone(), poison.len()), "{kind:?}");
        assert!(letters.iter().all(|letter| letter["reason"].as_str().unwrap().contains("poison")), "{kind:?}");

        // Another receiver of the same kind minds one of them only.
        let still: BTreeSet<String> = poison.iter().take(1).cloned().collect();
        let receiver = kind.receiver(&still, None);
        let file = receipt["dead_letters"].as_str().unwrap();
        let ended = deliver(&bench, kind, &receiver, &["--replay", file]);
        assert_eq!(ended.code, 4, "{kind:?}: {}", ended.stderr);
        let taken: BTreeSet<String> = poison.difference(&still).cloned().collect();
        assert_eq!(receiver.state().ledger.rows(kind.event("events")), taken, "{kind:?}");
        assert_eq!(bench.read(file).lines().count(), 1);
        let ended = deliver(&bench, kind, &kind.receiver(&BTreeSet::new(), None), &["--replay", file]);
        assert_eq!((ended.code, bench.file(file).exists()), (0, false), "{kind:?}: {}", ended.stderr);
    }
}

#[test]
fn a_receiver_that_refuses_the_key_ends_the_delivery_at_once() {
    let bench = Bench::with_generated(300);
    for kind in Kind::BOTH {
        let receiver = kind.receiver(&BTreeSet::new(), None);
        let wrong = super::arguments(kind, &receiver, &[]);
        let ended = Ended::of(bench.command(wrong).env("KEY", Kind::no_key()).output().unwrap());
        ended.assert_refused(&["answered 401"]);
        assert_eq!((ended.code, receiver.state().refusals.len()), (1, 1), "{kind:?}");
        assert!(!ended.stderr.contains("hunter3"), "{}", ended.stderr);
    }
}

/// A web app that answers whatever it is asked with its page, as one does whose paths are all its own.
struct WebApp;

impl Contract for WebApp {
    fn judge(&self, _: &Request) -> Judged {
        Judged::Taken(Vec::new(), 200, "<!doctype html><title>Welcome</title>".to_owned())
    }

    fn identity(&self, event: &Value) -> String {
        event.to_string()
    }
}

#[test]
fn a_page_is_no_receipt() {
    let bench = Bench::with_generated(300);
    for option in ["api=batch", "api=v1"] {
        let app = Receiver::start(WebApp);
        for more in [&["--check", "--option", option][..], &["--option", option]] {
            let ended = deliver(&bench, Kind::PostHog, &app, more);
            ended.assert_refused(&["PostHog answered 200", "https://us.i.posthog.com"]);
            assert_eq!(ended.code, 2, "{option}: {}", ended.stderr);
            assert!(!ended.stdout.contains("accepted"), "{option}: {}", ended.stdout);
        }
    }
}

#[test]
fn a_check_says_step_by_step_what_works_and_leaves_no_event() {
    let bench = Bench::new();
    for kind in Kind::BOTH {
        let receiver = kind.receiver(&BTreeSet::new(), None);
        let ended = deliver(&bench, kind, &receiver, &["--check"]);
        let (last, left_open) = kind.last_step();
        let left_open = left_open.map(|left_open| format!("; {left_open}")).unwrap_or_default();
        let steps = format!("address policy: ok\ndns: ok\nconnection: ok\n{last}: ok{left_open}\n");
        assert_eq!((ended.code, ended.stdout.as_str()), (0, steps.as_str()), "{}", ended.stderr);
        assert_eq!(receiver.state().ledger.len(), 0);

        let arguments = super::arguments(kind, &receiver, &["--check"]);
        let ended = Ended::of(bench.command(arguments).env("KEY", "phc_nobodys").output().unwrap());
        if kind == Kind::PostHog {
            // It has no word for a key that no project has, so that the step must not claim to know.
            assert_eq!((ended.code, ended.stdout.as_str()), (0, steps.as_str()), "{}", ended.stderr);
            continue;
        }
        assert_eq!(ended.code, 1, "{}", ended.stdout);
        assert!(
            ended.stdout.contains(&format!("{last}: ")) && ended.stdout.contains("answered 401"),
            "{}",
            ended.stdout
        );
    }
}

#[test]
fn a_rate_that_the_user_allows_is_kept() {
    let bench = Bench::with_generated(400);
    let receiver = Kind::PostHog.receiver(&BTreeSet::new(), None);
    let began = Instant::now();
    let rows = ids(&bench, &["--project", "p"]).len() as u64;
    let ended = deliver(&bench, Kind::PostHog, &receiver, &["--option", "events_per_second=200"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(began.elapsed() >= Duration::from_secs(rows / 200), "{rows} events in {:?}", began.elapsed());
}
