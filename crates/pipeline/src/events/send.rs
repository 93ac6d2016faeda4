//! One request until every event of it is accounted for.
//!
//! A request that is too large is halved and later ones are cut smaller. One that the receiver refuses is
//! bisected down to the events it refuses. Only what the receiver asks for once more is sent again. How long
//! to wait is decided by [`Retrying`], as for every step of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use model::{
    Answer, ByteCount, DeadLetter, DeliveryCounts, EventDestination, EventStream, Fault, FaultKind, OrderKey, RowCount,
    TableName,
};
use serde_json::value::RawValue;

use super::encode::Chunk;
use super::pace::Pace;
use super::request::{Events, Limits, Request};
use crate::retry::{Attempts, Retrying};

/// A receiver that has refused so many events, each by itself, and accepted none, does not mean the events.
const REFUSALS_WITHOUT_ANY_ACCEPTED_MAX: u32 = 100;

/// What became of a request.
pub(super) struct SentRequest {
    /// Its last row.
    pub(super) last: OrderKey,
    /// What became of its rows.
    pub(super) counts: DeliveryCounts,
    /// Its events that were not accepted, in order.
    pub(super) letters: Vec<DeadLetter>,
    /// The hashes of the keys of its rows, where they were asked for.
    pub(super) hashes: Vec<u64>,
}

/// Sends the requests of one delivery.
pub(super) struct Sending {
    pub(super) limits: Arc<Limits>,
    destination: Arc<dyn EventDestination>,
    stream: EventStream,
    table: TableName,
    retrying: Retrying,
    any_accepted: AtomicBool,
    refusals: AtomicU32,
}

/// Events that are sent together, and how often that has failed.
struct Part {
    events: Events,
    attempts: Attempts,
}

impl Part {
    fn new(events: Events) -> Self {
        Self { events, attempts: Attempts::default() }
    }
}

impl Sending {
    pub(super) fn new(
        stream: &EventStream,
        table: &TableName,
        destination: Arc<dyn EventDestination>,
        retrying: Retrying,
        before: DeliveryCounts,
    ) -> Self {
        Self {
            limits: Arc::new(Limits::new(destination.limits())),
            destination,
            stream: stream.clone(),
            table: table.clone(),
            retrying,
            any_accepted: AtomicBool::new(before.accepted > RowCount::ZERO),
            refusals: AtomicU32::new(0),
        }
    }

    /// Keeps under the rate that the user allows, together with others that deliver there.
    pub(super) async fn pause_for(&self, request: &Request, pace: &Pace) -> Result<(), Fault> {
        let Some(rate) = self.limits.events_per_second_max() else { return Ok(()) };
        let _turn = pace.turn().await;
        let pause = Duration::from_secs_f64(request.events() as f64 / f64::from(rate.max(1)));
        self.retrying.pause(pause).await
    }

    /// Sends a request until each of its events is accepted or a dead letter.
    pub(super) async fn send(self: Arc<Self>, request: Request) -> Result<SentRequest, Fault> {
        let (chunk, row) = request.last.as_ref().ok_or_else(|| Fault::bug("a request without rows was sent"))?;
        let mut outcome = Outcome { sending: &self, counts: DeliveryCounts::default(), letters: Vec::new() };
        for (chunk, row, reason) in &request.refused {
            outcome.refused(chunk, *row, reason.clone())?;
        }
        let hashes = request.hashes();
        let mut parts = Vec::new();
        if request.events.count() > 0 {
            parts.push(Part::new(request.events));
        }
        while let Some(part) = parts.pop() {
            self.send_part(part, &mut parts, &mut outcome).await?;
        }
        outcome.counts.read = outcome.counts.accepted + outcome.counts.rejected;
        let mut letters = outcome.letters;
        letters.sort_by(|a, b| a.row.cmp(&b.row));
        Ok(SentRequest { last: chunk.key(*row)?, counts: outcome.counts, letters, hashes })
    }

