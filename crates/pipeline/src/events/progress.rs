//! What is accounted for: dead letters and keys first, then the checkpoint that counts them.

use std::collections::VecDeque;
use std::sync::Arc;

use model::{
    ByteCount, Checkpoint, DeadLetters, DeliveryCounts, Fault, OrderKey, Plan, ReadRequest, RowCount, RunLog, SentKeys,
    Snapshot,
};

use super::send::SentRequest;
use super::{DeliveryPorts, DeliverySpec};
use crate::files::CHECKPOINT_VERSION;
use crate::progress::{RowLog, Watch};
use crate::retry::Retrying;

/// The progress of a delivery.
pub(super) struct Delivered {
    checkpoint: Checkpoint,
    letters: Arc<dyn DeadLetters>,
    sent: Option<Arc<dyn SentKeys>>,
    log: Arc<dyn RunLog>,
    retrying: Retrying,
    watch: Watch,
    row_log: RowLog,
    /// Rows that are under way, and the planned bytes behind them: one for each batch at most.
    passed: VecDeque<(RowCount, ByteCount)>,
    /// Whether an earlier attempt may have kept letters and keys that its checkpoint does not count.
    resumed: bool,
}

impl Delivered {
    /// Starts with nothing, or where an earlier attempt stopped.
    pub(super) fn new(
        spec: &DeliverySpec,
        ports: &DeliveryPorts,
        retrying: Retrying,
        watch: Watch,
        resume: Option<Checkpoint>,
    ) -> Result<Self, Fault> {
        let request = &spec.request;
        let fresh = Checkpoint { version: CHECKPOINT_VERSION, as_of: request.as_of, ..Checkpoint::default() };
        let resumed = resume.is_some();
        let mut checkpoint = resume.unwrap_or(fresh);
        if checkpoint.version != CHECKPOINT_VERSION {
            let message = format!("cannot continue from a checkpoint of version {}", checkpoint.version);
            return Err(Fault::bad_request(message).hint("continue with the version that began, or deliver again"));
        }
        let read = checkpoint.delivery.get_or_insert_default().counts.read;
        let row_log = RowLog::new(request.run.clone(), request.project.clone(), request.table.name.clone(), read);
        let (letters, sent, log) = (Arc::clone(&ports.letters), ports.sent.clone(), Arc::clone(&ports.log));
        Ok(Self { checkpoint, letters, sent, log, retrying, watch, row_log, passed: VecDeque::new(), resumed })
    }

    /// The request as the first attempt made it.
    pub(super) fn request(&self, spec: &DeliverySpec) -> ReadRequest {
        ReadRequest {
            as_of: self.checkpoint.as_of,
            snapshot: self.checkpoint.snapshot.clone().or_else(|| spec.request.snapshot.clone()),
            batch_bytes_max: spec.budget.batch_bytes,
            ..spec.request.clone()
        }
    }

    /// Records what will be read, before the first event is sent.
    pub(super) async fn begin(&mut self, snapshot: Option<&Snapshot>) -> Result<(), Fault> {
        self.checkpoint.snapshot = snapshot.cloned();
        if self.resumed {
            // What was refused then may be accepted now.
            let number = self.counts().rejected.get();
            self.retrying.until_ok("forgetting dead letters", || self.letters.keep(number, &[])).await?;
            self.keep_sent(&[]).await?;
        }
        self.record().await
    }

    /// The last row that is accounted for.
    pub(super) fn after(&self) -> Option<&OrderKey> {
        self.checkpoint.delivery.as_ref()?.after.as_ref()
    }

    /// What became of the rows up to there, earlier attempts included.
    pub(super) fn counts(&self) -> DeliveryCounts {
        self.checkpoint.delivery.as_ref().map(|delivery| delivery.counts).unwrap_or_default()
    }

    /// Shows the plan of what is left.
    pub(super) fn planned(&self, plan: &Plan) {
        self.watch.planned(self.counts().read, plan);
    }

    /// So many planned bytes lie behind the rows up to this one, earlier attempts included. They are shown once these
    /// rows are accounted for.
    pub(super) fn passed(&mut self, rows: RowCount, bytes: ByteCount) {
        // Where no row lies between two of them the later one tells of both.
        if self.passed.back().is_some_and(|(before, _)| *before == rows) {
            self.passed.pop_back();
        }
        self.passed.push_back((rows, bytes));
        self.show_passed();
    }

    fn show_passed(&mut self) {
        let read = self.counts().read;
        while let Some((rows, bytes)) = self.passed.front()
            && *rows <= read
        {
            self.watch.passed(*bytes);
            self.passed.pop_front();
        }
    }

    /// Accounts for a request; every one before it is accounted for.
    pub(super) async fn account(&mut self, sent: SentRequest) -> Result<(), Fault> {
        let number = self.counts().rejected.get();
        if !sent.letters.is_empty() {
            let keep = || self.letters.keep(number, &sent.letters);
            self.retrying.until_ok("keeping dead letters", keep).await?;
        }
        self.keep_sent(&sent.hashes).await?;
        let delivery = self.checkpoint.delivery.get_or_insert_default();
        delivery.counts += sent.counts;
        delivery.after = Some(sent.last);
        self.record().await?;
        let counts = self.counts();
        self.watch.written(counts.read, counts.bytes, 0, None);
        self.show_passed();
        self.row_log.passed(counts.read);
        Ok(())
    }

    /// Fails unless each of the rows that were read is accounted for (promise 9).
    pub(super) fn prove(&self, rows_read: RowCount) -> Result<(), Fault> {
        let counts = self.counts();
        if counts.conserved() && counts.read == rows_read {
            self.watch.finished();
            return Ok(());
        }
        Err(Fault::bug(format!(
            "{rows_read} rows were read, but {} are accounted for: {} accepted, {} rejected",
            counts.read, counts.accepted, counts.rejected
        )))
    }

    /// Keeps the keys of rows that follow those which are accounted for, and forgets what an earlier attempt kept there.
    async fn keep_sent(&self, hashes: &[u64]) -> Result<(), Fault> {
        let Some(sent) = &self.sent else { return Ok(()) };
        let number = self.counts().read.get();
        self.retrying.until_ok("keeping the keys of what was sent", || sent.keep(number, hashes)).await
    }

    async fn record(&self) -> Result<(), Fault> {
        self.retrying.until_ok("recording the checkpoint", || self.log.record(&self.checkpoint)).await
    }
}
