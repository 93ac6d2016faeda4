//! PostHog's newer endpoint: its answer says for each event whether it was stored, refused, or is to be sent again.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::posthog::has_form_of_a_key;
use super::{Contract, FakePostHog, Judged, Request};

/// A PostHog project on a server that has the endpoint.
#[derive(Default)]
pub struct FakePostHogV1 {
    /// Rows whose events it refuses.
    pub poison: BTreeSet<String>,
    /// Whether the project may store nothing more.
    pub is_over_quota: bool,
    /// Events that it has asked for once more.
    pub asked_again: Mutex<BTreeSet<String>>,
}

/// Ids that it takes for a mistake of the sender.
pub const ILLEGAL: [&str; 20] = [
    "0",
    "00000000-0000-0000-0000-000000000000",
    "[object object]",
    "anonymous",
    "anonymous-user",
    "backend",
    "distinct_id",
    "distinctid",
    "email",
    "false",
    "guest",
    "id",
    "nan",
    "none",
    "not_authenticated",
    "null",
    "system",
    "true",
    "undefined",
    "user",
];

/// What a request, an event and its options may have.
const FIELDS: [&str; 3] = ["created_at", "historical_migration", "batch"];
const EVENT_FIELDS: [&str; 8] =
    ["event", "uuid", "distinct_id", "timestamp", "session_id", "window_id", "options", "properties"];
const OPTIONS: [&str; 2] = ["process_person_profile", "disable_skew_correction"];

const HEADERS: [&str; 5] =
    ["posthog-sdk-info", "posthog-attempt", "posthog-request-id", "posthog-request-timestamp", "user-agent"];

impl FakePostHogV1 {
    /// What becomes of an event: result and details.
    fn result(&self, event: &Value) -> (&'static str, &'static str) {
        let text = |field: &str| event[field].as_str().unwrap_or_default();
        let is_poison = event["properties"]["langfuse_id"].as_str().is_some_and(|id| self.poison.contains(id));
        if self.is_over_quota {
            return ("drop", "billing_limit_exceeded");
        }
        if text("event").is_empty() || !event["properties"].is_object() {
            return ("drop", "invalid_event");
        }
        if text("distinct_id").is_empty() || text("distinct_id").chars().count() > 200 {
            return ("drop", "invalid_distinct_id");
        }
        if ILLEGAL.contains(&text("distinct_id").trim().to_lowercase().as_str()) {
            return ("drop", "illegal_distinct_id");
        }
        if chrono::DateTime::parse_from_rfc3339(text("timestamp")).is_err() {
            return ("drop", "invalid_timestamp");
        }
        if event["options"]["disable_skew_correction"] != true {
            return ("drop", "the test wants timestamps as they are");
        }
        if is_poison {
            return ("drop", "this event is poison");
        }
        // One of sixteen events is asked for once more.
        let uuid = text("uuid").to_owned();
        if uuid.ends_with('7') && self.asked_again.lock().unwrap().insert(uuid) {
            return ("retry", "not persisted");
        }
        if text("uuid").ends_with('8') { ("warning", "person_processing_disabled") } else { ("ok", "") }
    }
}

/// The first name of an object that is not among these.
fn unknown<'a>(object: &'a Value, names: &[&str]) -> Option<&'a str> {
    let mut keys = object.as_object()?.keys();
    keys.find(|name| !names.contains(&name.as_str())).map(String::as_str)
}

fn refused(status: u16, error: &str) -> Judged {
    Judged::Refused(status, json!({"error": "refused", "error_description": error}).to_string())
}

impl Contract for FakePostHogV1 {
    fn judge(&self, request: &Request) -> Judged {
        if request.line != "POST /i/v1/analytics/events" {
            return refused(404, &format!("no such page: {}", request.line));
        }
        let key = request.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        if !has_form_of_a_key(key) {
            return refused(401, "the API key is not valid");
        }
        if let Some(missing) = HEADERS.iter().find(|name| request.header(name).is_empty()) {
            return refused(400, &format!("missing required header {missing}"));
        }
        let is_positive = request.header("posthog-attempt").parse::<u32>().is_ok_and(|attempt| attempt > 0);
        if Uuid::parse_str(request.header("posthog-request-id")).is_err() || !is_positive {
            return refused(400, "invalid header value");
        }
        if request.header("content-type") != "application/json" {
            return refused(415, "not JSON");
        }
        let Some(text) = request.text() else { return refused(400, "cannot decompress") };
        if text.len() > 20_000_000 {
            return refused(413, "length limit exceeded");
        }
        let Ok(body) = serde_json::from_str::<Value>(&text) else { return refused(400, "failed to parse the request") };
        for instant in [request.header("posthog-request-timestamp"), body["created_at"].as_str().unwrap_or_default()] {
            let sent = chrono::DateTime::parse_from_rfc3339(instant).ok();
            let is_now = sent.is_some_and(|sent| (chrono::Utc::now() - sent.to_utc()).num_minutes().abs() < 5);
            if !is_now {
                return refused(400, &format!("{instant:?} is not now"));
            }
        }
        let events = body["batch"].as_array().cloned().unwrap_or_default();
        let strange = |event| unknown(event, &EVENT_FIELDS).or_else(|| unknown(&event["options"], &OPTIONS));
        if let Some(unknown) = unknown(&body, &FIELDS).or_else(|| events.iter().find_map(strange)) {
            return refused(400, &format!("there is no field {unknown}"));
        }
        let ids: BTreeSet<&str> = events.iter().filter_map(|event| event["uuid"].as_str()).collect();
        if events.is_empty() || ids.len() != events.len() {
            return refused(400, "empty batch, or an id that is missing or not the only one");
        }
        let (mut results, mut taken) = (Map::new(), Vec::new());
        for event in events {
            let (result, details) = self.result(&event);
            let id = event["uuid"].as_str().unwrap_or_default().to_owned();
            results.insert(id, json!({"result": result, "details": details}));
            if matches!(result, "ok" | "warning") && key.trim() == FakePostHog::KEY {
                taken.push(event);
            }
        }
        Judged::Taken(taken, 200, json!({"results": results}).to_string())
    }

    fn identity(&self, event: &Value) -> String {
        ["uuid", "event", "timestamp", "distinct_id"].map(|field| event[field].to_string()).join(" ")
    }
}
