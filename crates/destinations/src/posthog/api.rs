//! Which of PostHog's ways to take events is used.

use model::{EventRun, Fault, Micros, Secret};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use uuid::{Uuid, uuid};

use crate::analytics::InstantText;

/// Namespace of the ids of requests.
const REQUESTS: Uuid = uuid!("5f2a7a8e-6a55-4c4e-8c0b-0d4bb3b40c58");

/// A way to take events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    /// `/batch/`, which every server has. Its answer covers the whole request.
    Batch,
    /// `/i/v1/analytics/events`, whose answer says for each event what became of it.
    V1,
}

impl Api {
    pub(super) const NAMES: [(&str, Self); 2] = [("batch", Self::Batch), ("v1", Self::V1)];

    /// The path behind the host's own.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Batch => "/batch/",
            Self::V1 => "/i/v1/analytics/events",
        }
    }

    /// What the headers of a request say: of `/batch/` nothing, since the key is in the body.
    pub(super) fn headers(self, key: &Secret, events: &[EventRun], now: Micros) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        if self == Self::V1 {
            let mut authorization = header(&format!("Bearer {}", key.reveal()))?;
            authorization.set_sensitive(true);
            headers.insert(AUTHORIZATION, authorization);
            let sender = concat!("outgest/", env!("CARGO_PKG_VERSION"));
            headers.insert(HeaderName::from_static("posthog-sdk-info"), HeaderValue::from_static(sender));
            // How often a request was sent before is known to those who cut requests, and not the same ones then.
            headers.insert(HeaderName::from_static("posthog-attempt"), HeaderValue::from_static("1"));
            headers.insert(HeaderName::from_static("posthog-request-id"), header(&request_id(events).to_string())?);
            headers.insert(HeaderName::from_static("posthog-request-timestamp"), header(&text_of(now))?);
        }
        Ok(headers)
    }
}

/// An instant as the endpoint reads it.
pub(super) fn text_of(instant: Micros) -> String {
    let mut text = Vec::new();
    InstantText::new(crate::analytics::Form::Rfc3339).write(instant, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The same events make the same request.
fn request_id(events: &[EventRun]) -> Uuid {
    let ids = events.iter().flat_map(|run| &run.encoded.events[run.from..run.to]);
    let bytes: Vec<u8> = ids.flat_map(|event| event.id.into_bytes()).collect();
    Uuid::new_v5(&REQUESTS, &bytes)
}

fn header(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text)
        .map_err(|error| Fault::bad_request("api_key: it does not fit into a header").because(error))
}
