//! How much of a server we use: queries in flight and bytes per second, over all exports.
//!
//! Limits belong to a server as one user sees it, so two sources with the same address share them. Of several
//! processes each takes its share, one query at least, and each may run one look-up beside it: see [`Use`]. A server
//! that complains is left alone a little: for a minute half as many queries run, and where one is left, a pause follows
//! each that is as long as the query was.
//!
//! Whoever takes rows may need those of another query first, which has no place yet: a slice that failed is asked for
//! again when the slices behind it have begun. So rows that nobody takes do not keep their place for ever. When they
//! are taken again they have a place before queries that have not waited long: until then their query is open on the
//! server besides.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use model::ByteCount;
use tokio::sync::Notify;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// How long a complaint of the server lowers the number of queries.
const LOWERED_FOR: Duration = Duration::from_secs(60);

/// The longest pause: an export goes on while a server complains.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long rows that nobody takes keep the place of their query from another one.
const UNTAKEN_MAX: Duration = Duration::from_secs(3);

/// Of new queries those that have waited so many times as long are not behind rows that are taken again: several slow
/// streams would lend each other their places as long as they last.
const UNTAKEN_TIMES_WAITED: u32 = 3;

/// Limits by server; an entry is a few words and stays.
static LIMITERS: LazyLock<Mutex<HashMap<String, Arc<Limiter>>>> = LazyLock::new(Mutex::default);

/// The limits of one server.
#[derive(Debug)]
pub(super) struct Limiter {
    state: Mutex<State>,
    freed: Notify,
    untaken_max: Duration,
}

#[derive(Debug)]
struct State {
    queries_max: usize,
    /// How many processes share the limits.
    processes: usize,
    in_flight: usize,
    /// Look-ups among them.
    look_ups: usize,
    /// How many permits there have been.
    permits: u64,
    /// Since when nobody takes the rows of these permits.
    untaken: BTreeMap<u64, Instant>,
    /// Permits whose places are other queries' now: they are not in flight, but their answers are not at their end.
    lent: BTreeSet<u64>,
    /// How many of these wait for a place again.
    returning: usize,
    /// What the server's complaints leave.
    lowered: Option<Lowered>,
    /// When the pauses behind the queries that have ended are over, where there are to be pauses.
    rested: Option<Instant>,
    bytes_per_second_max: Option<ByteCount>,
    /// When the bytes received so far are paid for.
    paid_until: Option<Instant>,
}

/// How much less a server that complains is used.
#[derive(Clone, Copy, Debug)]
struct Lowered {
    until: Instant,
    /// How often the number of queries is halved.
    halvings: u32,
}

/// The right to run one query; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    limiter: Arc<Limiter>,
    number: u64,
    use_of: Use,
    began: Instant,
}

/// A permit that waits for a place again, until this is dropped. Meanwhile one is kept for it.
struct Returning<'a>(&'a Limiter);

/// Who wants a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// A query that waits since then.
    New(Use, Instant),
    /// A permit whose place was lent.
    Returning,
}

/// What a query is for.
///
/// Rows end when they are used up, and whoever uses them up looks things up: so a look-up never waits for
/// rows. One may run beside the share of a process, in each process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// A stream of rows, as fast as they are used up.
    Rows,
    /// An answer that is received whole, or used up at once by somebody who asks nothing meanwhile. For as long as it
    /// lasts other look-ups wait for a query to end.
    LookUp,
}

impl Limiter {
    /// The limiter of a server. Where several sources set limits for one server, the last one's count.
    pub(super) fn of(identity: &str, queries_max: usize, bytes_per_second_max: Option<ByteCount>) -> Arc<Self> {
        let mut limiters = LIMITERS.lock().unwrap_or_else(PoisonError::into_inner);
        let limiter = limiters.entry(identity.to_owned()).or_insert_with(|| Arc::new(Self::new(queries_max)));
        let mut state = limiter.lock();
        state.queries_max = queries_max;
        state.bytes_per_second_max = bytes_per_second_max;
        drop(state);
        Arc::clone(limiter)
    }

