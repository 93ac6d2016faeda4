//! Where the scores of a trace stand: 12 bytes a score, sorted by the hash of the trace.

use model::{Fault, Stop};
use xxhash_rust::xxh3::xxh3_64;

use super::rows::ScoreColumns;
use crate::read::{ProjectFiles, Rows};

/// The live listable scores that hang on traces, by the hash of their trace.
#[derive(Debug)]
pub(super) struct TraceIndex {
    entries: Vec<Entry>,
    /// Number of the first row of every row group, counted over all of them.
    starts: Vec<u32>,
}

/// Halves of the hash keep the entry at 12 bytes; a 64-bit field would pad it to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    hash_high: u32,
    hash_low: u32,
    row: u32,
}

fn halves(trace: &str) -> (u32, u32) {
    let hash = xxh3_64(trace.as_bytes());
    ((hash >> 32) as u32, hash as u32)
}

impl TraceIndex {
    /// Decodes trace ids and data types of all live scores, row group by row group.
    pub(super) fn build(files: &ProjectFiles, columns: &ScoreColumns, stop: &Stop) -> Result<Self, Fault> {
        let mut entries = Vec::new();
        let mut starts = Vec::with_capacity(files.groups().len());
        let mut start = 0_u32;
        for group in files.groups() {
            stop.check()?;
            starts.push(start);
            let mut rows = Rows::live(files.file(group.file)?, group, files.dead(group.file));
            if rows.count() > 0 {
                rows.hold(&columns.indexing())?;
                columns.each_trace(&rows, &mut |position, trace| {
                    let (hash_high, hash_low) = halves(trace);
                    entries.push(Entry { hash_high, hash_low, row: start + position });
                })?;
            }
            start = start
                .checked_add(group.rows)
                .ok_or_else(|| Fault::bad_request("the store has more than 2^32 scores of one project"))?;
        }
        entries.sort_unstable();
        entries.shrink_to_fit();
        Ok(Self { entries, starts })
    }

    /// Scores that may belong to these traces: row groups with rows within them, both ascending.
    pub(super) fn find<'a>(&self, traces: impl Iterator<Item = &'a str>) -> Vec<(usize, Vec<usize>)> {
        let mut rows: Vec<u32> = Vec::new();
        for trace in traces {
            let wanted = halves(trace);
            let first = self.entries.partition_point(|entry| (entry.hash_high, entry.hash_low) < wanted);
            let same = |entry: &&Entry| (entry.hash_high, entry.hash_low) == wanted;
            rows.extend(self.entries[first..].iter().take_while(same).map(|entry| entry.row));
        }
        rows.sort_unstable();
        let mut found: Vec<(usize, Vec<usize>)> = Vec::new();
        for row in rows {
            let group = self.starts.partition_point(|start| *start <= row) - 1;
            let within = (row - self.starts[group]) as usize;
            match found.last_mut() {
                Some((last, rows)) if *last == group => rows.push(within),
                _ => found.push((group, vec![within])),
            }
        }
        found
    }
}
