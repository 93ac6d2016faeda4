//! The store as a directory: opening it and asking for versions of its tables.
//!
//! `outgest-lake.json` names the format; each stored table is a folder that any Delta reader opens.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::{Fault, FaultKind, Micros, ProjectId, Stop, StoredTable};
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::file::TableSnapshot;
use crate::grouped::KnownGroups;
use crate::keys::{self, DeadRows};
use crate::log::Log;

/// An open store. Cloning is cheap; clones share caches.
///
/// Several processes may have the same store open, reading, appending and maintaining at once.
#[derive(Clone, Debug)]
pub struct Lake {
    inner: Arc<Inner>,
    grouped_rows_kept_max: u64,
    replaced_kept: Duration,
}

#[derive(Debug)]
struct Inner {
    directory: Box<Path>,
    logs: Vec<Log>,
    dead: Mutex<VecDeque<(PathBuf, Arc<DeadRows>)>>,
    groups: KnownGroups,
}

/// Dead rows that are kept in memory: those of the projects that are exported at the same time.
const DEAD_ROWS_KEPT: usize = 16;

/// Stored rows of a project up to which its groups stay known between reads.
const GROUPED_ROWS_KEPT_MAX: u64 = 2_000_000;

/// How long files that a commit removed are kept when nobody reads them.
const REPLACED_KEPT: Duration = Duration::from_secs(3_600);

/// The name of the file that says what the directory is.
pub(crate) const FORMAT_FILE: &str = "outgest-lake.json";

/// Version of everything in the store that is not Delta's: tags, row order, keys, conversions.
pub(crate) const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct FormatFile {
    format: u32,
}

impl Lake {
    /// Opens the store in `directory`.
    pub fn open(directory: &Path, tables: &[Arc<StoredTable>]) -> Result<Self, Fault> {
        check_format(directory)?;
        Ok(Self::new(directory, tables))
    }

    /// Opens the store in `directory` and makes what is missing of it.
    pub fn create_or_open(directory: &Path, tables: &[Arc<StoredTable>], now: Micros) -> Result<Self, Fault> {
        let path = directory.join(FORMAT_FILE);
        if !disk::exists(&path)? {
            for table in tables {
                if disk::exists(&directory.join(table.name).join("_delta_log"))? {
                    return Err(Fault::corrupt(format!(
                        "cannot open the store in {}: {FORMAT_FILE} is missing beside its table {}",
                        directory.display(),
                        table.name
                    ))
                    .hint("restore the store from a backup"));
                }
            }
            disk::create_directory(directory)?;
            let text = serde_json::to_vec(&FormatFile { format: FORMAT }).expect("a number has a JSON form");
            disk::replace(&path, &text)?;
        }
        let lake = Self::open(directory, tables)?;
        for log in &lake.inner.logs {
            log.create(now)?;
        }
        Ok(lake)
    }

    fn new(directory: &Path, tables: &[Arc<StoredTable>]) -> Self {
        let logs = tables.iter().map(|table| Log::new(Arc::clone(table), directory.join(table.name))).collect();
        let inner = Inner { directory: directory.into(), logs, dead: Mutex::default(), groups: KnownGroups::default() };
        Self { inner: Arc::new(inner), grouped_rows_kept_max: GROUPED_ROWS_KEPT_MAX, replaced_kept: REPLACED_KEPT }
    }

    /// The same store, keeping groups of projects with at most so many stored rows. They take about 20 bytes a
    /// row; 32 MiB of all projects together are kept at most.
    pub fn keeping_groups_up_to(self, rows: u64) -> Self {
        Self { grouped_rows_kept_max: rows, ..self }
    }

    /// The same store, whose maintenance keeps files that nobody reads for so long after they were replaced. A run
    /// that was killed can be resumed within that time.
    pub fn keeping_replaced_files(self, time: Duration) -> Self {
        Self { replaced_kept: time, ..self }
    }

