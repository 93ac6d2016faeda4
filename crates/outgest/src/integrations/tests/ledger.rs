//! A receiver of events in memory. It is sent what PostHog would be sent, encoded by the real destination, and keeps
//! a ledger of what arrived by row; requests can be refused, half stored, or lose their answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use destinations::{Guard, connect_events};
use model::{
    Answer, CheckStep, EventDestination, EventEncoder, EventRun, EventStream, Fault, FaultKind, Micros, RawOptions,
    RequestLimits,
};
use serde_json::Value;

use super::world::EPOCH;

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
pub enum SendTrouble {
    /// 429.
    Busy,
    /// 413, unless it is a single event.
    TooLarge,
    /// So many requests in a row are refused with 503.
    Away(u32),
    /// Every second event is stored, and the answer is 503.
    HalfStored,
    /// Everything is stored, and nobody hears of it.
    AnswerLost,
}

/// What arrived of one row under one event name.
#[derive(Clone, Debug, Default)]
pub struct Arrived {
    /// Under which ids.
    pub ids: BTreeSet<String>,
    /// How often.
    pub times: u64,
    /// The greatest version that arrived.
    pub newest: Micros,
    /// The version that arrived last.
    pub last: Micros,
}

/// The receiver.
pub struct Ledger {
    posthog: Arc<dyn EventDestination>,
    arrived: Mutex<BTreeMap<(String, String), Arrived>>,
    troubles: Mutex<Vec<SendTrouble>>,
}

impl Ledger {
    /// A receiver at this address, in requests of at most 50 events.
    pub fn new(host: &str) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let options = [("host", host), ("api_key", "phc_x"), ("request_events", "50"), ("requests_in_flight", "2")];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let posthog =
            connect_events("posthog", &RawOptions(options.into()), &Guard::new(Vec::new()), &|_| None, || EPOCH)
                .unwrap();
        Self { posthog, arrived: Mutex::default(), troubles: Mutex::default() }
    }

    /// The next request meets this trouble.
    pub fn trouble(&self, trouble: SendTrouble) {
        self.troubles.lock().unwrap().push(trouble);
    }

    /// How many more requests in a row will be refused.
    pub fn away_for(&self) -> u32 {
        match self.troubles.lock().unwrap().last() {
            Some(SendTrouble::Away(requests)) => *requests,
            _ => 0,
        }
    }

    /// What arrived, by event name and row.
    pub fn arrived(&self) -> BTreeMap<(String, String), Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    fn keep(&self, events: &[Value], step: usize) {
        let mut arrived = self.arrived.lock().unwrap();
        for event in events.iter().step_by(step) {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let properties = &event["properties"];
            let version =
                ["langfuse_version", "langfuse_score_comment"].iter().find_map(|name| properties[*name].as_str());
            let version = Micros(version.unwrap().parse().unwrap());
            let row = arrived.entry((text(&event["event"]), text(&properties["langfuse_id"]))).or_default();
            row.ids.insert(text(&event["uuid"]));
            row.times += 1;
            row.newest = row.newest.max(version);
            row.last = version;
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.posthog.fmt(f)
    }
}

#[async_trait]
impl EventDestination for Ledger {
    fn limits(&self) -> RequestLimits {
        self.posthog.limits()
    }

    async fn check(&self, _: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault> {
        Ok(())
    }

    fn encoder(&self, stream: &EventStream, schema: &SchemaRef) -> Result<Arc<dyn EventEncoder>, Fault> {
        self.posthog.encoder(stream, schema)
    }

    async fn send(&self, _: &EventStream, events: &[EventRun]) -> Result<Answer, Fault> {
        let text = events.iter().map(EventRun::text).collect::<Vec<_>>().join(&b',');
        let events: Vec<Value> = serde_json::from_slice(&[b"[", &text[..], b"]"].concat()).unwrap();
        let trouble = self.troubles.lock().unwrap().pop();
        let unavailable = || Err(Fault::new(FaultKind::Unavailable, "503 try again"));
        match trouble {
            Some(SendTrouble::Busy) => return Err(Fault::new(FaultKind::Throttled, "429 slow down")),
            Some(SendTrouble::TooLarge) if events.len() > 1 => {
                return Err(Fault::new(FaultKind::TooLarge { limit: None }, "413 too large"));
            }
            Some(SendTrouble::Away(requests)) => {
                if requests > 1 {
                    self.trouble(SendTrouble::Away(requests - 1));
                }
                return unavailable();
            }
            Some(SendTrouble::HalfStored) => {
                self.keep(&events, 2);
                return unavailable();
            }
            Some(SendTrouble::AnswerLost) => {
                self.keep(&events, 1);
                return Err(Fault::new(FaultKind::Timeout, "the answer was lost"));
            }
            Some(SendTrouble::TooLarge) | None => self.keep(&events, 1),
        }
        Ok(Answer::default())
    }
}
