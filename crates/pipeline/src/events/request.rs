//! Cuts events into requests that the receiver can take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{ByteCount, EventRun, Fault, OrderKey, RequestLimits};

use super::encode::Chunk;
use crate::key::out_of_order;

/// What a receiver can take, as far as it is known by now.
pub(super) struct Limits {
    stated: RequestLimits,
    bytes_max: AtomicU64,
}

impl Limits {
    pub(super) fn new(stated: RequestLimits) -> Self {
        Self { stated, bytes_max: AtomicU64::new(stated.bytes_max.get()) }
    }

    pub(super) fn in_flight_max(&self) -> usize {
        self.stated.in_flight_max.max(1)
    }

    pub(super) fn events_per_second_max(&self) -> Option<u32> {
        self.stated.events_per_second_max
    }

    /// Takes note that so many bytes were too many, and of what the receiver said would not be.
    pub(super) fn shrink(&self, too_many: u64, stated: Option<ByteCount>) {
        let fits = stated.map(ByteCount::get).filter(|limit| *limit < too_many).unwrap_or(too_many / 2);
        self.bytes_max.fetch_min(fits.max(1), Ordering::Relaxed);
    }

    fn bytes_max(&self) -> u64 {
        self.bytes_max.load(Ordering::Relaxed)
    }
}

/// Adjacent events of one chunk.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) chunk: Arc<Chunk>,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Piece {
    fn run(&self) -> EventRun {
        EventRun { encoded: Arc::clone(&self.chunk.encoded), from: self.from, to: self.to }
    }

    fn count(&self) -> usize {
        self.to - self.from
    }

    fn bytes(&self) -> u64 {
        (self.chunk.encoded.start(self.to) - self.chunk.encoded.start(self.from)) as u64
    }

    fn part(&self, from: usize, to: usize) -> Self {
        Self { chunk: Arc::clone(&self.chunk), from, to }
    }
}

/// Events in order that are sent together.
#[derive(Clone, Default)]
pub(super) struct Events(Vec<Piece>);

impl Events {
    pub(super) fn count(&self) -> usize {
        self.0.iter().map(Piece::count).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().map(Piece::bytes).sum()
    }

    pub(super) fn runs(&self) -> Vec<EventRun> {
        self.0.iter().map(Piece::run).collect()
    }

    /// The chunk and the row of an event.
    pub(super) fn place(&self, mut index: usize) -> Option<(&Arc<Chunk>, usize)> {
        for piece in &self.0 {
            match index.checked_sub(piece.count()) {
                Some(behind) => index = behind,
                None => return Some((&piece.chunk, piece.from + index)),
            }
        }
        None
    }

    /// The first `count` events, and the others.
    pub(super) fn split(self, count: usize) -> (Self, Self) {
        let (mut first, mut rest, mut left) = (Vec::new(), Vec::new(), count);
        for piece in self.0 {
            let taken = left.min(piece.count());
            left -= taken;
            if taken > 0 {
                first.push(piece.part(piece.from, piece.from + taken));
            }
            if taken < piece.count() {
                rest.push(piece.part(piece.from + taken, piece.to));
            }
        }
        (Self(first), Self(rest))
    }

    /// These events alone, by index in ascending order.
    pub(super) fn only(&self, indexes: &[usize]) -> Self {
        let mut kept = Self::default();
        for (chunk, row) in indexes.iter().filter_map(|index| self.place(*index)) {
            kept.push(chunk, row);
        }
        kept
    }

    fn push(&mut self, chunk: &Arc<Chunk>, row: usize) {
        match self.0.last_mut() {
            Some(last) if Arc::ptr_eq(&last.chunk, chunk) && last.to == row => last.to += 1,
            _ => self.0.push(Piece { chunk: Arc::clone(chunk), from: row, to: row + 1 }),
        }
    }
}

/// A stretch of rows: what of it is sent, and what must not be.
#[derive(Default)]
pub(super) struct Request {
    pub(super) events: Events,
    /// Events that the encoder refused, and why.
    pub(super) refused: Vec<(Arc<Chunk>, usize, String)>,
    /// The last row.
    pub(super) last: Option<(Arc<Chunk>, usize)>,
}

impl Request {
    /// Events that are sent.
    pub(super) fn events(&self) -> usize {
        self.events.count()
    }

    /// The hashes of the keys of its rows, in no order; none unless they were asked for.
    pub(super) fn hashes(&self) -> Vec<u64> {
        let sent = self.events.0.iter().flat_map(|piece| piece.chunk.hashes(piece.from..piece.to));
        let refused = self.refused.iter().flat_map(|(chunk, row, _)| chunk.hashes(*row..*row + 1));
        sent.chain(refused).copied().collect()
    }
}

/// Cuts events into requests, in order.
pub(super) struct Cutter {
    limits: Arc<Limits>,
    request: Request,
    events: usize,
    bytes: u64,
    after: Option<OrderKey>,
}

impl Cutter {
    /// A cutter for the rows behind `after`.
    pub(super) fn new(limits: Arc<Limits>, after: Option<OrderKey>) -> Self {
        Self { limits, request: Request::default(), events: 0, bytes: 0, after }
    }

    /// Takes events and returns the requests that they complete. Fails where the first one does not follow
    /// the one before: progress is a position, so a row out of order would be lost by a later attempt.
    pub(super) fn push(&mut self, chunk: Chunk) -> Result<Vec<Request>, Fault> {
        let rows = chunk.encoded.events.len();
        if rows == 0 {
            return Ok(Vec::new());
        }
        let first = chunk.key(0)?;
        if let Some(before) = &self.after
            && *before >= first
        {
            return Err(out_of_order(before, &first));
        }
        self.after = Some(chunk.key(rows - 1)?);
        let chunk = Arc::new(chunk);
        let mut refused = chunk.encoded.refused.iter().peekable();
        let mut full = Vec::new();
        for row in 0..rows {
            if let Some((_, reason)) = refused.next_if(|(refused, _)| *refused == row) {
                self.request.refused.push((Arc::clone(&chunk), row, reason.clone()));
            } else {
                let bytes = (chunk.encoded.start(row + 1) - chunk.encoded.start(row)) as u64;
                let too_many = self.events == self.limits.stated.events_max.max(1);
                if self.events > 0 && (too_many || self.bytes + bytes > self.limits.bytes_max()) {
                    full.push(std::mem::take(&mut self.request));
                    (self.events, self.bytes) = (0, 0);
                }
                self.request.events.push(&chunk, row);
                self.events += 1;
                self.bytes += bytes;
            }
            self.request.last = Some((Arc::clone(&chunk), row));
        }
        Ok(full)
    }

    /// The events behind the last full request.
    pub(super) fn finish(&mut self) -> Option<Request> {
        let rest = std::mem::take(&mut self.request);
        rest.last.is_some().then_some(rest)
    }
}
