//! Limits of a source's load hold for all workers together: each process takes the share that the queue tells.

use std::sync::Arc;
use std::time::Duration;

use model::{JobStore, Source, Stop};

/// How long a process may go on with the share it had after others have come or gone.
const EVERY: Duration = Duration::from_secs(2);

/// Tells the source how many processes read from it, until `drain` is raised.
pub async fn share(source: Arc<dyn Source>, queue: impl JobStore, drain: Stop) {
    while drain.reason().is_none() {
        match queue.workers().await {
            Ok(workers) => source.shared_by(workers.max(1)),
            // Whoever works with the store tells why; the share stays as it was.
            Err(fault) => tracing::debug!(fault = %fault, "the workers cannot be counted"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = drain.raised() => {}
        }
    }
}
