//! Bringing a backup back into a data directory: all of it, or nothing that anything would read.
//!
//! While it is done a locked file says so. What a killed restore leaves is refused by every command but the
//! next restore, which begins anew.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use model::{Fault, FaultKind, Micros};
use store::NativeStore;

use super::{cannot_write, create_directory, lake_directory, sync_directory};
use crate::report::print;

/// Says that a restore is not finished.
const UNFINISHED: &str = "restore.unfinished";

/// Restores the backup in `folder` to the data directory `data`, which holds no store yet.
pub fn restore(data: &Path, folder: &Path, now: Micros) -> Result<(), Fault> {
    if !lake_directory(folder).is_dir() || !folder.join(NativeStore::FILE_NAME).is_file() {
        return Err(Fault::new(FaultKind::NotFound, format!("{} is not a backup", folder.display()))
            .hint("name a folder that outgest data backup made"));
    }
    let marker = data.join(UNFINISHED);
    let begun = is_there(&marker)?;
    if !begun && (is_there(&lake_directory(data))? || is_there(&data.join(NativeStore::FILE_NAME))?) {
        return Err(Fault::new(FaultKind::Conflict, format!("{} holds a store already", data.display()))
            .hint("name a data directory that does not exist yet with --data"));
    }
    create_directory(data)?;
    let unfinished = begin(data, &marker)?;
    let restored = if begun { remove_halves(data) } else { Ok(()) }.and_then(|()| copy(data, folder, now));
    if let Err(fault) = restored {
        // Left as it was found, so that the command can be repeated or the directory used.
        if let Err(cause) = remove_halves(data).and_then(|()| end(data, &marker, unfinished)) {
            tracing::warn!(data = %data.display(), fault = %cause, "an unfinished restore could not be removed");
        }
        return Err(fault);
    }
    end(data, &marker, unfinished)?;
    print(&format!("restored to {}\n", data.display()))
}

/// Fails where a restore into this data directory is under way, or was killed.
pub fn refuse_unfinished(data: &Path) -> Result<(), Fault> {
    if !is_there(&data.join(UNFINISHED))? {
        return Ok(());
    }
    Err(Fault::new(FaultKind::Conflict, format!("a restore to {} has not finished", data.display()))
        .hint("wait for it; if it was killed, run outgest data restore once more"))
}

fn begin(data: &Path, marker: &Path) -> Result<File, Fault> {
    let failed = |error: &io::Error| cannot_write(data, error);
    let file = File::options().create(true).truncate(false).write(true).open(marker).map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let message = format!("another process restores to {}", data.display());
            return Err(Fault::new(FaultKind::Conflict, message).hint("wait until it has finished"));
        }
        Err(TryLockError::Error(error)) => return Err(failed(&error)),
    }
    file.sync_all().and_then(|()| sync_directory(data)).map_err(|error| failed(&error))?;
    Ok(file)
}

fn copy(data: &Path, folder: &Path, now: Micros) -> Result<(), Fault> {
    lake::Lake::restore(&lake_directory(folder), &lake_directory(data), &tables::stored(), now)?;
    let (from, to) = (folder.join(NativeStore::FILE_NAME), data.join(NativeStore::FILE_NAME));
    std::fs::copy(from, &to)
        .and_then(|_| File::open(&to)?.sync_all())
        .and_then(|()| sync_directory(data))
        .map_err(|error| cannot_write(data, &error))
}

/// What was restored is durable before nothing says any more that it is not whole.
fn end(data: &Path, marker: &Path, unfinished: File) -> Result<(), Fault> {
    std::fs::remove_file(marker).and_then(|()| sync_directory(data)).map_err(|error| cannot_write(data, &error))?;
    drop(unfinished);
    Ok(())
}

fn remove_halves(data: &Path) -> Result<(), Fault> {
    let metadata = ["", "-wal", "-shm"].map(|suffix| data.join(format!("{}{suffix}", NativeStore::FILE_NAME)));
    let removed = metadata.iter().map(std::fs::remove_file).chain([std::fs::remove_dir_all(lake_directory(data))]);
    for result in removed {
        match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot_write(data, &error)),
            _ => {}
        }
    }
    Ok(())
}

fn is_there(path: &Path) -> Result<bool, Fault> {
    path.try_exists().map_err(|error| {
        Fault::new(FaultKind::Configuration, format!("cannot look at {}: {error}", path.display()))
            .hint("check owner and permissions of the data directory")
            .because(error)
    })
}
