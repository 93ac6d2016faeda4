//! How many calls somebody may make in a minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::Micros;

use crate::problem::{Answer, Problem};

/// Callers that are remembered. More of them at once are an attack from many addresses; then those who have
/// used least of their share are forgotten, which only gives them a full share again.
const CALLERS_MAX: usize = 10_000;

/// A token bucket per caller: a full minute's share at once, then as fast as it refills.
pub(crate) struct RateLimit {
    per_minute: u32,
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    /// Calls that may be made at once.
    calls: f64,
    at: Micros,
}

impl RateLimit {
    pub(crate) fn per_minute(calls: u32) -> Self {
        Self { per_minute: calls.max(1), buckets: Mutex::default() }
    }

    /// Counts a call, or says how long to wait.
    pub(crate) fn take(&self, caller: &str, now: Micros) -> Answer<()> {
        let full = f64::from(self.per_minute);
        let per_second = full / 60.0;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CALLERS_MAX && !buckets.contains_key(caller) {
            // Whoever made no call for a minute has a full share anyway.
            buckets.retain(|_, bucket| now.since(bucket.at).num_seconds() < 60);
            if buckets.len() >= CALLERS_MAX {
                buckets.clear();
            }
        }
        let bucket = buckets.entry(caller.to_owned()).or_insert(Bucket { calls: full, at: now });
        let seconds = now.since(bucket.at).num_milliseconds().max(0) as f64 / 1_000.0;
        bucket.calls = (bucket.calls + seconds * per_second).min(full);
        // A clock that is set back must not refill anything twice.
        bucket.at = now.max(bucket.at);
        if bucket.calls >= 1.0 {
            bucket.calls -= 1.0;
            return Ok(());
        }
        let wait = Duration::from_secs_f64((1.0 - bucket.calls) / per_second);
        let message = format!("more than {} calls in a minute", self.per_minute);
        Err(Problem::throttled(message, wait).hint("wait as long as Retry-After says"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_used_up_and_comes_back() {
        let limit = RateLimit::per_minute(60);
        let at = |millis: i64| Micros(millis * 1_000);
        for _ in 0..60 {
            limit.take("a", at(0)).unwrap();
        }
        assert!(limit.take("a", at(500)).is_err());
        assert!(limit.take("b", at(500)).is_ok(), "others have a share of their own");
        assert!(limit.take("a", at(1_600)).is_ok());
        assert!(limit.take("a", at(1_600)).is_err());
        assert!(limit.take("a", at(0)).is_err(), "a clock that goes back refills nothing");
    }

    #[test]
    fn callers_that_are_remembered_are_bounded() {
        let limit = RateLimit::per_minute(1);
        for caller in 0..(CALLERS_MAX + 10) {
            limit.take(&caller.to_string(), Micros(0)).unwrap();
        }
        assert!(limit.buckets.lock().unwrap().len() <= CALLERS_MAX);
    }
}
