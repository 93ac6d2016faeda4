//! File operations that survive a crash, and what their failures mean to a user.
//!
//! A file appears under its name whole or not at all: it is written beside it, made durable and only
//! then named.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
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

/// Whether there is something under this name. What cannot be looked at is not taken for absent.
pub(crate) fn exists(path: &Path) -> Result<bool, Fault> {
    path.try_exists().map_err(|cause| fault("look at", path, cause))
}

/// Makes the directory and its parents. The names of those that were made are durable.
pub(crate) fn create_directory(path: &Path) -> Result<(), Fault> {
    let named = |path: &Path| !path.as_os_str().is_empty();
    let missing: Vec<&Path> =
        path.ancestors().take_while(|ancestor| named(ancestor) && !matches!(ancestor.try_exists(), Ok(true))).collect();
    fs::create_dir_all(path).map_err(|cause| fault("create directory", path, cause))?;
    for made in missing {
        sync_directory(made.parent().filter(|parent| named(parent)).unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), Fault> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    #[cfg(test)]
    let synced = synced.and_then(|()| trouble::sync(path));
    synced.map_err(|cause| fault("sync directory", path, cause))
}

/// Whether a file was created under its name.
#[derive(Debug)]
pub(crate) enum Created {
    /// It was, and is durable.
    Yes,
    /// There was one already.
    Exists,
    /// It is visible, or may be; whether it would survive a crash is unknown.
    Unsure(Fault),
}

/// Creates a durable file, or finds that there is one. Readers see all of it or none.
///
/// With a fault, no reader ever sees the file.
pub(crate) fn create_new(path: &Path, bytes: &[u8]) -> Result<Created, Fault> {
    let temporary = write_beside(path, bytes, File::sync_all)?;
    // A link fails where the name is taken, which a rename does not; that makes it the commit.
    let linked = fs::hard_link(&temporary, path);
    // A file server may carry out the link and lose its answer; then the file has two names nevertheless.
    let names = fs::metadata(&temporary).map(|file| file.nlink());
    if let Err(cause) = fs::remove_file(&temporary) {
        tracing::debug!(path = %temporary.display(), %cause, "a file is left for maintenance to remove");
    }
    match (linked, names) {
        (Ok(()), _) | (Err(_), Ok(2..)) => match sync_directory(parent(path)) {
            Ok(()) => Ok(Created::Yes),
            Err(fault) => Ok(Created::Unsure(fault)),
        },
        (Err(cause), Err(_)) => Ok(Created::Unsure(fault("create", path, cause))),
        (Err(cause), Ok(_)) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(Created::Exists),
        (Err(cause), Ok(_)) if cause.kind() == io::ErrorKind::Unsupported => Err(fault("create", path, cause)
            .hint("the store needs a file system with hard links; choose another data directory")),
        (Err(cause), Ok(_)) => Err(fault("create", path, cause)),
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

/// Makes the disk fail where a test says so, in the test's own thread.
#[cfg(test)]
pub(crate) mod trouble {
    use std::cell::RefCell;
    use std::io;
    use std::path::{Path, PathBuf};

    thread_local! {
        static UNSYNCABLE: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
    }

    /// From now on this directory cannot be synced; `None` ends that.
    pub(crate) fn refuse_to_sync(directory: Option<&Path>) {
        UNSYNCABLE.set(directory.map(Path::to_owned));
    }

    pub(super) fn sync(directory: &Path) -> io::Result<()> {
        let fails = UNSYNCABLE.with_borrow(|refused| refused.as_deref() == Some(directory));
        if fails { Err(io::Error::other("input/output error")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_directory_is_made_only_when_its_name_is_durable() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("a/b/c");
        for unsynced in [folder.path().to_owned(), folder.path().join("a"), folder.path().join("a/b")] {
            trouble::refuse_to_sync(Some(&unsynced));
            let fault = create_directory(&path).unwrap_err();
            assert!(fault.public_message().contains(unsynced.to_str().unwrap()), "{fault}");
            fs::remove_dir_all(folder.path().join("a")).unwrap();
        }
        trouble::refuse_to_sync(None);
        create_directory(&path).unwrap();
        assert!(path.is_dir());
    }

    #[test]
    fn a_name_is_given_once_and_only_to_a_whole_file() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("0.json");
        assert!(matches!(create_new(&path, b"first"), Ok(Created::Yes)));
        assert!(matches!(create_new(&path, b"second"), Ok(Created::Exists)));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(list(folder.path()).unwrap().len(), 1);
    }
}
