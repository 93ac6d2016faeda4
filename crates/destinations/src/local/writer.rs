//! A file on its way to disk.
//!
//! Writing and syncing overlap: while new bytes go to the page cache, a blocking thread syncs what is
//! there already, so that durability trails by little and costs no pause. What is synced leaves the page
//! cache, so that one export neither fills it nor pays for ever new pages. A write always starts at the
//! offset after the last complete one; repeating it after a failure overwrites the same stretch.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use model::{ByteCount, Durable, Fault, FaultKind, FileName, FileWriter, ObjectHead, UploadState};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::fault::classify;
use super::{NAME, blocking, create_parents, partial_of, sync_directory};
use crate::state;

/// Unsynced bytes that start a sync: a tenth of a second of a fast disk, so the sync's own cost is small.
const SYNC_BYTES: u64 = 32 << 20;
/// Age of unsynced bytes that starts a sync: what a crash of a slow export may cost.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// Unsynced bytes at which a write waits for the disk: bounds the page cache one export dirties, and what a crash
/// costs where the disk is slower than the export. Two syncs' worth, so that one can run while the next collects.
const UNSYNCED_BYTES_MAX: u64 = 2 * SYNC_BYTES;

/// What is recorded of an upload.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) file: FileName,
    /// Which partial file it was: another run may have replaced it by one of its own.
    pub(super) identity: Identity,
    bytes: u64,
}

/// Inode and time of birth: together they are not used twice.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    inode: u64,
    born_nanos: Option<u64>,
}

/// Writes one partial file and renames it at the end.
pub(super) struct LocalWriter {
    file: FileName,
    target: PathBuf,
    partial: PathBuf,
    handle: Arc<File>,
    identity: Identity,
    /// Taken but not yet known to be written.
    pending: Vec<Bytes>,
    /// Whether a blocking thread may still be writing `pending`.
    writing: bool,
    written: u64,
    durable: u64,
    sync: Option<Sync>,
    sync_due: Instant,
    /// Set once a sync failed: the kernel may have dropped pages, so nothing after it can be trusted.
    lost: bool,
}

/// A sync under way: so many bytes are durable when it succeeds.
struct Sync {
    bytes: u64,
    done: JoinHandle<io::Result<()>>,
}

impl LocalWriter {
    /// Creates the partial file, or keeps exactly the durable bytes of `upload`.
    pub(super) async fn open(file: FileName, target: PathBuf, upload: Option<Upload>) -> Result<Self, Fault> {
        let partial = partial_of(&target);
        let durable = upload.as_ref().map_or(0, |upload| upload.bytes);
        let opened = {
            let (partial, target) = (partial.clone(), target.clone());
            blocking("open", partial.clone(), move || match upload {
                None => create(&partial, &target),
                Some(upload) => reopen(&partial, &upload),
            })
            .await?
        };
        let (handle, identity) = match opened {
            Opened::Ready(handle, identity) => (handle, identity),
            Opened::InUse => {
                let message = format!("cannot write {}: another export is writing it", target.display());
                return Err(Fault::new(FaultKind::Conflict, message).hint("wait for it, or choose another name"));
            }
            Opened::Gone => {
                let message = format!("the partial file {} no longer exists as it was recorded", partial.display());
                return Err(Fault::new(FaultKind::NotFound, message));
            }
        };
        Ok(Self {
            file,
            target,
            partial,
            handle: Arc::new(handle),
            identity,
            pending: Vec::new(),
            writing: false,
            written: durable,
            durable,
            sync: None,
            sync_due: Instant::now() + SYNC_EVERY,
            lost: false,
        })
    }

    /// Writes what is pending after what is written.
    async fn write_pending(&mut self) -> Result<(), Fault> {
        let (handle, pending, offset) = (Arc::clone(&self.handle), self.pending.clone(), self.written);
        self.writing = true;
        let result = blocking("write", self.partial.clone(), move || {
            let mut file = &*handle;
            file.seek(SeekFrom::Start(offset))?;
            pending.iter().try_for_each(|bytes| file.write_all(bytes))
        })
        .await;
        self.writing = false;
        result?;
        self.written += self.pending.drain(..).map(|bytes| bytes.len() as u64).sum::<u64>();
        Ok(())
    }

    /// Takes note of a finished sync and starts the next where one is due.
    async fn advance_sync(&mut self) -> Result<(), Fault> {
        let must_wait = self.written - self.durable > UNSYNCED_BYTES_MAX;
        if self.sync.as_ref().is_some_and(|sync| must_wait || sync.done.is_finished()) {
            self.settle_sync().await?;
        }
        let unsynced = self.written - self.durable;
        let due = unsynced >= SYNC_BYTES || (unsynced > 0 && Instant::now() >= self.sync_due);
        if self.sync.is_none() && due {
            let (handle, bytes) = (Arc::clone(&self.handle), self.durable..self.written);
            let done = tokio::task::spawn_blocking(move || {
                handle.sync_data()?;
                leave_page_cache(&handle, bytes);
                Ok(())
            });
            self.sync = Some(Sync { bytes: self.written, done });
            self.sync_due = Instant::now() + SYNC_EVERY;
        }
        Ok(())
    }

    /// Waits for the sync under way.
    async fn settle_sync(&mut self) -> Result<(), Fault> {
        let Some(sync) = &mut self.sync else { return Ok(()) };
        let result = (&mut sync.done).await;
        let bytes = sync.bytes;
        self.sync = None;
        match result {
            Ok(Ok(())) => {
                self.durable = bytes;
                Ok(())
            }
            Ok(Err(error)) => {
                self.lost = true;
                Err(classify("sync", &self.partial, error))
            }
            Err(panic) => Err(Fault::bug("syncing a file panicked").because(panic)),
        }
    }

