//! A file on its way into memory.

use async_trait::async_trait;
use bytes::Bytes;
use model::{ByteCount, Durable, Fault, FaultKind, FileAttributes, FileName, FileWriter, ObjectHead, UploadState};

use super::{KIND, MemoryDestination, MemoryFile, Upload, head_of};
use crate::state;

/// Keeps what does not fill a piece to itself, so that it is lost on drop as it would be elsewhere.
pub(super) struct MemoryWriter {
    destination: MemoryDestination,
    file: FileName,
    attributes: FileAttributes,
    id: u64,
    durable: u64,
    rest: Vec<u8>,
}

impl MemoryWriter {
    pub(super) fn new(
        destination: MemoryDestination,
        file: FileName,
        attributes: FileAttributes,
        id: u64,
        durable: u64,
    ) -> Self {
        Self { destination, file, attributes, id, durable, rest: Vec::new() }
    }

    fn gone(&self) -> Fault {
        Fault::new(FaultKind::NotFound, format!("the upload of {} to memory no longer exists", self.file))
    }
}

#[async_trait]
impl FileWriter for MemoryWriter {
    fn upload(&self) -> UploadState {
        state::record(KIND, &Upload { file: self.file.clone(), id: self.id, bytes: self.durable })
    }

    async fn write(&mut self, bytes: Bytes) -> Result<Durable, Fault> {
        self.rest.extend_from_slice(&bytes);
        let whole = self.rest.len() / self.destination.piece_bytes * self.destination.piece_bytes;
        match self.destination.content().uploads.get_mut(&self.id) {
            Some((_, upload)) => upload.extend(self.rest.drain(..whole)),
            None => return Err(self.gone()),
        }
        self.durable += whole as u64;
        Ok(Durable { bytes: ByteCount(self.durable), state: self.upload() })
    }

    async fn commit(self: Box<Self>) -> Result<ObjectHead, Fault> {
        let mut content = self.destination.content();
        let (_, mut upload) = content.uploads.remove(&self.id).ok_or_else(|| self.gone())?;
        upload.extend_from_slice(&self.rest);
        let bytes = Bytes::from(upload);
        let head = head_of(&bytes);
        content.files.insert(self.file.clone(), MemoryFile { bytes, attributes: self.attributes.clone() });
        Ok(head)
    }

    async fn abort(self: Box<Self>) -> Result<(), Fault> {
        self.destination.content().uploads.remove(&self.id);
        Ok(())
    }
}