    pub(crate) fn replaced_kept(&self) -> Duration {
        self.replaced_kept
    }

    pub(crate) fn grouped_rows_kept_max(&self) -> u64 {
        self.grouped_rows_kept_max
    }

    pub(crate) fn known_groups(&self) -> &KnownGroups {
        &self.inner.groups
    }

    /// Where the store lies.
    pub fn directory(&self) -> &Path {
        &self.inner.directory
    }

    /// What tells this store from every other, and stays the same in copies and backups of it: the id that Delta's
    /// protocol gives its first table.
    pub fn id(&self) -> Result<String, Fault> {
        let meta_data = match self.inner.logs.first() {
            Some(log) => log.newest()?.meta_data.clone(),
            None => None,
        };
        meta_data.map(|meta_data| meta_data.id).ok_or_else(|| {
            Fault::corrupt(format!("the store in {} has no table with an id", self.directory().display()))
                .hint("restore the store from a backup")
        })
    }

    /// The stored tables.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<StoredTable>> {
        self.inner.logs.iter().map(|log| &log.table)
    }

    /// The newest version of a table, to look at. Its files may go when a later commit has removed them.
    pub fn snapshot(&self, table: &str) -> Result<TableSnapshot, Fault> {
        Ok(TableSnapshot::clone(&*self.log(table)?.snapshot()?))
    }

    /// The newest version of a table, or an earlier one for a run that goes on, to be read: its files are kept
    /// as long as the snapshot or a clone of it lives. Those of an earlier version that nobody reads are kept
    /// for a while after a later commit removed them; then it is not found.
    pub fn read_snapshot(&self, table: &str, version: Option<u64>) -> Result<TableSnapshot, Fault> {
        self.log(table)?.read(version)
    }

    /// Which rows of a project are not live in this version of the table.
    ///
    /// Reads the sorted keys of all files of the project once per set of files, in bounded memory:
    /// blocking work of about 0.1 s per million rows, which `stop` ends early. Later calls find the result.
    pub fn dead_rows(
        &self,
        snapshot: &TableSnapshot,
        project: &ProjectId,
        stop: &Stop,
    ) -> Result<Arc<DeadRows>, Fault> {
        let name = keys::cache::path(snapshot, project);
        let kept = || self.inner.dead.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = kept().iter().find(|(path, _)| *path == name) {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(keys::dead_rows(snapshot, project, stop)?);
        let mut kept = kept();
        kept.push_front((name, Arc::clone(&found)));
        kept.truncate(DEAD_ROWS_KEPT);
        Ok(found)
    }

    pub(crate) fn log(&self, table: &str) -> Result<&Log, Fault> {
        self.inner
            .logs
            .iter()
            .find(|log| log.table.name == table)
            .ok_or_else(|| Fault::bug(format!("the store has no table {table}")))
    }

    pub(crate) fn logs(&self) -> &[Log] {
        &self.inner.logs
    }
}

/// Fails unless the directory holds a store that this version can read.
pub(crate) fn check_format(directory: &Path) -> Result<(), Fault> {
    let path = directory.join(FORMAT_FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Err(Fault::new(FaultKind::NotFound, format!("there is no store in {}", directory.display()))
                .hint("import events first, or name another directory with --data"));
        }
        Err(cause) => return Err(disk::fault("read", &path, cause)),
    };
    let found: FormatFile = serde_json::from_slice(&text).map_err(|cause| {
        Fault::corrupt(format!("cannot read {}: it does not name a format", path.display()))
            .hint("restore the store from a backup")
            .because(cause)
    })?;
    if found.format > FORMAT {
        return Err(Fault::new(
            FaultKind::Configuration,
            format!(
                "cannot open the store in {}: its format {} is newer than {FORMAT}, the newest this version reads",
                directory.display(),
                found.format
            ),
        )
        .hint("use the outgest version that wrote the store, or a later one"));
    }
    Ok(())
}
