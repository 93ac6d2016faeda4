//! What PostHog is sent, compared with what Langfuse sends, and what its answers mean.

use std::io::Read;
use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray, TimestampMicrosecondArray};
use arrow_schema::{DataType, Field, Schema};
use model::{
    ByteCount, Dialect, EncodedEvent, EncodedEvents, EventEncoder, EventKind, EventRun, EventStream, FaultKind, Micros,
    ProjectId, RawOptions, Secret, event_column,
};
use serde_json::{Value, json};

use super::api::Api;
use super::events::PostHogEvents;
use super::request::Head;
use super::{fault, request};
use crate::analytics::vectors::{as_instants, batch, encoded, vectors};
use crate::analytics::{Exchange, Reply};
use crate::guard::Guard;

/// Properties of the sender, which are ours and not those of PostHog's own client.
const SENDER: [&str; 4] = ["$lib", "$lib_version", "$is_server", "$geoip_disable"];

fn stream(kind: EventKind, dialect: Dialect) -> EventStream {
    EventStream { project: ProjectId::new("proj-e2e"), kind, dialect, historical: false }
}

fn encoder(stream: &EventStream, batch: &arrow_array::RecordBatch) -> PostHogEvents {
    PostHogEvents::new(stream, &batch.schema(), ByteCount(1_000_000), Api::Batch).unwrap()
}

#[test]
fn every_event_is_what_langfuse_makes_of_it() {
    for mut vector in vectors("posthog") {
        let (_, mut ours) = encoded(&encoder(&vector.stream, &vector.batch), &vector.batch);
        let theirs = &mut vector.expected;
        // Its client renames this one on the way out, and adds what it says of itself.
        let distinct_id = theirs.as_object_mut().unwrap().remove("distinctId").unwrap();
        theirs["distinct_id"] = distinct_id;
        for property in SENDER {
            assert!(ours["properties"].as_object_mut().unwrap().remove(property).is_some(), "{property}");
        }
        assert!(ours["timestamp"].as_str().unwrap().ends_with('Z'), "{}", vector.name);
        as_instants(&mut ours["timestamp"], &mut theirs["timestamp"]);
        as_instants(&mut ours["properties"]["timestamp"], &mut theirs["properties"]["timestamp"]);
        assert_eq!(ours, *theirs, "{}", vector.name);
    }
}

#[tokio::test]
async fn a_request_is_what_langfuse_sends_but_for_the_listed_differences() {
    let golden: Value = serde_json::from_str(include_str!("../analytics/golden/wire.json")).unwrap();
    let runs = golden["input_events"].as_array().unwrap().iter().map(|event| {
        let batch = batch(event.as_object().unwrap()).unwrap();
        let stream = stream(EventKind::Observation, Dialect::Langfuse);
        let (encoded, _) = encoded(&encoder(&stream, &batch), &batch);
        EventRun { encoded: Arc::new(encoded), from: 0, to: 1 }
    });
    let body = request::body(Head::Key(&Secret::new("phc_testkey")), false, &runs.collect::<Vec<_>>()).await.unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
    let mut ours: Value = serde_json::from_str(&text).unwrap();

    let mut theirs: Value = serde_json::from_str(golden["requests"][0]["body"].as_str().unwrap()).unwrap();
    assert!(theirs.as_object_mut().unwrap().remove("sent_at").is_some());
    for event in theirs["batch"].as_array_mut().unwrap() {
        event["properties"]["$lib"] = json!("outgest");
        event["properties"]["$lib_version"] = json!(env!("CARGO_PKG_VERSION"));
    }
    // Instants have all the digits that the property has.
    assert_eq!(ours["batch"][1]["timestamp"], theirs["batch"][1]["timestamp"]);
    assert_eq!(ours, theirs);

    let historical = request::body(Head::Key(&Secret::new("phc_testkey")), true, &[]).await.unwrap();
    text.clear();
    flate2::read::GzDecoder::new(&historical[..]).read_to_string(&mut text).unwrap();
    ours = serde_json::from_str(&text).unwrap();
    assert_eq!(ours, json!({"api_key": "phc_testkey", "historical_migration": true, "batch": []}));
}

/// One row with these texts, at 2026-06-01T00:00:37.007001Z.
fn row(columns: &[(&str, Option<&str>)]) -> arrow_array::RecordBatch {
    let mut fields = vec![Field::new(event_column::TIMESTAMP, model::ColumnType::Timestamp.to_arrow(), false)];
    let instant = TimestampMicrosecondArray::from(vec![1_780_272_037_007_001]).with_timezone("UTC");
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(instant)];
    for (name, text) in columns {
        fields.push(Field::new(*name, DataType::Utf8, true));
        arrays.push(Arc::new(StringArray::from(vec![*text])));
    }
    arrow_array::RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

