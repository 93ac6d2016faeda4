//! What PostHog's answers mean.

use std::collections::HashMap;

use model::{Answer, EventRun, Fault, FaultKind};
use serde::Deserialize;
use serde_json::Value;

use crate::analytics::{Exchange, Reply};

/// What the newer endpoint says of each event, by id.
#[derive(Deserialize)]
struct Said {
    results: HashMap<String, EventSaid>,
}

#[derive(Deserialize)]
struct EventSaid {
    result: String,
    #[serde(default)]
    details: Option<String>,
}

/// What to do where somebody else answers.
const NOT_THE_HOST: &str = "this is not PostHog's host for events, such as https://us.i.posthog.com: check the host, \
                            and what stands in front of it";

/// Why events are dropped that no other event would fare better than.
const QUOTA: &str = "billing_limit_exceeded";

/// Reads an answer that says what became of each event. What it does not say is sent again.
pub(super) fn read_each(exchange: &Exchange, reply: &Reply, events: &[EventRun]) -> Result<Answer, Fault> {
    if reply.status == 404 {
        let message = format!("{} answered 404: this server does not answer for each event", exchange.name);
        return Err(Fault::new(FaultKind::Configuration, message).hint("leave the option api out"));
    }
    if !is_success(reply) {
        return Err(refusal(exchange, reply));
    }
    let Ok(said) = serde_json::from_str::<Said>(&reply.body) else {
        if !reply.body.trim_start().starts_with('{') {
            return Err(somebody_else(exchange, reply));
        }
        let message = format!("{} answered {} without saying what became of events", exchange.name, reply.status);
        return Err(Fault::new(FaultKind::Unavailable, message));
    };
    let mut answer = Answer::default();
    let ids = events.iter().flat_map(|run| &run.encoded.events[run.from..run.to]);
    for (index, event) in ids.enumerate() {
        let said = said.results.get(&event.id.to_string());
        match said.map(|said| (said.result.as_str(), said.details.as_deref().unwrap_or("no reason given"))) {
            // A warning is of an event that is stored.
            Some(("ok" | "warning", _)) => {}
            Some(("drop", QUOTA)) => {
                let message = format!("{} drops events: {QUOTA}", exchange.name);
                let fault = Fault::new(FaultKind::Configuration, message);
                return Err(fault.hint("the plan or quota of the project does not allow more"));
            }
            Some(("drop", details)) => {
                answer.rejected.push((index, format!("{}: {}", exchange.name, exchange.shown(details))));
            }
            Some(_) | None => answer.retry.push(index),
        }
    }
    Ok(answer)
}

/// Reads an answer: all events are accepted, or the request is refused. That it has taken them PostHog says in words:
/// other servers answer whatever they are sent with a page, or with nothing.
pub(super) fn read(exchange: &Exchange, reply: &Reply) -> Result<Answer, Fault> {
    if !is_success(reply) {
        return Err(refusal(exchange, reply));
    }
    let said = serde_json::from_str::<Value>(&reply.body).unwrap_or_default();
    if said["status"] == "Ok" || said["status"] == 1 {
        return Ok(Answer::default());
    }
    Err(somebody_else(exchange, reply))
}

fn is_success(reply: &Reply) -> bool {
    (200..300).contains(&reply.status)
}

/// The fault of an answer that is none of PostHog's.
fn somebody_else(exchange: &Exchange, reply: &Reply) -> Fault {
    let message = format!("{} answered {} without saying that it took events", exchange.name, reply.status);
    Fault::new(FaultKind::Configuration, message).hint(NOT_THE_HOST)
}

fn refusal(exchange: &Exchange, reply: &Reply) -> Fault {
    let message = match serde_json::from_str::<Value>(&reply.body) {
        Ok(json) => ["detail", "error_description", "error", "message"].iter().find_map(|field| text(&json[*field])),
        // Pages of proxies say nothing about events.
        Err(_) if reply.body.trim_start().starts_with('<') => None,
        Err(_) => Some(reply.body.clone()),
    };
    exchange.refusal(reply, message.as_deref().unwrap_or_default(), None)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
