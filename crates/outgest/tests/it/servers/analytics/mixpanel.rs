//! Mixpanel's `/import?strict=1`: it stores what it likes and names the rest.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Contract, Judged, Request};

/// A Mixpanel project.
pub struct FakeMixpanel {
    /// `user:password` of HTTP's basic authentication.
    pub credentials: &'static str,
    /// What follows `/import?strict=1`.
    pub query: &'static str,
    /// Bytes of a request after decompression.
    pub bytes_max: usize,
    /// Rows whose events it refuses.
    pub poison: BTreeSet<String>,
}

/// Ids that mean nobody.
const DISALLOWED: [&str; 12] = [
    "00000000-0000-0000-0000-000000000000",
    "anon",
    "anonymous",
    "nil",
    "none",
    "null",
    "n/a",
    "na",
    "undefined",
    "unknown",
    "true",
    "0",
];

impl FakeMixpanel {
    /// Token of every project.
    pub const TOKEN: &'static str = "token-hunter2";

    /// A project that is reached with a token, with Mixpanel's limits.
    pub fn new() -> Self {
        Self { credentials: "token-hunter2:", query: "", bytes_max: 10_000_000, poison: BTreeSet::new() }
    }

    /// What is wrong with an event: field and message.
    fn wrong(&self, event: &Value) -> Option<(&'static str, &'static str)> {
        let properties = &event["properties"];
        if event["event"].as_str().is_none_or(str::is_empty) {
            return Some(("event", "'event' must not be missing"));
        }
        // 1971-01-01, and a time that no test lives to see.
        let in_range = |time: i64| (31_536_000_000..4_000_000_000_000).contains(&time);
        if !properties["time"].as_i64().is_some_and(in_range) {
            return Some(("properties.time", "'properties.time' is invalid: must be between 1971-01-01 and now"));
        }
        match properties["distinct_id"].as_str() {
            None => return Some(("properties.distinct_id", "'properties.distinct_id' must not be missing")),
            Some(id) if DISALLOWED.contains(&id.trim().to_lowercase().as_str()) => {
                return Some(("properties.distinct_id", "'properties.distinct_id' is invalid"));
            }
            Some(_) => {}
        }
        let is_id = |id: &str| {
            (1..=36).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if !properties["$insert_id"].as_str().is_some_and(is_id) {
            return Some(("properties.$insert_id", "'properties.$insert_id' is invalid"));
        }
        if properties.as_object().is_none_or(|properties| properties.len() > 255) {
            return Some(("properties", "too many properties"));
        }
        match properties["langfuse_id"].as_str() {
            Some(id) if self.poison.contains(id) => Some(("properties", "this event is poison")),
            _ => None,
        }
    }
}

fn refused(status: u16, error: &str) -> Judged {
    Judged::Refused(status, json!({"code": status, "error": error, "status": "as told"}).to_string())
}

impl Contract for FakeMixpanel {
    fn judge(&self, request: &Request) -> Judged {
        if request.line != format!("POST /import?strict=1{}", self.query) {
            return refused(404, &format!("no such page: {}", request.line));
        }
        if request.header("authorization") != format!("Basic {}", STANDARD.encode(self.credentials)) {
            return refused(401, "Invalid credentials");
        }
        let Some(text) = request.text() else { return refused(400, "invalid gzip") };
        if text.len() > self.bytes_max {
            return refused(413, &format!("request exceeds max limit of {} bytes", self.bytes_max));
        }
        let Some(events) = serde_json::from_str::<Value>(&text).ok().and_then(|body| body.as_array().cloned()) else {
            return refused(400, "invalid JSON");
        };
        if events.len() > 2_000 {
            return refused(413, "request exceeds max limit of 2000 events");
        }
        let mut failed = Vec::new();
        let mut taken = Vec::new();
        for (index, event) in events.into_iter().enumerate() {
            let Some((field, message)) = self.wrong(&event) else {
                taken.push(event);
                continue;
            };
            // The real one spells the id either way.
            let spelling = if index % 2 == 0 { "$insert_id" } else { "insert_id" };
            failed.push(json!({"index": index, spelling: event["properties"]["$insert_id"], "field": field,
                               "message": message}));
        }
        let imported = taken.len();
        if failed.is_empty() {
            let text = json!({"code": 200, "num_records_imported": imported, "status": "OK"}).to_string();
            return Judged::Taken(taken, 200, text);
        }
        let text = json!({"code": 400, "error": "some data points in the request failed validation",
                          "failed_records": failed, "num_records_imported": imported, "status": "Bad Request"});
        Judged::Taken(taken, 400, text.to_string())
    }

    fn identity(&self, event: &Value) -> String {
        let properties = &event["properties"];
        let fields = ["$insert_id", "time", "distinct_id"].map(|field| properties[field].to_string());
        format!("{} {}", event["event"], fields.join(" "))
    }
}
