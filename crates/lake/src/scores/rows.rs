//! The stored columns of a score, and decoded row groups of them.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, StringArray, TimestampMicrosecondArray};
use model::{Fault, Micros};

use super::block::ScoreBlock;
use crate::read::{ProjectFiles, Rows, bytes_of};

/// Places of the columns that are looked at by themselves.
#[derive(Debug)]
pub(super) struct ScoreColumns {
    trace_id: usize,
    name: usize,
    data_type: usize,
    timestamp: usize,
}

/// Whether scores of a data type are numbers; `None` for those that are in no listing.
fn is_numeric(data_type: &str) -> Option<bool> {
    match data_type {
        "NUMERIC" | "BOOLEAN" => Some(true),
        "CATEGORICAL" | "TEXT" => Some(false),
        _ => None,
    }
}

impl ScoreColumns {
    /// Finds the columns by their physical names.
    pub(super) fn of(files: &ProjectFiles) -> Result<Self, Fault> {
        Ok(Self {
            trace_id: files.column("trace_id")?,
            name: files.column("name")?,
            data_type: files.column("data_type")?,
            timestamp: files.column("timestamp")?,
        })
    }

    /// What [`ScoreColumns::each_name`] reads.
    pub(super) fn naming(&self) -> Vec<usize> {
        ascending([self.name, self.data_type, self.timestamp])
    }

    /// What [`ScoreColumns::each_trace`] reads.
    pub(super) fn indexing(&self) -> Vec<usize> {
        ascending([self.trace_id, self.data_type])
    }

    /// Names of listable scores and whether they are numbers.
    pub(super) fn each_name(
        &self,
        rows: &Rows,
        since: Option<Micros>,
        found: &mut dyn FnMut(&str, bool),
    ) -> Result<(), Fault> {
        if rows.count() == 0 {
            return Ok(());
        }
        let (names, types) = (texts(rows, self.name)?, texts(rows, self.data_type)?);
        let times = times(rows, self.timestamp)?;
        for row in 0..rows.count() {
            if let Some(numeric) = is_numeric(types.value(row))
                && since.is_none_or(|since| times.value(row) >= since.0)
            {
                found(names.value(row), numeric);
            }
        }
        Ok(())
    }

    /// Listable scores on traces: the row's position in its row group, and the trace.
    pub(super) fn each_trace(&self, rows: &Rows, found: &mut dyn FnMut(u32, &str)) -> Result<(), Fault> {
        let (traces, types) = (texts(rows, self.trace_id)?, texts(rows, self.data_type)?);
        for (row, position) in rows.positions().into_iter().enumerate() {
            if traces.is_valid(row) && is_numeric(types.value(row)).is_some() {
                found(position, traces.value(row));
            }
        }
        Ok(())
    }
}

fn ascending<const N: usize>(mut places: [usize; N]) -> Vec<usize> {
    places.sort_unstable();
    places.to_vec()
}

fn column(rows: &Rows, place: usize) -> Result<&ArrayRef, Fault> {
    rows.held(place).ok_or_else(|| Fault::bug("a column of scores was not decoded"))
}

fn texts(rows: &Rows, place: usize) -> Result<StringArray, Fault> {
    let texts = column(rows, place)?.as_string_opt::<i32>();
    texts.cloned().ok_or_else(|| Fault::bug("a text column of scores holds no text"))
}

fn times(rows: &Rows, place: usize) -> Result<TimestampMicrosecondArray, Fault> {
    let times = column(rows, place)?.as_primitive_opt::<TimestampMicrosecondType>();
    times.cloned().ok_or_else(|| Fault::bug("the time of scores is no timestamp"))
}

/// All scores of one row group, live or not; the index says which are.
#[derive(Debug)]
pub(super) struct ScoreGroup {
    pub(super) scores: ScoreBlock,
    /// Bytes of the decoded columns.
    pub(super) bytes: u64,
}

impl ScoreGroup {
    /// Decodes a row group.
    pub(super) fn decode(files: &ProjectFiles, group: usize) -> Result<Self, Fault> {
        let group = &files.groups()[group];
        let mut rows = Rows::live(files.file(group.file)?, group, None);
        let mut places = Vec::with_capacity(ScoreBlock::COLUMNS.len());
        for name in ScoreBlock::COLUMNS {
            places.push(files.column(name)?);
        }
        places.sort_unstable();
        rows.hold(&places)?;
        let bytes = bytes_of(places.iter().filter_map(|place| rows.held(*place)), 0, rows.count());
        let scores = ScoreBlock::of(|name| rows.held(files.column(name).ok()?).cloned())
            .map_err(|name| Fault::bug(format!("column {name} of scores is not decoded, or not of its type")))?;
        Ok(Self { scores, bytes })
    }
}
