//! One file on its way to the destination, sent again from its last durable byte after a failure.
//!
//! What a destination does with the bytes of a failed write is its own affair: the upload is opened
//! again, which keeps exactly what is durable, and everything behind that is sent again from memory. The
//! bytes held for this are those behind the last block that is durable to its end.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use model::{
    ByteCount, Destination, Durable, Fault, FaultKind, FileAttributes, FileName, FileWriter, ObjectHead, UploadState,
};

use crate::hash::Hash;
use crate::retry::{Attempts, Retrying};

/// A file being sent.
pub(crate) struct Upload {
    destination: Arc<dyn Destination>,
    retrying: Retrying,
    name: FileName,
    attributes: FileAttributes,
    /// `None` after a failure, until the upload is opened again.
    writer: Option<Box<dyn FileWriter>>,
    durable: Durable,
    /// Bytes that the writer was given, which kept them all since it was opened.
    given: u64,
    /// What may have to be sent again or hashed for a checkpoint, with its position in the file.
    held: VecDeque<(u64, Bytes)>,
    /// Bytes of the file that the caller has handed over.
    end: u64,
    attempts: Attempts,
    /// Continued from an earlier attempt and not yet known to be still there.
    unproven: bool,
}

impl Upload {
    /// Starts a file. No byte is sent.
    pub(crate) async fn open(
        destination: &Arc<dyn Destination>,
        name: &FileName,
        attributes: FileAttributes,
        retrying: &Retrying,
    ) -> Result<Self, Fault> {
        let writer = retrying.until_ok("opening a file", || destination.open(name, &attributes, None)).await?;
        let durable = Durable { bytes: ByteCount::ZERO, state: writer.upload() };
        Ok(Self::new(destination, name, attributes, retrying, writer, durable, 0))
    }

    /// Continues a file of which `durable` survived; the caller hands over the bytes from `end` on.
    pub(crate) async fn resume(
        destination: &Arc<dyn Destination>,
        name: &FileName,
        attributes: FileAttributes,
        retrying: &Retrying,
        durable: Durable,
        end: ByteCount,
    ) -> Result<Self, Fault> {
        let open = || destination.open(name, &attributes, Some(&durable.state));
        let writer = retrying.until_ok("opening a file again", open).await?;
        let upload = Self::new(destination, name, attributes, retrying, writer, durable, end.get());
        Ok(Self { unproven: true, ..upload })
    }

    fn new(
        destination: &Arc<dyn Destination>,
        name: &FileName,
        attributes: FileAttributes,
        retrying: &Retrying,
        writer: Box<dyn FileWriter>,
        durable: Durable,
        end: u64,
    ) -> Self {
        Self {
            destination: Arc::clone(destination),
            retrying: retrying.clone(),
            name: name.clone(),
            attributes,
            writer: Some(writer),
            given: durable.bytes.get(),
            durable,
            held: VecDeque::new(),
            end,
            attempts: Attempts::default(),
            unproven: false,
        }
    }

    /// What would survive a crash now.
    pub(crate) fn durable(&self) -> &Durable {
        &self.durable
    }

    /// Whether a failure may mean that the upload of an earlier attempt is gone.
    pub(crate) fn unproven(&self) -> bool {
        self.unproven
    }

    /// SHA-256 of what is durable behind `from`, which must not lie before the first held byte.
    pub(crate) fn durable_hash_from(&self, from: ByteCount) -> String {
        let mut hash = Hash::default();
        for (start, bytes) in &self.held {
            let first = from.get().saturating_sub(*start).min(bytes.len() as u64);
            let last = self.durable.bytes.get().saturating_sub(*start).min(bytes.len() as u64);
            hash.update(&bytes[first as usize..last.max(first) as usize]);
        }
        hash.finish()
    }

