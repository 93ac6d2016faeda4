//! A stretch of the ordered groups, read: aggregated, filtered, and turned into batches.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::TimestampMicrosecondBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, new_null_array};
use arrow_select::filter::filter;
use model::{Aggregate, ByteCount, ColumnType, Cursor, Fault, KeyRange, Stop};

use super::aggregate::{Accumulator, Rank, finish};
use super::fetch::fetch;
use super::index::{held, hold};
use super::scan::{Firsts, GroupedScan};
use crate::expr::Program;
use crate::read::{
    Answers, Batches, Keys, Step, batch, bytes_of, key_columns, rows_within, score_column, too_large, trimmed,
};

/// Groups aggregated at once, which bounds the accumulators; a single group may have any number of rows.
const GROUPS_MAX: usize = 2048;
/// Rows aggregated at once, unless one group has more.
const ROWS_MAX: usize = 32 * 1024;

/// Reads the groups of a range, a batch at a time.
pub(super) struct GroupedSlice {
    scan: Arc<GroupedScan>,
    stop: Stop,
    left: Range<usize>,
    ready: VecDeque<RecordBatch>,
    /// Groups that passed the filter and wait for the values of their first rows.
    passed: Option<Passed>,
}

/// Groups of one step with the columns known of them.
struct Passed {
    /// Groups by place in the index.
    groups: Vec<usize>,
    /// First row of every group.
    firsts: Vec<u32>,
    /// Columns of the relation; `None` where not needed or not fetched yet.
    columns: Vec<Option<ArrayRef>>,
}

impl GroupedSlice {
    /// A reader of the range; decodes nothing yet.
    pub(super) fn new(scan: Arc<GroupedScan>, range: &KeyRange, stop: Stop) -> Self {
        let left = scan.index.within(range);
        Self { scan, stop, left, ready: VecDeque::new(), passed: None }
    }

    /// The next groups that are aggregated together.
    fn take_groups(&mut self) -> Range<usize> {
        let start = self.left.start;
        let mut rows = 0;
        let mut end = start;
        while end < self.left.end && end - start < GROUPS_MAX {
            rows += self.scan.index.rows(end).len();
            if end > start && rows > ROWS_MAX {
                break;
            }
            end += 1;
        }
        self.left.start = end;
        start..end
    }
}

impl Batches for GroupedSlice {
    fn next(&mut self) -> Result<Option<RecordBatch>, Fault> {
        loop {
            self.stop.check()?;
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if let Some(passed) = &mut self.passed {
                match passed.produce(&self.scan)? {
                    Some(batch) => cut(&self.scan, batch, &mut self.ready)?,
                    None => self.passed = None,
                }
                continue;
            }
            if self.left.is_empty() {
                return Ok(None);
            }
            let groups = self.take_groups();
            let mut passed = aggregate(&self.scan, groups, &self.stop)?;
            passed.filter(&self.scan)?;
            self.passed = Some(passed);
        }
    }
}

/// Cuts a batch into pieces of bounded bytes.
fn cut(scan: &GroupedScan, whole: RecordBatch, into: &mut VecDeque<RecordBatch>) -> Result<(), Fault> {
    let mut start = 0;
    while start < whole.num_rows() {
        let fits = rows_within(whole.columns(), start, whole.num_rows() - start, scan.batch_bytes_max.get());
        let columns = whole.slice(start, fits).columns().iter().map(trimmed).collect();
        into.push_back(batch(&scan.schema, columns, fits)?);
        start += fits;
    }
    Ok(())
}

