//! Replays a log into the state of a version, reading each commit once.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use model::{Fault, FaultKind, Micros, StoredTable};

use super::action::{Line, MetaData, Protocol};
use super::checkpoint;
use super::schema::schema_string;
use crate::disk;
use crate::file::{DataFile, Sequence, TableSnapshot};
use crate::readers::Entrance;

/// The log of one table. The newest state that was seen is kept; asking again reads new commits only.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) table: Arc<StoredTable>,
    pub(crate) table_directory: Arc<Path>,
    newest: Mutex<Arc<State>>,
}

/// What a table consists of at one version.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Number of commits that were replayed: one more than the version.
    pub commits: u64,
    /// Files by path, and the version that added them.
    pub files: BTreeMap<Box<str>, (Arc<DataFile>, u64)>,
    /// Files that were removed.
    pub removed: BTreeMap<Box<str>, Removed>,
    /// What the table is.
    pub meta_data: Option<MetaData>,
    pub(super) snapshot: Option<Arc<TableSnapshot>>,
}

/// A file that belongs to earlier versions only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Removed {
    /// The version that added it.
    pub added: u64,
    /// The version that removed it.
    pub removed: u64,
    /// When.
    pub at: Micros,
}

impl Log {
    /// The log of the table in this directory, which need not exist.
    pub(crate) fn new(table: Arc<StoredTable>, table_directory: PathBuf) -> Self {
        Self { table, table_directory: table_directory.into(), newest: Mutex::default() }
    }

    /// Where the commits lie.
    pub(crate) fn directory(&self) -> PathBuf {
        self.table_directory.join("_delta_log")
    }

    /// The file of a commit.
    pub(crate) fn commit_path(&self, version: u64) -> PathBuf {
        self.directory().join(format!("{version:020}.json"))
    }