    /// Sends a part once; what is left to do of it goes back to `parts`, the first events last.
    async fn send_part(&self, mut part: Part, parts: &mut Vec<Part>, outcome: &mut Outcome<'_>) -> Result<(), Fault> {
        self.retrying.check_stop()?;
        let count = part.events.count();
        let fault = match self.destination.send(&self.stream, &part.events.runs()).await {
            Ok(answer) => return self.answered(part, answer, parts, outcome).await,
            Err(fault) => fault,
        };
        match fault.kind() {
            FaultKind::TooLarge { limit } => {
                self.limits.shrink(part.events.bytes(), limit);
                if count == 1 {
                    outcome.rejected(&part.events, 0, fault.public_message().to_owned())?;
                } else {
                    halve(part, parts);
                }
            }
            FaultKind::Rejected if count == 1 => {
                self.note_refusal(&fault)?;
                outcome.rejected(&part.events, 0, fault.public_message().to_owned())?;
            }
            FaultKind::Rejected => {
                tracing::debug!(events = count, fault = %fault, "looking for the events that are refused");
                halve(part, parts);
            }
            _ => {
                self.retrying.wait("sending events", &mut part.attempts, fault).await?;
                outcome.counts.retried += RowCount::from(count);
                parts.push(part);
            }
        }
        Ok(())
    }

    async fn answered(
        &self,
        mut part: Part,
        answer: Answer,
        parts: &mut Vec<Part>,
        outcome: &mut Outcome<'_>,
    ) -> Result<(), Fault> {
        let count = part.events.count();
        outcome.counts.requests += 1;
        let again = part.events.only(&answer.retry);
        let rejected = part.events.only(&answer.rejected.iter().map(|(index, _)| *index).collect::<Vec<_>>());
        let (left, bytes) = (again.count() + rejected.count(), again.bytes() + rejected.bytes());
        let Some(accepted) = count.checked_sub(left) else {
            return Err(Fault::bug(format!("{} answered for more events than it was sent", self.destination)));
        };
        if accepted > 0 {
            self.any_accepted.store(true, Ordering::Relaxed);
            part.attempts.made_progress();
        }
        outcome.counts.accepted += RowCount::from(accepted);
        outcome.counts.bytes += ByteCount(part.events.bytes() - bytes);
        for (index, reason) in answer.rejected {
            outcome.rejected(&part.events, index, reason)?;
        }
        if again.count() > 0 {
            let asked = Fault::new(
                FaultKind::Unavailable,
                format!("{} asks for {} events once more", self.destination, again.count()),
            );
            self.retrying.wait("sending events", &mut part.attempts, asked).await?;
            outcome.counts.retried += RowCount::from(again.count());
            parts.push(Part { events: again, attempts: part.attempts });
        }
        Ok(())
    }

    /// Fails where it is not the events that the receiver does not want.
    fn note_refusal(&self, fault: &Fault) -> Result<(), Fault> {
        let refusals = self.refusals.fetch_add(1, Ordering::Relaxed) + 1;
        if refusals < REFUSALS_WITHOUT_ANY_ACCEPTED_MAX || self.any_accepted.load(Ordering::Relaxed) {
            return Ok(());
        }
        let message = format!("{} refused the first {refusals} events, each by itself: {fault}", self.destination);
        Err(Fault::new(FaultKind::Rejected, message).hint("check the address and the options of the destination"))
    }
}

fn halve(part: Part, parts: &mut Vec<Part>) {
    let count = part.events.count();
    let (first, rest) = part.events.split(count.div_ceil(2));
    parts.extend([Part::new(rest), Part::new(first)]);
}

/// What is known of a request's events.
struct Outcome<'a> {
    sending: &'a Sending,
    counts: DeliveryCounts,
    letters: Vec<DeadLetter>,
}

impl Outcome<'_> {
    /// An event of `events` was refused by the receiver.
    fn rejected(&mut self, events: &Events, index: usize, reason: String) -> Result<(), Fault> {
        let (chunk, row) = events
            .place(index)
            .ok_or_else(|| Fault::bug(format!("{} refused an event it was not sent", self.sending.destination)))?;
        self.refused(chunk, row, reason)
    }

    /// An event must not be sent, or was refused.
    fn refused(&mut self, chunk: &Chunk, row: usize, reason: String) -> Result<(), Fault> {
        let text = String::from_utf8_lossy(chunk.encoded.event(row)).into_owned();
        let event = RawValue::from_string(text)
            .map_err(|error| Fault::bug("an event that was refused is not JSON").because(error))?;
        self.counts.rejected += RowCount(1);
        self.letters.push(DeadLetter {
            table: self.sending.table.clone(),
            row: chunk.key(row)?,
            event_id: chunk.encoded.events[row].id,
            reason,
            event,
        });
        Ok(())
    }
}