/// Folds the rows of these groups.
fn aggregate(scan: &GroupedScan, groups: Range<usize>, stop: &Stop) -> Result<Passed, Fault> {
    let mut members: Vec<(u32, u32)> = Vec::new();
    for (slot, group) in groups.clone().enumerate() {
        members.extend(scan.index.rows(group).iter().map(|row| (*row, slot as u32)));
    }
    members.sort_unstable();
    let rows: Vec<u32> = members.iter().map(|(row, _)| *row).collect();
    let mut folded = Folded::new(scan, groups.len());
    for (group, place, wanted) in scan.starts.split(&scan.files, &rows) {
        stop.check()?;
        let mut rows = scan.starts.rows(&scan.files, group, wanted)?;
        let inputs = scan.inputs.evaluate(&hold(&mut rows, &scan.inputs, &scan.files)?)?;
        let roots = match &scan.root {
            Some(root) => root.test(&hold(&mut rows, root, &scan.files)?)?,
            None => BooleanArray::from(vec![false; rows.count()]),
        };
        rows.hold(&[scan.time])?;
        rows.hold(&[scan.id])?;
        let times = held(&rows, scan.time)?.as_primitive::<TimestampMicrosecondType>();
        let ids = held(&rows, scan.id)?.as_string::<i32>();
        for (row, &(number, slot)) in members[place..place + wanted.len()].iter().enumerate() {
            let rank = (roots.value(row), times.value(row), ids.value(row));
            folded.add(scan, slot as usize, number, &inputs, row, rank)?;
        }
    }
    folded.finish(scan, groups)
}

/// Accumulators of some groups.
struct Folded {
    /// Per column, per group; empty for columns without accumulator.
    states: Vec<Vec<Accumulator>>,
    firsts: Vec<Option<(Rank, u32)>>,
}

impl Folded {
    fn new(scan: &GroupedScan, groups: usize) -> Self {
        let states = scan.columns.iter().zip(&scan.needed).map(|(column, needed)| {
            let states = (0..groups).map_while(|_| if *needed { Accumulator::new(&column.aggregate) } else { None });
            states.collect()
        });
        Self { states: states.collect(), firsts: (0..groups).map(|_| None).collect() }
    }

    fn add(
        &mut self,
        scan: &GroupedScan,
        slot: usize,
        number: u32,
        inputs: &[ArrayRef],
        row: usize,
        rank: (bool, i64, &str),
    ) -> Result<(), Fault> {
        for (states, place) in self.states.iter_mut().zip(&scan.input_places) {
            if let Some(state) = states.get_mut(slot) {
                state.add(place.map(|place| &inputs[place]), row, rank)?;
            }
        }
        let (root, time, id) = rank;
        let first = &mut self.firsts[slot];
        if first.as_ref().is_none_or(|(best, _)| best.is_after(root, time, id)) {
            *first = Some((Rank { root, time, id: id.into() }, number));
        }
        Ok(())
    }