    /// The newest state.
    pub(crate) fn newest(&self) -> Result<Arc<State>, Fault> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let known = newest.commits;
        let mut next = None;
        if known == 0 {
            next = self.checkpoint_up_to(u64::MAX)?;
            self.expect_no_gap(next.as_ref().map_or(0, |state| state.commits))?;
        }
        if disk::exists(&self.commit_path(next.as_ref().map_or(known, |state| state.commits)))? {
            // Replaying into a copy keeps the cached state whole where a commit turns out to be damaged.
            let next = next.get_or_insert_with(|| State::clone(&newest));
            while self.apply_next(next)? {}
        }
        if let Some(mut next) = next {
            if next.commits / checkpoint::EVERY > known / checkpoint::EVERY {
                self.forget_gone(&mut next)?;
            }
            next.snapshot = Some(Arc::new(self.to_snapshot(&next)));
            *newest = Arc::new(next);
        }
        Ok(Arc::clone(&newest))
    }

    /// The newest version, shared.
    pub(crate) fn snapshot(&self) -> Result<Arc<TableSnapshot>, Fault> {
        let newest = self.newest()?;
        Ok(newest.snapshot.clone().unwrap_or_else(|| Arc::new(self.to_snapshot(&newest))))
    }

    /// The version `version`, or not found where it never was or its files are gone.
    pub(crate) fn snapshot_at(&self, version: u64) -> Result<Arc<TableSnapshot>, Fault> {
        let newest = self.snapshot()?;
        if newest.version == version {
            return Ok(newest);
        }
        let gone = |why: String| {
            Fault::new(FaultKind::NotFound, format!("cannot read version {version} of {}: {why}", self.table.name))
                .hint("start the export anew; files of earlier versions are kept for retention.replaced_files")
        };
        if version > newest.version {
            return Err(gone(format!("the newest is {}", newest.version)));
        }
        let mut state = self.checkpoint_up_to(version)?.unwrap_or_default();
        while state.commits <= version && self.apply_next(&mut state)? {}
        let snapshot = self.to_snapshot(&state);
        for file in &snapshot.files {
            if !disk::exists(&snapshot.path(file))? {
                return Err(gone("its files were cleaned away".to_owned()));
            }
        }
        Ok(Arc::new(snapshot))
    }

    /// The version `version`, or the newest, for a reader: its files stay as long as a clone of it lives.
    pub(crate) fn read(&self, version: Option<u64>) -> Result<TableSnapshot, Fault> {
        let entrance = Entrance::open(&self.table_directory);
        let snapshot = match version {
            None => self.snapshot()?,
            Some(version) => self.snapshot_at(version)?,
        };
        let reader = entrance.and_then(|entrance| entrance.announce(snapshot.version)).map(Arc::new);
        Ok(TableSnapshot { _reader: reader, ..TableSnapshot::clone(&snapshot) })
    }

    /// Applies the commit after `state`; false where there is none.
    fn apply_next(&self, state: &mut State) -> Result<bool, Fault> {
        let version = state.commits;
        let path = self.commit_path(version);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(cause) if cause.kind() == io::ErrorKind::InvalidData => return Err(corrupt(&path, "it is not text")),
            Err(cause) => return Err(disk::fault("read", &path, cause)),
        };
        if !text.ends_with('\n') {
            return Err(corrupt(&path, "it is cut short"));
        }
        for (line, index) in text.lines().zip(0..) {
            let line: Line = serde_json::from_str(line)
                .map_err(|cause| corrupt(&path, &format!("line {} is no action", index + 1)).because(cause))?;
            self.apply(state, line, Sequence { version, index }, &path)?;
        }
        state.commits += 1;
        Ok(true)
    }

    pub(super) fn apply(&self, state: &mut State, line: Line, sequence: Sequence, path: &Path) -> Result<(), Fault> {
        if let Some(protocol) = line.protocol
            && protocol.min_reader_version > Protocol::OURS.min_reader_version
        {
            return Err(foreign(path, "it asks for a newer Delta reader"));
        }
        if let Some(meta_data) = line.meta_data {
            let ours: serde_json::Value = serde_json::from_str(&schema_string(&self.table)?)
                .map_err(|cause| Fault::bug("our own schema is no JSON").because(cause))?;
            let stored: serde_json::Value = serde_json::from_str(&meta_data.schema_string)
                .map_err(|cause| corrupt(path, "its schema is no JSON").because(cause))?;
            if ours != stored {
                return Err(self.other_columns(&ours, &stored, path));
            }
            state.meta_data = Some(meta_data);
        }
        if let Some(add) = line.add {
            let file = add
                .to_file(&self.table, sequence)
                .ok_or_else(|| foreign(path, &format!("it adds {}, which the store did not write", add.path)))?;
            state.removed.remove(&file.path);
            let added = add.added().unwrap_or(sequence.version);
            state.files.insert(file.path.clone(), (Arc::new(file), added));
        }
        if let Some(remove) = line.remove {
            let added = state.files.remove(remove.path.as_str()).map_or(0, |(_, added)| added);
            let removed = Removed { added, removed: sequence.version, at: remove.at() };
            let removed = remove.of_checkpoint().unwrap_or(removed);
            state.removed.insert(remove.path.into(), removed);
        }
        Ok(())
    }

    fn other_columns(&self, ours: &serde_json::Value, stored: &serde_json::Value, path: &Path) -> Fault {
        let fields = |schema: &serde_json::Value| schema["fields"].as_array().cloned().unwrap_or_default();
        let (ours, stored) = (fields(ours), fields(stored));
        let difference = match (
            ours.iter().find(|field| !stored.contains(field)),
            stored.iter().find(|field| !ours.contains(field)),
        ) {
            (Some(field), _) => format!("column {} is missing or of another type", field["name"]),
            (None, Some(field)) => format!("column {} is unknown", field["name"]),
            (None, None) => "the columns stand in another order".to_owned(),
        };
        Fault::new(
            FaultKind::Configuration,
            format!("cannot read table {} as {} describes it: {difference}", self.table.name, path.display()),
        )
        .hint("use the outgest version that wrote the store, or import into a new data directory")
    }

    /// A missing commit before a later one means that replaying would show half of the table.
    fn expect_no_gap(&self, from: u64) -> Result<(), Fault> {
        let listed = disk::list(&self.directory())?;
        let versions = listed.iter().filter_map(|(name, _)| name.strip_suffix(".json")?.parse().ok());
        match first_gap(from, versions, |version| disk::exists(&self.commit_path(version)))? {
            None => Ok(()),
            Some((missing, next)) => {
                let why = format!("it is missing, though {} exists", self.commit_path(next).display());
                Err(corrupt(&self.commit_path(missing), &why))
            }
        }
    }

    /// Keeps of the removed files those that are still there: nobody asks for others, and they become many.
    fn forget_gone(&self, state: &mut State) -> Result<(), Fault> {
        let there: HashSet<String> = disk::list(&self.table_directory)?.into_iter().map(|(name, _)| name).collect();
        state.removed.retain(|path, _| there.contains(&**path));
        Ok(())
    }

    fn to_snapshot(&self, state: &State) -> TableSnapshot {
        let mut files: Vec<_> = state.files.values().map(|(file, _)| Arc::clone(file)).collect();
        files.sort_by(|a, b| (&a.project, &a.first, a.sequence).cmp(&(&b.project, &b.first, b.sequence)));
        TableSnapshot {
            table: Arc::clone(&self.table),
            version: state.commits.saturating_sub(1),
            files,
            directory: Arc::clone(&self.table_directory),
            _reader: None,
        }
    }
}

