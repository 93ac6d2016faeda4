//! What a receiver has stored.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Events by the fields that a receiver compares to recognise one that it has.
#[derive(Default)]
pub struct Ledger {
    events: BTreeMap<String, Entry>,
    /// Events that came again with another content.
    pub changed: Vec<String>,
}

struct Entry {
    event: Value,
    times: usize,
}

impl Ledger {
    /// Takes an event.
    pub fn note(&mut self, identity: String, event: Value) {
        match self.events.get_mut(&identity) {
            Some(entry) => {
                if entry.event != event {
                    self.changed.push(identity);
                }
                entry.times += 1;
            }
            None => drop(self.events.insert(identity, Entry { event, times: 1 })),
        }
    }

    /// The events, each once, in the order of their identities.
    pub fn events(&self) -> impl Iterator<Item = &Value> {
        self.events.values().map(|entry| &entry.event)
    }

    /// Different events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// How often events came, repetitions included.
    pub fn arrivals(&self) -> usize {
        self.events.values().map(|entry| entry.times).sum()
    }

    /// Rows that events of this name were made of.
    pub fn rows(&self, name: &str) -> BTreeSet<String> {
        let named = self.events().filter(|event| event["event"] == name);
        named.map(|event| event["properties"]["langfuse_id"].as_str().unwrap().to_owned()).collect()
    }
}
