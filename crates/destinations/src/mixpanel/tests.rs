//! What Mixpanel is sent, compared with what Langfuse sends, and what its answers mean.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use model::{
    Answer, ByteCount, Dialect, EncodedEvent, EncodedEvents, EventKind, EventRun, EventStream, FaultKind, ProjectId,
    RawOptions,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::events::MixpanelEvents;
use super::{fault, request};
use crate::analytics::vectors::{as_instants, batch, encoded, vectors};
use crate::analytics::{Exchange, Reply};
use crate::guard::Guard;

#[test]
fn every_event_is_what_langfuse_makes_of_it() {
    for mut vector in vectors("mixpanel") {
        let encoder = MixpanelEvents::new(&vector.stream, &vector.batch.schema(), ByteCount(1_000_000)).unwrap();
        let (_, mut ours) = encoded(&encoder, &vector.batch);
        as_instants(&mut ours["properties"]["timestamp"], &mut vector.expected["properties"]["timestamp"]);
        assert_eq!(ours, vector.expected, "{}", vector.name);
    }
}

#[tokio::test]
async fn a_request_is_what_langfuse_sends() {
    let golden: Value = serde_json::from_str(include_str!("../analytics/golden/wire.json")).unwrap();
    let project = ProjectId::new("proj-e2e");
    let stream = EventStream { project, kind: EventKind::Observation, dialect: Dialect::Langfuse, historical: false };
    let runs = golden["input_events"].as_array().unwrap().iter().map(|event| {
        let batch = batch(event.as_object().unwrap()).unwrap();
        let encoder = MixpanelEvents::new(&stream, &batch.schema(), ByteCount(1_000_000)).unwrap();
        EventRun { encoded: Arc::new(encoded(&encoder, &batch).0), from: 0, to: 1 }
    });
    let body = request::body(&runs.collect::<Vec<_>>()).await.unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
    let ours: Value = serde_json::from_str(&text).unwrap();
    let theirs: Value = serde_json::from_str(golden["requests"][1]["body"].as_str().unwrap()).unwrap();
    assert_eq!(ours, theirs);
}

/// Events with these ids.
fn events(ids: &[u128]) -> EventRun {
    let count = ids.len();
    let events = ids.iter().zip(1..).map(|(id, end)| EncodedEvent { end, id: Uuid::from_u128(*id) });
    let encoded = EncodedEvents { text: Bytes::from(vec![b','; count]), events: events.collect(), refused: vec![] };
    EventRun { encoded: Arc::new(encoded), from: 0, to: count }
}

/// Reads an answer to events with the ids 0, 1, 2, …
fn read(status: u16, body: &Value, count: usize) -> Result<Answer, model::Fault> {
    read_of(status, body, &(0..count as u128).collect::<Vec<_>>())
}

fn read_of(status: u16, body: &Value, ids: &[u128]) -> Result<Answer, model::Fault> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Guard::new(Vec::new()).client().unwrap();
    let exchange = Exchange { name: "Mixpanel", client, secrets: vec![], credentials_hint: "token" };
    let body = if body.is_string() { body.as_str().unwrap().to_owned() } else { body.to_string() };
    fault::read(&exchange, &Reply { status, retry_after: None, body }, &[events(ids)])
}

#[test]
fn an_answer_names_the_events_that_were_refused() {
    let failed = json!([
        {"index": 3, "$insert_id": Uuid::from_u128(3).to_string(), "field": "properties.time", "message": "too old"},
        {"insert_id": Uuid::from_u128(1).to_string(), "message": "bad"},
        {"index": 1, "field": "properties.distinct_id", "message": "bad as well"},
    ]);
    let said = json!({"code": 400, "error": "some data points failed", "num_records_imported": 3, "status": "Bad Request",
                      "failed_records": failed});
    let answer = read(400, &said, 5).unwrap();
    assert_eq!(
        answer.rejected,
        [(1, "Mixpanel: bad".to_owned()), (3, "Mixpanel: properties.time: too old".to_owned())]
    );
    assert_eq!(answer.retry, Vec::<usize>::new());
}