    /// Adds bytes to the file, however often they must be sent.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Fault> {
        let start = self.end;
        self.end += bytes.len() as u64;
        self.held.push_back((start, bytes));
        self.settle_held().await
    }

    /// Bytes before `position` are not asked for again.
    pub(crate) fn forget_until(&mut self, position: ByteCount) {
        while let Some((start, bytes)) = self.held.front()
            && start + bytes.len() as u64 <= position.get()
        {
            self.held.pop_front();
        }
    }

    /// Makes the file visible. `sha256` is that of all its bytes.
    pub(crate) async fn commit(&mut self, sha256: &str) -> Result<ObjectHead, Fault> {
        let mut tried = false;
        loop {
            match self.try_commit().await {
                Ok(head) => return Ok(head),
                // The answer may have been lost after the file became visible: then nothing is left to open.
                Err(fault) if tried && upload_is_gone(&fault) => {
                    let (destination, end) = (&*self.destination, ByteCount(self.end));
                    let look = || visible_with(destination, &self.name, end, sha256);
                    return self.retrying.until_ok("reading a file back", look).await?.ok_or(fault);
                }
                Err(fault) if !self.can_reopen(&fault) => return Err(fault),
                Err(fault) => {
                    tried = true;
                    self.writer = None;
                    self.retrying.wait("finishing a file", &mut self.attempts, fault).await?;
                }
            }
        }
    }

    /// Removes every trace of the file. Works after the run was stopped.
    pub(crate) async fn abort(self) -> Result<(), Fault> {
        if let Some(writer) = self.writer
            && writer.abort().await.is_ok()
        {
            return Ok(());
        }
        discard(&*self.destination, &self.durable.state, &self.retrying.for_cleanup()).await
    }

    /// Hands everything held to the writer, opening the upload again after each failure that may heal.
    async fn settle_held(&mut self) -> Result<(), Fault> {
        loop {
            let Err(fault) = self.send_held().await else { return Ok(()) };
            if !self.can_reopen(&fault) {
                return Err(fault);
            }
            self.writer = None;
            self.retrying.wait("writing", &mut self.attempts, fault).await?;
        }
    }

    async fn try_commit(&mut self) -> Result<ObjectHead, Fault> {
        self.send_held().await?;
        self.retrying.check_stop()?;
        let writer = self.writer.take().ok_or_else(no_writer)?;
        writer.commit().await
    }

    async fn send_held(&mut self) -> Result<(), Fault> {
        if self.writer.is_none() {
            self.reopen().await?;
        }
        for index in 0..self.held.len() {
            let (start, bytes) = &self.held[index];
            let known = self.given.saturating_sub(*start).min(bytes.len() as u64);
            let fresh = bytes.slice(known as usize..);
            if !fresh.is_empty() {
                let sent = fresh.len() as u64;
                self.retrying.check_stop()?;
                let durable = self.writer.as_mut().ok_or_else(no_writer)?.write(fresh).await?;
                self.given += sent;
                self.note(durable)?;
            }
        }
        // Where a file cannot be taken up again, nothing is ever sent twice.
        if !self.destination.limits().resumable {
            self.held.clear();
        }
        Ok(())
    }

    fn note(&mut self, durable: Durable) -> Result<(), Fault> {
        if durable.bytes < self.durable.bytes || durable.bytes.get() > self.given {
            return Err(Fault::bug(format!(
                "{} says that {} bytes of {} are durable, after {} of {}",
                self.destination, durable.bytes, self.name, self.durable.bytes, self.given
            )));
        }
        if durable.bytes > self.durable.bytes {
            self.attempts.made_progress();
            self.unproven = false;
        }
        self.durable = durable;
        Ok(())
    }

    async fn reopen(&mut self) -> Result<(), Fault> {
        let writer = self.destination.open(&self.name, &self.attributes, Some(&self.durable.state)).await?;
        self.writer = Some(writer);
        self.given = self.durable.bytes.get();
        Ok(())
    }

    fn can_reopen(&self, fault: &Fault) -> bool {
        self.destination.limits().resumable && fault.retry() != model::Retry::Never
    }
}

/// The visible file, where it is the one that was to be committed.
async fn visible_with(
    destination: &dyn Destination,
    name: &FileName,
    bytes: ByteCount,
    sha256: &str,
) -> Result<Option<ObjectHead>, Fault> {
    let Some(head) = destination.head(name).await? else { return Ok(None) };
    if head.bytes != bytes {
        return Ok(None);
    }
    let mut hash = Hash::default();
    let mut chunks = destination.read(name).await?;
    while let Some(chunk) = chunks.next().await {
        hash = hash.updated(chunk?).await?;
    }
    Ok((hash.finish() == sha256).then_some(head))
}

fn no_writer() -> Fault {
    Fault::bug("a file was sent without a writer")
}

/// Whether a fault of a continued upload says that it does not exist any more.
pub(crate) fn upload_is_gone(fault: &Fault) -> bool {
    matches!(fault.kind(), FaultKind::NotFound | FaultKind::Conflict | FaultKind::Corrupt)
}

/// Removes what an upload left; done already is fine.
pub(crate) async fn discard(
    destination: &dyn Destination,
    upload: &UploadState,
    retrying: &Retrying,
) -> Result<(), Fault> {
    match retrying.until_ok("removing an unfinished file", || destination.discard(upload)).await {
        Err(fault) if upload_is_gone(&fault) => Ok(()),
        other => other,
    }
}
