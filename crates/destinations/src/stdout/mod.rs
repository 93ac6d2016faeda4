//! Standard output: one stream, no manifest, nothing to resume and nothing to take back.
//!
//! Bytes leave in the order written, on a blocking thread, because a pipe may stall for as long as its
//! reader likes. Files follow each other without separation; the caller exports one.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use model::{
    ByteCount, CheckStep, Connected, Destination, DestinationLimits, Durable, Fault, FaultKind, Fields, FileAttributes,
    FileName, FileWriter, KindDescriptor, ObjectHead, Published, UploadState,
};

use crate::address::{Address, STDOUT_SCHEME};
use crate::egress::Egress;
use crate::{Connection, Kind, state};

const NAME: &str = "stdout";

pub(crate) const KIND: Kind = Kind { describe, connect, remote: false };

fn describe() -> KindDescriptor {
    KindDescriptor {
        name: NAME,
        title: "Standard output",
        doc: "Writes the file to standard output, for pipes. Written as -. There is no manifest and an \
              interrupted export starts anew.",
        schemes: &[STDOUT_SCHEME],
        options: serde_json::json!({ "type": "object", "properties": {} }),
        secrets: &[],
    }
}

fn connect(_: &Egress, address: &Address, fields: &mut Fields<'_>) -> Connection {
    fields.check()?;
    Ok(Connected { to: Arc::new(StdoutDestination::new()), path: address.path.clone() })
}

type Sink = Arc<Mutex<dyn Write + Send>>;

/// Standard output, or another stream in its place.
pub struct StdoutDestination {
    sink: Sink,
}

impl StdoutDestination {
    /// The standard output of this process.
    pub fn new() -> Self {
        Self::to(io::stdout())
    }

    /// Another stream that is written once from front to back.
    pub fn to(sink: impl Write + Send + 'static) -> Self {
        Self { sink: Arc::new(Mutex::new(sink)) }
    }

    fn unsupported(&self, what: &str) -> Fault {
        Fault::bad_request(format!("standard output {what}")).hint("write to a file or to an object store")
    }
}

impl Default for StdoutDestination {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for StdoutDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard output")
    }
}

#[async_trait]
impl Destination for StdoutDestination {
    fn limits(&self) -> DestinationLimits {
        DestinationLimits { file_bytes_max: ByteCount(u64::MAX), resumable: false, manifests: false }
    }

    /// A check must leave nothing behind, so there is nothing to try.
    async fn check(&self, _: &FileName, report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault> {
        report(CheckStep::ended("open", &Ok(())));
        Ok(())
    }

    async fn head(&self, _: &FileName) -> Result<Option<ObjectHead>, Fault> {
        Ok(None)
    }

    async fn read(&self, _: &FileName) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        Err(self.unsupported("cannot be read back"))
    }

    async fn open(
        &self,
        _: &FileName,
        _: &FileAttributes,
        resume: Option<&UploadState>,
    ) -> Result<Box<dyn FileWriter>, Fault> {
        match resume {
            Some(_) => Err(self.unsupported("cannot be resumed")),
            None => Ok(Box::new(StdoutWriter { sink: Arc::clone(&self.sink), sent: 0 })),
        }
    }

    async fn discard(&self, _: &UploadState) -> Result<(), Fault> {
        Ok(())
    }

    async fn publish(&self, _: &Published, _: &FileName) -> Result<(), Fault> {
        Err(self.unsupported("takes no manifest"))
    }
}

struct StdoutWriter {
    sink: Sink,
    sent: u64,
}

impl StdoutWriter {
    async fn on_blocking_thread(
        &self,
        work: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Result<(), Fault> {
        let sink = Arc::clone(&self.sink);
        let done = tokio::task::spawn_blocking(move || {
            let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut *sink)
        });
        done.await.map_err(|panic| Fault::bug("writing to standard output panicked").because(panic))?.map_err(fault)
    }
}

#[async_trait]
impl FileWriter for StdoutWriter {
    fn upload(&self) -> UploadState {
        state::record(NAME, &())
    }

    async fn write(&mut self, bytes: Bytes) -> Result<Durable, Fault> {
        let sent = bytes.len() as u64;
        self.on_blocking_thread(move |sink| sink.write_all(&bytes)).await?;
        self.sent += sent;
        // What has left cannot be continued: nothing of it counts as durable.
        Ok(Durable { bytes: ByteCount::ZERO, state: self.upload() })
    }

    async fn commit(self: Box<Self>) -> Result<ObjectHead, Fault> {
        self.on_blocking_thread(|sink| sink.flush()).await?;
        Ok(ObjectHead { bytes: ByteCount(self.sent), tag: None })
    }

    async fn abort(self: Box<Self>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Nothing here is retried: part of the bytes may have left already.
fn fault(error: io::Error) -> Fault {
    let fault = match error.kind() {
        ErrorKind::BrokenPipe => Fault::new(FaultKind::Rejected, "standard output was closed by its reader")
            .hint("fine where the reader had enough, as head has; otherwise see why it ended"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Fault::new(FaultKind::Configuration, "cannot write to standard output: the disk behind it is full")
                .hint("free space or write elsewhere")
        }
        kind => Fault::new(FaultKind::Rejected, format!("cannot write to standard output: {kind}")),
    };
    fault.because(error)
}

#[cfg(test)]
mod tests;
