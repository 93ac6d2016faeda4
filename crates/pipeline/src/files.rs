//! The files of a run, one after the other, and the checkpoint that follows them.
//!
//! A checkpoint is recorded before the first byte of a file is sent, so that every upload can be
//! found again, and then as blocks become durable. When the run ends early this module decides what
//! stays: after a failure that may heal and after a hand-over everything that can be continued, after
//! a cancel nothing, and nothing is touched once the run belongs to another worker.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use model::{
    ByteCount, Checkpoint, Destination, Durable, Fault, FileName, FileReceipt, OpenFile, OrderKey, ReadRequest, Retry,
    RowCount, RunLog, Snapshot, Stop, StopReason,
};

use crate::encode::BlockToWrite;
use crate::file::FileUnderWay;
use crate::leftovers::discard_unrecorded;
use crate::progress::{RowLog, Watch};
use crate::retry::{Retrying, at_most};
use crate::upload::{Upload, discard, upload_is_gone};
use crate::{Earlier, EmptyRun, RunSpec, replace};

/// Version of the checkpoint's shape that this build reads and writes.
pub(crate) const CHECKPOINT_VERSION: u16 = 1;

/// The files of a run.
pub(crate) struct Files {
    spec: Arc<RunSpec>,
    destination: Arc<dyn Destination>,
    log: Arc<dyn RunLog>,
    /// How checkpoints are recorded.
    recording: Retrying,
    /// How the destination is asked.
    retrying: Retrying,
    checkpoint: Checkpoint,
    open: Option<FileUnderWay>,
    /// Durable bytes of the open file when the checkpoint was last recorded; `None` before its first block.
    recorded: Option<ByteCount>,
    row_log: RowLog,
    /// There may be uploads that no checkpoint names: of an attempt that died, or of an answer that was lost.
    unrecorded: bool,
    /// The upload of an earlier attempt turned out to be gone.
    upload_lost: bool,
    /// The open file could not be written on, where another try may succeed.
    file_failed: bool,
    /// The checkpoint could not be recorded: the run may belong to another worker.
    log_lost: bool,
    /// The manifest may be visible.
    publishing: bool,
}

impl Files {
    /// Starts with nothing, or where an earlier attempt stopped.
    pub(crate) fn new(
        spec: Arc<RunSpec>,
        destination: Arc<dyn Destination>,
        log: Arc<dyn RunLog>,
        retrying: Retrying,
        resume: Option<Checkpoint>,
    ) -> Result<Self, Fault> {
        let fresh = Checkpoint { version: CHECKPOINT_VERSION, as_of: spec.request.as_of, ..Checkpoint::default() };
        let unrecorded = spec.begun_before || resume.is_some();
        let checkpoint = resume.unwrap_or(fresh);
        if checkpoint.version != CHECKPOINT_VERSION {
            let message = format!("cannot continue from a checkpoint of version {}", checkpoint.version);
            return Err(Fault::bad_request(message).hint("continue with the version that began, or export again"));
        }
        let request = &spec.request;
        let rows = rows_of(&checkpoint);
        let row_log = RowLog::new(request.run.clone(), request.project.clone(), request.table.name.clone(), rows);
        Ok(Self {
            spec,
            destination,
            log,
            retrying: retrying.with_destination(),
            recording: retrying,
            checkpoint,
            open: None,
            recorded: None,
            row_log,
            unrecorded,
            upload_lost: false,
            file_failed: false,
            log_lost: false,
            publishing: false,
        })
    }

    /// The request as the first attempt made it.
    pub(crate) fn request(&self) -> ReadRequest {
        ReadRequest {
            as_of: self.checkpoint.as_of,
            snapshot: self.checkpoint.snapshot.clone().or_else(|| self.spec.request.snapshot.clone()),
            batch_bytes_max: self.spec.budget.batch_bytes,
            ..self.spec.request.clone()
        }
    }

