//! What Mixpanel's answers mean.

use std::collections::HashMap;

use model::{Answer, ByteCount, EventRun, Fault, FaultKind};
use serde::Deserialize;
use uuid::Uuid;

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
    let ids = events.iter().flat_map(|run| &run.encoded.events[run.from..run.to]).map(|event| event.id);
    let ids: Vec<Uuid> = ids.collect();
    let (count, first) = (ids.len(), first_places(said, &ids));
    let mut rejected = Vec::with_capacity(said.failed_records.len());
    for failed in &said.failed_records {
        let Some(index) = failed.place(&ids, &first) else { continue };
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

impl FailedRecord {
    /// The place of its event. Rows can share an id, which tells their events apart only together with the index; one
    /// that means another event than the id counts for nothing.
    fn place(&self, ids: &[Uuid], first: &HashMap<Uuid, usize>) -> Option<usize> {
        let id = self.dollar_insert_id.as_deref().or(self.insert_id.as_deref());
        let id: Option<Uuid> = id.and_then(|id| id.parse().ok());
        let stated = self.index.filter(|index| *index < ids.len());
        match id {
            Some(id) if stated.is_none_or(|index| ids[index] != id) => first.get(&id).copied().or(stated),
            _ => stated,
        }
    }
}

/// The first place of each id, where an answer names any.
fn first_places(said: &Said, ids: &[Uuid]) -> HashMap<Uuid, usize> {
    if said.failed_records.is_empty() {
        return HashMap::new();
    }
    // What comes later takes the place of what was there, so the first one comes last.
    ids.iter().enumerate().rev().map(|(index, id)| (*id, index)).collect()
}

/// The size in `request exceeds max limit of 2097152 bytes`.
fn size_limit(message: &str) -> Option<ByteCount> {
    let rest = message.split_once("limit of ")?.1;
    rest.split_whitespace().next()?.parse().ok().map(ByteCount)
}