    fn finish(self, scan: &GroupedScan, groups: Range<usize>) -> Result<Passed, Fault> {
        let columns = scan
            .columns
            .iter()
            .zip(&self.states)
            .zip(&scan.needed)
            .map(|((column, states), needed)| {
                Ok(match &column.aggregate {
                    _ if !needed => None,
                    Aggregate::First(_) => None,
                    Aggregate::Group => {
                        let texts = groups.clone().map(|group| scan.index.text(group));
                        Some(Arc::new(StringArray::from_iter_values(texts)) as ArrayRef)
                    }
                    _ => Some(finish(&column.kind, states.iter())?),
                })
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        let firsts = self.firsts.into_iter().map(|first| first.map(|(_, row)| row));
        let firsts = firsts.collect::<Option<Vec<u32>>>().ok_or_else(|| Fault::bug("a group has no rows"))?;
        Ok(Passed { groups: groups.collect(), firsts, columns })
    }
}

impl Passed {
    /// Drops the groups that do not pass.
    fn filter(&mut self, scan: &GroupedScan) -> Result<(), Fault> {
        if scan.filter.steps().next().is_none() {
            return Ok(());
        }
        // Values of first rows may be large, so they are looked at a few groups at a time.
        let mut keep = Vec::with_capacity(self.groups.len());
        let mut start = 0;
        while start < self.groups.len() {
            let count = scan.groups_at_once(&scan.filter_firsts, &self.firsts[start..])?;
            let piece = self.slice(start, count);
            let fetched = piece.fetch(scan, &scan.filter_firsts)?;
            keep.extend(piece.passes(scan, &fetched)?.iter().map(|passes| passes == Some(true)));
            start += count;
        }
        let mask = BooleanArray::from(keep);
        let kept = |row: &usize| mask.value(*row);
        self.groups = (0..self.groups.len()).filter(kept).map(|row| self.groups[row]).collect();
        self.firsts = (0..self.firsts.len()).filter(kept).map(|row| self.firsts[row]).collect();
        for column in self.columns.iter_mut().flatten() {
            *column = filter(column, &mask).map_err(|cause| Fault::bug("cannot filter groups").because(cause))?;
        }
        Ok(())
    }

    /// Which of these groups pass every step.
    fn passes(&self, scan: &GroupedScan, fetched: &[(usize, ArrayRef)]) -> Result<BooleanArray, Fault> {
        let traces: StringArray = self.groups.iter().map(|group| Some(scan.index.text(*group))).collect();
        let mut keep = BooleanArray::from(vec![true; self.groups.len()]);
        for step in &scan.filter.plain {
            keep = both(&keep, &self.test(scan, step, fetched, &Answers::new())?);
        }
        if let Some(step) = scan.filter.scored.as_ref().filter(|_| keep.true_count() > 0) {
            let tested = scan.scores.test(&scan.filter.tests, &traces, None)?;
            let answers: Answers = tested
                .into_iter()
                .enumerate()
                .map(|(test, array)| (score_column(test), Arc::new(array) as _))
                .collect();
            keep = both(&keep, &self.test(scan, step, fetched, &answers)?);
        }
        Ok(keep)
    }

    fn test(
        &self,
        scan: &GroupedScan,
        step: &Step,
        fetched: &[(usize, ArrayRef)],
        answers: &Answers,
    ) -> Result<BooleanArray, Fault> {
        let program: &Program = &step.program;
        let columns = program
            .input_names()
            .map(|name| match answers.iter().find(|(known, _)| known == name) {
                Some((_, answer)) => Ok(Arc::clone(answer)),
                None => self.column(scan, name, fetched),
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        program.test(&batch(program.inputs(), columns, self.groups.len())?)
    }

    fn column(&self, scan: &GroupedScan, name: &str, fetched: &[(usize, ArrayRef)]) -> Result<ArrayRef, Fault> {
        let place = scan.columns.iter().position(|column| column.name == name);
        let place = place.ok_or_else(|| Fault::bug(format!("a grouped relation has no column {name}")))?;
        let known = fetched.iter().find(|(of, _)| *of == place).map(|(_, array)| array);
        let known = known.or(self.columns[place].as_ref());
        known.cloned().ok_or_else(|| Fault::bug(format!("grouped column {name} was not made")))
    }

    fn slice(&self, start: usize, count: usize) -> Self {
        Self {
            groups: self.groups[start..start + count].to_vec(),
            firsts: self.firsts[start..start + count].to_vec(),
            columns: self.columns.iter().map(|column| Some(column.as_ref()?.slice(start, count))).collect(),
        }
    }

    /// Values of the first rows of these groups.
    fn fetch(&self, scan: &GroupedScan, firsts: &Firsts) -> Result<Vec<(usize, ArrayRef)>, Fault> {
        if firsts.columns.is_empty() {
            return Ok(Vec::new());
        }
        let stored = fetch(&scan.files, &scan.starts, &self.firsts, &firsts.places)?;
        let values = firsts.program.evaluate(&batch(firsts.program.inputs(), stored, self.groups.len())?)?;
        Ok(firsts.columns.iter().copied().zip(values).collect())
    }

    /// The next of these groups as a batch; `None` when all were given.
    fn produce(&mut self, scan: &GroupedScan) -> Result<Option<RecordBatch>, Fault> {
        if self.groups.is_empty() {
            return Ok(None);
        }
        let filtered = scan.groups_at_once(&scan.filter_firsts, &self.firsts)?;
        let count = filtered.min(scan.groups_at_once(&scan.other_firsts, &self.firsts)?);
        let piece = self.slice(0, count);
        *self = self.slice(count, self.groups.len() - count);
        let mut fetched = piece.fetch(scan, &scan.filter_firsts)?;
        fetched.extend(piece.fetch(scan, &scan.other_firsts)?);
        let inputs = scan.projection.inputs();
        let columns = inputs
            .fields()
            .iter()
            .map(|field| piece.column(scan, field.name(), &fetched))
            .collect::<Result<Vec<_>, Fault>>()?;
        piece.check_sizes(scan, &columns)?;
        let mut columns = scan.projection.apply(&batch(inputs, columns, count)?)?;
        columns.extend(piece.keys(scan)?);
        batch(&scan.schema, columns, count).map(Some)
    }

    fn check_sizes(&self, scan: &GroupedScan, columns: &[ArrayRef]) -> Result<(), Fault> {
        let limit = scan.row_bytes_max;
        if columns.is_empty() || bytes_of(columns, 0, self.groups.len()) <= limit.get() {
            return Ok(());
        }
        for (row, group) in self.groups.iter().enumerate() {
            let bytes = ByteCount(bytes_of(columns, row, 1));
            if bytes > limit {
                return Err(too_large(scan.index.text(*group), bytes, limit));
            }
        }
        Ok(())
    }

    fn keys(&self, scan: &GroupedScan) -> Result<Vec<ArrayRef>, Fault> {
        let instants = |of: &dyn Fn(usize) -> model::Micros| -> ArrayRef {
            let mut times = TimestampMicrosecondBuilder::with_capacity(self.groups.len());
            self.groups.iter().for_each(|group| times.append_value(of(*group).0));
            Arc::new(times.finish().with_timezone("UTC"))
        };
        let time = instants(&|group| scan.index.time(group));
        let cursor = match scan.cursor {
            Cursor::StartTime => Arc::clone(&time),
            Cursor::Ingested => instants(&|group| scan.index.ingested(group)),
        };
        let keys: Vec<model::OrderKey> = self.groups.iter().map(|group| scan.index.key(*group)).collect();
        let traces: ArrayRef = Arc::new(StringArray::from_iter_values(keys.iter().map(|key| &*key.trace_id)));
        let ids: ArrayRef = Arc::new(StringArray::from_iter_values(keys.iter().map(|key| &*key.id)));
        let version = new_null_array(&ColumnType::Timestamp.to_arrow(), self.groups.len());
        Ok(key_columns(&Keys::new(&time, Some(&traces), &ids)?, version, cursor))
    }
}

fn both(a: &BooleanArray, b: &BooleanArray) -> BooleanArray {
    BooleanArray::new(a.values() & b.values(), None)
}

impl GroupedScan {
    /// For how many of these groups the values of first rows are fetched together.
    fn groups_at_once(&self, firsts: &Firsts, rows: &[u32]) -> Result<usize, Fault> {
        if firsts.columns.is_empty() || rows.is_empty() {
            return Ok(rows.len());
        }
        // The row groups of the next rows say how large such rows are.
        let mut fits = rows.len();
        let mut ascending: Vec<u32> = rows.to_vec();
        ascending.sort_unstable();
        for (group, _, _) in self.starts.split(&self.files, &ascending) {
            let of = &self.files.groups()[group];
            let weight = self.files.file(of.file)?.weight(of.group, firsts.places.iter().copied());
            fits = fits.min(weight.batch_rows(of.rows as usize, self.batch_bytes_max.get()));
        }
        Ok(fits.max(1))
    }
}