    /// Continues the file of an earlier attempt, or removes what is left of it.
    pub(crate) async fn begin(&mut self, schema: &SchemaRef, snapshot: Option<&Snapshot>) -> Result<(), Fault> {
        self.checkpoint.snapshot = snapshot.cloned();
        if self.unrecorded
            && let Some(file) = self.spec.files.under_way(&self.checkpoint)?
        {
            let recorded = self.checkpoint.open.as_ref().map(|open| &open.upload);
            discard_unrecorded(&*self.destination, &file, recorded, &self.retrying).await?;
        }
        let Some(open) = self.checkpoint.open.clone() else { return Ok(()) };
        if self.destination.limits().resumable && open.encoder.is_some() && !self.upload_lost {
            match continue_file(&self.spec, &self.destination, &self.retrying, &open, schema).await {
                Ok(file) => {
                    self.open = Some(file);
                    return Ok(());
                }
                Err(fault) if upload_is_gone(&fault) => {
                    tracing::warn!(file = %open.name, fault = %fault, "starting the file again");
                }
                Err(fault) => return Err(fault),
            }
        }
        discard(&*self.destination, &open.upload, &self.retrying).await?;
        self.upload_lost = false;
        self.checkpoint.open = None;
        self.record().await
    }

    /// Rows written, earlier attempts included.
    pub(crate) fn rows(&self) -> RowCount {
        self.done_rows() + self.open.as_ref().map_or(RowCount::ZERO, FileUnderWay::rows)
    }

    /// The last row written.
    pub(crate) fn after(&self) -> Option<&OrderKey> {
        self.open.as_ref().and_then(FileUnderWay::after).or(self.checkpoint.done_after.as_ref())
    }

    /// Whether an earlier attempt finished the only file.
    pub(crate) fn complete(&self) -> bool {
        self.spec.files.roll_bytes.is_none() && !self.checkpoint.done.is_empty()
    }

    /// Writes a block to the file it belongs to.
    pub(crate) async fn append(&mut self, block: BlockToWrite, schema: &SchemaRef, watch: &Watch) -> Result<(), Fault> {
        let full = |file: &FileUnderWay| self.spec.files.roll_bytes.is_some_and(|roll| file.bytes() >= roll);
        if self.open.as_ref().is_some_and(full) {
            self.finish_file().await?;
        }
        if self.open.is_none() {
            self.open_file(schema).await?;
        }
        let file = self.open.as_mut().ok_or_else(|| Fault::bug("no file is open"))?;
        if let Err(fault) = file.append(block).await {
            self.upload_lost = file.upload_is_lost(&fault);
            self.file_failed = fault.retry() != Retry::Never;
            return Err(fault);
        }
        self.record_if_due().await?;
        self.report(watch);
        Ok(())
    }

    /// Finishes the last file. A run without rows has one file without rows.
    pub(crate) async fn finish(&mut self, schema: &SchemaRef, watch: &Watch) -> Result<&[FileReceipt], Fault> {
        let nothing_written = self.open.is_none() && self.checkpoint.done.is_empty();
        if nothing_written && self.spec.files.empty == EmptyRun::File {
            self.open_file(schema).await?;
        }
        if self.open.is_some() {
            self.finish_file().await?;
        }
        if let Some(replaced) = &self.checkpoint.replaced {
            replace::remove_surplus(&*self.destination, replaced, &self.checkpoint.done, &self.retrying).await?;
        }
        self.report(watch);
        Ok(&self.checkpoint.done)
    }

    /// Notes that the manifest is about to be written.
    pub(crate) fn publishing(&mut self) {
        self.publishing = true;
    }

    /// Goes back to the last durable block, or to the start of a file whose upload is gone. `None`
    /// where the failure was not one of the open file; else the durable bytes of all files.
    pub(crate) fn step_back(&mut self) -> Option<ByteCount> {
        let failed = std::mem::take(&mut self.file_failed) && self.destination.limits().resumable;
        if !failed && !self.upload_lost {
            return None;
        }
        let file = self.open.take();
        if let Some(file) = &file {
            self.checkpoint.open = Some(file.checkpoint());
        }
        self.recorded = None;
        let settled = file.map_or(ByteCount::ZERO, |file| file.bytes_settled());
        Some(self.checkpoint.done.iter().map(|file| file.head.bytes).sum::<ByteCount>() + settled)
    }

    /// Leaves behind what a run that ended early may leave behind.
    pub(crate) async fn settle(mut self, fault: &Fault, stop: &Stop) {
        let patience = self.spec.budget.cleanup_max;
        let settled = match stop.reason() {
            Some(StopReason::LeaseLost) => return,
            _ if self.log_lost => return,
            Some(StopReason::Cancelled) => at_most(patience, self.remove_everything()).await,
            Some(StopReason::HandOver) => at_most(patience, self.keep()).await,
            None if fault.retry() != Retry::Never => at_most(patience, self.keep()).await,
            None => at_most(patience, self.remove_unfinished()).await,
        };
        match settled {
            Some(Ok(())) => {}
            Some(Err(fault)) => tracing::warn!(fault = %fault, "cannot clean up after the run"),
            None => tracing::warn!("cleaning up after the run took too long"),
        }
    }

