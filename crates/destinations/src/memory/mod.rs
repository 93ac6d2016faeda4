//! A destination in memory: for tests of the pipeline, and the smallest worked example of a kind.
//!
//! It keeps every promise of [`model::Destination`], uploads that outlive their writer included, and
//! lets a test look at what is visible and what was left behind. Clones share their content.

mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use model::{
    ByteCount, CheckStep, Destination, DestinationLimits, Fault, FaultKind, FileAttributes, FileName, FileWriter,
    ObjectHead, Published, Unrecorded, UploadState,
};
use serde::{Deserialize, Serialize};

use crate::{check, publish, state};
use writer::MemoryWriter;

const KIND: &str = "memory";

/// Files in memory.
#[derive(Clone)]
pub struct MemoryDestination {
    content: Arc<Mutex<Content>>,
    piece_bytes: usize,
    file_bytes_max: ByteCount,
}

/// What is visible and what is under way.
#[derive(Default)]
struct Content {
    files: BTreeMap<FileName, MemoryFile>,
    uploads: BTreeMap<u64, (FileName, Vec<u8>)>,
    uploads_begun: u64,
}

/// A visible file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryFile {
    /// Its content.
    pub bytes: Bytes,
    /// What it was opened with.
    pub attributes: FileAttributes,
}

/// What is recorded of an upload.
#[derive(Serialize, Deserialize)]
struct Upload {
    file: FileName,
    id: u64,
    bytes: u64,
}

impl MemoryDestination {
    /// An empty destination in which every write is durable at once.
    pub fn new() -> Self {
        Self::with_piece_bytes(1)
    }

    /// An empty destination in which bytes become durable in pieces of `piece_bytes`, as in an object
    /// store; the rest of a file is lost with its writer.
    pub fn with_piece_bytes(piece_bytes: usize) -> Self {
        Self { content: Arc::default(), piece_bytes: piece_bytes.max(1), file_bytes_max: ByteCount(u64::MAX) }
    }

    /// An empty destination that takes no file larger than this.
    pub fn with_file_bytes_max(file_bytes_max: ByteCount) -> Self {
        Self { file_bytes_max, ..Self::new() }
    }

    /// The visible files.
    pub fn files(&self) -> BTreeMap<FileName, MemoryFile> {
        self.content().files.clone()
    }

    /// The content of a visible file.
    pub fn bytes(&self, name: &str) -> Option<Bytes> {
        let name = FileName::new(name).ok()?;
        self.content().files.get(&name).map(|file| file.bytes.clone())
    }

    /// Uploads that were neither committed nor aborted nor discarded.
    pub fn uploads_left(&self) -> usize {
        self.content().uploads.len()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // No code panics while it holds the lock, so a poisoned one is still consistent.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn missing(&self, file: &FileName) -> Fault {
        Fault::new(FaultKind::NotFound, format!("cannot read {file} in memory: it does not exist"))
    }
}

impl Default for MemoryDestination {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for MemoryDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory")
    }
}

#[async_trait]
impl Destination for MemoryDestination {
    fn limits(&self) -> DestinationLimits {
        DestinationLimits { file_bytes_max: self.file_bytes_max, resumable: true, manifests: true }
    }

    async fn check(&self, file: &FileName, report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault> {
        check::write_and_remove(self, None, file, report).await
    }

    async fn head(&self, file: &FileName) -> Result<Option<ObjectHead>, Fault> {
        Ok(self.content().files.get(file).map(|file| head_of(&file.bytes)))
    }

    async fn read(&self, file: &FileName) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        let found = self.content().files.get(file).map(|file| file.bytes.clone());
        let bytes = found.ok_or_else(|| self.missing(file))?;
        Ok(stream::once(async { Ok(bytes) }).boxed())
    }

    async fn read_range(
        &self,
        file: &FileName,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        let found = self.content().files.get(file).map(|file| file.bytes.clone());
        let bytes = found.ok_or_else(|| self.missing(file))?.slice(range.start as usize..range.end as usize);
        Ok(stream::once(async { Ok(bytes) }).boxed())
    }

    async fn open(
        &self,
        file: &FileName,
        attributes: &FileAttributes,
        resume: Option<&UploadState>,
    ) -> Result<Box<dyn FileWriter>, Fault> {
        let (id, durable) = match resume {
            Some(state) => {
                let upload: Upload = state::recall(KIND, state)?;
                if upload.file != *file {
                    return Err(state::foreign(&format!("it is an upload of {}", upload.file)));
                }
                let mut content = self.content();
                let kept = content.uploads.get_mut(&upload.id).map(|(_, kept)| kept);
                let kept = kept.filter(|kept| kept.len() as u64 >= upload.bytes).ok_or_else(|| {
                    Fault::new(FaultKind::NotFound, format!("the upload of {file} to memory no longer exists"))
                })?;
                kept.truncate(upload.bytes as usize);
                (upload.id, upload.bytes)
            }
            None => {
                let mut content = self.content();
                content.uploads_begun += 1;
                let id = content.uploads_begun;
                content.uploads.insert(id, (file.clone(), Vec::new()));
                (id, 0)
            }
        };
        Ok(Box::new(MemoryWriter::new(self.clone(), file.clone(), attributes.clone(), id, durable)))
    }

    async fn discard(&self, upload: &UploadState) -> Result<(), Fault> {
        let upload: Upload = state::recall(KIND, upload)?;
        self.content().uploads.remove(&upload.id);
        Ok(())
    }

    async fn discard_unrecorded(&self, file: &FileName, recorded: Option<&UploadState>) -> Result<Unrecorded, Fault> {
        let recorded: Option<Upload> = recorded.map(|state| state::recall(KIND, state)).transpose()?;
        let recorded = recorded.map(|upload| upload.id);
        let uploads = &mut self.content().uploads;
        let before = uploads.len();
        uploads.retain(|id, (of, _)| of != file || Some(*id) == recorded);
        Ok(Unrecorded::Discarded(before - uploads.len()))
    }

    async fn remove(&self, file: &FileName) -> Result<bool, Fault> {
        self.content().files.remove(file);
        Ok(true)
    }

    async fn publish(&self, manifest: &Published, name: &FileName) -> Result<(), Fault> {
        publish::verify_files(self, manifest).await?;
        let attributes = FileAttributes { content_type: "application/json".to_owned(), content_disposition: None };
        let bytes = manifest.text.clone();
        self.content().files.insert(name.clone(), MemoryFile { bytes, attributes });
        Ok(())
    }
}

/// The tag is a hash of the content, so that equal files have equal tags.
fn head_of(bytes: &Bytes) -> ObjectHead {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    ObjectHead { bytes: ByteCount::from(bytes.len()), tag: Some(format!("{:016x}", hasher.finish())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{self, Ability};

    #[tokio::test]
    async fn memory_keeps_every_promise() {
        conformance::run(&MemoryDestination::new(), &Ability::small()).await;
        conformance::run(&MemoryDestination::with_piece_bytes(10_000), &Ability::small()).await;
    }

    #[tokio::test]
    async fn a_test_sees_what_was_left_behind() {
        let memory = MemoryDestination::new();
        let file = FileName::new("a.csv").unwrap();

        let mut writer = memory.open(&file, &FileAttributes::default(), None).await.unwrap();
        writer.write(Bytes::from_static(b"x")).await.unwrap();
        drop(writer);

        assert!(memory.files().is_empty());
        assert_eq!(memory.uploads_left(), 1);
    }
}
