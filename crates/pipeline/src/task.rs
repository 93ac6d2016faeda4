//! Spawned work with an owner: dropping a [`Task`] or a [`Feed`] ends it, a panic becomes a fault.
//!
//! Work on a blocking thread cannot be ended from outside; it is short (one batch, one block) and
//! its result is dropped. Work stays within the span of its owner, so its log lines name the run.

use std::future::Future;

use model::Fault;
use tokio::sync::mpsc::{self, Receiver, Sender};
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
    pub(crate) async fn join(mut self) -> Result<T, Fault> {
        self.ended().await
    }

    /// [`Self::join`] that may be dropped while it waits; not to be called again once it has returned.
    async fn ended(&mut self) -> Result<T, Fault> {
        let ended = (&mut self.handle).await;
        ended.map_err(|failure| Fault::bug(format!("{} ended unexpectedly", self.name)).because(failure))
    }
}

/// What a task hands over piece by piece, in order. A task that ends unexpectedly is a fault, never an
/// early end: what it did not hand over would be missing without a word.
pub(crate) struct Feed<T> {
    pieces: Receiver<T>,
    task: Option<Task<()>>,
}

impl<T: Send + 'static> Feed<T> {
    /// Starts a task that hands over what it sends; at most `waiting` pieces wait to be taken.
    pub(crate) fn spawn<W>(name: &'static str, waiting: usize, work: impl FnOnce(Sender<T>) -> W) -> Self
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let (sender, pieces) = mpsc::channel(waiting);
        Self { pieces, task: Some(Task::spawn(name, work(sender))) }
    }

    /// The next piece; `None` once the task has handed over everything and ended. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, Fault> {
        if let Some(piece) = self.pieces.recv().await {
            return Ok(Some(piece));
        }
        let Some(task) = &mut self.task else { return Ok(None) };
        let ended = task.ended().await;
        self.task = None;
        ended.map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_unexpectedly_is_no_end() {
        let pieces = |panics: bool| {
            Feed::spawn("counting", 1, move |out: Sender<u8>| async move {
                out.send(1).await.unwrap();
                assert!(!panics, "the work went wrong");
            })
        };
        let mut whole = pieces(false);
        assert_eq!((whole.next().await.unwrap(), whole.next().await.unwrap()), (Some(1), None));
        let mut broken = pieces(true);
        assert_eq!(broken.next().await.unwrap(), Some(1));
        assert!(broken.next().await.unwrap_err().to_string().contains("counting ended unexpectedly"));
    }
}
