//! Spawned work with an owner: dropping a [`Task`] ends it, a panic becomes a fault.
//!
//! Work on a blocking thread cannot be ended from outside; it is short (one batch, one block) and
//! its result is dropped. Work stays within the span of its owner, so its log lines name the run.

use std::future::Future;

use model::Fault;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span};

/// Work that runs beside its owner.
pub(crate) struct Task<T> {
    name: &'static str,
    handle: AbortOnDropHandle<T>,
}

impl<T: Send + 'static> Task<T> {
    /// Starts a future on the runtime.
    pub(crate) fn spawn(name: &'static str, work: impl Future<Output = T> + Send + 'static) -> Self {
        // The owner's span is entered as well: where nobody listens to the task's there is none to enter.
        let work = work.instrument(tracing::info_span!("task", task.name = name)).in_current_span();
        Self { name, handle: AbortOnDropHandle::new(tokio::spawn(work)) }
    }

    /// Starts work that would keep an async thread busy.
    pub(crate) fn blocking(name: &'static str, work: impl FnOnce() -> T + Send + 'static) -> Self {
        let span = Span::current();
        let work = move || span.in_scope(work);
        Self { name, handle: AbortOnDropHandle::new(tokio::task::spawn_blocking(work)) }
    }

    /// Waits for the end of the work.
    pub(crate) async fn join(self) -> Result<T, Fault> {
        self.handle.await.map_err(|failure| Fault::bug(format!("{} ended unexpectedly", self.name)).because(failure))
    }
}
