//! PostHog's `/batch/`: one event that it does not like and the whole request is refused. Whose key a request has it
//! does not know: events with a key that no project has are taken as well, and nobody sees them again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Contract, Judged, Request};

/// A PostHog project.
pub struct FakePostHog {
    /// Its key.
    pub key: &'static str,
    /// Bytes of a request after decompression.
    pub bytes_max: usize,
    /// Rows whose events it refuses.
    pub poison: BTreeSet<String>,
    /// Events that came in requests which said that they happened long ago.
    pub historical: Arc<AtomicUsize>,
}

/// What a request and an event may have. PostHog reads nothing else.
const FIELDS: [&str; 4] = ["api_key", "batch", "historical_migration", "sent_at"];
const EVENT_FIELDS: [&str; 7] = ["event", "distinct_id", "uuid", "timestamp", "properties", "$set", "$set_once"];

/// What it says to every request that it takes.
const ACCEPTED: &str = r#"{"status":"Ok"}"#;

/// A larger message is dropped behind the endpoint that took it, without a word to the sender.
const EVENT_BYTES_MAX: usize = 1_000_000;

/// An event that is further ahead happens when it arrives.
const AHEAD_MAX: TimeDelta = TimeDelta::hours(23);

/// Longest key.
const KEY_BYTES_MAX: usize = 64;

/// Whether a text has the form of a project's key, which is all that PostHog's endpoints look at.
pub fn has_form_of_a_key(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.len() <= KEY_BYTES_MAX && text.is_ascii() && !text.starts_with("phx_")
}

impl FakePostHog {
    /// Key of every project.
    pub const KEY: &'static str = "phc_test-hunter2";

    /// A project with the limits of PostHog's cloud.
    pub fn new() -> Self {
        Self { key: Self::KEY, bytes_max: 20_000_000, poison: BTreeSet::new(), historical: Arc::default() }
    }

    /// Whether the key is one, where it belongs, and there alone.
    fn authenticate(request: &Request, key: &str, events: &[Value]) -> Result<(), String> {
        if !has_form_of_a_key(key) {
            return Err(format!("API key {key:?} is not valid"));
        }
        if !request.header("authorization").is_empty() {
            return Err("the key is in the body, not in a header".to_owned());
        }
        match events.iter().filter(|event| !event["properties"]["token"].is_null()).count() {
            0 => Ok(()),
            _ => Err("an event names a token of its own".to_owned()),
        }
    }

    fn check(&self, event: &Value) -> Result<(), String> {
        let text = |field: &str| event[field].as_str().unwrap_or_default();
        let fields = event.as_object().ok_or("an event is no object")?;
        if let Some(unknown) = fields.keys().find(|name| !EVENT_FIELDS.contains(&name.as_str())) {
            return Err(format!("an event has a field {unknown}"));
        }
        let name = text("event");
        if name.is_empty() || name.len() > 200 {
            return Err("event submitted with an empty or long event name".to_owned());
        }
        let distinct_id = text("distinct_id");
        if distinct_id.is_empty() || distinct_id.chars().count() > 200 {
            return Err("event submitted with an empty or long distinct_id".to_owned());
        }
        if !Uuid::parse_str(text("uuid")).is_ok_and(|uuid| uuid.get_version_num() == 5) {
            return Err(format!("invalid uuid {:?}", text("uuid")));
        }
        let timestamp = text("timestamp");
        if !timestamp.ends_with('Z') || DateTime::parse_from_rfc3339(timestamp).is_err() {
            return Err(format!("invalid timestamp {timestamp:?}"));
        }
        let properties = event["properties"].as_object().ok_or("properties are not an object")?;
        let is = |name: &str, right: fn(&Value) -> bool| properties.get(name).is_none_or(right);
        if !is("$set", Value::is_object) || !is("$process_person_profile", Value::is_boolean) {
            return Err("invalid $set or $process_person_profile".to_owned());
        }
        if !is("$session_id", |session| session.is_string() || session.is_null()) {
            return Err("invalid $session_id".to_owned());
        }
        match properties.get("langfuse_id").and_then(Value::as_str) {
            Some(id) if self.poison.contains(id) => Err("this event is poison".to_owned()),
            _ => Ok(()),
        }
    }
}

impl Contract for FakePostHog {
    fn judge(&self, request: &Request) -> Judged {
        if request.line != "POST /batch/" {
            return Judged::Refused(404, format!("no such page: {}", request.line));
        }
        if request.header("content-type") != "application/json" {
            return Judged::Refused(415, "not JSON".to_owned());
        }
        let Some(text) = request.text() else { return Judged::Refused(400, "cannot decompress".to_owned()) };
        if text.len() > self.bytes_max {
            return Judged::Refused(413, "length limit exceeded".to_owned());
        }
        let Ok(body) = serde_json::from_str::<Map<String, Value>>(&text) else {
            return Judged::Refused(400, "failed to parse the request".to_owned());
        };
        if let Some(unknown) = body.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Judged::Refused(400, format!("there is no field {unknown}"));
        }
        if body.contains_key("sent_at") {
            return Judged::Refused(400, "sent_at shifts timestamps".to_owned());
        }
        let Some(historical) = body.get("historical_migration").map_or(Some(false), Value::as_bool) else {
            return Judged::Refused(400, "invalid historical_migration".to_owned());
        };
        let events = body.get("batch").and_then(Value::as_array).cloned().unwrap_or_default();
        if events.is_empty() {
            return Judged::Refused(400, "empty batch".to_owned());
        }
        let key = body.get("api_key").and_then(Value::as_str).unwrap_or_default();
        if let Err(refusal) = Self::authenticate(request, key, &events) {
            return Judged::Refused(401, refusal);
        }
        if let Some(refusal) = events.iter().find_map(|event| self.check(event).err()) {
            return Judged::Refused(400, refusal);
        }
        if key.trim() != self.key {
            return Judged::Taken(Vec::new(), 200, ACCEPTED.to_owned());
        }
        if historical {
            self.historical.fetch_add(events.len(), Ordering::SeqCst);
        }
        let kept = events.into_iter().filter(|event| event.to_string().len() <= EVENT_BYTES_MAX).map(arrived).collect();
        Judged::Taken(kept, 200, ACCEPTED.to_owned())
    }

    fn identity(&self, event: &Value) -> String {
        ["uuid", "event", "timestamp", "distinct_id"].map(|field| event[field].to_string()).join(" ")
    }
}

/// What becomes of an event that is stored.
fn arrived(mut event: Value) -> Value {
    let now = Utc::now();
    let timestamp = event["timestamp"].as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    if timestamp.is_some_and(|timestamp| timestamp > now + AHEAD_MAX) {
        event["timestamp"] = json!(now.to_rfc3339_opts(SecondsFormat::Micros, true));
    }
    event
}
