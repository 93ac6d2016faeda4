//! A receiver of events in memory, which refuses what it is told to refuse.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use model::*;
use uuid::Uuid;

use super::Calls;

/// What arrives: ids of rows, request by request.
pub(crate) struct Inbox {
    pub(crate) limits: RequestLimits,
    /// Requests of more bytes are too large, whatever the limits say.
    pub(crate) bytes_taken_max: Mutex<u64>,
    /// Whether it says what would not be too large.
    pub(crate) tells_limit: bool,
    /// Rows that make it refuse a whole request.
    pub(crate) poison: BTreeSet<String>,
    /// Rows that it refuses by name.
    pub(crate) unwanted: BTreeSet<String>,
    /// Rows that it asks for once more the first time.
    pub(crate) postponed: Mutex<BTreeSet<String>>,
    /// Rows that its encoder says must not be sent.
    pub(crate) unfit: BTreeSet<String>,
    /// How every request fails, while it is away.
    pub(crate) away: Option<fn() -> Fault>,
    /// Accepted rows of each request, in the order of answers.
    pub(crate) accepted: Mutex<Vec<Vec<String>>>,
    /// Sizes of all requests, refused ones included: events and bytes.
    pub(crate) sizes: Mutex<Vec<(usize, u64)>>,
    calls: Arc<Calls>,
}

impl Inbox {
    /// Ten events and two requests at once.
    pub(crate) fn new(calls: &Arc<Calls>) -> Self {
        Self {
            limits: RequestLimits {
                events_max: 10,
                bytes_max: ByteCount(1_000_000),
                event_bytes_max: ByteCount(1_000_000),
                in_flight_max: 2,
                events_per_second_max: None,
            },
            bytes_taken_max: Mutex::new(u64::MAX),
            tells_limit: false,
            poison: BTreeSet::new(),
            unwanted: BTreeSet::new(),
            postponed: Mutex::default(),
            unfit: BTreeSet::new(),
            away: None,
            accepted: Mutex::default(),
            sizes: Mutex::default(),
            calls: Arc::clone(calls),
        }
    }

    /// Accepted rows, sorted, with repetitions.
    pub(crate) fn rows(&self) -> Vec<String> {
        let mut rows = self.accepted.lock().unwrap().concat();
        rows.sort();
        rows
    }
}

impl fmt::Display for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an inbox")
    }
}

#[async_trait]
impl EventDestination for Inbox {
    fn limits(&self) -> RequestLimits {
        self.limits
    }

    async fn check(&self, _report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault> {
        Ok(())
    }

    fn encoder(&self, _stream: &EventStream, _schema: &SchemaRef) -> Result<Arc<dyn EventEncoder>, Fault> {
        Ok(Arc::new(Ids { unfit: self.unfit.clone() }))
    }

    async fn send(&self, _stream: &EventStream, events: &[EventRun]) -> Result<Answer, Fault> {
        let trouble = self.calls.before("send").await?;
        if let Some(fault) = self.away {
            return Err(fault());
        }
        let text: Vec<u8> = events.iter().map(EventRun::text).collect::<Vec<_>>().join(&b',');
        let rows: Vec<String> = serde_json::from_slice(&[b"[", &text[..], b"]"].concat()).unwrap();
        self.sizes.lock().unwrap().push((rows.len(), text.len() as u64));
        let limit = *self.bytes_taken_max.lock().unwrap();
        if text.len() as u64 > limit {
            let limit = self.tells_limit.then_some(ByteCount(limit));
            return Err(Fault::new(FaultKind::TooLarge { limit }, "too large"));
        }
        if rows.iter().any(|row| self.poison.contains(row)) {
            return Err(Fault::new(FaultKind::Rejected, "something in it is wrong"));
        }
        let mut answer = Answer::default();
        let mut accepted = Vec::new();
        for (index, row) in rows.into_iter().enumerate() {
            if self.unwanted.contains(&row) {
                answer.rejected.push((index, format!("{row} is not wanted")));
            } else if self.postponed.lock().unwrap().remove(&row) {
                answer.retry.push(index);
            } else {
                accepted.push(row);
            }
        }
        self.accepted.lock().unwrap().push(accepted);
        self.calls.after(trouble).await?;
        Ok(answer)
    }
}

/// Makes an event of a row's id: the id as a JSON string.
struct Ids {
    unfit: BTreeSet<String>,
}

impl EventEncoder for Ids {
    fn encode(&self, batch: &RecordBatch) -> Result<EncodedEvents, Fault> {
        let mut encoded = EncodedEvents::default();
        let mut text = Vec::new();
        for (row, id) in batch.column_by_name("id").unwrap().as_string::<i32>().iter().flatten().enumerate() {
            text.extend_from_slice(format!("{id:?},").as_bytes());
            encoded.events.push(EncodedEvent { end: text.len() as u32, id: Uuid::new_v5(&Uuid::nil(), id.as_bytes()) });
            if self.unfit.contains(id) {
                encoded.refused.push((row, "it is unfit".to_owned()));
            }
        }
        encoded.text = Bytes::from(text);
        Ok(encoded)
    }
}

/// Dead letters by number.
#[derive(Default)]
pub(crate) struct Letters(pub(crate) Mutex<Vec<DeadLetter>>);

#[async_trait]
impl DeadLetters for Letters {
    async fn keep(&self, number: u64, letters: &[DeadLetter]) -> Result<(), Fault> {
        let mut kept = self.0.lock().unwrap();
        kept.truncate(number as usize);
        kept.extend_from_slice(letters);
        Ok(())
    }
}

/// Hashes of the keys of rows that were sent, by how many rows came before them.
#[derive(Default)]
pub(crate) struct Sent(pub(crate) Mutex<BTreeMap<u64, Vec<u64>>>);

impl Sent {
    /// All of them, sorted, with repetitions.
    pub(crate) fn hashes(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.0.lock().unwrap().values().flatten().copied().collect();
        all.sort_unstable();
        all
    }
}

#[async_trait]
impl SentKeys for Sent {
    async fn keep(&self, number: u64, hashes: &[u64]) -> Result<(), Fault> {
        let mut kept = self.0.lock().unwrap();
        kept.split_off(&number);
        kept.insert(number, hashes.to_vec());
        Ok(())
    }
}
