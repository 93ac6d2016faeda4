//! Files in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use model::*;

use super::trouble::cut;
use super::{Calls, Trouble};

/// Files in memory. Bytes are durable in whole parts only, like those of an object store.
pub(crate) struct Shelf {
    calls: Arc<Calls>,
    part_bytes: usize,
    pub(crate) resumable: bool,
    pub(crate) file_bytes_max: u64,
    pub(crate) visible: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    pub(crate) uploads: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
    /// The file of every upload that was ever begun.
    names: Mutex<BTreeMap<u64, String>>,
    next_upload: AtomicUsize,
    /// A file that cannot be removed.
    pub(crate) stuck: Mutex<Option<String>>,
}

struct ShelfWriter {
    calls: Arc<Calls>,
    part_bytes: usize,
    visible: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    uploads: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
    upload: u64,
    name: String,
    buffered: Vec<u8>,
    durable: usize,
    dead: bool,
}

impl Shelf {
    /// Parts of 50 bytes.
    pub(super) fn new(calls: &Arc<Calls>) -> Self {
        Self {
            calls: Arc::clone(calls),
            part_bytes: 50,
            resumable: true,
            file_bytes_max: 1 << 40,
            visible: Arc::default(),
            uploads: Arc::default(),
            names: Mutex::default(),
            next_upload: AtomicUsize::new(0),
            stuck: Mutex::default(),
        }
    }

    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        self.visible.lock().unwrap().get(name).unwrap_or_else(|| panic!("{name} is not visible")).clone()
    }
}

fn gone() -> Fault {
    Fault::new(FaultKind::NotFound, "there is no such upload")
}

impl fmt::Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a shelf")
    }
}

#[async_trait]
impl Destination for Shelf {
    fn limits(&self) -> DestinationLimits {
        DestinationLimits { file_bytes_max: ByteCount(self.file_bytes_max), resumable: self.resumable, manifests: true }
    }

    async fn check(&self, _: &FileName, _report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault> {
        Ok(())
    }

    async fn head(&self, file: &FileName) -> Result<Option<ObjectHead>, Fault> {
        let visible = self.visible.lock().unwrap();
        Ok(visible.get(file.as_str()).map(|bytes| ObjectHead { bytes: ByteCount::from(bytes.len()), tag: None }))
    }

    async fn read(&self, file: &FileName) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        let bytes = self.visible.lock().unwrap().get(file.as_str()).cloned();
        let bytes = bytes.ok_or_else(|| Fault::new(FaultKind::NotFound, format!("there is no file {file}")))?;
        let chunks: Vec<_> = bytes.chunks(7).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        Ok(stream::iter(chunks).boxed())
    }

    async fn open(
        &self,
        file: &FileName,
        _: &FileAttributes,
        resume: Option<&UploadState>,
    ) -> Result<Box<dyn FileWriter>, Fault> {
        let trouble = self.calls.before("open").await?;
        let (upload, durable) = match resume {
            None => {
                let upload = self.next_upload.fetch_add(1, Ordering::SeqCst) as u64;
                self.names.lock().unwrap().insert(upload, file.as_str().to_owned());
                self.uploads.lock().unwrap().insert(upload, vec![]);
                (upload, 0)
            }
            Some(state) => {
                let upload = state.0["upload"].as_u64().unwrap();
                let durable = state.0["bytes"].as_u64().unwrap() as usize;
                let mut uploads = self.uploads.lock().unwrap();
                uploads.get_mut(&upload).ok_or_else(gone)?.truncate(durable);
                (upload, durable)
            }
        };
        self.calls.after(trouble).await?;
        Ok(Box::new(ShelfWriter {
            calls: Arc::clone(&self.calls),
            part_bytes: self.part_bytes,
            visible: Arc::clone(&self.visible),
            uploads: Arc::clone(&self.uploads),
            upload,
            name: file.as_str().to_owned(),
            buffered: vec![],
            durable,
            dead: false,
        }))
    }

    async fn discard(&self, upload: &UploadState) -> Result<(), Fault> {
        let trouble = self.calls.before("discard").await?;
        self.uploads.lock().unwrap().remove(&upload.0["upload"].as_u64().unwrap());
        self.calls.after(trouble).await
    }

    async fn discard_unrecorded(&self, file: &FileName, recorded: Option<&UploadState>) -> Result<Unrecorded, Fault> {
        let trouble = self.calls.before("discard_unrecorded").await?;
        let discarded = {
            let recorded = recorded.map(|state| state.0["upload"].as_u64().unwrap());
            let (names, mut uploads) = (self.names.lock().unwrap(), self.uploads.lock().unwrap());
            let before = uploads.len();
            uploads.retain(|id, _| names[id] != file.as_str() || Some(*id) == recorded);
            before - uploads.len()
        };
        self.calls.after(trouble).await?;
        Ok(Unrecorded::Discarded(discarded))
    }

    async fn remove(&self, file: &FileName) -> Result<bool, Fault> {
        let trouble = self.calls.before("remove").await?;
        if self.stuck.lock().unwrap().as_deref() == Some(file.as_str()) {
            return Err(Fault::new(FaultKind::Credentials, format!("{file} may not be removed")));
        }
        self.visible.lock().unwrap().remove(file.as_str());
        self.calls.after(trouble).await.map(|()| true)
    }

    async fn publish(&self, manifest: &Published, name: &FileName) -> Result<(), Fault> {
        let trouble = self.calls.before("publish").await?;
        self.visible.lock().unwrap().insert(name.as_str().to_owned(), manifest.text.to_vec());
        self.calls.after(trouble).await
    }
}

impl ShelfWriter {
    fn state(&self) -> UploadState {
        UploadState(serde_json::json!({ "upload": self.upload, "bytes": self.durable }))
    }
}

#[async_trait]
impl FileWriter for ShelfWriter {
    fn upload(&self) -> UploadState {
        self.state()
    }

    async fn write(&mut self, bytes: Bytes) -> Result<Durable, Fault> {
        if self.dead {
            return Err(cut());
        }
        // What a failed write took stays taken.
        self.buffered.extend_from_slice(&bytes);
        let trouble = self.calls.before("write").await?;
        if trouble == Some(Trouble::Cut) {
            self.dead = true;
            return Err(cut());
        }
        let whole = self.buffered.len() / self.part_bytes * self.part_bytes;
        {
            let mut uploads = self.uploads.lock().unwrap();
            let upload = uploads.get_mut(&self.upload).ok_or_else(gone)?;
            assert_eq!(upload.len(), self.durable, "another writer is at work");
            upload.extend(self.buffered.drain(..whole));
        }
        self.durable += whole;
        self.calls.after(trouble).await?;
        Ok(Durable { bytes: ByteCount::from(self.durable), state: self.state() })
    }

    async fn commit(self: Box<Self>) -> Result<ObjectHead, Fault> {
        let trouble = self.calls.before("commit").await?;
        let mut bytes = self.uploads.lock().unwrap().remove(&self.upload).ok_or_else(gone)?;
        bytes.extend_from_slice(&self.buffered);
        let head = ObjectHead { bytes: ByteCount::from(bytes.len()), tag: None };
        self.visible.lock().unwrap().insert(self.name.clone(), bytes);
        self.calls.after(trouble).await?;
        Ok(head)
    }

    async fn abort(self: Box<Self>) -> Result<(), Fault> {
        let trouble = self.calls.before("abort").await?;
        self.uploads.lock().unwrap().remove(&self.upload);
        self.calls.after(trouble).await
    }
}