    async fn open_file(&mut self, schema: &SchemaRef) -> Result<(), Fault> {
        let spec = &self.spec;
        let name = spec.files.file(self.checkpoint.done.len() + 1)?;
        let encoder = spec.format.start(schema, &spec.format_options, None)?;
        let continuable = encoder.state().is_some() && self.destination.limits().resumable;
        let writes = if continuable { self.retrying.briefly() } else { self.retrying.clone() };
        // Until the answer is there, an upload may be that nobody knows of.
        let known = std::mem::replace(&mut self.unrecorded, true);
        let upload = Upload::open(&self.destination, &name, &spec.attributes(&name), &self.retrying, writes).await?;
        let file = FileUnderWay::new(name, encoder, upload, self.destination.limits().file_bytes_max);
        self.unrecorded = known;
        self.checkpoint.open = Some(file.checkpoint());
        self.open = Some(file);
        self.recorded = None;
        let recorded = self.record().await;
        let belongs_to_another = self.log.stop().reason() == Some(StopReason::LeaseLost);
        if recorded.is_err() && (self.log_lost || belongs_to_another) {
            self.abort_unrecorded().await;
        }
        recorded
    }

    /// Removes an upload that nobody else can know of: its record was refused.
    async fn abort_unrecorded(&mut self) {
        let Some(file) = self.open.take() else { return };
        match at_most(self.spec.budget.cleanup_max, file.abort()).await {
            Some(Ok(())) => {}
            Some(Err(fault)) => tracing::warn!(fault = %fault, "cannot remove an upload that was not recorded"),
            None => tracing::warn!("removing an upload that was not recorded took too long"),
        }
    }

    /// Before the first file takes its name: finds what else an earlier export left, and removes a manifest that
    /// would tell of files that are gone.
    async fn make_way(&mut self) -> Result<(), Fault> {
        let (spec, destination) = (Arc::clone(&self.spec), Arc::clone(&self.destination));
        let Earlier::Replaced { manifests, known } = &spec.earlier else { return Ok(()) };
        if !self.checkpoint.done.is_empty() {
            return Ok(());
        }
        let replaced = match &self.checkpoint.replaced {
            Some(replaced) => replaced.clone(),
            None => {
                let found = replace::files(&*destination, &spec.files, manifests, known, &self.retrying).await?;
                self.checkpoint.replaced = Some(found.clone());
                self.record().await?;
                found
            }
        };
        for manifest in manifests {
            if !replace::in_place(&replaced, manifest, &spec.files) {
                replace::remove(&*destination, manifest, &self.retrying).await?;
            }
        }
        Ok(())
    }

    async fn finish_file(&mut self) -> Result<(), Fault> {
        self.make_way().await?;
        let Some(file) = &mut self.open else { return Ok(()) };
        let finished = match file.finish().await {
            Ok(finished) => finished,
            Err(fault) => {
                self.upload_lost = file.upload_is_lost(&fault);
                self.file_failed = fault.retry() != Retry::Never;
                return Err(fault);
            }
        };
        let spec = &self.spec;
        self.checkpoint.done.push(FileReceipt {
            content_type: spec.attributes(&finished.name).content_type,
            key: finished.name,
            table: spec.request.table.name.clone(),
            format: spec.format.descriptor().name.to_owned(),
            compression: spec.format_options.compression.as_str().to_owned(),
            head: finished.head,
            rows: finished.rows,
            sha256: finished.sha256,
            cursor_min: finished.keys.cursor_min,
            cursor_max: finished.keys.cursor_max,
            key_digest: finished.keys.digest,
        });
        self.checkpoint.done_after = finished.after.or_else(|| self.checkpoint.done_after.take());
        self.checkpoint.open = None;
        self.open = None;
        self.record().await
    }

    /// Records the first durable block at once and then whenever enough more is durable.
    async fn record_if_due(&mut self) -> Result<(), Fault> {
        let Some(file) = &self.open else { return Ok(()) };
        let settled = file.bytes_settled();
        let due = match self.recorded {
            None => settled > ByteCount::ZERO,
            Some(recorded) => settled.saturating_sub(recorded) >= self.spec.budget.checkpoint_bytes,
        };
        if !due || !self.destination.limits().resumable {
            return Ok(());
        }
        self.checkpoint.open = Some(file.checkpoint());
        self.recorded = Some(settled);
        self.record().await
    }

