//! File operations that survive a crash, and what their failures mean to a user.
//!
//! A file appears under its name whole or not at all: it is written beside it, made durable and only
//! then named.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use model::{Fault, FaultKind};
use uuid::Uuid;

/// A failed operation on a file, named in the words of `doing`: `cannot <doing> <path>`.
pub(crate) fn fault(doing: &str, path: &Path, cause: io::Error) -> Fault {
    let (kind, why, hint) = match cause.kind() {
        io::ErrorKind::NotFound => (FaultKind::NotFound, "it does not exist", None),
        io::ErrorKind::PermissionDenied => {
            (FaultKind::Configuration, "access denied", Some("check owner and permissions of the data directory"))
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            (FaultKind::Configuration, "the file system is read-only", Some("choose a writable data directory"))
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (FaultKind::Unavailable, "no space is left", Some("free space on the disk of the data directory"))
        }
        _ => (FaultKind::Unavailable, "", None),
    };
    let why = if why.is_empty() { cause.to_string() } else { why.to_owned() };
    let fault = Fault::new(kind, format!("cannot {doing} {}: {why}", path.display())).because(cause);
    match hint {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

/// Makes the directory and its parents.
pub(crate) fn create_directory(path: &Path) -> Result<(), Fault> {
    fs::create_dir_all(path).map_err(|cause| fault("create directory", path, cause))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), Fault> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(|cause| fault("sync directory", path, cause))
}

/// Whether a file was created under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    /// It was, and is durable.
    Yes,
    /// There was one already.
    Exists,
}

/// Creates a durable file, or finds that there is one. Readers see all of it or none.
pub(crate) fn create_new(path: &Path, bytes: &[u8]) -> Result<Created, Fault> {
    let temporary = write_beside(path, bytes, File::sync_all)?;
    // A link fails where the name is taken, which a rename does not; that makes it the commit.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(|cause| fault("remove", &temporary, cause))?;
    match linked {
        Ok(()) => {
            sync_directory(parent(path))?;
            Ok(Created::Yes)
        }
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(Created::Exists),
        Err(cause) if cause.kind() == io::ErrorKind::Unsupported => Err(fault("create", path, cause)
            .hint("the store needs a file system with hard links; choose another data directory")),
        Err(cause) => Err(fault("create", path, cause)),
    }
}

/// Replaces a file by a durable one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let temporary = write_beside(path, bytes, File::sync_all)?;
    fs::rename(&temporary, path).map_err(|cause| fault("rename to", path, cause))?;
    sync_directory(parent(path))
}

/// Replaces a file whose loss costs time only.
pub(crate) fn replace_unsynced(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let temporary = write_beside(path, bytes, |_| Ok(()))?;
    fs::rename(&temporary, path).map_err(|cause| fault("rename to", path, cause))
}

fn write_beside(path: &Path, bytes: &[u8], sync: fn(&File) -> io::Result<()>) -> Result<PathBuf, Fault> {
    let temporary = parent(path).join(format!("{TEMPORARY}{}", Uuid::new_v4().simple()));
    let written = File::create_new(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        sync(&file)
    });
    match written {
        Ok(()) => Ok(temporary),
        Err(cause) => {
            drop(fs::remove_file(&temporary));
            Err(fault("write", path, cause))
        }
    }
}

/// How names of files under way begin; what a crash leaves of them is cleaned away later.
pub(crate) const TEMPORARY: &str = ".writing-";

fn parent(path: &Path) -> &Path {
    path.parent().expect("files of a store lie in a directory of it")
}

/// Names and paths of the files of a directory; none where it does not exist.
pub(crate) fn list(directory: &Path) -> Result<Vec<(String, PathBuf)>, Fault> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(fault("list", directory, cause)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|cause| fault("list", directory, cause))?;
        files.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    files.sort();
    Ok(files)
}

/// Removes a file; one that is gone already is fine.
pub(crate) fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(fault("remove", path, cause)),
        _ => Ok(()),
    }
}
