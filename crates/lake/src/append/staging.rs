//! Data files that are written but not committed, and who may remove them.
//!
//! A locked file in `_pending` says that the process which writes `part-<id>-*` lives. When it dies
//! the lock is free, and maintenance may remove its files once they have an age that no commit under
//! way can have.

use std::fs::File;
use std::path::{Path, PathBuf};

use model::Fault;
use uuid::Uuid;

use crate::disk;
use crate::file::DataFile;
use crate::keys;

/// Folder of the locks, below a table's directory.
pub(crate) const PENDING: &str = "_pending";

/// The data files of one commit to be.
#[derive(Debug)]
pub(crate) struct Staging {
    table_directory: PathBuf,
    id: String,
    lock_path: PathBuf,
    _lock: File,
    files: Vec<DataFile>,
    started: usize,
    kept: bool,
}

impl Staging {
    /// Claims a new id. Nothing else is written yet.
    pub(crate) fn start(table_directory: &Path) -> Result<Self, Fault> {
        let folder = table_directory.join(PENDING);
        disk::create_directory(&folder)?;
        let id = Uuid::new_v4().simple().to_string();
        let lock_path = folder.join(format!("{id}.lock"));
        let lock = File::create_new(&lock_path)
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|cause| disk::fault("lock", &lock_path, cause))?;
        let table_directory = table_directory.to_owned();
        Ok(Self { table_directory, id, lock_path, _lock: lock, files: Vec::new(), started: 0, kept: false })
    }

    /// Names the next file.
    pub(crate) fn next_name(&mut self) -> String {
        let name = self.name(self.started);
        self.started += 1;
        name
    }

    fn name(&self, index: usize) -> String {
        format!("part-{}-{index:05}.parquet", self.id)
    }

    /// The id within the name of a data file.
    pub(crate) fn id_of(data_file: &str) -> Option<&str> {
        data_file.strip_prefix("part-")?.split('-').next()
    }

    /// Where the table lies.
    pub(crate) fn table_directory(&self) -> &Path {
        &self.table_directory
    }

    /// Notes a file that is complete and durable.
    pub(crate) fn add(&mut self, file: DataFile) {
        self.files.push(file);
    }

    /// The files that are complete.
    pub(crate) fn files(&self) -> &[DataFile] {
        &self.files
    }

    /// They are committed, or may be: dropping must not remove them. Those that no commit names after all
    /// go with maintenance.
    pub(crate) fn keep(&mut self) {
        self.kept = true;
    }
}

#[cfg(test)]
impl Staging {
    /// Leaves everything as a killed process would.
    pub(super) fn abandon(self) {
        let mut this = std::mem::ManuallyDrop::new(self);
        this._lock.unlock().unwrap();
        this.files.clear();
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let mut left = vec![self.lock_path.clone()];
        if !self.kept {
            for index in 0..self.started {
                let name = self.name(index);
                left.push(keys::path_of(&self.table_directory, &name));
                left.push(self.table_directory.join(name));
            }
        }
        for path in left {
            if let Err(fault) = disk::remove(&path) {
                tracing::debug!(path = %path.display(), %fault, "a file is left for maintenance to remove");
            }
        }
    }
}
