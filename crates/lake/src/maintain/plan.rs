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

/// The smallest files whose merging brings the overlap within the policy, and on to the first that is
/// as large as those before it together: files grow by doubling, so a row is rewritten a logarithmic
/// number of times however small the commits are.
fn smallest(mut files: Vec<Arc<DataFile>>, policy: Policy) -> Vec<Arc<DataFile>> {
    files.sort_by_key(|file| file.cell_bytes);
    let least = (files.len() + 1 - policy.overlap_max).max(2);
    let mut bytes: u64 = files[..least].iter().map(|file| file.cell_bytes).sum();
    let mut count = least;
    while count < files.len() && files[count].cell_bytes < bytes {
        bytes += files[count].cell_bytes;
        count += 1;
    }
    files.truncate(count.min(FAN_IN_MAX));
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

#[cfg(test)]
mod tests {
    use model::{Micros, ProjectId};

    use super::*;
    use crate::file::{Sequence, Span};

    fn file(from: i64, to: i64, cell_bytes: u64) -> Arc<DataFile> {
        // The total order runs from late to early.
        let (first, last) = (OrderKey::at(Micros(to)), OrderKey::at(Micros(from)));
        let time = Span { min: Micros(from), max: Micros(to) };
        Arc::new(DataFile {
            path: format!("{from}-{to}").into(),
            project: ProjectId::new("p"),
            bytes: cell_bytes,
            rows: 1,
            cell_bytes,
            time,
            ingested: time,
            version: time,
            first,
            last,
            deletions: 0,
            sequence: Sequence::default(),
            checksum: None,
        })
    }

    #[test]
    fn files_that_touch_at_one_position_overlap_and_disjoint_ones_do_not() {
        assert_eq!(overlap(&[]), 0);
        assert_eq!(overlap(&[file(1, 2, 1), file(3, 4, 1)]), 1);
        assert_eq!(overlap(&[file(1, 3, 1), file(3, 4, 1)]), 2);
        assert_eq!(overlap(&[file(0, 9, 1), file(1, 3, 1), file(2, 4, 1), file(5, 6, 1)]), 3);
    }

    #[test]
    fn few_overlaps_and_few_neighbours_are_left_alone_after_a_commit() {
        let policy = Policy::after_commit(8);
        let overlapping: Vec<_> = (0..8).map(|_| file(0, 9, 1)).collect();
        let side_by_side: Vec<_> = (0..64).map(|n| file(n * 10, n * 10 + 9, 1)).collect();
        assert_eq!(next_merge(&overlapping, policy), []);
        assert_eq!(next_merge(&side_by_side, policy), []);
        assert_eq!(next_merge(&side_by_side, Policy::FULL).len(), FAN_IN_MAX);
    }

    #[test]
    fn large_files_are_not_rewritten_for_small_ones() {
        let mut files = vec![file(0, 99, 1_000), file(0, 99, 2_000)];
        files.extend((0..7).map(|n| file(0, 9, 10 + n)));
        let merged = next_merge(&files, Policy::after_commit(8));
        assert_eq!(merged.len(), 7);
        assert!(merged.iter().all(|file| file.cell_bytes < 100));
    }

    #[test]
    fn a_thousand_small_commits_rewrite_each_row_a_few_times() {
        let policy = Policy::after_commit(8);
        let (mut files, mut rewritten) = (Vec::new(), 0);
        for _ in 0..1_000 {
            files.push(file(0, 99, 1));
            loop {
                let merged = next_merge(&files, policy);
                if merged.is_empty() {
                    break;
                }
                let bytes = merged.iter().map(|file| file.cell_bytes).sum();
                rewritten += bytes;
                for gone in &merged {
                    let place = files.iter().position(|file| Arc::ptr_eq(file, gone)).unwrap();
                    files.swap_remove(place);
                }
                files.push(file(0, 99, bytes));
            }
            assert!(files.len() <= 8);
        }
        assert!(rewritten < 10 * 1_000, "{rewritten} bytes rewritten for 1,000");
    }
}
