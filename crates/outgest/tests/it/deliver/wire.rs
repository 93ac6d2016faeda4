//! Requests beside those that Langfuse's clients send of the same rows: method, address, headers and body, equal but
//! for what `docs/differences-from-langfuse.md` lists, in any time zone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::parity::ZONES;
use super::{Kind, arguments, deliver};
use crate::servers::analytics::{Contract, FakeMixpanel, FakePostHog, Judged, Receiver, Request};
use crate::support::{Bench, Ended, golden};

/// What is said of the differences that are found here.
const SAID: [&str; 4] = [
    "`sent_at` is not sent.",
    "`$lib` is `outgest`, with its version.",
    "The user agent is `outgest/` and its version",
    "Requests are of 1,000 events.",
];

/// Headers that Node's `fetch` adds by itself, and those that tell programs and bodies apart.
const DIFFERENT: [&str; 5] = ["user-agent", "accept-language", "sec-fetch-mode", "accept-encoding", "content-length"];

/// A request as it arrived.
struct Arrived {
    line: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

/// Keeps the requests that a contract judges.
struct Kept<C> {
    contract: C,
    requests: Arc<Mutex<Vec<Arrived>>>,
}

impl<C: Contract> Contract for Kept<C> {
    fn judge(&self, request: &Request) -> Judged {
        assert!(request.body.starts_with(&[0x1f, 0x8b, 8]), "it is not compressed");
        self.requests.lock().unwrap().push(Arrived {
            line: request.line.clone(),
            headers: request.headers.iter().cloned().collect(),
            body: serde_json::from_str(&request.text().unwrap()).unwrap(),
        });
        self.contract.judge(request)
    }

    fn identity(&self, event: &Value) -> String {
        self.contract.identity(event)
    }
}

/// Starts a receiver with the keys of Langfuse's requests, and returns what arrives.
fn receiver(kind: Kind) -> (Receiver, &'static str, Arc<Mutex<Vec<Arrived>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&requests);
    match kind {
        Kind::PostHog => {
            let contract = FakePostHog { key: "phc_testkey", ..FakePostHog::new() };
            (Receiver::start(Kept { contract, requests: kept }), "phc_testkey", requests)
        }
        Kind::Mixpanel => {
            let contract = FakeMixpanel { credentials: "tok123:", ..FakeMixpanel::new() };
            (Receiver::start(Kept { contract, requests: kept }), "tok123", requests)
        }
    }
}

fn captured() -> Value {
    serde_json::from_str(include_str!("../../../../destinations/src/analytics/golden/wire.json")).unwrap()
}

/// The body of Langfuse's request with the differences put in. Rows come in no order there.
fn theirs(kind: Kind, request: &Value) -> Value {
    let mut body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    if kind == Kind::PostHog {
        assert!(body.as_object_mut().unwrap().remove("sent_at").is_some());
        for event in body["batch"].as_array_mut().unwrap() {
            assert_eq!(event["properties"]["$lib"], "posthog-node");
            event["properties"]["$lib"] = json!("outgest");
            event["properties"]["$lib_version"] = json!(env!("CARGO_PKG_VERSION"));
        }
    }
    in_order(kind, body)
}

fn in_order(kind: Kind, mut body: Value) -> Value {
    let events = if kind == Kind::PostHog { &mut body["batch"] } else { &mut body };
    events.as_array_mut().unwrap().sort_by_key(|event| event["properties"]["langfuse_id"].to_string());
    body
}

#[test]
fn a_request_is_the_one_that_langfuse_sends_in_every_time_zone() {
    let captured = captured();
    let document = include_str!("../../../../../docs/differences-from-langfuse.md");
    for said in SAID {
        assert!(document.contains(said), "{said}");
    }
    for zone in ZONES {
        // Rows are read from text and printed as text: the zone may show in neither.
        let bench = Bench::new();
        let import = ["import", &golden("e2e/events.jsonl")];
        assert!(bench.command(import).env("TZ", zone).status().unwrap().success());
        for (kind, request) in Kind::BOTH.into_iter().zip(captured["requests"].as_array().unwrap()) {
            let (receiver, key, requests) = receiver(kind);
            let more = [
                ["--project", "proj-e2e"],
                ["--project-name", "E2E Project"],
                ["--base-url", "http://localhost:3000"],
                ["--since", "2026-06-01T00:00:00Z"],
                ["--until", "2026-06-01T00:01:15Z"],
            ];
            let mut command = bench.command(arguments(kind, &receiver, more.as_flattened()));
            let ended = Ended::of(command.env("KEY", key).env("TZ", zone).output().unwrap());
            assert_eq!((ended.code, &receiver.state().refusals), (0, &vec![]), "{kind:?}, {zone}: {}", ended.stderr);

            let arrived = requests.lock().unwrap();
            let [ours] = &arrived[..] else { panic!("{kind:?}, {zone}: {} requests", arrived.len()) };
            assert_eq!(ours.line, format!("{} {}", request["method"], request["url"]).replace('"', ""));
            let mut headers: BTreeMap<String, String> = serde_json::from_value(request["headers"].clone()).unwrap();
            headers.retain(|name, _| !DIFFERENT.contains(&name.as_str()));
            headers.insert("user-agent".to_owned(), concat!("outgest/", env!("CARGO_PKG_VERSION")).to_owned());
            headers.insert("accept-encoding".to_owned(), "zstd".to_owned());
            headers.insert("host".to_owned(), receiver.url().replace("http://", ""));
            let mut sent = ours.headers.clone();
            assert!(sent.remove("content-length").is_some());
            assert_eq!(sent, headers, "{kind:?}");
            assert_eq!(in_order(kind, ours.body.clone()), theirs(kind, request), "{kind:?}, {zone}");
        }
    }
}

#[test]
fn requests_of_as_many_events_as_langfuse_sends_are_cut_as_its_are() {
    let sizes: Vec<usize> = serde_json::from_value(captured()["posthog_batch_sizes_for_2500"].clone()).unwrap();
    let bench = Bench::new();
    let row = |number: usize| {
        let row = json!({"project_id": "p", "trace_id": "t", "span_id": format!("s{number}"), "name": "chat",
                         "type": "SPAN", "start_time": "2026-06-01 00:00:00.000000"});
        format!("{row}\n")
    };
    let rows: String = (0..2_500).map(row).collect();
    bench.ok(["import", &bench.write("rows.jsonl", rows)]);
    for kind in Kind::BOTH {
        let receiver = kind.receiver(&std::collections::BTreeSet::new(), None);
        let ended = deliver(&bench, kind, &receiver, &["--option", "request_events=1000"]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let mut batches = receiver.state().batches.clone();
        // Several are in flight at once, so the last one may be the first to be judged.
        batches.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(batches, sizes, "{kind:?}");
    }
}
