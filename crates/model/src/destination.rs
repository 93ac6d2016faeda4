//! Where files go: open, write, commit or abort; then the manifest makes the run visible.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{ByteCount, Fault, Published, UploadState};

/// A place files are written to. `Display` is a name for people without secrets.
#[async_trait]
pub trait Destination: fmt::Display + Send + Sync {
    /// What it can take.
    fn limits(&self) -> DestinationLimits;

    /// Does with `file` what a run will do with its files, in named steps, and removes it. Rights may end at a folder,
    /// so it lies where those files will; nobody else may be writing it. Each step is reported, the first failure ends
    /// the check.
    async fn check(&self, file: &FileName, report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault>;

    /// Size and tag of a visible file; `None` where there is none.
    async fn head(&self, file: &FileName) -> Result<Option<ObjectHead>, Fault>;

    /// The bytes of a visible file.
    async fn read(&self, file: &FileName) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault>;

    /// The bytes of a stretch of a visible file; the stretch lies within the file.
    async fn read_range(
        &self,
        _file: &FileName,
        _range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        Err(Fault::bad_request(format!("a part of a file cannot be read back from {self}")))
    }

    /// A link that anybody can follow for `valid` to download a visible file; `None` where the destination
    /// or its credentials cannot make one.
    async fn link(&self, _file: &FileName, _valid: Duration) -> Result<Option<String>, Fault> {
        Ok(None)
    }

    /// Starts a file, or continues the upload `resume`, of which exactly its durable bytes are kept.
    ///
    /// Nothing is visible under `file` before [`FileWriter::commit`]. A visible file of that name is
    /// replaced by the commit. Where the upload to continue no longer exists (it was committed,
    /// discarded or has expired), the fault is a `NotFound` and the file has to be written anew.
    async fn open(
        &self,
        file: &FileName,
        attributes: &FileAttributes,
        resume: Option<&UploadState>,
    ) -> Result<Box<dyn FileWriter>, Fault>;

    /// Removes what an earlier attempt uploaded without committing. Removing it twice is fine.
    async fn discard(&self, upload: &UploadState) -> Result<(), Fault>;

    /// Removes uploads of `file` that were begun and neither committed nor discarded, all but the one that is
    /// recorded: what a crash leaves between the answer to [`open`](Self::open) and its record. Nobody else may be
    /// writing the file. Doing it twice is fine.
    async fn discard_unrecorded(&self, _file: &FileName, _recorded: Option<&UploadState>) -> Result<Unrecorded, Fault> {
        Ok(Unrecorded::NotListed)
    }

    /// Removes a visible file of a run that was cancelled before its manifest was written, and says
    /// whether it did: a destination that cannot take back what is visible (a pipe) says no.
    async fn remove(&self, _file: &FileName) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Writes the manifest after checking size and tag of every file in it. Idempotent.
    async fn publish(&self, manifest: &Published, name: &FileName) -> Result<(), Fault>;
}

/// A file being written. Dropping it leaves what is durable for a later resume or discard.
#[async_trait]
pub trait FileWriter: Send {
    /// How the upload is found again. Fixed before the first byte is sent, so it can be recorded first.
    fn upload(&self) -> UploadState;

    /// Takes bytes; waits while too much is under way. Returns what would survive a crash now.
    ///
    /// After a fault that may be retried the bytes stay taken: the next call, with empty bytes, sends
    /// again what failed.
    async fn write(&mut self, bytes: Bytes) -> Result<Durable, Fault>;

    /// Makes the file visible, whole.
    async fn commit(self: Box<Self>) -> Result<ObjectHead, Fault>;

    /// Removes every trace of the file.
    async fn abort(self: Box<Self>) -> Result<(), Fault>;
}

/// What of a file would survive a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durable {
    /// So many bytes from the file's start.
    pub bytes: ByteCount,
    /// How to continue after them.
    pub state: UploadState,
}

/// What became of uploads that nobody recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrecorded {
    /// So many were there, and are gone.
    Discarded(usize),
    /// Whether there are any cannot be told: the destination does not list them, or not to us.
    NotListed,
}

/// Size and identity of a visible file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectHead {
    /// Size.
    pub bytes: ByteCount,
    /// The store's tag for this content, where it has one.
    pub tag: Option<String>,
}

/// What a destination can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationLimits {
    /// Largest file.
    pub file_bytes_max: ByteCount,
    /// Whether an interrupted upload can be continued.
    pub resumable: bool,
    /// Whether a manifest can be written beside the files.
    pub manifests: bool,
}

/// How a file presents itself to readers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileAttributes {
    /// Media type.
    pub content_type: String,
    /// `gzip` is *not* set here: a compressed file is downloaded as it is stored.
    pub content_disposition: Option<String>,
}

/// A step of a destination check: told when it begins, and again when it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckStep {
    /// `address policy`, `dns`, `tls`, `credentials`, `open`, `write`, `commit`, `multipart`, `read back`, `delete`, …
    pub name: &'static str,
    /// How far it has come.
    pub state: CheckState,
    /// What its success leaves open, where somebody might take it for answered.
    pub note: Option<&'static str>,
}

/// How far a step of a check has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckState {
    /// It is being done.
    Begun,
    /// It succeeded.
    Passed,
    /// It failed, with the receiver's own message.
    Failed(String),
}

impl CheckStep {
    /// A step that begins.
    pub fn begun(name: &'static str) -> Self {
        Self { name, state: CheckState::Begun, note: None }
    }

    /// A step that has ended.
    pub fn ended<T>(name: &'static str, result: &Result<T, Fault>) -> Self {
        let state = match result {
            Ok(_) => CheckState::Passed,
            Err(fault) => CheckState::Failed(fault.public_message().to_owned()),
        };
        Self { name, state, note: None }
    }

    /// Says what the step leaves open, if it has succeeded.
    pub fn leaving_open(self, note: &'static str) -> Self {
        let note = (self.state == CheckState::Passed).then_some(note);
        Self { note, ..self }
    }
}

/// The name of a file below a destination's root: `/`-separated segments, none empty, `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FileName(Box<str>);

impl FileName {
    /// Checks a name.
    pub fn new(name: impl Into<Box<str>>) -> Result<Self, Fault> {
        let name = name.into();
        let bad = |why: &str| Err(Fault::bad_request(format!("cannot use {name:?} as a file name: {why}")));
        if name.is_empty() {
            return bad("it is empty");
        }
        if name.chars().any(char::is_control) {
            return bad("it holds a control character");
        }
        if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return bad("a part of it is empty, . or ..");
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment.
    pub fn last_segment(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