#[test]
fn the_event_dialect_has_its_own_name_and_instants_of_utc() {
    let row = row(&[(event_column::ID, Some("o1"))]);
    let (_, event) = encoded(&encoder(&stream(EventKind::Observation, Dialect::Event), &row), &row);
    assert_eq!(event["event"], "langfuse event");
    assert_eq!(event["properties"]["timestamp"], "2026-06-01T00:00:37.007001Z");
    assert_eq!(event["timestamp"], "2026-06-01T00:00:37.007001Z");
    assert_eq!(event["properties"]["$session_id"], Value::Null);
}

#[test]
fn a_user_id_that_posthog_would_drop_is_a_property_only() {
    for (characters, kept) in [(200, true), (201, false)] {
        let user = "ü".repeat(characters);
        let row = row(&[
            (event_column::ID, Some("o1")),
            (event_column::USER, Some(&user)),
            (event_column::USER_LINK, Some("http://x/u")),
        ]);
        let (_, event) = encoded(&encoder(&stream(EventKind::Observation, Dialect::Langfuse), &row), &row);
        assert_eq!(event["properties"]["langfuse_user_id"], user.as_str());
        assert_eq!(event["distinct_id"] == user.as_str(), kept);
        assert_eq!(event["properties"].get("$set").is_some(), kept);
        assert_eq!(event["distinct_id"] == event["uuid"], !kept);
    }
}

/// Langfuse sends them as they are, and `/batch/` takes them.
#[test]
fn a_user_id_that_means_nobody_is_nobody_where_langfuse_is_not_followed() {
    for (dialect, api, kept) in [
        (Dialect::Langfuse, Api::Batch, true),
        (Dialect::Event, Api::Batch, false),
        (Dialect::Langfuse, Api::V1, false),
    ] {
        for user in ["anonymous", " NULL ", "[object Object]", "\u{feff}Guest"] {
            let row = row(&[
                (event_column::ID, Some("o1")),
                (event_column::USER, Some(user)),
                (event_column::USER_LINK, Some("http://x/u")),
            ]);
            let stream = stream(EventKind::Observation, dialect);
            let encoder = PostHogEvents::new(&stream, &row.schema(), ByteCount(1_000_000), api).unwrap();
            let (_, event) = encoded(&encoder, &row);
            assert_eq!(event["properties"]["langfuse_user_id"], user);
            assert_eq!(
                (event["distinct_id"] == user, event["distinct_id"] == event["uuid"]),
                (kept, !kept),
                "{user:?}"
            );
            assert_eq!(event["properties"].get("$set").is_some(), kept);
        }
    }
}

#[tokio::test]
async fn the_newer_endpoint_is_told_beside_the_properties_what_the_older_one_reads_from_them() {
    let row = row(&[(event_column::ID, Some("o1")), (event_column::POSTHOG_SESSION, Some("s9"))]);
    let stream = stream(EventKind::Observation, Dialect::Langfuse);
    let encoder = PostHogEvents::new(&stream, &row.schema(), ByteCount(1_000_000), Api::V1).unwrap();
    let (events, event) = encoded(&encoder, &row);
    assert_eq!(event["options"], json!({"disable_skew_correction": true, "process_person_profile": false}));
    assert_eq!((&event["session_id"], &event["timestamp"]), (&json!("s9"), &json!("2026-06-01T00:00:37.007001Z")));
    for property in ["$session_id", "$process_person_profile"] {
        assert_eq!(event["properties"].get(property), None);
    }
    let run = EventRun { encoded: Arc::new(events), from: 0, to: 1 };
    let headers = |now| Api::V1.headers(&Secret::new("phc_x"), std::slice::from_ref(&run), now).unwrap();
    let (first, again) = (headers(Micros(0)), headers(Micros(1)));
    assert_eq!(first["authorization"], "Bearer phc_x");
    assert_eq!(first["posthog-request-timestamp"], "1970-01-01T00:00:00.000000Z");
    assert_eq!(first["posthog-request-id"], again["posthog-request-id"]);
    let body = request::body(Head::CreatedAt("1970-01-01T00:00:00.000000Z"), true, &[run]).await.unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&body["created_at"], &body["historical_migration"]),
        (&json!("1970-01-01T00:00:00.000000Z"), &json!(true))
    );
    assert_eq!((&body["batch"], body.get("api_key")), (&json!([event]), None));
}

/// A PostHog that is spoken to with this key.
fn exchange(key: &str) -> Exchange {
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Guard::new(Vec::new()).client().unwrap();
    Exchange { name: "PostHog", client, secrets: vec![Secret::new(key)], credentials_hint: "key" }
}

fn reply(status: u16, body: &str) -> Reply {
    Reply { status, retry_after: None, body: body.to_owned() }
}

