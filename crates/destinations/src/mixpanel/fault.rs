//! What Mixpanel's answers mean.

use std::collections::HashMap;

use model::{Answer, ByteCount, EventRun, Fault, FaultKind};
use serde::Deserialize;

use crate::analytics::{Exchange, Reply};

/// An answer, as far as it is looked at.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    status: Option<serde_json::Value>,
    #[serde(default)]
    num_records_imported: Option<usize>,
    #[serde(default)]
    failed_records: Vec<FailedRecord>,
}

/// An event that was not stored. It is named by its place, and by its id in either spelling.
#[derive(Deserialize)]
struct FailedRecord {
    #[serde(default)]
    index: Option<usize>,
    #[serde(default, rename = "$insert_id")]
    dollar_insert_id: Option<String>,
    #[serde(default)]
    insert_id: Option<String>,
    #[serde(default)]
    field: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// Reads an answer to these events. Some of them may have been stored where it says 400: what it names is
/// rejected, the rest is accepted if the numbers agree, and else sent again.
pub(super) fn read(exchange: &Exchange, reply: &Reply, events: &[EventRun]) -> Result<Answer, Fault> {
    let said: Option<Said> = serde_json::from_str(&reply.body).ok();
    let is_success = (200..300).contains(&reply.status);
    let Some(said) = said else {
        if is_success {
            let message = format!("{} answered {} with something that is not JSON", exchange.name, reply.status);
            return Err(Fault::new(FaultKind::Unavailable, message));
        }
        return Err(exchange.refusal(reply, "", None));
    };
    if !is_success && (reply.status != 400 || said.failed_records.is_empty()) {
        let message = said.error.or_else(|| said.status?.as_str().map(str::to_owned)).unwrap_or_default();
        let limit = size_limit(&message);
        return Err(exchange.refusal(reply, &message, limit));
    }
    Ok(answer(exchange, &said, events))
}

fn answer(exchange: &Exchange, said: &Said, events: &[EventRun]) -> Answer {
    let count: usize = events.iter().map(EventRun::count).sum();
    let by_id = by_id(said, events);
    let mut rejected = Vec::with_capacity(said.failed_records.len());
    for failed in &said.failed_records {
        let id = failed.dollar_insert_id.as_deref().or(failed.insert_id.as_deref());
        let named = id.and_then(|id| by_id.get(id).copied());
        let Some(index) = named.or(failed.index).filter(|index| *index < count) else { continue };
        let words = [failed.field.as_deref(), failed.message.as_deref()];
        let words: Vec<&str> = words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
        let reason = if words.is_empty() { "no reason given".to_owned() } else { words.join(": ") };
        rejected.push((index, format!("{}: {}", exchange.name, exchange.shown(&reason))));
    }
    rejected.sort_by_key(|(index, _)| *index);
    // One event can have several mistakes, each in a record of its own.
    rejected.dedup_by_key(|(index, _)| *index);
    let imported = said.num_records_imported.unwrap_or(count - rejected.len());
    let agrees = imported + rejected.len() == count;
    let is_rejected = |index: &usize| rejected.binary_search_by_key(index, |(index, _)| *index).is_ok();
    let retry = if agrees { Vec::new() } else { (0..count).filter(|index| !is_rejected(index)).collect() };
    Answer { rejected, retry }
}

/// Places of events by id, where an answer names any.
fn by_id(said: &Said, events: &[EventRun]) -> HashMap<String, usize> {
    if said.failed_records.is_empty() {
        return HashMap::new();
    }
    let ids = events.iter().flat_map(|run| &run.encoded.events[run.from..run.to]);
    ids.enumerate().map(|(index, event)| (event.id.to_string(), index)).collect()
}

/// The size in `request exceeds max limit of 2097152 bytes`.
fn size_limit(message: &str) -> Option<ByteCount> {
    let rest = message.split_once("limit of ")?.1;
    rest.split_whitespace().next()?.parse().ok().map(ByteCount)
}
