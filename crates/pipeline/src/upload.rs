//! One file on its way to the destination.
//!
//! A write that fails is repeated by the writer, which keeps the bytes it took. Where the writer does
//! not recover, nothing is held to send again: the run goes back to the last durable block and makes
//! the bytes anew, as a later attempt would. What the upload already has of them is skipped.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use model::{
    ByteCount, Destination, Durable, Fault, FaultKind, FileAttributes, FileName, FileWriter, ObjectHead, Retry,
    UploadState,
};

use crate::hash::Hash;
use crate::leftovers::discard_unrecorded;
use crate::retry::{Attempts, Retrying};

/// A file being sent.
pub(crate) struct Upload {
    destination: Arc<dyn Destination>,
    name: FileName,
    /// How patient writes are.
    retrying: Retrying,
    /// `None` once it was asked to commit.
    writer: Option<Box<dyn FileWriter>>,
    /// SHA-256 of the whole file once the writer was asked to commit.
    committing: Option<String>,
    durable: Durable,
    /// Bytes of the file that the writer has.
    given: u64,
    /// Bytes of the file that the caller has handed over.
    end: u64,
    /// Continued from an earlier attempt and not yet known to be still there.
    unproven: bool,
}

impl Upload {
    /// Starts a file. No byte is sent. Where an answer was lost, what it told of is removed.
    pub(crate) async fn open(
        destination: &Arc<dyn Destination>,
        name: &FileName,
        attributes: &FileAttributes,
        retrying: &Retrying,
        writes: Retrying,
    ) -> Result<Self, Fault> {
        let mut tries = 0;
        let open = || {
            tries += 1;
            destination.open(name, attributes, None)
        };
        let writer = retrying.until_ok("opening a file", open).await?;
        if tries > 1 {
            discard_unrecorded(&**destination, name, Some(&writer.upload()), retrying).await?;
        }
        Ok(Self {
            destination: Arc::clone(destination),
            name: name.clone(),
            retrying: writes,
            durable: Durable { bytes: ByteCount::ZERO, state: writer.upload() },
            writer: Some(writer),
            committing: None,
            given: 0,
            end: 0,
            unproven: false,
        })
    }

    /// Continues a file of which `durable` survived; the caller hands over the bytes from `end` on.
    pub(crate) async fn resume(
        destination: &Arc<dyn Destination>,
        name: &FileName,
        attributes: &FileAttributes,
        retrying: &Retrying,
        durable: Durable,
        end: ByteCount,
    ) -> Result<Self, Fault> {
        let open = || destination.open(name, attributes, Some(&durable.state));
        let writer = retrying.until_ok("opening a file again", open).await?;
        Ok(Self {
            destination: Arc::clone(destination),
            name: name.clone(),
            retrying: retrying.briefly(),
            writer: Some(writer),
            committing: None,
            given: durable.bytes.get(),
            durable,
            end: end.get(),
            unproven: true,
        })
    }

    /// What would survive a crash now.
    pub(crate) fn durable(&self) -> &Durable {
        &self.durable
    }

    /// Whether a failure may mean that the upload of an earlier attempt is gone.
    pub(crate) fn unproven(&self) -> bool {
        self.unproven
    }

    /// Adds bytes to the file, except those that it has already.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Fault> {
        let known = self.given.saturating_sub(self.end).min(bytes.len() as u64);
        self.end += bytes.len() as u64;
        let mut next = bytes.slice(known as usize..);
        if next.is_empty() {
            return Ok(());
        }
        self.given += next.len() as u64;
        let mut attempts = Attempts::default();
        loop {
            self.retrying.check_stop()?;
            let writer = self.writer.as_mut().ok_or_else(|| Fault::bug("a committed file got more bytes"))?;
            match writer.write(next).await {
                Ok(durable) => return self.note(durable),
                Err(fault) => self.retrying.wait("writing", &mut attempts, fault).await?,
            }
            // The writer keeps what it took and only has to try again.
            next = Bytes::new();
        }
    }

    /// Makes the file visible. `sha256` is that of all its bytes.
    pub(crate) async fn commit(&mut self, sha256: &str) -> Result<ObjectHead, Fault> {
        self.retrying.check_stop()?;
        let writer = self.writer.take().ok_or_else(|| Fault::bug("a file was committed twice"))?;
        self.committing = Some(sha256.to_owned());
        let fault = match writer.commit().await {
            Err(fault) if fault.retry() != Retry::Never || upload_is_gone(&fault) => fault,
            other => return other.map_err(|fault| fault.during("completing a file")),
        };
        // The answer may have been lost after the file became visible, that of a killed attempt included.
        let (destination, bytes) = (&*self.destination, ByteCount(self.end));
        let look = || visible_with(destination, &self.name, bytes, sha256);
        let head = self.retrying.until_ok("looking for the finished file", look).await?.ok_or(fault)?;
        // A store that went down amid the commit may have kept the upload beside the file that it made of it.
        discard(destination, &self.durable.state, &self.retrying).await?;
        Ok(head)
    }

    /// Removes every trace of the file. Works after the run was stopped.
    pub(crate) async fn abort(self) -> Result<(), Fault> {
        if let Some(writer) = self.writer
            && writer.abort().await.is_ok()
        {
            return Ok(());
        }
        let retrying = self.retrying.for_cleanup();
        discard(&*self.destination, &self.durable.state, &retrying).await?;
        let Some(sha256) = &self.committing else { return Ok(()) };
        // A commit whose answer nobody waited for may have made the file visible.
        let (destination, name, bytes) = (&*self.destination, &self.name, ByteCount(self.end));
        let look = || visible_with(destination, name, bytes, sha256);
        if retrying.until_ok("looking for the finished file", look).await?.is_some() {
            retrying.until_ok("removing a finished file", || destination.remove(name)).await?;
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
        self.unproven &= durable.bytes == self.durable.bytes;
        self.durable = durable;
        Ok(())
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
