//! The reading of a run, which must be ended on the source's side too.

use std::sync::Arc;
use std::time::Duration;

use model::{Reading, Stop, StopReason};

use crate::retry::at_most;

/// The reading under way, and how it is told to end.
#[derive(Default)]
pub(crate) struct Reads {
    pub(crate) stop: Stop,
    pub(crate) reading: Option<Arc<dyn Reading>>,
}

impl Reads {
    /// Ends the read on the source's side, however the run ended.
    pub(crate) async fn close(self, patience: Duration) {
        self.stop.raise(StopReason::HandOver);
        let Some(reading) = self.reading else { return };
        if at_most(patience, end_reading(&*reading)).await.is_none() {
            tracing::warn!("ending the read took too long");
        }
    }
}

/// Ends a read on the source's side, behind work with it, whose result stands: what a source goes on with costs the
/// source, and says nothing of the rows that came or of why they did not.
pub async fn end_reading(reading: &dyn Reading) {
    if let Err(fault) = reading.close().await {
        tracing::warn!(fault = %fault, "cannot end the read");
    }
}
