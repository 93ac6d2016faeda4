//! Removes files that nobody reads: replaced ones after a while, and what crashes left.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use model::{Fault, Micros};

use super::compact::projects;
use crate::append::{PENDING, Staging};
use crate::log::Log;
use crate::readers::Readers;
use crate::{Lake, disk, keys};

/// No commit that is under way takes this long after its files were written, nor a file that is written beside
/// another.
const ABANDONED_SECONDS: i64 = 3_600;

impl Lake {
    /// Removes files of earlier versions that nobody reads, a while after they were replaced, and files that
    /// were never committed once their writer is gone and they are an hour old. Called by all maintenance.
    pub(super) fn vacuum(&self, now: Micros) -> Result<(), Fault> {
        let before = now.minus_seconds(ABANDONED_SECONDS);
        let replaced_before = Micros(now.0.saturating_sub(micros(self.replaced_kept())));
        for log in self.logs() {
            remove_data_files(log, replaced_before, before)?;
            remove_keys(log, before)?;
            remove_old(&log.table_directory.join(PENDING), before, is_unlocked)?;
            for directory in [log.directory(), log.table_directory.to_path_buf()] {
                remove_old(&directory, before, is_temporary)?;
            }
        }
        // A backup that is made in here is a directory, and not ours to remove.
        remove_old(self.directory(), before, |path| is_temporary(path) && path.is_file())
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn remove_data_files(log: &Log, replaced_before: Micros, before: Micros) -> Result<(), Fault> {
    if !disk::exists(&log.table_directory)? {
        return Ok(());
    }
    let mut candidates = Vec::new();
    for (name, path) in disk::list(&log.table_directory)? {
        if name.ends_with(".parquet") {
            let abandoned = is_abandoned(&log.table_directory, &name)? && is_older(&path, before)?;
            candidates.push((name, path, abandoned));
        }
    }
    // Asked after the locks: a writer frees its lock after its commit, so whoever was seen to be
    // gone has either committed in this state or never will.
    let state = log.newest()?;
    let readers = Readers::of(&log.table_directory)?;
    for (name, path, abandoned) in candidates {
        let needless = match state.removed.get(name.as_str()) {
            _ if state.files.contains_key(name.as_str()) => false,
            Some(file) => file.at <= replaced_before && !readers.need(file.added, file.removed),
            None => abandoned,
        };
        if needless {
            disk::remove(&path)?;
        }
    }
    Ok(())
}

/// Keys whose data file is gone, and dead rows of files that are no longer the newest.
fn remove_keys(log: &Log, before: Micros) -> Result<(), Fault> {
    let snapshot = log.snapshot()?;
    let current: HashSet<PathBuf> =
        projects(&snapshot).map(|files| keys::cache::path(&snapshot, &files[0].project)).collect();
    remove_old(&keys::directory(&log.table_directory), before, |path| {
        let name = name_of(path);
        match name.strip_suffix(".keys") {
            // Keys of a file that cannot be looked at stay.
            Some(data_file) => matches!(log.table_directory.join(data_file).try_exists(), Ok(false)),
            None => !current.contains(path),
        }
    })
}

fn is_abandoned(table_directory: &Path, data_file: &str) -> Result<bool, Fault> {
    let Some(id) = Staging::id_of(data_file) else { return Ok(false) };
    Ok(is_unlocked(&table_directory.join(PENDING).join(format!("{id}.lock"))))
}

fn is_unlocked(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => !matches!(file.try_lock(), Err(TryLockError::WouldBlock)),
        Err(cause) => cause.kind() == io::ErrorKind::NotFound,
    }
}

fn remove_old(directory: &Path, before: Micros, needless: impl Fn(&Path) -> bool) -> Result<(), Fault> {
    for (_, path) in disk::list(directory)? {
        if needless(&path) && is_older(&path, before)? {
            disk::remove(&path)?;
        }
    }
    Ok(())
}

fn is_older(path: &Path, before: Micros) -> Result<bool, Fault> {
    let changed = match fs::metadata(path).and_then(|file| file.modified()) {
        Ok(changed) => changed,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(disk::fault("read", path, cause)),
    };
    let age = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(age.as_micros()).is_ok_and(|micros| micros <= before.0))
}

fn is_temporary(path: &Path) -> bool {
    name_of(path).starts_with(disk::TEMPORARY)
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
