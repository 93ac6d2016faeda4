//! Removes rows by age: whole files where it can, rewritten ones where a file straddles the boundary.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use model::{Fault, Micros, RowCount, Stop};
use parquet::arrow::ProjectionMask;
use roaring::RoaringBitmap;
use serde::Serialize;

use super::compact::{projects, replacement};
use super::merge::{Part, merge};
use crate::Lake;
use crate::append::Staging;
use crate::file::{DataFile, TableSnapshot};
use crate::keys::{Version, by_sequence, each_row};
use crate::log::{Change, CommitInfo};
use crate::parquet_file;

/// What an expiry did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// Stored rows that were removed, superseded ones and deletions included.
    pub rows: RowCount,
    /// Files that were dropped whole.
    pub files_dropped: usize,
    /// Files that were written anew without the rows.
    pub files_rewritten: usize,
}

impl Lake {
    /// Removes every row of a table whose start time is before `older_than`, in one commit.
    ///
    /// With the newest version of a row go its older versions, even those with a later start time:
    /// nothing that was corrected comes back.
    pub fn expire(&self, table: &str, older_than: Micros, now: Micros) -> Result<Expired, Fault> {
        self.expire_by_project(table, &|_| Some(older_than), now)
    }

    /// [`Lake::expire`] with a boundary for each project; rows of a project without one stay.
    pub fn expire_by_project(
        &self,
        table: &str,
        older_than: &dyn Fn(&str) -> Option<Micros>,
        now: Micros,
    ) -> Result<Expired, Fault> {
        let _ownership = self.own()?;
        let snapshot = self.snapshot(table)?;
        let log = self.log(table)?;
        let mut staging = Staging::start(&log.table_directory)?;
        let mut expired = Expired::default();
        let mut replaced = Vec::new();
        for files in projects(&snapshot) {
            let Some(older_than) = files.first().and_then(|file| older_than(file.project.as_str())) else { continue };
            for part in parts_with_expired(&snapshot, files, older_than)? {
                replaced.push(Arc::clone(&part.file));
                expired.rows += RowCount(part.dropped.len());
                if part.dropped.len() == part.file.rows {
                    expired.files_dropped += 1;
                } else {
                    expired.files_rewritten += 1;
                    merge(&snapshot, vec![part], &mut staging)?;
                }
            }
        }
        if !replaced.is_empty() {
            let info = CommitInfo { operation: "DELETE", now };
            log.commit(info, &mut staging, |state, rewritten| {
                replacement(state, &snapshot, &replaced, rewritten, Change::Rows, now)
            })?;
        }
        drop(staging);
        self.vacuum(now)?;
        Ok(expired)
    }
}

/// The files of a project that hold rows to remove, with those rows.
fn parts_with_expired(
    snapshot: &TableSnapshot,
    files: &[Arc<DataFile>],
    older_than: Micros,
) -> Result<Vec<Part>, Fault> {
    if files.iter().all(|file| file.time.min >= older_than) {
        return Ok(Vec::new());
    }
    let files = by_sequence(files);
    // Newer rows come first in a file: one number parts those that stay from those that go.
    let kept_rows =
        files.iter().map(|file| kept_rows(snapshot, file, older_than)).collect::<Result<Vec<_>, Fault>>()?;
    let expires = |version: &Version| version.entry.row >= kept_rows[version.file];
    let fresh = || vec![RoaringBitmap::new(); files.len()];
    let mut dropped = each_row(snapshot, &files, &Stop::new(), fresh, |dropped, versions| {
        let (newest, older) = versions.split_first().expect("a row has a version");
        if expires(newest) {
            for version in older.iter().filter(|version| !expires(version)) {
                dropped[version.file].insert(version.entry.row);
            }
        }
    })?;
    for ((file, kept), dropped) in files.iter().zip(&kept_rows).zip(&mut dropped) {
        dropped.insert_range(*kept..u32::try_from(file.rows).expect("rows of a file fit 32 bits"));
    }
    let parts = files.into_iter().zip(dropped).map(|(file, dropped)| Part { file, dropped });
    Ok(parts.filter(|part| !part.dropped.is_empty()).collect())
}

/// How many rows of the file are not before `older_than`.
fn kept_rows(snapshot: &TableSnapshot, file: &DataFile, older_than: Micros) -> Result<u32, Fault> {
    if file.time.max < older_than {
        return Ok(0);
    }
    if file.time.min >= older_than {
        return Ok(u32::try_from(file.rows).expect("rows of a file fit 32 bits"));
    }
    let builder = parquet_file::open(snapshot, file)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [snapshot.table.time]);
    let reader = builder.with_projection(mask).build().map_err(|cause| parquet_file::damaged(snapshot, file, cause))?;
    let mut kept = 0;
    for batch in reader {
        let batch = batch.map_err(|cause| parquet_file::damaged(snapshot, file, cause))?;
        let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        kept += times.values().iter().take_while(|time| **time >= older_than.0).count();
    }
    Ok(u32::try_from(kept).expect("rows of a file fit 32 bits"))
}
