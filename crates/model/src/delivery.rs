//! Where events go: rows as events of an analytics product, sent in requests that the receiver answers.
//!
//! An [`EventEncoder`] turns rows into events, an [`EventDestination`] sends a stretch of them and says
//! what became of each. Cutting, halving, bisecting, waiting and counting are the pipeline's; a
//! destination only tells by its fault what kind of failure it met:
//!
//! - `TooLarge`: the request is halved, and later ones are cut smaller;
//! - `Rejected`: the request is bisected down to the events that are refused, which become dead letters;
//! - `Throttled`, `Unavailable`, `Timeout`: the request is sent again after a wait;
//! - anything else ends the run.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ByteCount, CheckStep, Destination, Fault, ManifestWindow, Micros, OrderKey, ProjectId, RowCount, TableName,
};

/// What an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum EventKind {
    Trace,
    Generation,
    Observation,
    Score,
}

/// How events and their properties are named and what they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// As Langfuse sends them: `langfuse observation`, with every oddity that dashboards may rely on.
    #[default]
    Langfuse,
    /// `langfuse event`: the same facts with one unit per property, and null where nothing is known.
    Event,
}

impl Dialect {
    /// The name in options and receipts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Langfuse => "langfuse",
            Self::Event => "event",
        }
    }

    /// The dialect of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Langfuse, Self::Event].into_iter().find(|dialect| dialect.as_str() == name)
    }
}

/// Names of columns that encoders look at; every other column is a property and nothing else.
pub mod event_column {
    /// Id of the row; with the project it makes the event's id.
    pub const ID: &str = "langfuse_id";
    /// When it happened.
    pub const TIMESTAMP: &str = "timestamp";
    /// Who did it; null or empty where unknown.
    pub const USER: &str = "langfuse_user_id";
    /// Link to that user; absent where there are no links.
    pub const USER_LINK: &str = "langfuse_user_url";
    /// Session as the tracing product knows it.
    pub const SESSION: &str = "langfuse_session_id";
    /// Session as PostHog knows it: an input, not a property.
    pub const POSTHOG_SESSION: &str = "posthog_session_id";
    /// Session as Mixpanel knows it: an input, not a property.
    pub const MIXPANEL_SESSION: &str = "mixpanel_session_id";
}

/// What the events of one run have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventStream {
    /// Project whose rows they are; it is a part of their ids.
    pub project: ProjectId,
    /// What they tell of.
    pub kind: EventKind,
    /// How they are named.
    pub dialect: Dialect,
    /// Whether they happened long ago, so that the receiver does not take them for a sudden load.
    pub historical: bool,
}

/// A place events are sent to. `Display` is a name for people without secrets.
#[async_trait]
pub trait EventDestination: fmt::Display + Send + Sync {
    /// What it can take.
    fn limits(&self) -> RequestLimits;

    /// Does what a run will do, in named steps, without leaving an event. Each step is reported, the first
    /// failure ends the check.
    async fn check(&self, report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault>;

    /// How rows of this schema become events. What it cannot encode is a fault here.
    fn encoder(&self, stream: &EventStream, schema: &SchemaRef) -> Result<Arc<dyn EventEncoder>, Fault>;

    /// Sends events in one request and waits for the answer. Nothing is retried; sending the same events
    /// twice does no harm, since the receiver knows them by their ids.
    async fn send(&self, stream: &EventStream, events: &[EventRun]) -> Result<Answer, Fault>;
}

/// Turns rows into events, on any core.
pub trait EventEncoder: Send + Sync {
    /// One event per row, in order.
    fn encode(&self, batch: &RecordBatch) -> Result<EncodedEvents, Fault>;
}

/// What a receiver can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Events in a request.
    pub events_max: usize,
    /// Bytes of the events in a request, before compression.
    pub bytes_max: ByteCount,
    /// Bytes of one event; a larger one is a dead letter.
    pub event_bytes_max: ByteCount,
    /// Requests that may wait for their answers at once.
    pub in_flight_max: usize,
    /// Events a second that the user allows; unbounded where `None`.
    pub events_per_second_max: Option<u32>,
}

/// Events of adjacent rows, one behind the other.
#[derive(Clone, Debug, Default)]
pub struct EncodedEvents {
    /// Each event as the receiver takes it, followed by one separator byte that belongs to no event.
    pub text: Bytes,
    /// Their ends in `text`, the separator included, and their ids.
    pub events: Vec<EncodedEvent>,
    /// Events that must not be sent, by index in ascending order, and why.
    pub refused: Vec<(usize, String)>,
}

/// One of [`EncodedEvents`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedEvent {
    /// Where its separator ends.
    pub end: u32,
    /// The id that the receiver tells events apart by.
    pub id: Uuid,
}

impl EncodedEvents {
    /// The bytes of an event.
    pub fn event(&self, index: usize) -> &[u8] {
        let from = self.start(index);
        &self.text[from..self.events[index].end as usize - 1]
    }

    /// Where an event begins, or the end of the text behind the last one.
    pub fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.events[before].end as usize)
    }
}

