//! A directory on this machine.
//!
//! A file is written as `<name>.partial` beside its target, made durable while it grows, and renamed
//! into place when it is committed; the directory is synced too, so a committed file survives a power
//! cut. One export writes a name at a time: the partial file is locked while its writer lives.
//!
//! No tag is kept: a modification time changes when a directory is copied, and the manifest's SHA-256
//! proves the content anyway.

mod fault;
mod writer;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use model::{
    ByteCount, CheckStep, Connected, Destination, DestinationLimits, Fault, FaultKind, Fields, FileAttributes,
    FileName, FileWriter, KindDescriptor, ObjectHead, Published, Unrecorded, UploadState,
};

use crate::address::{Address, FILE_SCHEME};
use crate::egress::Egress;
use crate::{Connection, Kind, check, publish, state};
use fault::classify;
use writer::{LocalWriter, Upload};

const NAME: &str = "local";

/// Read at once when a file is read back: large enough to be cheap, small beside a run's buffers.
const READ_BYTES: usize = 1 << 20;

pub(crate) const KIND: Kind = Kind { describe, connect, remote: false };

fn describe() -> KindDescriptor {
    KindDescriptor {
        name: NAME,
        title: "Local directory",
        doc: "Writes files to a directory of this machine, named by a path or by file:///path. A file is \
              visible only when it is complete; until then it is called <name>.partial.",
        schemes: &[FILE_SCHEME],
        options: serde_json::json!({ "type": "object", "properties": {} }),
        secrets: &[],
    }
}

/// A path that ends in a slash, or that is a directory, names the root itself; any other path names a
/// file in its parent.
fn connect(_: &Egress, address: &Address, fields: &mut Fields<'_>) -> Connection {
    fields.check()?;
    let path = Path::new(&address.path);
    if address.path.ends_with('/') || path.is_dir() {
        return Ok(Connected { to: Arc::new(LocalDestination::new(path)), path: String::new() });
    }
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(Fault::bad_request(format!("{:?} names no file", address.path)).hint("end the path in a file name"));
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(Connected { to: Arc::new(LocalDestination::new(parent)), path: name.to_owned() })
}

/// A directory on this machine.
#[derive(Clone, Debug)]
pub struct LocalDestination {
    root: PathBuf,
}

impl LocalDestination {
    /// Files below `root`, which is created with the first file.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn target(&self, file: &FileName) -> PathBuf {
        self.root.join(file.as_str())
    }
}

impl fmt::Display for LocalDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.display().fmt(f)
    }
}

#[async_trait]
impl Destination for LocalDestination {
    fn limits(&self) -> DestinationLimits {
        DestinationLimits { file_bytes_max: ByteCount(u64::MAX), resumable: true, manifests: true }
    }

    async fn check(&self, file: &FileName, report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault> {
        check::write_and_remove(self, None, file, report).await
    }

    async fn head(&self, file: &FileName) -> Result<Option<ObjectHead>, Fault> {
        let target = self.target(file);
        blocking("look at", target.clone(), move || match fs::metadata(&target) {
            Ok(found) if found.is_dir() => Ok(None),
            Ok(found) => Ok(Some(ObjectHead { bytes: ByteCount(found.len()), tag: None })),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn read(&self, file: &FileName) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        self.read_range(file, 0..u64::MAX).await
    }

    async fn read_range(
        &self,
        file: &FileName,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        let target = self.target(file);
        let path = target.clone();
        let opened = blocking("read", target.clone(), move || {
            let mut opened = File::open(path)?;
            opened.seek(SeekFrom::Start(range.start))?;
            Ok(opened.take(range.end.saturating_sub(range.start)))
        });
        let chunks = stream::try_unfold(opened.await?, move |mut opened| {
            let target = target.clone();
            async move {
                let chunk = blocking("read", target, move || {
                    let mut chunk = Vec::new();
                    (&mut opened).take(READ_BYTES as u64).read_to_end(&mut chunk)?;
                    Ok((chunk, opened))
                });
                let (chunk, opened) = chunk.await?;
                Ok((!chunk.is_empty()).then(|| (Bytes::from(chunk), opened)))
            }
        });
        Ok(chunks.boxed())
    }

    async fn open(
        &self,
        file: &FileName,
        _: &FileAttributes,
        resume: Option<&UploadState>,
    ) -> Result<Box<dyn FileWriter>, Fault> {
        let target = self.target(file);
        if fs::metadata(&target).is_ok_and(|found| !found.is_file()) {
            let message = format!("cannot write {}: it exists and is not a regular file", target.display());
            return Err(Fault::new(FaultKind::Configuration, message).hint("choose another name"));
        }
        let upload: Option<Upload> = match resume {
            None => None,
            Some(state) => {
                let upload: Upload = state::recall(NAME, state)?;
                if upload.file != *file {
                    return Err(state::foreign(&format!("it is an upload of {}", upload.file)));
                }
                Some(upload)
            }
        };
        Ok(Box::new(LocalWriter::open(file.clone(), target, upload).await?))
    }

    async fn discard(&self, upload: &UploadState) -> Result<(), Fault> {
        let upload: Upload = state::recall(NAME, upload)?;
        writer::remove_partial(self.target(&upload.file), upload.identity).await
    }

    async fn discard_unrecorded(&self, file: &FileName, recorded: Option<&UploadState>) -> Result<Unrecorded, Fault> {
        let recorded: Option<Upload> = recorded.map(|state| state::recall(NAME, state)).transpose()?;
        let identity = recorded.map(|upload| upload.identity);
        writer::remove_other_partial(self.target(file), identity).await.map(Unrecorded::Discarded)
    }

    async fn remove(&self, file: &FileName) -> Result<bool, Fault> {
        let target = self.target(file);
        blocking("remove", target.clone(), move || match fs::remove_file(&target) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            removed => removed.and_then(|()| sync_directory(&target)).map(|()| true),
        })
        .await
    }

    async fn publish(&self, manifest: &Published, name: &FileName) -> Result<(), Fault> {
        publish::verify_files(self, manifest).await?;
        let (target, text) = (self.target(name), manifest.text.clone());
        blocking("write", target.clone(), move || {
            create_parents(&target)?;
            let partial = partial_of(&target);
            let written = write_synced(&partial, &text).and_then(|()| fs::rename(&partial, &target));
            if written.is_err() {
                // The first failure is what the user must see; on a full disk the removal succeeds.
                fs::remove_file(&partial).ok();
            }
            written.and_then(|()| sync_directory(&target))
        })
        .await
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What `target` is called until it is complete.
fn partial_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Creates the directory of `target`, durably: each new directory is synced into its parent.
fn create_parents(target: &Path) -> io::Result<()> {
    let Some(directory) = target.parent() else { return Ok(()) };
    let missing: Vec<&Path> =
        directory.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists()).collect();
    fs::create_dir_all(directory)?;
    missing.into_iter().try_for_each(sync_directory)
}

/// Makes the entry of `path` in its directory durable.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(directory)?.sync_all() {
        // Some network file systems cannot sync a directory; their renames are as durable as they get.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

/// Runs file work on a blocking thread and classifies its failure as that of `doing` something to `path`.
async fn blocking<T: Send + 'static>(
    doing: &'static str,
    path: PathBuf,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| classify(doing, &path, error)),
        Err(panic) => Err(Fault::bug(format!("cannot {doing} {}: file work panicked", path.display())).because(panic)),
    }
}

#[cfg(test)]
mod tests;
