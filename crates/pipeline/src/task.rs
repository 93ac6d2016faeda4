//! Spawned work with an owner: dropping a [`Task`] ends it, a panic becomes a fault.
//!
//! Work on a blocking thread cannot be ended from outside; it is short (one batch, one block) and
//! its result is dropped.

use std::future::Future;

use model::Fault;
use tokio_util::task::AbortOnDropHandle;

/// Work that runs beside its owner.
pub(crate) struct Task<T> {
    name: &'static str,
    handle: AbortOnDropHandle<T>,
}

impl<T: Send + 'static> Task<T> {
    /// Starts a future on the runtime.
    pub(crate) fn spawn(name: &'static str, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { name, handle: AbortOnDropHandle::new(tokio::spawn(work)) }
    }

    /// Starts work that would keep an async thread busy.
    pub(crate) fn blocking(name: &'static str, work: impl FnOnce() -> T + Send + 'static) -> Self {
        Self { name, handle: AbortOnDropHandle::new(tokio::task::spawn_blocking(work)) }
    }

    /// Waits for the end of the work.
    pub(crate) async fn join(self) -> Result<T, Fault> {
        self.handle.await.map_err(|failure| Fault::bug(format!("{} ended unexpectedly", self.name)).because(failure))
    }
}
