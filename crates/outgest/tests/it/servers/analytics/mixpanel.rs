//! Mixpanel's `/import?strict=1`: it stores what it likes and names the rest.
//!
//! Where the real one cuts texts to 255 characters, this one keeps them whole: tests compare what was sent.

mod event;

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Contract, Judged, Request};

pub use self::event::DISALLOWED;

/// A Mixpanel project.
pub struct FakeMixpanel {
    /// `user:password` of HTTP's basic authentication: a token is a user without a password.
    pub credentials: &'static str,
    /// Number of the project, which a service account has to name.
    pub project_id: Option<&'static str>,
    /// Bytes of a request after decompression.
    pub bytes_max: usize,
    /// Rows whose events it refuses.
    pub poison: BTreeSet<String>,
}

/// Events of a request.
const EVENTS_MAX: usize = 2_000;

impl FakeMixpanel {
    /// Token of every project.
    pub const TOKEN: &'static str = "token-hunter2";

    /// A project that is reached with a token, with Mixpanel's limits.
    pub fn new() -> Self {
        Self { credentials: "token-hunter2:", project_id: None, bytes_max: 10_000_000, poison: BTreeSet::new() }
    }

    /// Reads a request as far as its events, or refuses it as a whole.
    fn events(&self, request: &Request) -> Result<Vec<Value>, Judged> {
        let (path, query) = request.line.split_once('?').unwrap_or((&request.line, ""));
        if path != "POST /import" {
            return Err(refused(404, &format!("no such page: {}", request.line)));
        }
        if request.header("authorization") != format!("Basic {}", STANDARD.encode(self.credentials)) {
            return Err(refused(401, "Invalid credentials"));
        }
        let (mut is_strict, mut project_id) = (false, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "strict" => is_strict = value == "1",
                "project_id" => project_id = Some(value.into_owned()),
                _ => return Err(refused(400, &format!("there is no parameter {name}"))),
            }
        }
        if project_id.as_deref() != self.project_id {
            return Err(refused(403, &format!("no access to project {project_id:?}")));
        }
        if !is_strict {
            // It would answer 200 and drop what it does not like.
            return Err(refused(400, "the test wants every event to be checked"));
        }
        if request.header("content-type") != "application/json" {
            return Err(refused(415, "content type must be application/json"));
        }
        let Some(text) = request.text() else { return Err(refused(400, "invalid gzip")) };
        if text.len() > self.bytes_max {
            return Err(refused(413, &format!("request exceeds max limit of {} bytes", self.bytes_max)));
        }
        let Some(events) = serde_json::from_str::<Value>(&text).ok().and_then(|body| body.as_array().cloned()) else {
            return Err(refused(400, "invalid JSON"));
        };
        match events.len() {
            0 => Err(refused(400, "no events")),
            1..=EVENTS_MAX => Ok(events),
            _ => Err(refused(413, &format!("request exceeds max limit of {EVENTS_MAX} events"))),
        }
    }

    fn is_poison(&self, event: &Value) -> bool {
        event["properties"]["langfuse_id"].as_str().is_some_and(|id| self.poison.contains(id))
    }
}

fn refused(status: u16, error: &str) -> Judged {
    Judged::Refused(status, json!({"code": status, "error": error, "status": "as told"}).to_string())
}

impl Contract for FakeMixpanel {
    fn judge(&self, request: &Request) -> Judged {
        let events = match self.events(request) {
            Ok(events) => events,
            Err(refused) => return refused,
        };
        let now = chrono::Utc::now().timestamp_millis();
        let mut failed = Vec::new();
        let mut taken = Vec::new();
        for (index, mut event) in events.into_iter().enumerate() {
            let poison = || self.is_poison(&event).then(|| ("properties", "this event is poison".to_owned()));
            let Some((field, message)) = event::wrong(&event).or_else(poison) else {
                event::arrive(&mut event, now);
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