    fn refuse_lost(&self) -> Result<(), Fault> {
        if self.lost {
            let message = format!("cannot go on with {}: an earlier sync failed", self.partial.display());
            return Err(Fault::new(FaultKind::Rejected, message).hint("check the disk, then export again"));
        }
        Ok(())
    }
}

#[async_trait]
impl FileWriter for LocalWriter {
    fn upload(&self) -> UploadState {
        state::record(NAME, &Upload { file: self.file.clone(), identity: self.identity, bytes: self.durable })
    }

    async fn write(&mut self, bytes: Bytes) -> Result<Durable, Fault> {
        self.refuse_lost()?;
        if !bytes.is_empty() {
            self.pending.push(bytes);
        }
        if !self.pending.is_empty() {
            self.write_pending().await?;
        }
        self.advance_sync().await?;
        Ok(Durable { bytes: ByteCount(self.durable), state: self.upload() })
    }

    async fn commit(mut self: Box<Self>) -> Result<ObjectHead, Fault> {
        self.settle_sync().await?;
        self.refuse_lost()?;
        if !self.pending.is_empty() {
            self.write_pending().await?;
        }
        let (handle, partial, target) = (Arc::clone(&self.handle), self.partial.clone(), self.target.clone());
        let identity = self.identity;
        blocking("complete", self.target.clone(), move || {
            handle.sync_all()?;
            // Whoever took the file over has removed ours: what has its name now is not ours to complete.
            if identity_of(&fs::metadata(&partial)?) != identity {
                return Err(io::Error::from(ErrorKind::NotFound));
            }
            fs::rename(&partial, &target)?;
            sync_directory(&target)
        })
        .await?;
        Ok(ObjectHead { bytes: ByteCount(self.written), tag: None })
    }

    async fn abort(self: Box<Self>) -> Result<(), Fault> {
        remove_partial(self.target.clone(), self.identity).await
    }
}

impl Drop for LocalWriter {
    /// A sync may outlive the writer; it must not keep a successor in this process from the file. A
    /// write that was cut off does keep it, since it could land behind the successor's first bytes.
    fn drop(&mut self) {
        if !self.writing {
            // Failing to unlock leaves the lock to the end of the sync.
            drop(self.handle.unlock());
        }
    }
}

/// Gives the pages of synced bytes back to the system: what others on this machine read stays cached, and a page
/// that was freed a moment ago is cheaper to fill than one that was never touched. Where the file system takes no
/// advice the pages stay until memory is short.
#[cfg(target_os = "linux")]
fn leave_page_cache(file: &File, bytes: Range<u64>) {
    use rustix::fs::{Advice, fadvise};
    let length = NonZeroU64::new(bytes.end - bytes.start);
    fadvise(file, bytes.start, length, Advice::DontNeed).ok();
}

#[cfg(not(target_os = "linux"))]
fn leave_page_cache(_: &File, _: Range<u64>) {}

/// Removes the partial file of `target` where it still is the one that `identity` names.
pub(super) async fn remove_partial(target: PathBuf, identity: Identity) -> Result<(), Fault> {
    let partial = partial_of(&target);
    blocking("remove", partial.clone(), move || {
        let found = match fs::metadata(&partial) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            found => found?,
        };
        if identity_of(&found) != identity {
            return Ok(());
        }
        fs::remove_file(&partial)?;
        sync_directory(&partial)
    })
    .await
}

/// Removes the partial file of `target` unless it is the recorded one, or is being written; says how many went.
pub(super) async fn remove_other_partial(target: PathBuf, recorded: Option<Identity>) -> Result<usize, Fault> {
    let partial = partial_of(&target);
    blocking("remove", partial.clone(), move || {
        let file = match File::open(&partial) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(0),
            file => file?,
        };
        if recorded == Some(identity_of(&file.metadata()?)) || !lock(&file)? {
            return Ok(0);
        }
        fs::remove_file(&partial)?;
        sync_directory(&partial)?;
        Ok(1)
    })
    .await
}

enum Opened {
    Ready(File, Identity),
    InUse,
    Gone,
}

/// A new, locked partial file; one that a dead run left behind is replaced.
fn create(partial: &Path, target: &Path) -> io::Result<Opened> {
    create_parents(target)?;
    match File::open(partial) {
        Ok(old) if !lock(&old)? => return Ok(Opened::InUse),
        // Removed rather than emptied: a new file has a new identity, so the dead run cannot resume it.
        Ok(_) => fs::remove_file(partial)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let file = match OpenOptions::new().read(true).write(true).create_new(true).open(partial) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(Opened::InUse),
        file => file?,
    };
    if !lock(&file)? {
        return Ok(Opened::InUse);
    }
    sync_directory(partial)?;
    let identity = identity_of(&file.metadata()?);
    Ok(Opened::Ready(file, identity))
}

/// The partial file of an earlier attempt, locked and cut to its durable bytes.
fn reopen(partial: &Path, upload: &Upload) -> io::Result<Opened> {
    let file = match OpenOptions::new().read(true).write(true).open(partial) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Opened::Gone),
        file => file?,
    };
    if !lock(&file)? {
        return Ok(Opened::InUse);
    }
    let found = file.metadata()?;
    if identity_of(&found) != upload.identity || found.len() < upload.bytes {
        return Ok(Opened::Gone);
    }
    file.set_len(upload.bytes)?;
    Ok(Opened::Ready(file, upload.identity))
}

/// Whether the file is ours now. File systems that know no locks are taken at their word.
fn lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn identity_of(found: &fs::Metadata) -> Identity {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(found);
    #[cfg(not(unix))]
    let inode = 0;
    let born = found.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    Identity { inode, born_nanos: born.map(|born| born.as_nanos() as u64) }
}
