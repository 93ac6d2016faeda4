//! What PostHog's answers mean.

use model::{Answer, Fault};
use serde_json::Value;

use crate::analytics::{Exchange, Reply};

/// Reads an answer: all events are accepted, or the request is refused.
pub(super) fn read(exchange: &Exchange, reply: &Reply) -> Result<Answer, Fault> {
    if (200..300).contains(&reply.status) {
        return Ok(Answer::default());
    }
    let message = match serde_json::from_str::<Value>(&reply.body) {
        Ok(json) => ["detail", "error_description", "error", "message"].iter().find_map(|field| text(&json[*field])),
        // Pages of proxies say nothing about events.
        Err(_) if reply.body.trim_start().starts_with('<') => None,
        Err(_) => Some(reply.body.clone()),
    };
    Err(exchange.refusal(reply, message.as_deref().unwrap_or_default(), None))
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
