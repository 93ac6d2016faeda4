//! Every wait of a run.
//!
//! A step that failed says by its fault whether another try makes sense; waits grow, are jittered
//! over their whole length so that many runs do not come back at once, and end when the run is
//! stopped. Clock and randomness are handed in.

use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{Fault, FaultKind, Retry, Stop};

use crate::{Budget, Patience};

/// Where waits get their time and their chance.
#[async_trait]
pub trait Waits: Send + Sync {
    /// Returns after `wait`.
    async fn sleep(&self, wait: Duration);

    /// A number from 0 (included) to 1 (excluded), different every time.
    fn chance(&self) -> f64;
}

/// The machine's clock and randomness.
pub struct RealWaits;

#[async_trait]
impl Waits for RealWaits {
    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }

    fn chance(&self) -> f64 {
        // Every new state of the standard library's hash maps has a random key of its own.
        let random = RandomState::new().build_hasher().finish();
        (random >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A writer that fails so often is given up: most failures heal at once, others never.
const WRITER_ATTEMPTS: u32 = 3;

/// How one run tries again.
#[derive(Clone)]
pub(crate) struct Retrying {
    waits: Arc<dyn Waits>,
    stop: Stop,
    budget: Budget,
    patience: Patience,
}

/// Failed attempts of one step since it last made progress.
#[derive(Default)]
pub(crate) struct Attempts(u32);

impl Attempts {
    /// The step got further: the next failure is a first one.
    pub(crate) fn made_progress(&mut self) {
        self.0 = 0;
    }
}

impl Retrying {
    pub(crate) fn new(waits: Arc<dyn Waits>, stop: Stop, budget: &Budget) -> Self {
        Self { waits, stop, budget: *budget, patience: budget.patience }
    }

    /// The patience with the destination.
    pub(crate) fn with_destination(&self) -> Self {
        Self { patience: self.budget.destination_patience, ..self.clone() }
    }

    /// Patience for cleaning up, which goes on after the run was stopped and has a bounded time of its own.
    pub(crate) fn for_cleanup(&self) -> Self {
        Self { stop: Stop::new(), patience: self.budget.patience, ..self.clone() }
    }

    /// Patience for a writer whose file can be taken up by another one.
    pub(crate) fn briefly(&self) -> Self {
        let attempts_max = self.patience.attempts_max.min(WRITER_ATTEMPTS);
        Self { patience: Patience { attempts_max, ..self.patience }, ..self.clone() }
    }

    /// Fails once the run is stopped: checked in front of every call that leaves a trace, so that none
    /// is begun after the stop, however long the task was not interrupted.
    pub(crate) fn check_stop(&self) -> Result<(), Fault> {
        self.stop.check()
    }

    /// Waits until the step may be tried again, or gives the fault back, with the step's name, where that
    /// makes no sense.
    pub(crate) async fn wait(&self, step: &'static str, attempts: &mut Attempts, fault: Fault) -> Result<(), Fault> {
        self.stop.check()?;
        attempts.0 += 1;
        let Patience { attempts_max, unanswered_max, asked_wait_max } = self.patience;
        let attempts_max = match fault.kind() {
            FaultKind::Timeout => attempts_max.min(unanswered_max),
            _ => attempts_max,
        };
        let wait = match fault.retry() {
            Retry::Never => return Err(fault.during(step)),
            _ if attempts.0 >= attempts_max => return Err(fault.during(step)),
            Retry::After(wait) if wait > asked_wait_max => return Err(asks_too_much(fault, wait).during(step)),
            // A little later than asked, so that everybody who was told the same does not come back together.
            Retry::After(wait) => wait + self.budget.backoff_min.mul_f64(self.waits.chance()),
            Retry::Backoff => {
                let doubled = self.budget.backoff_min.saturating_mul(1 << (attempts.0 - 1).min(20));
                doubled.min(self.budget.backoff_max).mul_f64(self.waits.chance())
            }
        };
        tracing::warn!(step, attempt = attempts.0, wait.seconds = wait.as_secs_f64(), fault = %fault, "trying again");
        self.pause(wait).await
    }

    /// Returns after `wait`, or at once with the fault of the stop.
    pub(crate) async fn pause(&self, wait: Duration) -> Result<(), Fault> {
        tokio::select! {
            () = self.waits.sleep(wait) => self.stop.check(),
            reason = self.stop.raised() => Err(reason.fault()),
        }
    }

    /// Waits until a file may be taken up again. One whose upload is gone is begun again at once.
    pub(crate) async fn wait_to_step_back(&self, attempts: &mut Attempts, fault: Fault) -> Result<(), Fault> {
        match fault.retry() {
            Retry::Never if attempts.0 == 0 => {
                attempts.0 += 1;
                tracing::warn!(fault = %fault, "beginning a file again");
                self.check_stop()
            }
            _ => self.wait("continuing a file", attempts, fault).await,
        }
    }

    /// Runs a step until it succeeds or must not be tried again.
    pub(crate) async fn until_ok<T, F>(&self, step: &'static str, mut call: impl FnMut() -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut attempts = Attempts::default();
        loop {
            self.check_stop()?;
            match call().await {
                Ok(done) => return Ok(done),
                Err(fault) => self.wait(step, &mut attempts, fault).await?,
            }
        }
    }
}

/// The fault of a receiver that asks for a longer wait than a run can spend.
fn asks_too_much(fault: Fault, wait: Duration) -> Fault {
    if fault.public_hint().is_some() {
        return fault;
    }
    let wait = wait.as_secs();
    fault.hint(format!("it asks to be left alone for {wait} s, longer than a run waits: another try makes sense then"))
}

/// Gives cleaning up a bounded time; `None` where it was not enough.
pub(crate) async fn at_most<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use model::StopReason;

    use super::*;

    struct Noted(Mutex<Vec<Duration>>);

    #[async_trait]
    impl Waits for Noted {
        async fn sleep(&self, wait: Duration) {
            self.0.lock().unwrap().push(wait);
        }

        fn chance(&self) -> f64 {
            0.5
        }
    }

    fn retrying(stop: &Stop) -> (Arc<Noted>, Retrying) {
        let waits = Arc::new(Noted(Mutex::default()));
        let asked_wait_max = Duration::from_secs(60);
        let budget = Budget {
            patience: Patience { attempts_max: 5, asked_wait_max, ..Patience::LONG },
            destination_patience: Patience { attempts_max: 3, unanswered_max: 1, asked_wait_max },
            backoff_min: Duration::from_secs(2),
            backoff_max: Duration::from_secs(10),
            ..Budget::for_cores(1)
        };
        (Arc::clone(&waits), Retrying::new(waits, stop.clone(), &budget))
    }

    #[tokio::test]
    async fn waits_double_up_to_the_bound_and_end_with_the_fault() {
        let (waits, retrying) = retrying(&Stop::new());
        let fault = retrying
            .until_ok("reading", || async { Err::<(), _>(Fault::new(FaultKind::Unavailable, "gone")) })
            .await
            .unwrap_err();
        assert_eq!((fault.public_message(), fault.step()), ("gone", Some("reading")));
        let seconds: Vec<u64> = waits.0.lock().unwrap().iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [1, 2, 4, 5]);
    }

    #[tokio::test]
    async fn what_the_receiver_asks_for_is_waited_up_to_a_bound() {
        let (waits, retrying) = retrying(&Stop::new());
        let mut attempts = Attempts::default();
        let throttled =
            |seconds| Fault::new(FaultKind::Throttled, "slow down").retry_after(Duration::from_secs(seconds));
        // Longer than any backoff, and a little longer than asked.
        for asked in [7, 60] {
            retrying.wait("writing", &mut attempts, throttled(asked)).await.unwrap();
        }
        assert_eq!(*waits.0.lock().unwrap(), [Duration::from_secs(8), Duration::from_secs(61)]);
        let fault = retrying.wait("writing", &mut attempts, throttled(61)).await.unwrap_err();
        assert!(fault.public_hint().unwrap().contains("61 s"), "{fault}");
    }

    /// How often a step is asked for that always fails with this kind.
    async fn calls_of(retrying: &Retrying, kind: FaultKind) -> u32 {
        let mut calls = 0;
        let result: Result<(), _> = retrying
            .until_ok("sending events", || {
                calls += 1;
                async move { Err(Fault::new(kind, "no")) }
            })
            .await;
        assert_eq!(result.unwrap_err().step(), Some("sending events"));
        calls
    }

    #[tokio::test]
    async fn a_destination_is_waited_for_as_long_as_its_own_patience_says() {
        let (_, retrying) = retrying(&Stop::new());
        let destination = retrying.with_destination();
        for kind in [FaultKind::Unavailable, FaultKind::Throttled] {
            assert_eq!((calls_of(&retrying, kind).await, calls_of(&destination, kind).await), (5, 3), "{kind:?}");
        }
        // An answer that does not come has been waited for long enough.
        let kind = FaultKind::Timeout;
        assert_eq!((calls_of(&retrying, kind).await, calls_of(&destination, kind).await), (5, 1));
        // What is cleaned up then has a time of its own.
        assert_eq!(calls_of(&destination.for_cleanup(), kind).await, 5);
    }

    #[tokio::test]
    async fn what_cannot_heal_is_not_tried_again() {
        let (waits, retrying) = retrying(&Stop::new());
        let mut calls = 0;
        let result: Result<(), _> = retrying
            .until_ok("writing", || {
                calls += 1;
                async { Err(Fault::new(FaultKind::Credentials, "no")) }
            })
            .await;
        assert!(result.is_err());
        assert_eq!((calls, waits.0.lock().unwrap().len()), (1, 0));
    }

    #[tokio::test]
    async fn a_stop_ends_any_wait_also_one_that_the_receiver_asked_for() {
        struct Forever;
        #[async_trait]
        impl Waits for Forever {
            async fn sleep(&self, _wait: Duration) {
                std::future::pending::<()>().await;
            }
            fn chance(&self) -> f64 {
                0.0
            }
        }
        let late = || Fault::new(FaultKind::Timeout, "late");
        for fault in [late(), late().retry_after(Duration::from_secs(600))] {
            let stop = Stop::new();
            let retrying = Retrying::new(Arc::new(Forever), stop.clone(), &Budget::for_cores(1));
            let mut attempts = Attempts::default();
            let waiting = retrying.wait("reading", &mut attempts, fault);
            let (result, ()) = futures_util::join!(waiting, async { stop.raise(StopReason::Cancelled) });
            assert_eq!(result.unwrap_err().kind(), FaultKind::Cancelled);
        }
    }
}
