//! A delivery: from rows to events that their receiver has acknowledged.
//!
//! ```text
//!             slice.rs          encode.rs            request.rs         send.rs             progress.rs
//!  Reading ─► slices, read ─►  enrich, encode  ─►  cut by events  ─►  several in flight ─►  dead letters and
//!             ahead, in order   on any core         and bytes          until answered        keys, the checkpoint
//! ```
//!
//! It is the twin of a file run ([`crate::run()`]). Requests are answered in any order and accounted for in
//! the order of rows: a checkpoint is recorded after each answered request with none unanswered before it,
//! so a later attempt sends again at most what was in flight. A row counts as read, and then as accepted or
//! rejected; a delivery whose counts do not agree fails. [`pace`] keeps deliveries to one destination under the
//! rate that the user allows.

mod encode;
mod pace;
mod progress;
mod replay;
mod request;
mod send;

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use model::{
    Checkpoint, CommentLookup, DeadLetters, DeliveryReceipt, Enrichment, EventDestination, EventStream, Fault, Lookups,
    ManifestWindow, PriceLookup, ReadRequest, RowCount, RunLog, SentKeys, Source,
};
use tracing::Instrument;

pub use self::pace::{Pace, Paces};
pub use self::replay::replay;

use self::encode::{Encoded, Encoding};
use self::progress::Delivered;
use self::request::Cutter;
use self::send::{Sending, SentRequest};
use crate::enrich::Enrich;
use crate::progress::Watch;
use crate::reads::Reads;
use crate::retry::Retrying;
use crate::slice::Slices;
use crate::task::{Feed, Task};
use crate::{Budget, Progress, Waits};

/// One delivery of one table.
#[derive(Clone)]
pub struct DeliverySpec {
    /// What is read: the columns are the properties of the events. `as_of` and `snapshot` are those of the
    /// first attempt where the delivery is resumed, and `batch_bytes_max` is the budget's.
    pub request: ReadRequest,
    /// Steps between reading and encoding, in order.
    pub enrichments: Vec<Arc<dyn Enrichment>>,
    /// What the events have in common.
    pub stream: EventStream,
    /// Bounds of memory and patience.
    pub budget: Budget,
}

/// What a delivery is connected to.
#[derive(Clone)]
pub struct DeliveryPorts {
    /// Where rows come from.
    pub source: Arc<dyn Source>,
    /// Where comments come from.
    pub comments: Arc<dyn CommentLookup>,
    /// Where prices come from.
    pub prices: Arc<dyn PriceLookup>,
    /// Where events go.
    pub destination: Arc<dyn EventDestination>,
    /// Shared by whoever delivers there, so that they keep to its rate together.
    pub pace: Pace,
    /// Where events that were not accepted are kept.
    pub letters: Arc<dyn DeadLetters>,
    /// Where it is kept which rows were sent, where the delivery will be compared with its source.
    pub sent: Option<Arc<dyn SentKeys>>,
    /// Where checkpoints are recorded, and who may stop the delivery.
    pub log: Arc<dyn RunLog>,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
    /// Clock and chance of every wait.
    pub waits: Arc<dyn Waits>,
}

/// Delivers every row of the request, from the beginning or behind what an earlier attempt accounted for.
///
/// Ends early with the stop of the run log; requests in flight are then given up, and a later attempt
/// sends their events again under the same ids.
pub async fn deliver(
    spec: DeliverySpec,
    ports: DeliveryPorts,
    resume: Option<Checkpoint>,
) -> Result<DeliveryReceipt, Fault> {
    // Of the most severe level: a span that the log's level left out would name the run to nobody.
    let span = tracing::error_span!("delivery", run.id = %spec.request.run, project.id = %spec.request.project);
    async move {
        let stop = ports.log.stop();
        let retrying = Retrying::new(Arc::clone(&ports.waits), stop.clone(), &spec.budget);
        let watch = Watch::new(Arc::clone(&ports.progress), None);
        let delivered = Delivered::new(&spec, &ports, retrying.clone(), watch, resume)?;
        let patience = spec.budget.cleanup_max;
        let mut run = Run { spec: Arc::new(spec), ports, retrying, delivered, reads: Reads::default() };
        let result = tokio::select! {
            biased;
            reason = stop.raised() => Err(reason.fault()),
            result = run.deliver() => result,
        };
        run.reads.close(patience).await;
        result
    }
    .instrument(span)
    .await
}

