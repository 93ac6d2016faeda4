//! Merges files that overlap and files that are small, and leaves out superseded versions.
//!
//! Deletions stay: a deletion is the newest version of its row for as long as an older one may still
//! arrive, and readers of ingestion windows export it. They go when they are as old as the rows that
//! [`Lake::expire`] removes.

use std::sync::Arc;

use model::{ByteCount, Fault, FaultKind, Micros, ProjectId, RowCount, Stop};
use serde::Serialize;

use super::merge::{Part, merge};
use super::plan::{Policy, next_merge};
use crate::Lake;
use crate::append::Staging;
use crate::file::{DataFile, TableSnapshot};
use crate::log::{self, Change, CommitInfo, Line, State};

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// Files that were merged.
    pub files_before: usize,
    /// Files they became.
    pub files_after: usize,
    /// Their size before.
    pub bytes_before: ByteCount,
    /// Their size after.
    pub bytes_after: ByteCount,
    /// Superseded versions that were left out.
    pub rows_dropped: RowCount,
}

impl Lake {
    /// Brings a table into its smallest form: no overlap, no small neighbours, no superseded version;
    /// then removes files that nobody needs any more. A conflict where another process maintains the store.
    pub fn compact(&self, table: &str, now: Micros) -> Result<Compacted, Fault> {
        let _ownership = self.own()?;
        let compacted = self.merge_while(table, Policy::FULL, now)?;
        self.vacuum(now)?;
        Ok(compacted)
    }

    /// Merges where more than `overlap_max` files share a position; nothing where another process
    /// maintains the store already.
    pub(crate) fn compact_deep(&self, table: &str, overlap_max: usize, now: Micros) -> Result<(), Fault> {
        let policy = Policy::after_commit(overlap_max);
        let snapshot = self.snapshot(table)?;
        if projects(&snapshot).all(|files| next_merge(files, policy).is_empty()) {
            return Ok(());
        }
        let Some(_ownership) = self.try_own()? else { return Ok(()) };
        let compacted = self.merge_while(table, policy, now)?;
        tracing::debug!(table.name = table, ?compacted, "merged overlapping store files");
        self.vacuum(now)
    }

    fn merge_while(&self, table: &str, policy: Policy, now: Micros) -> Result<Compacted, Fault> {
        let mut compacted = Compacted::default();
        let names: Vec<ProjectId> = projects(&self.snapshot(table)?).map(|files| files[0].project.clone()).collect();
        for project in names {
            loop {
                let snapshot = self.snapshot(table)?;
                let mut files = next_merge(snapshot.of_project(&project), policy);
                if files.is_empty() && policy.overlap_max == Policy::FULL.overlap_max {
                    files = self.first_with_superseded(&snapshot, &project)?;
                }
                if files.is_empty() {
                    break;
                }
                self.merge_files(&snapshot, &project, files, now, &mut compacted)?;
            }
        }
        Ok(compacted)
    }

    fn first_with_superseded(
        &self,
        snapshot: &TableSnapshot,
        project: &ProjectId,
    ) -> Result<Vec<Arc<DataFile>>, Fault> {
        let dead = self.dead_rows(snapshot, project, &Stop::new())?;
        let found = snapshot.of_project(project).iter().find(|file| !dead.superseded_of(file).is_empty());
        Ok(found.cloned().into_iter().collect())
    }

    pub(super) fn merge_files(
        &self,
        snapshot: &TableSnapshot,
        project: &ProjectId,
        files: Vec<Arc<DataFile>>,
        now: Micros,
        compacted: &mut Compacted,
    ) -> Result<(), Fault> {
        let log = self.log(snapshot.table.name)?;
        // Superseded by any version of the snapshot, merged here or not: what is left outranks
        // everything else in it, whatever sequence the merged file gets.
        let dead = self.dead_rows(snapshot, project, &Stop::new())?;
        let parts: Vec<Part> =
            files.iter().map(|file| Part { file: Arc::clone(file), dropped: dead.superseded_of(file) }).collect();
        let dropped: u64 = parts.iter().map(|part| part.dropped.len()).sum();
        let mut staging = Staging::start(&log.table_directory)?;
        merge(snapshot, parts, &mut staging)?;
        let info = CommitInfo { operation: "OPTIMIZE", now };
        log.commit(info, &mut staging, |state, merged| {
            replacement(state, snapshot, &files, merged, Change::Layout, now)
        })?;
        compacted.files_before += files.len();
        compacted.files_after += staging.files().len();
        compacted.bytes_before += files.iter().map(|file| ByteCount(file.bytes)).sum();
        compacted.bytes_after += staging.files().iter().map(|file| ByteCount(file.bytes)).sum();
        compacted.rows_dropped += RowCount(dropped);
        Ok(())
    }
}

/// The actions that put the files `by` in the place of `replaced`.
pub(super) fn replacement(
    state: &State,
    snapshot: &TableSnapshot,
    replaced: &[Arc<DataFile>],
    by: &[DataFile],
    change: Change,
    now: Micros,
) -> Result<Vec<Line>, Fault> {
    if let Some(gone) = replaced.iter().find(|file| !state.files.contains_key(&file.path)) {
        let message = format!("cannot replace {}: another process has done so", snapshot.path(gone).display());
        return Err(Fault::new(FaultKind::Conflict, message).hint("try again"));
    }
    let mut lines: Vec<Line> = replaced.iter().map(|file| log::remove(file, change, now)).collect();
    lines.extend(by.iter().map(|file| log::add(file, &snapshot.table, Some(file.sequence), change, now)));
    Ok(lines)
}

/// The files of each project.
pub(super) fn projects(snapshot: &TableSnapshot) -> impl Iterator<Item = &[Arc<DataFile>]> {
    snapshot.files.chunk_by(|a, b| a.project == b.project)
}
