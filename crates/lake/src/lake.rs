//! The store as a directory: opening it and asking for versions of its tables.

use std::path::Path;
use std::sync::Arc;

use model::{Fault, Micros, ProjectId, StoredTable};

use crate::file::TableSnapshot;
use crate::keys::DeadRows;

/// An open store. Cloning is cheap; clones share caches.
///
/// Several processes may have the same store open, reading, appending and compacting at once.
#[derive(Clone, Debug)]
pub struct Lake {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: Box<Path>,
    tables: Vec<Arc<StoredTable>>,
}

impl Lake {
    /// Opens the store in `directory`.
    pub fn open(directory: &Path, tables: &[Arc<StoredTable>]) -> Result<Self, Fault> {
        Ok(Self { inner: Arc::new(Inner { directory: directory.into(), tables: tables.to_vec() }) })
    }

    /// Opens the store in `directory` and makes what is missing of it.
    pub fn create_or_open(directory: &Path, tables: &[Arc<StoredTable>], now: Micros) -> Result<Self, Fault> {
        let _ = now;
        Self::open(directory, tables)
    }

    /// Where the store lies.
    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Result<&Arc<StoredTable>, Fault> {
        self.inner
            .tables
            .iter()
            .find(|table| table.name == name)
            .ok_or_else(|| Fault::bug(format!("the store has no table {name}")))
    }

    /// The newest version of a table.
    pub fn snapshot(&self, table: &str) -> Result<TableSnapshot, Fault> {
        Err(Fault::bug(format!("{table} cannot be read yet")))
    }

    /// An earlier version of a table. Not found once its files have been cleaned away.
    pub fn snapshot_at(&self, table: &str, version: u64) -> Result<TableSnapshot, Fault> {
        Err(Fault::bug(format!("{table} {version} cannot be read yet")))
    }

    /// Which rows of a project are not live in this version of the table.
    pub fn dead_rows(&self, snapshot: &TableSnapshot, project: &ProjectId) -> Result<Arc<DeadRows>, Fault> {
        Err(Fault::bug(format!("{} of {project} cannot be read yet", snapshot.table.name)))
    }
}