/// The version after a snapshot's own that removed one of its files, where a commit says so.
pub(crate) fn replaced_by(snapshot: &TableSnapshot, file: &DataFile) -> Option<u64> {
    let log = Log::new(Arc::clone(&snapshot.table), snapshot.directory.to_path_buf());
    for version in snapshot.version + 1.. {
        let text = fs::read_to_string(log.commit_path(version)).ok()?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        if lines.filter_map(|line| line.remove).any(|remove| *remove.path == *file.path) {
            return Some(version);
        }
    }
    None
}

/// The first version from `from` on that is missing among those that were listed, ascending, and the one after
/// it.
///
/// A listing may leave out what is created while it is made, and show what is created after that; so
/// whatever seems to be missing is looked for once more.
fn first_gap(
    from: u64,
    listed: impl Iterator<Item = u64>,
    exists: impl Fn(u64) -> Result<bool, Fault>,
) -> Result<Option<(u64, u64)>, Fault> {
    let mut expected = from;
    for version in listed.filter(|version| *version >= from) {
        for missing in expected..version {
            if !exists(missing)? {
                return Ok(Some((missing, version)));
            }
        }
        expected = version + 1;
    }
    Ok(None)
}

fn corrupt(path: &Path, why: &str) -> Fault {
    Fault::corrupt(format!("cannot read the store's commit {}: {why}", path.display()))
        .hint("restore the store from a backup")
}

fn foreign(path: &Path, why: &str) -> Fault {
    Fault::new(FaultKind::Configuration, format!("cannot read the store's commit {}: {why}", path.display()))
        .hint("another program wrote to the store; only outgest may change it, any program may read it")
}

#[cfg(test)]
mod tests {
    use super::first_gap;

    #[test]
    fn a_commit_that_a_listing_left_out_is_no_gap() {
        let found =
            |listed: &[u64], there: &[u64]| first_gap(0, listed.iter().copied(), |v| Ok(there.contains(&v))).unwrap();
        // 2 was created before 3, and the listing showed 3 alone.
        assert_eq!(found(&[0, 1, 3], &[0, 1, 2, 3]), None);
        assert_eq!(found(&[0, 1, 4], &[0, 1, 2, 4]), Some((3, 4)));
        assert_eq!(found(&[2], &[2]), Some((0, 2)));
        assert_eq!(found(&[0, 1, 2], &[]), None);
    }
}
