//! What the doubles can be told to do wrong, and the waits they are given.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use model::{Fault, FaultKind, Stop, StopReason};
use tokio::sync::Notify;

use crate::Waits;

/// What a call is made to do instead of, or after, its work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// Fails without having done anything.
    FailBefore(FaultKind),
    /// Does its work and says that it failed.
    FailAfter(FaultKind),
    /// Never returns, as if the process had died before the work.
    CrashBefore,
    /// Does its work and never returns.
    CrashAfter,
    /// Panics where it is a read, as a library does on input that its author thought impossible.
    Panic,
    /// Fails, and so does everything else that is asked of the same writer.
    Cut,
    /// Raises the stop and goes on.
    Stop(StopReason),
    /// Does its work and raises the stop before anybody has its answer.
    StopInFlight(StopReason),
}

/// Counts the calls of all doubles and makes trouble at one of them.
#[derive(Default)]
pub(crate) struct Calls {
    count: AtomicUsize,
    at: Mutex<Option<(usize, Trouble)>>,
    /// Which calls are counted, where that is not each.
    only: Mutex<Option<&'static str>>,
    crashed: Notify,
    stop: Mutex<Stop>,
    pub(crate) names: Mutex<Vec<String>>,
}

impl Calls {
    /// Begins to count again, with trouble at a call.
    pub(crate) fn arm(&self, trouble: Option<(usize, Trouble)>) {
        self.count.store(0, Ordering::SeqCst);
        *self.at.lock().unwrap() = trouble;
        *self.stop.lock().unwrap() = Stop::new();
    }

    /// Counts calls of this name alone: which number a call has among all differs where some overlap.
    pub(crate) fn only(&self, name: &'static str) {
        *self.only.lock().unwrap() = Some(name);
    }

    /// Calls since they were last armed.
    pub(super) fn made(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(super) fn stop(&self) -> Stop {
        self.stop.lock().unwrap().clone()
    }

    /// Returns when a call has crashed.
    pub(crate) async fn crashed(&self) {
        self.crashed.notified().await;
    }

    pub(super) async fn before(&self, name: &str) -> Result<Option<Trouble>, Fault> {
        let Some(trouble) = self.begin(name) else { return Ok(None) };
        match trouble {
            Trouble::FailBefore(kind) => Err(Fault::new(kind, format!("planned failure of {name}"))),
            Trouble::CrashBefore => self.crash().await,
            Trouble::Panic if name == "read" => panic!("planned panic of {name}"),
            Trouble::Panic | Trouble::Stop(_) => Ok(None),
            Trouble::FailAfter(_) | Trouble::CrashAfter | Trouble::Cut | Trouble::StopInFlight(_) => Ok(Some(trouble)),
        }
    }

    /// Notes a call and returns the trouble planned for it. A stop is raised before another call can be noted.
    fn begin(&self, name: &str) -> Option<Trouble> {
        let mut names = self.names.lock().unwrap();
        names.push(name.to_owned());
        if self.only.lock().unwrap().is_some_and(|only| only != name) {
            return None;
        }
        let call = self.count.fetch_add(1, Ordering::SeqCst);
        let (_, trouble) = self.at.lock().unwrap().filter(|(at, _)| *at == call)?;
        if let Trouble::Stop(reason) = trouble {
            self.stop.lock().unwrap().raise(reason);
        }
        Some(trouble)
    }

    pub(super) async fn after(&self, trouble: Option<Trouble>) -> Result<(), Fault> {
        match trouble {
            Some(Trouble::FailAfter(kind)) => Err(Fault::new(kind, "planned failure after the work")),
            Some(Trouble::CrashAfter) => self.crash().await,
            Some(Trouble::Cut) => Err(cut()),
            Some(Trouble::StopInFlight(reason)) => {
                self.stop.lock().unwrap().raise(reason);
                std::future::pending().await
            }
            _ => Ok(()),
        }
    }

    async fn crash<T>(&self) -> T {
        self.crashed.notify_one();
        std::future::pending().await
    }
}

pub(super) fn cut() -> Fault {
    Fault::new(FaultKind::Unavailable, "the connection was cut")
}

/// Waits that take no time.
pub(crate) struct NoWaits;

#[async_trait]
impl Waits for NoWaits {
    async fn sleep(&self, _wait: Duration) {
        tokio::task::yield_now().await;
    }

    fn chance(&self) -> f64 {
        0.5
    }
}