struct Run {
    spec: Arc<DeliverySpec>,
    ports: DeliveryPorts,
    retrying: Retrying,
    delivered: Delivered,
    reads: Reads,
}

impl Run {
    async fn deliver(&mut self) -> Result<DeliveryReceipt, Fault> {
        let (spec, ports, retrying) = (Arc::clone(&self.spec), self.ports.clone(), self.retrying.clone());
        let request = self.delivered.request(&spec);
        let reading = retrying.until_ok("preparing the read", || ports.source.prepare(request.clone())).await?;
        self.reads.reading = Some(Arc::clone(&reading));

        let lookups = Lookups { scores: reading.scores(), comments: ports.comments, prices: ports.prices };
        let enrich = Enrich::prepare_all(&spec.enrichments, &request, &lookups, &reading, &retrying).await?;
        let encoder = ports.destination.encoder(&spec.stream, enrich.schema())?;
        self.delivered.begin(reading.snapshot()).await?;
        let after = self.delivered.after().cloned();
        let plan = retrying.until_ok("planning the read", || reading.plan(after.as_ref())).await?;
        self.delivered.planned(&plan);

        let slices = Slices::start(reading, plan, &spec.budget, self.reads.stop.clone(), retrying.clone());
        let encoding = Encoding { enrich: Arc::new(enrich), encoder, hashes_keys: ports.sent.is_some() };
        let encoded = encoding.start(slices, &spec.budget);
        let rows_resumed = self.delivered.counts().read;
        let (table, counts) = (&spec.request.table.name, self.delivered.counts());
        let retrying = retrying.with_destination();
        let sending = Arc::new(Sending::new(&spec.stream, table, ports.destination, retrying, counts));
        let rows_read = self.send_all(encoded, &sending).await?;
        self.delivered.prove(rows_resumed + rows_read)?;
        Ok(DeliveryReceipt {
            project_id: request.project.clone(),
            table: request.table.name.clone(),
            kind: spec.stream.kind,
            dialect: spec.stream.dialect,
            destination: self.ports.destination.to_string(),
            window: ManifestWindow { from: request.window.from, to: request.window.to, cursor: request.cursor },
            delivered_as_of: request.as_of,
            counts: self.delivered.counts(),
            rows_resumed,
        })
    }

    /// Sends everything that is encoded and accounts for it in order. Returns how many rows there were.
    async fn send_all(
        &mut self,
        mut encoded: Feed<Result<Encoded, Fault>>,
        sending: &Arc<Sending>,
    ) -> Result<RowCount, Fault> {
        let mut cutter = Cutter::new(Arc::clone(&sending.limits), self.delivered.after().cloned());
        let mut requests = VecDeque::new();
        let mut in_flight = FuturesOrdered::new();
        let rows_before = self.delivered.counts().read;
        let mut rows_read = RowCount::ZERO;
        let mut ended = false;
        loop {
            while in_flight.len() < sending.limits.in_flight_max()
                && let Some(request) = requests.pop_front()
            {
                sending.pause_for(&request, &self.ports.pace).await?;
                in_flight.push_back(Task::spawn("sending events", Arc::clone(sending).send(request)).join());
            }
            if ended && in_flight.is_empty() {
                return Ok(rows_read);
            }
            tokio::select! {
                next = encoded.next(), if !ended && requests.is_empty() => {
                    match next?.ok_or_else(|| Fault::bug("encoding ended without saying so"))?? {
                        Encoded::Passed(bytes) => self.delivered.passed(rows_before + rows_read, bytes),
                        Encoded::Chunks(chunks) => for chunk in chunks.join().await.flatten()? {
                            rows_read += chunk.rows();
                            requests.extend(cutter.push(chunk)?);
                        },
                        Encoded::End => {
                            ended = true;
                            requests.extend(cutter.finish());
                        }
                    }
                }
                Some(sent) = in_flight.next(), if !in_flight.is_empty() => {
                    let sent: SentRequest = sent.flatten()?;
                    self.delivered.account(sent).await?;
                }
            }
        }
    }
}
