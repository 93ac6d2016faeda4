//! A stretch of the ordered groups, read: aggregated, filtered, and turned into batches.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::TimestampMicrosecondBuilder;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow_select::filter::filter;
use model::{ByteCount, Cursor, Fault, KeyRange, Stop};

use super::fetch::fetch;
use super::fold::Folded;
use super::scan::{Firsts, GroupedScan};
use crate::expr::Program;
use crate::read::{
    Answers, Batches, Keys, Step, batch, bytes_of, key_columns, rows_within, score_column, too_large, trimmed,
};

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
        let left = scan.folding.index.within(range);
        Self { scan, stop, left, ready: VecDeque::new(), passed: None }
    }

    /// The next groups that are folded together.
    fn take_groups(&mut self) -> Vec<usize> {
        let count = self.scan.folding.fits(self.left.clone());
        self.left.by_ref().take(count).collect()
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
            let Folded { columns, firsts } = self.scan.folding.fold(&groups, &self.stop)?;
            let mut passed = Passed { groups, firsts, columns };
            passed.filter(&self.scan, &self.stop)?;
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

impl Passed {
    /// Drops the groups that do not pass.
    fn filter(&mut self, scan: &GroupedScan, stop: &Stop) -> Result<(), Fault> {
        if scan.filter.steps().next().is_none() {
            return Ok(());
        }
        // Values of first rows may be large, so they are looked at a few groups at a time.
        let mut keep = Vec::with_capacity(self.groups.len());
        let mut start = 0;
        while start < self.groups.len() {
            stop.check()?;
            let count = scan.groups_at_once(&scan.filter_firsts, &self.firsts[start..])?;
            let piece = self.slice(start, count);
            let fetched = piece.fetch(scan, &scan.filter_firsts)?;
            keep.extend(piece.passes(scan, &fetched, stop)?.iter().map(|passes| passes == Some(true)));
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
    fn passes(&self, scan: &GroupedScan, fetched: &[(usize, ArrayRef)], stop: &Stop) -> Result<BooleanArray, Fault> {
        let traces: StringArray = self.groups.iter().map(|group| Some(scan.folding.index.text(*group))).collect();
        let mut keep = BooleanArray::from(vec![true; self.groups.len()]);
        for step in &scan.filter.plain {
            keep = both(&keep, &self.test(scan, step, fetched, &Answers::new())?);
        }
        if let Some(step) = scan.filter.looked_up.as_ref().filter(|_| keep.true_count() > 0) {
            let tested = scan.scores.test(&scan.filter.tests, &traces, None, stop)?;
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
        let place = scan.folding.columns.iter().position(|column| column.name == name);
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
        self.refuse_alone(scan, firsts)?;
        let stored = fetch(&scan.folding.files, &scan.folding.starts, &self.firsts, &firsts.places)?;
        let values = firsts.program.evaluate(&batch(firsts.program.inputs(), stored, self.groups.len())?)?;
        Ok(firsts.columns.iter().copied().zip(values).collect())
    }

    /// Fails where a first row fills a row group of its own and is larger than a row may be, before it is decoded.
    fn refuse_alone(&self, scan: &GroupedScan, firsts: &Firsts) -> Result<(), Fault> {
        let (files, limit) = (&scan.folding.files, scan.row_bytes_max);
        for (group, row) in self.groups.iter().zip(&self.firsts) {
            let of = &files.groups()[scan.folding.starts.group_of(*row)];
            if of.rows == 1 {
                let bytes = ByteCount(files.file(of.file)?.weight(of.group, firsts.places.iter().copied()).bytes);
                if bytes > limit {
                    return Err(too_large(scan.folding.index.text(*group), bytes, limit));
                }
            }
        }
        Ok(())
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
                return Err(too_large(scan.folding.index.text(*group), bytes, limit));
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
        let time = instants(&|group| scan.folding.index.time(group));
        let cursor = match scan.cursor {
            Cursor::StartTime => Arc::clone(&time),
            Cursor::Ingested => instants(&|group| scan.folding.index.ingested(group)),
        };
        let keys: Vec<model::OrderKey> = self.groups.iter().map(|group| scan.folding.index.key(*group)).collect();
        let traces: ArrayRef = Arc::new(StringArray::from_iter_values(keys.iter().map(|key| &*key.trace_id)));
        let ids: ArrayRef = Arc::new(StringArray::from_iter_values(keys.iter().map(|key| &*key.id)));
        let version = instants(&|group| scan.folding.index.version(group));
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
        for (group, _, _) in self.folding.starts.split(&self.folding.files, &ascending) {
            let of = &self.folding.files.groups()[group];
            let weight = self.folding.files.file(of.file)?.weight(of.group, firsts.places.iter().copied());
            fits = fits.min(weight.batch_rows(of.rows as usize, self.batch_bytes_max.get()));
        }
        Ok(fits.max(1))
    }
}
