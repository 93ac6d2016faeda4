//! One slice of the total order, read: row groups that overlap in time are merged, others follow one another.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_select::interleave::interleave;
use model::{Fault, KeyRange, Stop};

use super::files::RowGroup;
use super::fragment::{Fragment, meets_range};
use super::rows::batch;
use super::scan::Scan;
use super::sizes::{rows_within, trimmed};
use super::stream::Batches;

/// Rows of a batch at most, as everywhere in the engine.
const BATCH_ROWS_MAX: usize = 8192;
/// Overlapping row groups whose rows are no more than this are decoded one after the other and held;
/// beyond it their readers stay open side by side.
const HELD_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Reads the rows of a range, a batch at a time.
pub(crate) struct SliceReader {
    scan: Arc<Scan>,
    range: KeyRange,
    stop: Stop,
    /// Row groups that overlap in time stand together; the newest come first.
    clusters: VecDeque<Vec<RowGroup>>,
    current: Option<Cluster>,
    /// What is left of a batch that was too large.
    rest: Option<RecordBatch>,
}

impl SliceReader {
    /// A reader of the range; decodes nothing yet.
    pub(crate) fn new(scan: Arc<Scan>, range: KeyRange, stop: Stop) -> Self {
        let mut groups: Vec<RowGroup> = scan
            .files
            .groups()
            .iter()
            .filter(|group| scan.meets_window(group) && meets_range(group, &range))
            .cloned()
            .collect();
        groups.sort_by(|a, b| b.time.max.cmp(&a.time.max).then_with(|| b.time.min.cmp(&a.time.min)));
        let mut clusters: VecDeque<Vec<RowGroup>> = VecDeque::new();
        let mut earliest = None;
        for group in groups {
            match (clusters.back_mut(), earliest) {
                (Some(cluster), Some(time)) if group.time.max >= time => {
                    earliest = Some(time.min(group.time.min));
                    cluster.push(group);
                }
                _ => {
                    earliest = Some(group.time.min);
                    clusters.push_back(vec![group]);
                }
            }
        }
        Self { scan, range, stop, clusters, current: None, rest: None }
    }

    /// The next batch, whatever its size.
    fn produce(&mut self) -> Result<Option<RecordBatch>, Fault> {
        loop {
            self.stop.check()?;
            if let Some(cluster) = &mut self.current {
                if let Some(batch) = cluster.next(&self.scan)? {
                    return Ok(Some(batch));
                }
                self.current = None;
            }
            let Some(groups) = self.clusters.pop_front() else { return Ok(None) };
            self.current = Some(Cluster::open(&self.scan, &groups, &self.range, &self.stop)?);
        }
    }
}

impl Batches for SliceReader {
    fn next(&mut self) -> Result<Option<RecordBatch>, Fault> {
        let whole = match self.rest.take() {
            Some(rest) => rest,
            None => match self.produce()? {
                Some(batch) => batch,
                None => return Ok(None),
            },
        };
        let count = whole.num_rows().min(BATCH_ROWS_MAX);
        let fits = rows_within(whole.columns(), 0, count, self.scan.batch_bytes_max.get());
        if fits == whole.num_rows() {
            return Ok(Some(whole));
        }
        self.rest = Some(whole.slice(fits, whole.num_rows() - fits));
        let columns = whole.slice(0, fits).columns().iter().map(trimmed).collect();
        batch(&self.scan.schema, columns, fits).map(Some)
    }
}

/// Row groups that are read together.
struct Cluster {
    fragments: Vec<Fragment>,
    order: Order,
}

/// In which order the rows of the fragments come.
enum Order {
    /// One fragment after the other, this one next.
    InTurn(usize),
    /// Rows as (fragment, row), those before the position given out already.
    Merged { rows: Vec<(u32, u32)>, position: usize, batch_rows: usize },
}

