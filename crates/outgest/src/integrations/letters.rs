//! Dead letters of a window, kept with its run where people see them and can have them sent again.

use std::sync::Arc;

use async_trait::async_trait;
use model::{
    DeadLetter, DeadLetters, Fault, IntegrationId, JobId, KeptFrom, KeptLetter, Micros, SchedulerStore, TableName,
};

/// The letters of one table of a run.
pub struct RunLetters {
    /// Where they are kept.
    pub store: Arc<dyn SchedulerStore>,
    /// The integration.
    pub integration: IntegrationId,
    /// Its run.
    pub run: JobId,
    /// The table.
    pub table: TableName,
    /// Token of the lease under which they are kept: a worker that lost the run touches no letter.
    pub token: u64,
    /// The current time.
    pub now: fn() -> Micros,
}

#[async_trait]
impl DeadLetters for RunLetters {
    async fn keep(&self, number: u64, letters: &[DeadLetter]) -> Result<(), Fault> {
        let from = KeptFrom { run: self.run.clone(), table: self.table.to_string(), number, token: self.token };
        let at = (self.now)();
        let kept = (0..).zip(letters).map(|(later, letter)| {
            let event = serde_json::from_str(letter.event.get())
                .map_err(|error| Fault::bug("a dead letter is not JSON").because(error))?;
            Ok(KeptLetter {
                id: from.id(later),
                run: self.run.clone(),
                table: from.table.clone(),
                trace_id: letter.row.trace_id.to_string(),
                row: letter.row.id.to_string(),
                reason: letter.reason.clone(),
                at,
                event,
            })
        });
        let kept = kept.collect::<Result<_, Fault>>()?;
        self.store.keep_dead_letters(&self.integration, &from, kept).await
    }
}
