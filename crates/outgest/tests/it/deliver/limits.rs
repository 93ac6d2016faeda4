//! What receivers do not take: every event is accepted or kept with their reason, and what can be avoided is
//! (promises 16 and 17).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Kind, arguments, deliver};
use crate::servers::analytics::{DISALLOWED, FakeMixpanel, Receiver};
use crate::support::{Bench, Ended};

/// A name that makes an event larger than a megabyte.
const LARGE: usize = 1_200_000;

/// More than receivers take in one property.
const MANY: usize = 300;

/// A row of project `p` with these columns besides.
fn row(id: &str, more: &Value) -> String {
    let mut row = json!({"project_id": "p", "trace_id": "t", "span_id": id, "name": "chat", "type": "SPAN",
                         "start_time": "2026-06-01 00:00:00.000000"});
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format!("{row}\n")
}

/// What a delivery came to: its receipts by table, and its dead letters' reasons by row.
fn told(bench: &Bench, ended: &Ended) -> (BTreeMap<String, Value>, BTreeMap<String, String>) {
    let (mut receipts, mut letters) = (BTreeMap::new(), BTreeMap::new());
    for line in ended.stdout.lines() {
        let receipt: Value = serde_json::from_str(line).unwrap();
        let count = |name: &str| receipt["counts"][name].as_u64().unwrap();
        assert_eq!(count("read"), count("accepted") + count("rejected"), "{receipt}");
        let kept = receipt["dead_letters"].as_str().map(|file| bench.read(file)).unwrap_or_default();
        assert_eq!(count("rejected"), kept.lines().count() as u64, "{receipt}");
        for letter in kept.lines() {
            let letter: Value = serde_json::from_str(letter).unwrap();
            let row = letter["event"]["properties"]["langfuse_id"].as_str().unwrap();
            letters.insert(row.to_owned(), letter["reason"].as_str().unwrap().to_owned());
        }
        receipts.insert(receipt["table"].as_str().unwrap().to_owned(), receipt.clone());
    }
    (receipts, letters)
}

/// Events that a receiver has, by row.
fn stored(receiver: &Receiver) -> BTreeMap<String, Value> {
    let row = |event: &Value| event["properties"]["langfuse_id"].as_str().unwrap().to_owned();
    receiver.state().ledger.events().map(|event| (row(event), event.clone())).collect()
}

