//! From readers that block a thread to streams that can be polled and stopped.

use arrow_array::RecordBatch;
use futures_core::stream::BoxStream;
use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use model::{Fault, Stop, StopReason};

/// A reader that does its work in the calling thread.
pub(crate) trait Batches: Send + 'static {
    /// The next batch; `None` at the end. Not called again after an error.
    fn next(&mut self) -> Result<Option<RecordBatch>, Fault>;
}

/// Pulls a reader on tokio's blocking threads, one batch at a time: nothing is read ahead, so a slow
/// consumer slows the read, and no thread waits for a consumer.
///
/// The stream ends with the first fault, and at once when `stop` is raised; the batch that is being
/// read then is finished and dropped.
pub(crate) fn stream(reader: impl Batches, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
    let next = move |state: Option<_>| {
        let stop = stop.clone();
        async move {
            let mut reader: Box<dyn Batches> = state?;
            if let Err(fault) = stop.check() {
                return Some((Err(fault), None));
            }
            let work = tokio::task::spawn_blocking(move || {
                let batch = reader.next();
                (reader, batch)
            });
            match select(Box::pin(stop.raised()), work).await {
                Either::Left((reason, _)) => Some((Err(reason.fault()), None)),
                Either::Right((Ok((reader, Ok(Some(batch)))), _)) => Some((Ok(batch), Some(reader))),
                Either::Right((Ok((_, Ok(None))), _)) => None,
                Either::Right((Ok((_, Err(fault))), _)) => Some((Err(fault), None)),
                Either::Right((Err(cause), _)) => Some((Err(died(cause)), None)),
            }
        }
    };
    stream::unfold(Some(Box::new(reader) as Box<dyn Batches>), next).boxed()
}

/// Does blocking work off the async threads. The work is told to stop when nobody waits for it any more.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce(&Stop) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let stop = Stop::new();
    let _waiting = Waiting(stop.clone());
    tokio::task::spawn_blocking(move || work(&stop)).await.unwrap_or_else(|cause| Err(died(cause)))
}

/// Raises the flag when it is dropped, which is how a future is cancelled.
struct Waiting(Stop);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.raise(StopReason::Cancelled);
    }
}

fn died(cause: tokio::task::JoinError) -> Fault {
    Fault::bug("a reader of the store panicked").because(cause)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_told_to_stop() {
        let (ended, end) = mpsc::channel();
        let work = blocking(move |stop| {
            while stop.check().is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
            ended.send(()).map_err(|_| Fault::bug("the test is gone"))
        });
        assert!(tokio::time::timeout(Duration::from_millis(20), work).await.is_err());
        end.recv_timeout(Duration::from_secs(20)).unwrap();
    }
}
