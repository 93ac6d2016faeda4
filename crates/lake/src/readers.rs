//! Which versions of a table somebody reads, so that maintenance keeps their files.
//!
//! A reader holds a locked file `_readers/<version>-<id>.lock` in the table's directory for as long as its
//! snapshot lives; the lock of a process that died is free, and its file goes with the next maintenance. A
//! second lock, the gate, parts looking for readers and removing files from becoming a reader: whoever got its
//! version finds the files of it. Waiting at the gate takes as long as removing some files does.
//!
//! Where nothing can be written, on a read-only file system, readers hold nothing, and the time that
//! maintenance keeps replaced files is theirs.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use model::Fault;
use uuid::Uuid;

use crate::disk;

/// Folder of the locks, below a table's directory.
const READERS: &str = "_readers";
/// The lock that readers share when they come, and maintenance has alone.
const GATE: &str = "gate";

/// The way in, for a reader: while it lives, no file of the table is removed.
#[derive(Debug)]
pub(crate) struct Entrance {
    folder: PathBuf,
    _gate: File,
}

/// A version that is read. Dropping it lets its files go.
#[derive(Debug)]
pub(crate) struct Reader {
    path: PathBuf,
    _lock: File,
}

impl Entrance {
    /// Waits while files are removed. `None` where the table's directory is not there or not writable.
    pub(crate) fn open(table_directory: &Path) -> Option<Self> {
        let folder = table_directory.join(READERS);
        match open_gate(&folder).and_then(|gate| gate.lock_shared().map(|()| gate)) {
            Ok(gate) => Some(Self { folder, _gate: gate }),
            Err(cause) => {
                tracing::debug!(folder = %folder.display(), %cause, "a reader of the store is not announced");
                None
            }
        }
    }

    /// Announces a reader of this version.
    pub(crate) fn announce(self, version: u64) -> Option<Reader> {
        let path = self.folder.join(format!("{version}-{}.lock", Uuid::new_v4().simple()));
        match File::create_new(&path).and_then(|file| file.lock().map(|()| file)) {
            Ok(lock) => Some(Reader { path, _lock: lock }),
            Err(cause) => {
                tracing::warn!(path = %path.display(), %cause, "a reader of the store is not announced");
                None
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Err(fault) = disk::remove(&self.path) {
            tracing::debug!(path = %self.path.display(), %fault, "a file is left for maintenance to remove");
        }
    }
}

/// The versions that living readers hold. While it lives, nobody becomes a reader.
#[derive(Debug)]
pub(crate) struct Readers {
    versions: Vec<u64>,
    _gate: File,
}

impl Readers {
    /// Keeps new readers out, removes what dead ones left and looks who is there.
    pub(crate) fn of(table_directory: &Path) -> Result<Self, Fault> {
        let folder = table_directory.join(READERS);
        let gate = open_gate(&folder)
            .and_then(|gate| gate.lock().map(|()| gate))
            .map_err(|cause| disk::fault("lock", &folder.join(GATE), cause))?;
        let mut versions = Vec::new();
        for (name, path) in disk::list(&folder)? {
            let Some((version, _)) = name.split_once('-') else { continue };
            let Ok(version) = version.parse() else { continue };
            if is_held(&path)? {
                versions.push(version);
            } else {
                disk::remove(&path)?;
            }
        }
        Ok(Self { versions, _gate: gate })
    }

    /// Whether a reader needs a file that was added by one version and removed by another.
    pub(crate) fn need(&self, added: u64, removed: u64) -> bool {
        self.versions.iter().any(|version| (added..removed).contains(version))
    }
}

fn open_gate(folder: &Path) -> io::Result<File> {
    match fs::create_dir(folder) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(cause),
        _ => {}
    }
    File::options().create(true).truncate(false).write(true).open(folder.join(GATE))
}

fn is_held(path: &Path) -> Result<bool, Fault> {
    match File::open(path).map(|file| file.try_lock()) {
        Ok(Ok(())) => Ok(false),
        Ok(Err(TryLockError::WouldBlock)) => Ok(true),
        Ok(Err(TryLockError::Error(cause))) => Err(disk::fault("lock", path, cause)),
        // Its reader has ended just now.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(disk::fault("open", path, cause)),
    }
}

#[cfg(test)]
impl Reader {
    /// Leaves its file as a killed process would: there, and not locked.
    pub(crate) fn abandon(self) {
        std::mem::ManuallyDrop::new(self)._lock.unlock().unwrap();
    }
}