#[test]
fn a_service_account_delivers_to_the_project_that_it_names() {
    let bench = Bench::with_generated(300);
    let account = || {
        let fake = FakeMixpanel::new();
        Receiver::start(FakeMixpanel { credentials: "robot.1a2b:secret-hunter2", project_id: Some("2195193"), ..fake })
    };
    let run = |receiver: &Receiver, secret: &str, project: &str, more: &[&str]| {
        let project = format!("project_id={project}");
        let options = ["--option", "service_account=robot.1a2b", "--option", &project];
        let mut command = bench.command(arguments(Kind::Mixpanel, receiver, &[&options[..], more].concat()));
        Ended::of(command.env("KEY", secret).output().unwrap())
    };
    let receiver = account();
    let checked = run(&receiver, "secret-hunter2", "2195193", &["--check"]);
    assert_eq!((checked.code, receiver.state().ledger.len()), (0, 0), "{}", checked.stderr);
    let ended = run(&receiver, "secret-hunter2", "2195193", &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let expected = super::ids(&bench, &["--project", "p"]);
    assert_eq!(receiver.state().ledger.rows(Kind::Mixpanel.event("events")), expected);

    let receiver = account();
    run(&receiver, "another-hunter3", "2195193", &[]).assert_refused(&["answered 401", "service_account"]);
    run(&receiver, "secret-hunter2", "7", &[]).assert_refused(&["answered 403", "project_id"]);
    // A token is not what this project knows, nor is the account's secret one.
    deliver(&bench, Kind::Mixpanel, &receiver, &[]).assert_refused(&["answered 401"]);
    assert_eq!(receiver.state().ledger.len(), 0);
}

#[test]
fn users_that_mixpanel_takes_for_nobody_are_nobody_and_no_event_of_theirs_is_lost() {
    let bench = Bench::new();
    // `lmy47d` is one that Langfuse knows besides.
    let nobody: Vec<String> = DISALLOWED
        .iter()
        .chain(&["lmy47d"])
        .flat_map(|id| [(*id).to_owned(), id.to_uppercase(), format!(" {id}\t")])
        .collect();
    let somebody = ["ada@example.com", "anonymous1", "null null", "00", "   "];
    let users: Vec<&str> = nobody.iter().map(String::as_str).chain(somebody).collect();
    let rows = users.iter().enumerate().map(|(number, user)| row(&format!("s{number}"), &json!({"user_id": user})));
    bench.ok(["import", &bench.write("rows.jsonl", rows.collect::<String>())]);
    let receiver = Kind::Mixpanel.receiver(&BTreeSet::new(), None);
    let ended = deliver(&bench, Kind::Mixpanel, &receiver, &["--json"]);
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let stored = stored(&receiver);
    assert_eq!(stored.len(), users.len());
    for (number, user) in users.iter().enumerate() {
        let properties = &stored[&format!("s{number}")]["properties"];
        assert_eq!(properties["langfuse_user_id"], *user, "what the row says stays a property");
        let is_somebody = somebody.contains(user);
        assert_eq!(properties["distinct_id"], if is_somebody { *user } else { "" }, "{user:?}");
        assert_eq!(properties.get("$user_id").is_some(), is_somebody, "{user:?}");
    }
}

#[test]
fn an_event_above_a_megabyte_is_a_dead_letter_and_its_neighbours_arrive() {
    let bench = Bench::new();
    let large = json!({"name": "x".repeat(LARGE)});
    let rows = [row("s1", &json!({})), row("s2", &large), row("s3", &json!({}))].concat();
    bench.ok(["import", &bench.write("rows.jsonl", rows)]);
    for kind in Kind::BOTH {
        let receiver = kind.receiver(&BTreeSet::new(), None);
        let ended = deliver(&bench, kind, &receiver, &["--json"]);
        assert_eq!(ended.code, 4, "{kind:?}: {}", ended.stderr);
        let (receipts, letters) = told(&bench, &ended);
        assert_eq!(receipts["events"]["counts"]["accepted"], 2, "{kind:?}");
        let [(row, reason)] = &letters.into_iter().collect::<Vec<_>>()[..] else { panic!("{kind:?}") };
        let takes = format!("{kind:?} takes 1000000");
        assert!(row == "s2" && reason.starts_with("the event has ") && reason.ends_with(&takes), "{reason}");
        // Nor is it sent when letters are.
        let file = receipts["events"]["dead_letters"].as_str().unwrap();
        let ended = deliver(&bench, kind, &receiver, &["--replay", file]);
        assert_eq!((ended.code, bench.read(file).lines().count()), (4, 1), "{kind:?}: {}", ended.stderr);
        assert_eq!(stored(&receiver).into_keys().collect::<Vec<_>>(), ["s1", "s3"], "{kind:?}");
        assert_eq!(receiver.state().refusals, Vec::<String>::new(), "{kind:?}: it was sent");
    }
}

#[test]
fn events_beyond_what_mixpanel_nests_are_dead_letters_with_its_reasons() {
    let bench = Bench::new();
    let tags = |count: usize| (0..count).map(|tag| format!("tag-{tag}")).collect::<Vec<_>>();
    let rows = [("s1", json!({})), ("s2", json!({"tags": tags(254)})), ("s3", json!({"tags": tags(MANY)}))];
    let rows: String = rows.iter().map(|(id, more)| row(id, more)).collect();
    bench.ok(["import", &bench.write("rows.jsonl", rows)]);
    let score = |id: &str, keys: usize| {
        let metadata: Value =
            (0..keys).map(|key| (format!("key-{key}"), json!("value"))).collect::<serde_json::Map<_, _>>().into();
        let score = json!({"project_id": "p", "id": id, "session_id": "se", "name": "quality", "value": 1.0,
                           "data_type": "NUMERIC", "timestamp": "2026-06-01 00:00:00.000", "metadata": metadata});
        format!("{score}\n")
    };
    let scores = [score("c1", 254), score("c2", MANY)].concat();
    bench.ok(["import", "--table", "scores", &bench.write("scores.jsonl", scores)]);
    for kind in Kind::BOTH {
        let receiver = kind.receiver(&BTreeSet::new(), None);
        let ended = deliver(&bench, kind, &receiver, &["--json", "--tables", "events,scores"]);
        let (_, letters) = told(&bench, &ended);
        let stored: Vec<String> = stored(&receiver).into_keys().collect();
        if kind == Kind::PostHog {
            // It has no such limits.
            assert_eq!((ended.code, letters.len()), (0, 0), "{}", ended.stderr);
            assert_eq!(stored, ["c1", "c2", "s1", "s2", "s3"]);
            continue;
        }
        assert_eq!(ended.code, 4, "{}", ended.stderr);
        assert_eq!(stored, ["c1", "s1", "s2"]);
        let expected = [
            ("c2", "Mixpanel: properties: 'properties.langfuse_score_metadata' is an object of 255 keys or more"),
            ("s3", "Mixpanel: properties: 'properties.langfuse_tags' is a list of 255 items or more"),
        ];
        let expected = expected.map(|(row, reason)| (row.to_owned(), reason.to_owned()));
        assert_eq!(letters, BTreeMap::from(expected));
    }
}

#[test]
fn the_largest_requests_that_can_be_asked_for_are_taken() {
    // Many small events, and large ones that fill a request before they are many.
    for (count, characters) in [(4_500, 1), (2_500, 4_000)] {
        let bench = Bench::new();
        let more = json!({"parent_span_id": "s", "release": "r".repeat(characters), "version": "v".repeat(characters)});
        let rows: String = (0..count).map(|number| row(&format!("s{number}"), &more)).collect();
        bench.ok(["import", &bench.write("rows.jsonl", rows)]);
        for (kind, events, bytes) in [(Kind::PostHog, 50_000, "19MB"), (Kind::Mixpanel, 2_000, "10MB")] {
            let receiver = kind.receiver(&BTreeSet::new(), None);
            let (most, size) = (format!("request_events={events}"), format!("request_bytes={bytes}"));
            let ended = deliver(&bench, kind, &receiver, &["--option", &most, "--option", &size]);
            assert_eq!(ended.code, 0, "{kind:?}: {}", ended.stderr);
            let state = receiver.state();
            assert_eq!((&state.refusals, state.ledger.len()), (&vec![], count), "{kind:?}");
            assert_eq!(state.ledger.arrivals(), count, "{kind:?}: something was sent twice");
            let largest = state.batches.iter().max().copied().unwrap();
            assert_eq!(largest == events, kind == Kind::Mixpanel && characters == 1, "{kind:?}: {:?}", state.batches);
            assert!(state.batches.len() <= 3, "{kind:?}: {:?}", state.batches);
        }
    }
}

/// Clocks of those who store rows can be wrong.
#[test]
fn times_that_a_receiver_does_not_take_are_told_or_become_those_of_arrival() {
    let bench = Bench::new();
    let ahead = (chrono::Utc::now() + chrono::TimeDelta::days(400)).format("%Y-%m-%d %H:%M:%S%.6f").to_string();
    let rows = [
        row("old", &json!({"start_time": "1970-06-01 00:00:00.000000"})),
        row("usual", &json!({})),
        row("ahead", &json!({"start_time": ahead})),
    ];
    bench.ok(["import", &bench.write("rows.jsonl", rows.concat())]);
    for kind in Kind::BOTH {
        let receiver = kind.receiver(&BTreeSet::new(), None);
        let ended = deliver(&bench, kind, &receiver, &["--json"]);
        let (_, letters) = told(&bench, &ended);
        let stored = stored(&receiver);
        // What the row says stays a property, whatever the receiver makes of the event's time.
        assert_eq!(stored["ahead"]["properties"]["timestamp"], ahead.as_str(), "{kind:?}");
        if kind == Kind::PostHog {
            assert_eq!((ended.code, stored.len(), letters.len()), (0, 3, 0), "{}", ended.stderr);
        } else {
            assert_eq!((ended.code, stored.len()), (4, 2), "{}", ended.stderr);
            assert!(letters["old"].starts_with("Mixpanel: properties.time: "), "{letters:?}");
        }
    }
}