/// A stretch of encoded events. Cloning it copies no event.
#[derive(Clone, Debug)]
pub struct EventRun {
    /// Where they lie.
    pub encoded: Arc<EncodedEvents>,
    /// The first one.
    pub from: usize,
    /// The one behind the last; greater than `from`.
    pub to: usize,
}

impl EventRun {
    /// How many they are.
    pub fn count(&self) -> usize {
        self.to - self.from
    }

    /// Their bytes with separators between them and none behind the last.
    pub fn text(&self) -> &[u8] {
        &self.encoded.text[self.encoded.start(self.from)..self.encoded.start(self.to) - 1]
    }
}

/// What a receiver said to a request that it took. Events that are not named are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Events that it refused, by position in the request in ascending order, and why.
    pub rejected: Vec<(usize, String)>,
    /// Events that are to be sent once more, by position in the request in ascending order.
    pub retry: Vec<usize>,
}

/// An event that was not accepted, with everything that is needed to send it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Table of its row.
    pub table: TableName,
    /// Position of its row.
    pub row: OrderKey,
    /// Its id.
    pub event_id: Uuid,
    /// Why, in the receiver's words where it said so.
    pub reason: String,
    /// The event as it was sent.
    pub event: Box<serde_json::value::RawValue>,
}

/// Where dead letters are kept.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// Makes letters durable. They are numbered over all attempts of a run; letters that an earlier attempt
    /// kept under `number` and later numbers are replaced, so a resumed run never keeps one twice.
    async fn keep(&self, number: u64, letters: &[DeadLetter]) -> Result<(), Fault>;
}

/// Where it is kept which rows were sent, so that they can be compared with their source later: receivers of events
/// cannot be asked what they have.
#[async_trait]
pub trait SentKeys: Send + Sync {
    /// Makes the [key hashes](crate::KeyDigest::hash) of rows durable, in any order. `number` rows come before them;
    /// what an earlier attempt kept behind those is replaced, so that a resumed run never keeps a row twice.
    async fn keep(&self, number: u64, hashes: &[u64]) -> Result<(), Fault>;
}

/// How far a delivery has come: every row up to `after` is accounted for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryProgress {
    /// Last row of the last request that was answered, with every request before it; `None` before the first.
    pub after: Option<OrderKey>,
    /// What became of the rows up to there.
    pub counts: DeliveryCounts,
}

/// What became of one table of a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDelivery {
    /// Table.
    pub table: TableName,
    /// Where its events went, without secrets.
    pub destination: String,
    /// What became of its rows.
    pub counts: DeliveryCounts,
}

/// What became of rows. `read` is the sum of `accepted` and `rejected` (promise 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryCounts {
    /// Rows that came from the source.
    pub read: RowCount,
    /// Events that the receiver acknowledged.
    pub accepted: RowCount,
    /// Events that became dead letters.
    pub rejected: RowCount,
    /// Requests that were answered.
    pub requests: u64,
    /// Events that were sent more than once.
    pub retried: RowCount,
    /// Bytes of the accepted events, before compression.
    pub bytes: ByteCount,
}

impl DeliveryCounts {
    /// Whether every row is accounted for.
    pub fn conserved(&self) -> bool {
        self.read == self.accepted + self.rejected
    }
}

impl std::ops::AddAssign for DeliveryCounts {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.requests += other.requests;
        self.retried += other.retried;
        self.bytes += other.bytes;
    }
}

/// Proof that every row of a window is accounted for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeliveryReceipt {
    /// Project whose rows were delivered.
    pub project_id: ProjectId,
    /// Table.
    pub table: TableName,
    /// What the events tell of.
    pub kind: EventKind,
    /// How they are named.
    pub dialect: Dialect,
    /// Where they went, without secrets.
    pub destination: String,
    /// The window, and the timestamp it is measured on.
    pub window: ManifestWindow,
    /// When the run was planned.
    pub delivered_as_of: Micros,
    /// What became of the rows, over all attempts.
    pub counts: DeliveryCounts,
    /// Rows of them that earlier attempts accounted for.
    pub rows_resumed: RowCount,
}

/// A connected destination of either family.
#[derive(Clone)]
pub enum Delivery {
    /// It takes files.
    Files(Arc<dyn Destination>),
    /// It takes events.
    Events(Arc<dyn EventDestination>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_of_events_have_separators_between_them_only() {
        let events = [4, 9, 13].map(|end| EncodedEvent { end, id: Uuid::nil() }).to_vec();
        let text = Bytes::from_static(b"{1},{22},{3},");
        let encoded = Arc::new(EncodedEvents { text, events, refused: Vec::new() });
        let run = |from, to| EventRun { encoded: Arc::clone(&encoded), from, to };
        assert_eq!(
            [run(0, 3).text(), run(1, 3).text(), run(1, 2).text()],
            [&b"{1},{22},{3}"[..], b"{22},{3}", b"{22}"]
        );
        assert_eq!((encoded.event(0), encoded.event(2), run(0, 2).count()), (&b"{1}"[..], &b"{3}"[..], 2));
    }
}
