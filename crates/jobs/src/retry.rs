//! Whether and when a failed attempt is followed by another.
//!
//! Inside an attempt the pipeline has tried again for about two minutes already. What is decided here is
//! for outages, so waits are long, and they are stored with the job: they hold no place and survive a
//! restart. Full jitter spreads jobs that failed together.

use std::time::Duration;

use model::{Fault, FaultKind, JobKind, Retry};

/// Longest wait that a receiver can ask for. It may ask for years, or name a time that is wrong; whoever comes back after
/// half an hour and is told the same waits again.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(30 * 60);

/// How patient the queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryRule {
    /// Attempts in a row that get no further, for faults of the other side that may heal. Eight with
    /// these waits last about half an hour, and the attempts themselves as long again.
    pub outage_attempts_max: u32,
    /// Attempts in a row for faults that should not happen and may have been an accident.
    pub accident_attempts_max: u32,
    /// Longest first wait; doubled each time.
    pub wait_min: Duration,
    /// Longest wait.
    pub wait_max: Duration,
}

impl Default for RetryRule {
    fn default() -> Self {
        Self {
            outage_attempts_max: 8,
            accident_attempts_max: 3,
            wait_min: Duration::from_secs(10),
            wait_max: Duration::from_secs(10 * 60),
        }
    }
}

impl RetryRule {
    /// The rule for jobs of a kind. Nobody waits for a window of an integration, and none may be lost: an
    /// outage is waited out however long it lasts.
    pub(crate) fn of(self, kind: JobKind) -> Self {
        match kind {
            JobKind::Export | JobKind::File => self,
            JobKind::Window | JobKind::Reconcile => {
                Self { outage_attempts_max: u32::MAX, wait_max: self.wait_max * 3, ..self }
            }
        }
    }

    /// The wait before the next attempt; `None` where there is none. `failures` are those in a row with
    /// this one, `chance` is from 0 to 1.
    pub fn wait(&self, fault: &Fault, failures: u32, chance: f64) -> Option<Duration> {
        if failures >= self.attempts_max(fault.kind()) {
            return None;
        }
        let doubled = self.wait_min.saturating_mul(1 << failures.saturating_sub(1).min(20));
        let jittered = doubled.min(self.wait_max).mul_f64(chance);
        match fault.retry() {
            // A little later than asked, so that everybody who was told the same does not come back together.
            Retry::After(asked) => Some(asked.min(ASKED_WAIT_MAX).saturating_add(self.wait_min.mul_f64(chance))),
            Retry::Backoff | Retry::Never => Some(jittered),
        }
    }

    /// Attempts by what went wrong. What only a person can change is never tried again.
    fn attempts_max(&self, kind: FaultKind) -> u32 {
        match kind {
            FaultKind::Throttled | FaultKind::Unavailable | FaultKind::Timeout => self.outage_attempts_max,
            FaultKind::Conflict | FaultKind::Corrupt | FaultKind::Bug => self.accident_attempts_max,
            FaultKind::BadRequest
            | FaultKind::Configuration
            | FaultKind::Credentials
            | FaultKind::NotFound
            | FaultKind::Rejected
            | FaultKind::TooLarge { .. }
            | FaultKind::Cancelled => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(kind: FaultKind) -> Vec<u64> {
        let rule = RetryRule::default();
        let fault = Fault::new(kind, "no");
        (1..).map_while(|failures| rule.wait(&fault, failures, 0.5)).map(|wait| wait.as_secs()).collect()
    }

    #[test]
    fn outages_are_waited_out_with_growing_waits() {
        assert_eq!(waits(FaultKind::Unavailable), [5, 10, 20, 40, 80, 160, 300]);
        assert_eq!(waits(FaultKind::Bug), [5, 10]);
    }

    #[test]
    fn a_window_is_never_given_up_because_of_an_outage() {
        let rule = RetryRule::default().of(JobKind::Window);
        let away = Fault::new(FaultKind::Unavailable, "no");
        assert_eq!(rule.wait(&away, 10_000, 0.5), Some(Duration::from_secs(15 * 60)));
        let refused = Fault::new(FaultKind::Credentials, "no");
        assert_eq!(rule.wait(&refused, 1, 0.5), None);
    }

    #[test]
    fn what_a_person_has_to_change_is_never_tried_again() {
        for kind in [
            FaultKind::BadRequest,
            FaultKind::Configuration,
            FaultKind::Credentials,
            FaultKind::NotFound,
            FaultKind::Rejected,
            FaultKind::TooLarge { limit: None },
        ] {
            assert!(waits(kind).is_empty(), "{kind:?}");
        }
    }

    #[test]
    fn waits_are_jittered_over_their_whole_length() {
        let rule = RetryRule::default();
        let fault = Fault::new(FaultKind::Timeout, "late");
        assert_eq!(rule.wait(&fault, 3, 0.0), Some(Duration::ZERO));
        assert_eq!(rule.wait(&fault, 3, 1.0), Some(Duration::from_secs(40)));
    }

    #[test]
    fn the_receivers_own_wait_is_kept_up_to_half_an_hour() {
        let wait = |asked| {
            let fault = Fault::new(FaultKind::Throttled, "slow down").retry_after(asked);
            RetryRule::default().wait(&fault, 1, 0.5)
        };
        assert_eq!(wait(Duration::from_secs(1_200)), Some(Duration::from_secs(1_205)));
        for much in [Duration::from_secs(3_600), Duration::from_secs(365 * 24 * 3_600), Duration::MAX] {
            assert_eq!(wait(much), Some(Duration::from_secs(1_805)), "{much:?}");
        }
    }
}