impl Cluster {
    fn open(scan: &Scan, groups: &[RowGroup], range: &KeyRange, stop: &Stop) -> Result<Self, Fault> {
        let mut fragments = Vec::new();
        for group in groups {
            stop.check()?;
            fragments.extend(Fragment::open(scan, group, range, stop)?);
        }
        fragments.sort_by(|a, b| a.keys.compare(0, &b.keys, 0));
        let in_turn = fragments.iter().all(|fragment| fragment.keys.is_sorted())
            && fragments.windows(2).all(|pair| pair[0].keys.compare(pair[0].count() - 1, &pair[1].keys, 0).is_lt());
        if in_turn {
            return Ok(Self { fragments, order: Order::InTurn(0) });
        }
        let mut rows: Vec<(u32, u32)> = fragments
            .iter()
            .enumerate()
            .flat_map(|(fragment, of)| (0..of.count()).map(move |row| (fragment as u32, row as u32)))
            .collect();
        // The sort is stable and finds the runs, which are the fragments, so this is a merge.
        rows.sort_by(|&(a, a_row), &(b, b_row)| {
            let (a, b) = (&fragments[a as usize].keys, &fragments[b as usize].keys);
            a.compare(a_row as usize, b, b_row as usize)
        });
        let bytes: u64 = fragments.iter().map(Fragment::bytes).sum();
        if bytes <= HELD_BYTES_MAX {
            fragments.iter_mut().for_each(Fragment::decode_at_once);
        }
        let average = (bytes / rows.len().max(1) as u64).max(1);
        let batch_rows = (scan.batch_bytes_max.get() / average).clamp(1, BATCH_ROWS_MAX as u64) as usize;
        Ok(Self { fragments, order: Order::Merged { rows, position: 0, batch_rows } })
    }

    fn next(&mut self, scan: &Scan) -> Result<Option<RecordBatch>, Fault> {
        match &mut self.order {
            Order::InTurn(current) => loop {
                let Some(fragment) = self.fragments.get_mut(*current) else { return Ok(None) };
                if let Some(batch) = fragment.produce(scan)? {
                    return Ok(Some(batch));
                }
                *current += 1;
            },
            Order::Merged { rows, position, batch_rows } => {
                let wanted = &rows[*position..(*position + *batch_rows).min(rows.len())];
                if wanted.is_empty() {
                    return Ok(None);
                }
                let (merged, used) = gather(&mut self.fragments, scan, wanted)?;
                *position += used;
                Ok(Some(merged))
            }
        }
    }
}

/// The first of the wanted rows as one batch, and how many they are: fewer where some are huge.
fn gather(fragments: &mut [Fragment], scan: &Scan, wanted: &[(u32, u32)]) -> Result<(RecordBatch, usize), Fault> {
    let mut used = 0;
    let mut bytes = 0;
    for &(fragment, row) in wanted {
        bytes += fragments[fragment as usize].reach(scan, row as usize)?;
        used += 1;
        if bytes > HELD_BYTES_MAX {
            break;
        }
    }
    let wanted = &wanted[..used];
    // Batches that hold wanted rows, and for each fragment where its batches start and stand among them.
    let mut sources: Vec<&RecordBatch> = Vec::new();
    let mut starts: Vec<Vec<(usize, usize)>> = Vec::with_capacity(fragments.len());
    for fragment in fragments.iter() {
        let mut of_fragment = Vec::new();
        for produced in fragment.produced() {
            of_fragment.push((produced.start, sources.len()));
            sources.push(&produced.batch);
        }
        starts.push(of_fragment);
    }
    let places: Vec<(usize, usize)> = wanted
        .iter()
        .map(|&(fragment, row)| {
            let starts = &starts[fragment as usize];
            let (start, source) = starts[starts.partition_point(|(start, _)| *start <= row as usize) - 1];
            (source, row as usize - start)
        })
        .collect();
    let columns = (0..scan.schema.fields().len())
        .map(|column| {
            let arrays: Vec<&dyn Array> = sources.iter().map(|batch| &**batch.column(column) as &dyn Array).collect();
            interleave(&arrays, &places)
                .map_err(|cause| Fault::corrupt("cannot merge rows of two files").because(cause))
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    let merged = batch(&scan.schema, columns, wanted.len())?;
    for &(fragment, row) in wanted {
        fragments[fragment as usize].use_up(row as usize);
    }
    Ok((merged, used))
}
