//! The wish that a run ends early, which every wait of the run observes.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::{Fault, FaultKind};

/// A shared, awaitable flag. The first reason wins; it is never taken back.
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    reason: AtomicU8,
    /// Whoever waits, under a number of its own.
    waiting: Mutex<HashMap<u64, Waker>>,
    waits: AtomicU64,
    /// Asked at every look as long as nobody has raised the flag.
    guard: Option<Guard>,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finds out by itself whether the flag is to be raised.
type Guard = Box<dyn Fn() -> Option<StopReason> + Send + Sync>;

/// Why a run should end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Somebody cancelled the export: its files are removed.
    Cancelled,
    /// This process is going away; the checkpoint stays for a successor.
    HandOver,
    /// Another worker owns the run: nothing may be written or removed any more.
    LeaseLost,
}

impl Stop {
    /// A flag that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that is also raised when somebody looks at it and `guard` has a reason. So a process that
    /// did not run for a while, and has not heard of the reason yet, still does nothing that it may not.
    pub fn guarded(guard: impl Fn() -> Option<StopReason> + Send + Sync + 'static) -> Self {
        let shared = Shared { guard: Some(Box::new(guard)), ..Shared::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Raises the flag and wakes every waiter; later reasons are ignored.
    pub fn raise(&self, reason: StopReason) {
        let code = match reason {
            StopReason::Cancelled => 1,
            StopReason::HandOver => 2,
            StopReason::LeaseLost => 3,
        };
        if self.shared.reason.compare_exchange(0, code, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            let waiting = std::mem::take(&mut *self.shared.waiting());
            waiting.into_values().for_each(Waker::wake);
        }
    }

    /// The reason, once raised.
    pub fn reason(&self) -> Option<StopReason> {
        if let Some(reason) = self.raised_for() {
            return Some(reason);
        }
        let found = self.shared.guard.as_ref().and_then(|guard| guard())?;
        self.raise(found);
        self.raised_for()
    }

    fn raised_for(&self) -> Option<StopReason> {
        match self.shared.reason.load(Ordering::SeqCst) {
            1 => Some(StopReason::Cancelled),
            2 => Some(StopReason::HandOver),
            3 => Some(StopReason::LeaseLost),
            _ => None,
        }
    }

    /// Fails with a cancelled fault once raised.
    pub fn check(&self) -> Result<(), Fault> {
        match self.reason() {
            None => Ok(()),
            Some(reason) => Err(reason.fault()),
        }
    }

    /// Resolves when the flag is raised.
    pub fn raised(&self) -> impl Future<Output = StopReason> + Send + use<> {
        let number = self.shared.waits.fetch_add(1, Ordering::Relaxed);
        Raised { stop: self.clone(), number }
    }
}

impl StopReason {
    /// The fault that a stopped step returns.
    pub fn fault(self) -> Fault {
        let message = match self {
            Self::Cancelled => "the run was cancelled",
            Self::HandOver => "the run was handed over",
            Self::LeaseLost => "the run belongs to another worker",
        };
        let fault = Fault::new(FaultKind::Cancelled, message);
        match self {
            Self::LeaseLost => fault.hint("another attempt at the same export has taken over"),
            Self::Cancelled | Self::HandOver => fault,
        }
    }
}

struct Raised {
    stop: Stop,
    number: u64,
}

impl Future for Raised {
    type Output = StopReason;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<StopReason> {
        // Registering before looking again closes the gap in which `raise` finds nobody to wake.
        self.stop.shared.waiting().insert(self.number, context.waker().clone());
        match self.stop.reason() {
            Some(reason) => Poll::Ready(reason),
            None => Poll::Pending,
        }
    }
}

/// A flag may live as long as the process and be waited for by everything that passes through it, so
/// whoever stops waiting leaves nothing behind.
impl Drop for Raised {
    fn drop(&mut self) {
        self.stop.shared.waiting().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_are_woken_and_leave_nothing_behind() {
        let stop = Stop::new();
        let mut context = Context::from_waker(Waker::noop());
        let (mut first, second) = (Box::pin(stop.raised()), Box::pin(stop.raised()));
        for mut waiting in [first.as_mut(), Box::pin(stop.raised()).as_mut()] {
            assert!(waiting.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(stop.shared.waiting().len(), 1, "the one that was dropped is forgotten");
        stop.raise(StopReason::HandOver);
        assert_eq!(first.as_mut().poll(&mut context), Poll::Ready(StopReason::HandOver));
        drop((first, second));
        assert!(stop.shared.waiting().is_empty());
    }

    #[test]
    fn a_guard_raises_the_flag_for_whoever_looks() {
        let lost = Arc::new(AtomicU8::new(0));
        let seen = Arc::clone(&lost);
        let stop = Stop::guarded(move || (seen.load(Ordering::SeqCst) == 1).then_some(StopReason::LeaseLost));
        assert!(stop.check().is_ok());
        lost.store(1, Ordering::SeqCst);
        assert_eq!(stop.clone().reason(), Some(StopReason::LeaseLost));
        // What was raised first stays.
        stop.raise(StopReason::Cancelled);
        assert_eq!(stop.reason(), Some(StopReason::LeaseLost));
    }
}