#[test]
fn an_answer_for_each_event_is_read_by_id() {
    let exchange = exchange("phc_x");
    let id = |number: u128| uuid::Uuid::from_u128(number);
    let events: Vec<EncodedEvent> = (1..=6).map(|number| EncodedEvent { end: number, id: id(number.into()) }).collect();
    let run = EventRun { encoded: Arc::new(EncodedEvents { events, ..EncodedEvents::default() }), from: 0, to: 6 };
    let read = |status, body: Value| {
        fault::read_each(&exchange, &reply(status, &body.to_string()), std::slice::from_ref(&run))
    };
    let said = json!({"results": {
        id(1).to_string(): {"result": "ok"},
        id(2).to_string(): {"result": "drop", "details": "invalid_timestamp"},
        id(3).to_string(): {"result": "warning", "details": "person_processing_disabled"},
        id(4).to_string(): {"result": "retry"},
        id(5).to_string(): {"result": "something new"},
    }});
    let answer = read(200, said).unwrap();
    assert_eq!(answer.rejected, [(1, "PostHog: invalid_timestamp".to_owned())]);
    assert_eq!(answer.retry, [3, 4, 5]);

    let over = json!({"results": {id(1).to_string(): {"result": "drop", "details": "billing_limit_exceeded"}}});
    let kind = |status, body| read(status, body).unwrap_err().kind();
    assert_eq!(kind(200, over), FaultKind::Configuration);
    assert_eq!(kind(200, json!({"status": "Ok"})), FaultKind::Unavailable);
    assert_eq!(kind(200, json!("<html>welcome</html>")), FaultKind::Configuration);
    assert_eq!(kind(400, json!({"error": "bad", "error_description": "empty batch"})), FaultKind::Rejected);
    let missing = read(404, json!({})).unwrap_err();
    assert_eq!((missing.kind(), missing.public_hint()), (FaultKind::Configuration, Some("leave the option api out")));
}

#[test]
fn an_event_above_the_limit_is_refused_by_name() {
    let row = row(&[(event_column::ID, Some("o1")), ("langfuse_release", Some(&"x".repeat(2_000)))]);
    let stream = stream(EventKind::Observation, Dialect::Langfuse);
    let encoder = PostHogEvents::new(&stream, &row.schema(), ByteCount(1_500), Api::Batch).unwrap();
    let refused = encoder.encode(&row).unwrap().refused;
    assert_eq!(refused.len(), 1);
    assert!(refused[0].1.ends_with("PostHog takes 1500"), "{}", refused[0].1);
}

#[test]
fn answers_accept_all_or_refuse_all() {
    let exchange = exchange("phc_hunter2");
    let read = |status, body: &str| fault::read(&exchange, &reply(status, body));
    for accepted in [r#"{"status":"Ok"}"#, r#"{"status": 1}"#, r#"{"status":"Ok","quota_limited":["recordings"]}"#] {
        assert_eq!(read(200, accepted).unwrap(), model::Answer::default(), "{accepted}");
    }
    for (status, body, kind, message) in [
        (400, "missing event name", FaultKind::Rejected, "PostHog answered 400: missing event name"),
        (401, r#"{"detail":"bad key phc_hunter2"}"#, FaultKind::Credentials, "PostHog answered 401: bad key ***"),
        (502, "<html>bad gateway</html>", FaultKind::Unavailable, "PostHog answered 502"),
    ] {
        let fault = read(status, body).unwrap_err();
        assert_eq!((fault.kind(), fault.public_message()), (kind, message));
    }
}

/// Events that such an answer would count as accepted are nowhere.
#[test]
fn success_in_other_words_than_posthogs_is_somebody_elses() {
    let exchange = exchange("phc_hunter2");
    let others =
        ["", "OK", "1", "[]", "{}", r#"{"status":"ok"}"#, r#"{"status":0}"#, "<!doctype html><title>Welcome</title>"];
    for (status, body) in others.map(|body| (200, body)).into_iter().chain([(204, ""), (202, r#"{"queued":true}"#)]) {
        let fault = fault::read(&exchange, &reply(status, body)).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Configuration, "{status} {body}");
        assert_eq!(
            fault.public_message(),
            format!("PostHog answered {status} without saying that it took events"),
            "{body}"
        );
        assert!(fault.public_hint().is_some_and(|hint| hint.contains("https://us.i.posthog.com")), "{fault}");
    }
}

#[test]
fn options_are_checked_together() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let connect = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        crate::connect_events("posthog", &RawOptions(pairs.collect()), &Guard::new(Vec::new()), &|_| None, || Micros(0))
    };
    let receiver = connect(&[("host", "https://eu.i.posthog.com/"), ("api_key", "phc_x")]).unwrap();
    assert_eq!(receiver.to_string(), "PostHog at https://eu.i.posthog.com");
    assert_eq!((receiver.limits().events_max, receiver.limits().bytes_max), (10_000, ByteCount::mebibytes(5)));

    let fault =
        connect(&[("host", "http://example.com"), ("api_key", "phx_secret"), ("request_events", "0"), ("api", "v2")]);
    let fault = fault.err().unwrap();
    for words in
        ["api: \"v2\" is no way", "host: it is not encrypted", "api_key: it is a personal key", "request_events"]
    {
        assert!(fault.public_message().contains(words), "{fault}");
    }
    assert!(!fault.public_message().contains("phx_secret"));
    assert_eq!(connect(&[("host", "https://x.example")]).err().unwrap().kind(), FaultKind::Credentials);
    assert!(connect(&[("api_key", "phc_x")]).err().unwrap().public_message().contains("host"));
}
