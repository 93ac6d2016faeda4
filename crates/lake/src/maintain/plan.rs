//! Decides which files to merge next. Pure: it sees spans and sizes only.

use std::sync::Arc;

use model::OrderKey;

use crate::file::DataFile;

/// Files that are merged at once: each costs a reader of about 2 MiB.
const FAN_IN_MAX: usize = 48;
/// Cell bytes up to which neighbours are joined into one file.
pub(super) const FILE_CELL_BYTES: u64 = 256 << 20;
/// Rows of one merged file, for tables of small rows: its keys are sorted in memory.
pub(super) const FILE_ROWS: u64 = 1 << 20;

/// How much order is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// Files that may share a position of the total order.
    pub overlap_max: usize,
    /// Small files that may stand side by side before they are joined.
    pub neighbours_max: usize,
}

impl Policy {
    /// One sequence of files that do not overlap, none of them small.
    pub(super) const FULL: Self = Self { overlap_max: 1, neighbours_max: 1 };

    /// What a commit leaves behind: overlaps that a reader can bear, at the least rewriting.
    pub(super) fn after_commit(overlap_max: usize) -> Self {
        Self { overlap_max, neighbours_max: 64 }
    }
}

/// The files of one project to merge next; empty where the policy holds. Merging them and asking
/// again comes to an end: each step lowers the deepest overlap or the number of files.
pub(super) fn next_merge(files: &[Arc<DataFile>], policy: Policy) -> Vec<Arc<DataFile>> {
    let deepest = deepest_overlap(files);
    if deepest.len() > policy.overlap_max {
        return smallest(deepest, policy);
    }
    neighbours(files, policy)
}

/// How many files share the position that most share.
pub(super) fn overlap(files: &[Arc<DataFile>]) -> usize {
    deepest_overlap(files).len()
}

/// The files that share the position that most files share.
fn deepest_overlap(files: &[Arc<DataFile>]) -> Vec<Arc<DataFile>> {
    // At one position, files that begin come before files that end, since both ends belong to a file.
    let mut ends: Vec<(&OrderKey, bool, usize)> = Vec::with_capacity(files.len() * 2);
    for (index, file) in files.iter().enumerate() {
        ends.push((&file.first, false, index));
        ends.push((&file.last, true, index));
    }
    ends.sort_unstable();
    let (mut open, mut deepest) = (Vec::new(), Vec::new());
    for (_, is_end, index) in ends {
        if is_end {
            open.retain(|other| *other != index);
        } else {
            open.push(index);
            if open.len() > deepest.len() {
                deepest.clone_from(&open);
            }
        }
    }
    deepest.into_iter().map(|index| Arc::clone(&files[index])).collect()
}

/// The smallest of the files, so many that the overlap halves: large files are rewritten seldom.
fn smallest(mut files: Vec<Arc<DataFile>>, policy: Policy) -> Vec<Arc<DataFile>> {
    files.sort_by_key(|file| file.cell_bytes);
    let left_over = (policy.overlap_max / 2).saturating_sub(1);
    let merged = (files.len() - left_over).clamp(2, FAN_IN_MAX);
    files.truncate(merged);
    files
}

/// The first stretch of small files that stand side by side and fit one file together.
fn neighbours(files: &[Arc<DataFile>], policy: Policy) -> Vec<Arc<DataFile>> {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by(|a, b| a.first.cmp(&b.first));
    let mut stretch: Vec<Arc<DataFile>> = Vec::new();
    let (mut bytes, mut rows) = (0, 0);
    let length_max = FAN_IN_MAX.max(policy.neighbours_max + 1);
    for file in sorted {
        bytes += file.cell_bytes;
        rows += file.rows;
        if bytes > FILE_CELL_BYTES || rows > FILE_ROWS || stretch.len() == length_max {
            if stretch.len() > policy.neighbours_max {
                return stretch;
            }
            stretch.clear();
            (bytes, rows) = (file.cell_bytes, file.rows);
        }
        stretch.push(Arc::clone(file));
    }
    if stretch.len() > policy.neighbours_max { stretch } else { Vec::new() }
}