#[test]
fn of_events_with_one_id_the_one_at_the_stated_place_was_refused() {
    let failed = |index: Value, id: u128| {
        let id = Uuid::from_u128(id).to_string();
        json!({"num_records_imported": 3, "failed_records": [{"index": index, "$insert_id": id, "message": "bad"}]})
    };
    let refused = |index: Value, id: u128| read_of(400, &failed(index, id), &[7, 8, 7, 7]).unwrap().rejected[0].0;
    for index in [0, 2, 3] {
        assert_eq!(refused(json!(index), 7), index);
    }
    // Where the place is not that of such an event, or there is none, the id decides; an unknown id does not.
    assert_eq!(refused(json!(1), 7), 0);
    assert_eq!(refused(json!(99), 8), 1);
    assert_eq!(refused(json!(null), 8), 1);
    assert_eq!(refused(json!(2), 9), 2);
}

#[test]
fn events_that_an_answer_does_not_account_for_are_sent_again() {
    let ok = |imported| json!({"code": 200, "num_records_imported": imported, "status": "OK"});
    assert_eq!(read(200, &ok(4), 4).unwrap(), Answer::default());
    assert_eq!(read(200, &ok(3), 4).unwrap().retry, [0, 1, 2, 3]);
    let failed = json!({"num_records_imported": 1, "failed_records": [{"index": 2, "message": "bad"}]});
    let answer = read(400, &failed, 4).unwrap();
    assert_eq!((answer.rejected.len(), answer.retry), (1, vec![0, 1, 3]));
}

#[test]
fn refusals_of_the_whole_request_are_told_apart() {
    let kind = |status, body: Value| read(status, &body, 2).unwrap_err().kind();
    let too_large = json!({"code": 413, "error": "request exceeds max limit of 2097152 bytes", "status": "Too Large"});
    assert_eq!(kind(413, too_large), FaultKind::TooLarge { limit: Some(ByteCount(2_097_152)) });
    assert_eq!(kind(429, json!({"error": "Project exceeded rate limits"})), FaultKind::Throttled);
    assert_eq!(kind(401, json!({"error": "Unauthorized"})), FaultKind::Credentials);
    assert_eq!(kind(400, json!({"error": "invalid JSON", "num_records_imported": 0})), FaultKind::Rejected);
    assert_eq!(kind(503, json!("busy")), FaultKind::Unavailable);
    assert_eq!(kind(200, json!("<html>")), FaultKind::Unavailable);
}

#[test]
fn options_are_checked_together() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let connect = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        crate::connect_events("mixpanel", &RawOptions(pairs.collect()), &Guard::new(Vec::new()), &|_| None, || {
            model::Micros(0)
        })
    };
    let token = ("project_token", "tok");
    let eu = connect(&[("region", "eu"), token]).unwrap();
    assert_eq!(eu.to_string(), "Mixpanel at https://api-eu.mixpanel.com");
    assert_eq!((eu.limits().events_max, eu.limits().bytes_max), (1_000, ByteCount(2_000_000)));
    let account = [("service_account", "sa"), ("service_account_secret", "s"), ("project_id", "42")];
    assert_eq!(connect(&account).unwrap().to_string(), "Mixpanel at https://api.mixpanel.com");

    let fault = connect(&[("region", "moon"), ("service_account", "a:b"), token, ("request_events", "2001")]);
    let fault = fault.err().unwrap();
    for words in ["region: \"moon\"", "project_token: a service account", "it holds a colon", "project_id", "2001"] {
        assert!(fault.public_message().contains(words), "{words}: {fault}");
    }
    assert_eq!(connect(&[]).err().unwrap().kind(), FaultKind::Credentials);
}
