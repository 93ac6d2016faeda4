//! PostHog's `/batch/`: one event that it does not like and the whole request is refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
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

impl FakePostHog {
    /// Key of every project.
    pub const KEY: &'static str = "phc_test-hunter2";

    /// A project with the limits of PostHog's cloud.
    pub fn new() -> Self {
        Self { key: Self::KEY, bytes_max: 20_000_000, poison: BTreeSet::new(), historical: Arc::default() }
    }

    fn check(&self, event: &Value) -> Result<(), String> {
        let text = |field: &str| event[field].as_str().unwrap_or_default();
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
        if !timestamp.ends_with('Z') || chrono::DateTime::parse_from_rfc3339(timestamp).is_err() {
            return Err(format!("invalid timestamp {timestamp:?}"));
        }
        if !event["properties"].is_object() {
            return Err("properties are not an object".to_owned());
        }
        if event.to_string().len() > 1_000_000 {
            return Err("event too large".to_owned());
        }
        match event["properties"]["langfuse_id"].as_str() {
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
        let Ok(body) = serde_json::from_str::<Value>(&text) else {
            return Judged::Refused(400, "failed to parse the request".to_owned());
        };
        if body["api_key"] != self.key {
            return Judged::Refused(401, format!("API key {} is not valid", body["api_key"]));
        }
        if body.get("sent_at").is_some() {
            return Judged::Refused(400, "sent_at shifts timestamps".to_owned());
        }
        let events = body["batch"].as_array().cloned().unwrap_or_default();
        if events.is_empty() {
            return Judged::Refused(400, "empty batch".to_owned());
        }
        match events.iter().find_map(|event| self.check(event).err()) {
            Some(refusal) => Judged::Refused(400, refusal),
            None => {
                if body["historical_migration"] == true {
                    self.historical.fetch_add(events.len(), Ordering::SeqCst);
                }
                Judged::Taken(events, 200, r#"{"status":"Ok"}"#.to_owned())
            }
        }
    }

    fn identity(&self, event: &Value) -> String {
        ["uuid", "event", "timestamp", "distinct_id"].map(|field| event[field].to_string()).join(" ")
    }
}
