//! Copies one version of every table; a backup is a store like any other.
//!
//! Files never change once they are named, so a copy on the same disk shares them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{ByteCount, Fault, FaultKind, Micros, StoredTable};
use uuid::Uuid;

use crate::file::{DataFile, TableSnapshot};
use crate::lake::FORMAT_FILE;
use crate::log::Log;
use crate::{Lake, disk, keys};

impl Lake {
    /// Copies the newest version of every table into `target`, which must not exist or be empty.
    ///
    /// `target` appears whole or not at all, and not where a data file is damaged. Returns the size of
    /// its data files. A conflict where another process maintains the store.
    pub fn backup(&self, target: &Path) -> Result<ByteCount, Fault> {
        // Maintenance could remove files while they are copied.
        let _ownership = self.own()?;
        copy_store(self, target)
    }

    /// Copies the backup in `backup` to `directory`, which must hold nothing yet, and opens it.
    pub fn restore(backup: &Path, directory: &Path, tables: &[Arc<StoredTable>], now: Micros) -> Result<Self, Fault> {
        copy_store(&Self::open(backup, tables)?, directory)?;
        Self::create_or_open(directory, tables, now)
    }
}

fn copy_store(lake: &Lake, target: &Path) -> Result<ByteCount, Fault> {
    if !disk::list(target)?.is_empty() {
        return Err(Fault::new(
            FaultKind::Conflict,
            format!("cannot copy the store to {}: it is not empty", target.display()),
        )
        .hint("name a directory that does not exist yet"));
    }
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    disk::create_directory(parent)?;
    let staging = Unfinished(parent.join(format!("{}{}", disk::TEMPORARY, Uuid::new_v4().simple())));
    let mut bytes = ByteCount::ZERO;
    for log in lake.logs() {
        bytes += copy_table(log, &staging.0)?;
    }
    copy_file(&lake.directory().join(FORMAT_FILE), &staging.0.join(FORMAT_FILE))?;
    disk::sync_directory(&staging.0)?;
    if disk::exists(target)? {
        fs::remove_dir(target).map_err(|cause| disk::fault("replace directory", target, cause))?;
    }
    fs::rename(&staging.0, target).map_err(|cause| disk::fault("rename to", target, cause))?;
    disk::sync_directory(parent)?;
    Ok(bytes)
}

fn copy_table(log: &Log, store: &Path) -> Result<ByteCount, Fault> {
    let snapshot = log.snapshot()?;
    let target = store.join(log.table.name);
    let target_log = Log::new(Arc::clone(&log.table), target.clone());
    disk::create_directory(&target_log.directory())?;
    let mut bytes = ByteCount::ZERO;
    for file in &snapshot.files {
        copy_data(&snapshot, file, &target.join(&*file.path))?;
        bytes += ByteCount(file.bytes);
        copy_keys(&snapshot, &target, &file.path);
    }
    for version in 0..=snapshot.version {
        let path = log.commit_path(version);
        // A store that was opened but never written has no table yet.
        if disk::exists(&path)? {
            copy_file(&path, &target_log.commit_path(version))?;
        }
    }
    disk::sync_directory(&target_log.directory())?;
    disk::sync_directory(&target)?;
    Ok(bytes)
}

/// Copies a data file after proving that it is what was written: a copy of damage is no backup.
fn copy_data(snapshot: &TableSnapshot, file: &DataFile, to: &Path) -> Result<(), Fault> {
    if fs::hard_link(snapshot.path(file), to).is_ok() {
        return snapshot.prove(file).map(drop);
    }
    let mut into = File::create_new(to).map_err(|cause| disk::fault("create", to, cause))?;
    snapshot.copy_proven(file, to, &mut into)?;
    into.sync_all().map_err(|cause| disk::fault("sync", to, cause))
}

/// Copies keys where there are any; the copy makes missing ones again.
fn copy_keys(snapshot: &TableSnapshot, target: &Path, data_file: &str) {
    let copied = disk::create_directory(&keys::directory(target))
        .and_then(|()| copy_file(&keys::path_of(&snapshot.directory, data_file), &keys::path_of(target, data_file)));
    if let Err(fault) = copied {
        tracing::debug!(%fault, "the keys of a store file are made again in its copy");
    }
}

fn copy_file(from: &Path, to: &Path) -> Result<(), Fault> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to)
        .and_then(|_| File::open(to))
        .and_then(|file| file.sync_all())
        .map_err(|cause| disk::fault(&format!("copy {} to", from.display()), to, cause))
}

/// A directory that is removed unless it got its name.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.0.exists()
            && let Err(cause) = fs::remove_dir_all(&self.0)
        {
            tracing::warn!(path = %self.0.display(), %cause, "cannot remove an unfinished copy of the store");
        }
    }
}
