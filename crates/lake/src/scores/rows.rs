//! The stored columns of a score, and decoded row groups of them.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Float64Array, StringArray, TimestampMicrosecondArray};
use model::{Fault, Micros, ScoreRow};

use crate::read::{ProjectFiles, Rows, bytes_of};

/// Places of the columns of the stored table of scores.
#[derive(Debug)]
pub(super) struct ScoreColumns {
    id: usize,
    trace_id: usize,
    observation_id: usize,
    name: usize,
    data_type: usize,
    value: usize,
    string_value: usize,
    comment: usize,
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
            id: files.column("id")?,
            trace_id: files.column("trace_id")?,
            observation_id: files.column("observation_id")?,
            name: files.column("name")?,
            data_type: files.column("data_type")?,
            value: files.column("value")?,
            string_value: files.column("string_value")?,
            comment: files.column("comment")?,
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
    id: StringArray,
    trace_id: StringArray,
    observation_id: StringArray,
    name: StringArray,
    data_type: StringArray,
    value: Float64Array,
    string_value: StringArray,
    comment: StringArray,
    timestamp: TimestampMicrosecondArray,
    bytes: u64,
}

impl ScoreGroup {
    /// Decodes a row group.
    pub(super) fn decode(files: &ProjectFiles, columns: &ScoreColumns, group: usize) -> Result<Self, Fault> {
        let group = &files.groups()[group];
        let mut rows = Rows::live(files.file(group.file)?, group, None);
        let wanted = ascending([
            columns.id,
            columns.trace_id,
            columns.observation_id,
            columns.name,
            columns.data_type,
            columns.value,
            columns.string_value,
            columns.comment,
            columns.timestamp,
        ]);
        rows.hold(&wanted)?;
        let value = column(&rows, columns.value)?.as_primitive_opt::<Float64Type>();
        let mut bytes = 0;
        for place in wanted {
            bytes += bytes_of([column(&rows, place)?], 0, rows.count());
        }
        Ok(Self {
            id: texts(&rows, columns.id)?,
            trace_id: texts(&rows, columns.trace_id)?,
            observation_id: texts(&rows, columns.observation_id)?,
            name: texts(&rows, columns.name)?,
            data_type: texts(&rows, columns.data_type)?,
            value: value.cloned().ok_or_else(|| Fault::bug("the value of scores is no double"))?,
            string_value: texts(&rows, columns.string_value)?,
            comment: texts(&rows, columns.comment)?,
            timestamp: times(&rows, columns.timestamp)?,
            bytes,
        })
    }

    /// Bytes of the decoded columns.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Trace of a row; empty for a score that hangs on none.
    pub(super) fn trace_id(&self, row: usize) -> &str {
        self.trace_id.value(row)
    }

    /// Name of a row.
    pub(super) fn name(&self, row: usize) -> &str {
        self.name.value(row)
    }

    /// Time of a row.
    pub(super) fn timestamp(&self, row: usize) -> Micros {
        Micros(self.timestamp.value(row))
    }

    /// A row.
    pub(super) fn get(&self, row: usize) -> ScoreRow {
        let optional = |texts: &StringArray| texts.is_valid(row).then(|| Arc::from(texts.value(row)));
        ScoreRow {
            id: self.id.value(row).into(),
            trace_id: self.trace_id.value(row).into(),
            observation_id: optional(&self.observation_id),
            name: self.name.value(row).into(),
            data_type: self.data_type.value(row).into(),
            value: if self.value.is_valid(row) { self.value.value(row) } else { 0.0 },
            string_value: optional(&self.string_value),
            comment: optional(&self.comment),
            timestamp: self.timestamp(row),
        }
    }
}