    async fn record(&mut self) -> Result<(), Fault> {
        let recorded = self.recording.until_ok("recording the checkpoint", || self.log.record(&self.checkpoint)).await;
        // A stop is no answer of the log: what was recorded last is still true.
        self.log_lost = recorded.is_err() && self.log.stop().reason().is_none();
        recorded
    }

    async fn keep(&mut self) -> Result<(), Fault> {
        if let Some(file) = &self.open {
            self.checkpoint.open = Some(file.checkpoint());
        }
        self.log.record(&self.checkpoint).await
    }

    async fn remove_unfinished(&mut self) -> Result<(), Fault> {
        let file = self.spec.files.under_way(&self.checkpoint)?;
        self.remove_open(file).await
    }

    /// Removes the uploads of the file under way.
    async fn remove_open(&mut self, file: Option<FileName>) -> Result<(), Fault> {
        match (self.open.take(), self.checkpoint.open.take()) {
            (Some(file), _) => file.abort().await?,
            (None, Some(open)) => discard(&*self.destination, &open.upload, &self.retrying.for_cleanup()).await?,
            (None, None) => {}
        }
        if self.unrecorded
            && let Some(file) = file
        {
            discard_unrecorded(&*self.destination, &file, None, &self.retrying.for_cleanup()).await?;
        }
        self.log.record(&self.checkpoint).await
    }

    async fn remove_everything(&mut self) -> Result<(), Fault> {
        // The manifest goes first, so that none ever names files that are not there.
        if let (true, Some(manifest)) = (self.publishing, &self.spec.files.manifest) {
            self.destination.remove(manifest).await?;
        }
        let under_way = self.spec.files.under_way(&self.checkpoint)?;
        // The checkpoint names files until they are gone: a successor finds what this run could not remove.
        let (mut left, mut failure) = (Vec::new(), None);
        for file in std::mem::take(&mut self.checkpoint.done) {
            match self.destination.remove(&file.key).await {
                Ok(true) => {}
                Ok(false) => tracing::warn!(file = %file.key, "the file of a cancelled run cannot be removed"),
                Err(fault) => {
                    left.push(file);
                    failure.get_or_insert(fault);
                }
            }
        }
        if left.is_empty() {
            self.checkpoint.done_after = None;
        }
        self.checkpoint.done = left;
        self.remove_open(under_way).await?;
        failure.map_or(Ok(()), Err)
    }

    fn report(&mut self, watch: &Watch) {
        let rows = self.rows();
        let done: ByteCount = self.checkpoint.done.iter().map(|file| file.head.bytes).sum();
        let open = self.open.as_ref();
        let bytes = done + open.map_or(ByteCount::ZERO, FileUnderWay::bytes);
        watch.written(rows, bytes, self.checkpoint.done.len(), open.map(FileUnderWay::name));
        self.row_log.passed(rows);
    }

    fn done_rows(&self) -> RowCount {
        self.checkpoint.done.iter().map(|file| file.rows).sum()
    }
}

/// The file of an earlier attempt, up to its last durable block.
async fn continue_file(
    spec: &RunSpec,
    destination: &Arc<dyn Destination>,
    retrying: &Retrying,
    open: &OpenFile,
    schema: &SchemaRef,
) -> Result<FileUnderWay, Fault> {
    // Before the first durable block the file begins again, whatever the upload already has of it.
    let state = open.encoder.as_ref().filter(|_| open.block_end > ByteCount::ZERO);
    let encoder = spec.format.start(schema, &spec.format_options, state)?;
    let durable = Durable { bytes: open.upload_bytes, state: open.upload.clone() };
    let attributes = spec.attributes(&open.name);
    let upload = Upload::resume(destination, &open.name, &attributes, retrying, durable, open.block_end).await?;
    FileUnderWay::resume(open, encoder, upload, destination.limits().file_bytes_max)
}

fn rows_of(checkpoint: &Checkpoint) -> RowCount {
    let open = checkpoint.open.as_ref().map_or(RowCount::ZERO, |open| open.rows);
    checkpoint.done.iter().map(|file| file.rows).sum::<RowCount>() + open
}
