//! Traces one after the other, and what happens to their events and scores later: arrivals, corrections,
//! deletions, each in its place among the rows that are stored meanwhile.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use model::{Comment, Micros};

use super::event::{Event, Trace};
use super::random::Random;
use super::score::Score;
use super::{Generated, Options, clock, score, trace};
use crate::rows::Rows;

/// Stream 0 of a seed makes the vocabulary.
const FIRST_STREAM: u64 = 1;
/// Streams from here on decide what happens to the scores of each trace: nothing else depends on it.
const FIRST_STREAM_OF_SCORES: u64 = 1 << 63;
const HOUR_SECONDS: u64 = 3_600;

/// The generated rows, batch by batch.
pub struct Batches {
    options: Options,
    events: Rows,
    scores: Rows,
    comments: Vec<Comment>,
    /// Live events so far, those that are stored later included.
    live: u64,
    traces: u64,
    /// Versions that are stored later, earliest first. A few hours' worth of a few percent.
    later: BinaryHeap<Reverse<Later>>,
    later_count: u64,
    finished: bool,
}

impl Batches {
    pub(super) fn new(options: Options) -> Self {
        Self {
            events: Rows::new(tables::stored_events()),
            scores: Rows::new(tables::stored_scores()),
            comments: Vec::new(),
            live: 0,
            traces: 0,
            later: BinaryHeap::new(),
            later_count: 0,
            finished: false,
            options,
        }
    }

    fn next_trace(&mut self) {
        let options = &self.options;
        let start = clock::instant(self.live, options.events, options.days, options.end);
        self.store_later_until(start);
        let mut random = Random::new(self.options.seed, FIRST_STREAM + self.traces);
        let mut of_scores = Random::new(self.options.seed, FIRST_STREAM_OF_SCORES + self.traces);
        let (trace, mut events) = trace::generate(&mut random, self.traces, start);
        self.traces += 1;
        for event in &mut events {
            // Sent within seconds of its end.
            let sent = event.end.unwrap_or(event.start).0 + random.between(500_000, 8_000_000) as i64;
            event.created = Micros(sent);
            event.updated = Micros(sent);
            event.event_ts = Micros(sent);
        }
        let trace = Arc::new(trace);
        let mut stored = Vec::with_capacity(events.len());
        for event in events {
            if self.live == self.options.events {
                break;
            }
            if let Some(event) = self.settle(&mut random, &trace, event) {
                stored.push(event);
            }
        }
        for score in score::of(&mut random, &stored) {
            self.settle_score(&mut of_scores, &trace, score);
        }
        for event in &stored {
            self.comments.extend(score::comment(&mut random, event));
        }
    }

    /// Decides an event's fate; the event is returned where it is stored and stays.
    fn settle(&mut self, random: &mut Random, trace: &Arc<Trace>, mut event: Event) -> Option<Event> {
        let late = random.probably(self.options.late);
        if late {
            event.created = Micros(event.created.0 + hours(random, 7));
            event.updated = event.created;
            event.event_ts = event.created;
        }
        let updated = random.probably(self.options.updates).then(|| {
            let after = hours(random, 30);
            corrected(random, &event, after)
        });
        let deleted = random.probably(self.options.deletions);
        if deleted {
            let last = updated.as_ref().unwrap_or(&event);
            let at = Micros(last.updated.0 + hours(random, 48));
            self.postpone(trace, Version::Event(Box::new(tombstone(last, at))));
        } else {
            self.live += 1;
        }
        if let Some(updated) = updated {
            self.postpone(trace, Version::Event(Box::new(updated)));
        }
        if late {
            self.postpone(trace, Version::Event(Box::new(event.clone())));
        } else {
            event.store(self.options.project.as_str(), trace, &mut self.events);
        }
        (!deleted).then_some(event)
    }

    /// Stores a score, and decides its fate.
    fn settle_score(&mut self, random: &mut Random, trace: &Arc<Trace>, score: Score) {
        let updated = random.probably(self.options.score_updates).then(|| {
            let after = hours(random, 30);
            score.changed(random, after)
        });
        if random.probably(self.options.score_deletions) {
            let last = updated.as_ref().unwrap_or(&score);
            let deleted = last.deleted(hours(random, 48));
            self.postpone(trace, Version::Score(deleted));
        }
        if let Some(updated) = updated {
            self.postpone(trace, Version::Score(updated));
        }
        score.store(self.options.project.as_str(), trace, &mut self.scores);
    }

    fn postpone(&mut self, trace: &Arc<Trace>, version: Version) {
        self.later_count += 1;
        let at = (version.stored(), self.later_count);
        self.later.push(Reverse(Later { at, trace: Arc::clone(trace), version }));
    }

    fn store_later_until(&mut self, now: Micros) {
        while self.later.peek().is_some_and(|Reverse(later)| later.at.0 <= now) && !self.events.is_full() {
            self.store_next_later();
        }
    }

    fn store_next_later(&mut self) {
        if let Some(Reverse(Later { trace, version, .. })) = self.later.pop() {
            let project = self.options.project.as_str();
            match version {
                Version::Event(event) => event.store(project, &trace, &mut self.events),
                Version::Score(score) => score.store(project, &trace, &mut self.scores),
            }
        }
    }
}

impl Iterator for Batches {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        while self.live < self.options.events && !self.events.is_full() {
            self.next_trace();
        }
        while self.live == self.options.events && !self.later.is_empty() && !self.events.is_full() {
            self.store_next_later();
        }
        if self.finished || (self.events.is_empty() && self.scores.is_empty()) {
            return None;
        }
        self.finished = self.live == self.options.events && self.later.is_empty();
        Some(Generated {
            events: self.events.take().expect("generated rows make a batch"),
            scores: self.scores.take().expect("generated rows make a batch"),
            comments: std::mem::take(&mut self.comments),
        })
    }
}

/// A time from an hour to `most` hours, in whole seconds.
fn hours(random: &mut Random, most: u64) -> i64 {
    random.between(HOUR_SECONDS, most * HOUR_SECONDS) as i64 * Micros::PER_SECOND
}

/// A version with a better answer, a status, and sometimes another start.
fn corrected(random: &mut Random, event: &Event, after: i64) -> Event {
    let mut corrected = event.clone();
    corrected.updated = Micros(event.updated.0 + after);
    corrected.event_ts = corrected.updated;
    corrected.level = "DEFAULT";
    corrected.status = "corrected".to_owned();
    corrected.metadata.push(("corrected", "true".to_owned()));
    if random.chance(200) {
        corrected.start = Micros(event.start.0 - random.between(1, 90_000_000) as i64);
    }
    corrected
}

/// The version that deletes an event. It has no payload.
fn tombstone(event: &Event, at: Micros) -> Event {
    let (input, output) = (String::new(), String::new());
    Event { deleted: true, updated: at, event_ts: at, input, output, ..event.clone() }
}

/// A version of an event or a score.
enum Version {
    Event(Box<Event>),
    Score(Score),
}

impl Version {
    /// When it is stored.
    fn stored(&self) -> Micros {
        match self {
            Self::Event(event) => event.updated,
            Self::Score(score) => score.updated,
        }
    }
}

/// A version that is stored later.
struct Later {
    at: (Micros, u64),
    trace: Arc<Trace>,
    version: Version,
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Later {}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}