    fn new(queries_max: usize) -> Self {
        let state = State {
            queries_max,
            processes: 1,
            in_flight: 0,
            look_ups: 0,
            permits: 0,
            untaken: BTreeMap::new(),
            lent: BTreeSet::new(),
            returning: 0,
            lowered: None,
            rested: None,
            bytes_per_second_max: None,
            paid_until: None,
        };
        Self { state: Mutex::new(state), freed: Notify::new(), untaken_max: UNTAKEN_MAX }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one of so many shares of the limits.
    pub(super) fn share(&self, processes: usize) {
        self.lock().processes = processes.max(1);
        self.freed.notify_waiters();
    }

    /// Waits until one more query may run.
    pub(super) async fn permit(self: &Arc<Self>, use_of: Use) -> Permit {
        self.place(Claim::New(use_of, Instant::now())).await;
        Permit { limiter: Arc::clone(self), number: self.next_number(), use_of, began: Instant::now() }
    }

    fn next_number(&self) -> u64 {
        let mut state = self.lock();
        state.permits += 1;
        state.permits
    }

    /// Waits for a place among the queries in flight.
    async fn place(&self, claim: Claim) {
        loop {
            // Registered before looking, so that a place that is freed in between is not missed.
            let freed = self.freed.notified();
            let Err(again) = self.try_place(claim) else { return };
            tokio::select! {
                () = freed => {}
                () = tokio::time::sleep_until(again) => {}
            }
        }
    }

    /// Takes a place, or says when to look again although no query has ended.
    fn try_place(&self, claim: Claim) -> Result<(), Instant> {
        self.lock().take(claim, Instant::now(), self.untaken_max)
    }

    /// Halves the number of queries for a minute; again, if it was halved already.
    pub(super) fn lower(&self) {
        self.lower_for(LOWERED_FOR);
    }

    fn lower_for(&self, wait: Duration) {
        let mut state = self.lock();
        let now = Instant::now();
        let before = state.lowered.filter(|lowered| lowered.until > now).map_or(0, |lowered| lowered.halvings);
        state.lowered = Some(Lowered { until: now + wait, halvings: before + 1 });
    }

    /// Books received bytes; the time at which the next may be received.
    pub(super) fn pay(&self, bytes: usize) -> Option<Instant> {
        let mut state = self.lock();
        let rate = state.bytes_per_second_max?;
        let now = Instant::now();
        let begin = state.paid_until.filter(|until| *until > now).unwrap_or(now);
        let until = begin + Duration::from_secs_f64(bytes as f64 * state.processes as f64 / rate.get() as f64);
        state.paid_until = Some(until);
        Some(until)
    }
}

impl State {
    /// Queries of this process.
    fn share(&self) -> usize {
        (self.queries_max / self.processes).max(1)
    }

    /// What complaints leave of the share; 0 stands for one query and pauses.
    fn left(&self) -> usize {
        let halvings = self.lowered.map_or(0, |lowered| lowered.halvings);
        // Halved more often than a number has digits, nothing is left of it.
        self.share().checked_shr(halvings).unwrap_or(0)
    }

    /// Counts one more query, or says when to look again although none has ended.
    fn take(&mut self, claim: Claim, now: Instant, untaken_max: Duration) -> Result<(), Instant> {
        self.lowered = self.lowered.filter(|lowered| lowered.until > now);
        let lowered_until = self.lowered.map(|lowered| lowered.until);
        let again = |wait: Instant| lowered_until.map_or(wait, |until| until.min(wait));
        let left = self.left();
        // Look-ups have to wait for a pause as well: it ends by itself.
        if let Some(rested) = self.rested.filter(|rested| left == 0 && *rested > now) {
            return Err(again(rested));
        }
        let is_look_up = matches!(claim, Claim::New(Use::LookUp, _));
        if !is_look_up || self.look_ups > 0 {
            let (kept, kept_until) = match claim {
                Claim::New(_, since) if now < since + UNTAKEN_TIMES_WAITED * untaken_max => {
                    (self.returning, since + UNTAKEN_TIMES_WAITED * untaken_max)
                }
                Claim::New(..) | Claim::Returning => (0, now + untaken_max),
            };
            // None of the places, where all are kept for others.
            let most = left.max(1).saturating_sub(kept);
            self.lend(most, now, untaken_max);
            if self.in_flight >= most {
                let since = self.untaken.values().min().copied().unwrap_or(now);
                return Err(again((since + untaken_max).min(kept_until)));
            }
        }
        self.in_flight += 1;
        self.look_ups += usize::from(is_look_up);
        Ok(())
    }

    /// Gives away places of rows that nobody takes, of the oldest queries first, until fewer than `most` are in flight:
    /// what is lent beyond one place is what is kept for rows that return.
    fn lend(&mut self, most: usize, now: Instant, untaken_max: Duration) {
        while self.in_flight >= most {
            let overdue = self.untaken.iter().find(|(_, since)| **since + untaken_max <= now);
            let Some(number) = overdue.map(|(number, _)| *number) else { return };
            self.untaken.remove(&number);
            self.lent.insert(number);
            self.in_flight -= 1;
        }
    }

    /// Notes that the rows of a permit are asked for; whether its place was given away.
    fn asked_for(&mut self, number: u64) -> bool {
        self.untaken.remove(&number);
        self.lent.contains(&number)
    }
}

impl Permit {
    /// Rows have come that somebody is to take before more of them are asked for.
    pub(super) fn came(&self) {
        if self.use_of == Use::Rows {
            self.limiter.lock().untaken.insert(self.number, Instant::now());
        }
    }

    /// More rows are asked for: waits for another place where this one's was given away.
    pub(super) async fn asked_for(&self) {
        let is_lent = self.limiter.lock().asked_for(self.number);
        if is_lent {
            let _returning = Returning::to(&self.limiter);
            self.limiter.place(Claim::Returning).await;
            self.limiter.lock().lent.remove(&self.number);
        }
    }
}

impl<'a> Returning<'a> {
    fn to(limiter: &'a Limiter) -> Self {
        limiter.lock().returning += 1;
        Self(limiter)
    }
}

impl Drop for Returning<'_> {
    fn drop(&mut self) {
        self.0.lock().returning -= 1;
        // Where it gave up waiting the place that was kept for it is free.
        self.0.freed.notify_waiters();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = Instant::now();
        let rested = now + now.duration_since(self.began).min(PAUSE_MAX);
        let mut state = self.limiter.lock();
        state.untaken.remove(&self.number);
        if !state.lent.remove(&self.number) {
            state.in_flight -= 1;
        }
        state.look_ups -= usize::from(self.use_of == Use::LookUp);
        state.rested = state.rested.max(Some(rested));
        drop(state);
        self.limiter.freed.notify_waiters();
    }
}
