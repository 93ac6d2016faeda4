//! The rows that one row group gives to a slice: narrowed first, their payload decoded on demand.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::BooleanBuffer;
use model::{ByteCount, Cursor, DeletedRows, Fault, FaultKind, KeyRange, OrderKey, Stop};

use super::files::RowGroup;
use super::filter::{Answers, Filter, position_column, score_column};
use super::keys::Keys;
use super::open::{GroupReader, Weight};
use super::rows::{Rows, batch};
use super::scan::Scan;
use super::sizes::bytes_of;

/// Rows of one row group that pass everything, in stored order.
pub(crate) struct Fragment {
    pub keys: Keys,
    rows: Rows,
    key_columns: Vec<ArrayRef>,
    /// Columns that are still to be decoded, and what that costs for the whole row group.
    missing: Vec<usize>,
    weight: Weight,
    /// Whether a row could be larger than the request allows.
    suspicious: bool,
    reader: Option<GroupReader>,
    batch_rows: usize,
    decoded: usize,
    /// A decoded piece that was too large to be joined to the ones before it.
    waiting: Option<Vec<ArrayRef>>,
    /// Produced batches that are not used up, first rows first.
    produced: Vec<Produced>,
}

/// A produced batch of a fragment.
pub(crate) struct Produced {
    /// Number of its first row.
    pub start: usize,
    pub batch: RecordBatch,
    /// Rows that were not used yet.
    unused: usize,
}

impl Fragment {
    /// The wanted rows of a row group in a range; `None` where there are none.
    pub(crate) fn open(scan: &Scan, group: &RowGroup, range: &KeyRange, stop: &Stop) -> Result<Option<Self>, Fault> {
        let Some(mut rows) = narrowed(scan, group, range, stop)? else { return Ok(None) };
        refuse_alone(scan, group, &mut rows, 0..scan.files.schema().fields().len())?;
        rows.hold(&scan.keys.all())?;
        let (keys, key_columns) = scan.key_columns(&rows)?;
        scan.attach(&mut rows, stop)?;
        rows.forget(|column| scan.projected().any(|projected| projected == column));
        let missing = rows.missing(&scan.payload);
        let file = rows.file();
        let weight = file.weight(group.group, missing.iter().copied());
        let whole = file.weight(group.group, scan.payload.iter().copied());
        Ok(Some(Self {
            keys,
            rows,
            key_columns,
            missing,
            weight,
            suspicious: whole.row_bytes_max > scan.row_bytes_max.get(),
            reader: None,
            batch_rows: weight.batch_rows(group.rows as usize, scan.batch_bytes_max.get()),
            decoded: 0,
            waiting: None,
            produced: Vec::new(),
        }))
    }

    /// Number of rows.
    pub(crate) fn count(&self) -> usize {
        self.keys.len()
    }

    /// About how many bytes its rows take.
    pub(crate) fn bytes(&self) -> u64 {
        self.weight.bytes * self.count() as u64 / (self.rows.total().max(1) as u64)
    }

    /// Decodes everything at the first need, so that no reader stays open beside others.
    pub(crate) fn decode_at_once(&mut self) {
        if self.batch_rows > 1 {
            self.batch_rows = self.count();
        }
    }

    /// The next rows as a batch of the read's schema; `None` at the end.
    pub(crate) fn produce(&mut self, scan: &Scan) -> Result<Option<RecordBatch>, Fault> {
        let start = self.decoded;
        if start == self.count() {
            self.reader = None;
            return Ok(None);
        }
        let decoded = self.decode(scan)?;
        let count = decoded.first().map_or_else(|| self.batch_rows.min(self.count() - start), |array| array.len());
        if count == 0 || start + count > self.count() {
            return Err(Fault::corrupt("a row group has another number of rows than its footer says"));
        }
        let inputs = scan.projection.inputs();
        let payload = scan
            .projected()
            .map(|column| match self.missing.iter().position(|missing| *missing == column) {
                Some(index) => Ok(Arc::clone(&decoded[index])),
                None => {
                    let held = self.rows.held(column).ok_or_else(|| Fault::bug("a column was not decoded"))?;
                    Ok(held.slice(start, count))
                }
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        if self.suspicious {
            self.check_sizes(scan, start, &payload)?;
        }
        let mut columns = scan.projection.apply(&batch(inputs, payload, count)?)?;
        columns.extend(self.key_columns.iter().map(|column| column.slice(start, count)));
        self.decoded += count;
        batch(&scan.schema, columns, count).map(Some)
    }

    /// Produces batches until the one with this row is there, and keeps them. Returns their bytes.
    pub(crate) fn reach(&mut self, scan: &Scan, row: usize) -> Result<u64, Fault> {
        let mut bytes = 0;
        while self.decoded <= row {
            let start = self.decoded;
            let batch = self.produce(scan)?.ok_or_else(|| Fault::bug("a row beyond the end of a row group"))?;
            bytes += bytes_of(batch.columns(), 0, batch.num_rows());
            self.produced.push(Produced { start, unused: batch.num_rows(), batch });
        }
        if self.decoded == self.count() {
            self.reader = None;
        }
        Ok(bytes)
    }

    /// The batches that [`Fragment::reach`] keeps, first rows first.
    pub(crate) fn produced(&self) -> &[Produced] {
        &self.produced
    }

    /// Forgets a row; its batch goes with the last of its rows.
    pub(crate) fn use_up(&mut self, row: usize) {
        let place = self.produced.partition_point(|produced| produced.start <= row) - 1;
        self.produced[place].unused -= 1;
        if self.produced[place].unused == 0 {
            self.produced.remove(place);
        }
    }

    /// The next piece of the missing columns; small pieces are joined.
    fn decode(&mut self, scan: &Scan) -> Result<Vec<ArrayRef>, Fault> {
        if self.missing.is_empty() {
            return Ok(Vec::new());
        }
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(self.rows.reader(&self.missing, self.batch_rows)?),
        };
        let ended = || Fault::corrupt("a row group ends before its last row");
        let mut piece = match self.waiting.take() {
            Some(piece) => piece,
            None => reader.next()?.ok_or_else(ended)?,
        };
        if self.batch_rows > 1 {
            return Ok(piece);
        }
        // Rows come one by one because some are huge; the others are put together again.
        let bytes = |piece: &[ArrayRef]| bytes_of(piece, 0, piece[0].len());
        let mut pieces = Vec::new();
        let mut room = scan.batch_bytes_max.get();
        loop {
            room = room.saturating_sub(bytes(&piece));
            pieces.push(piece);
            let Some(next) = reader.next()? else { break };
            if room < bytes(&next) || pieces.len() >= 8192 {
                self.waiting = Some(next);
                break;
            }
            piece = next;
        }
        if pieces.len() == 1 {
            return Ok(pieces.remove(0));
        }
        (0..self.missing.len())
            .map(|column| {
                let parts: Vec<&dyn Array> = pieces.iter().map(|piece| &*piece[column] as &dyn Array).collect();
                arrow_select::concat::concat(&parts)
                    .map_err(|cause| Fault::corrupt("cannot join the rows of a column").because(cause))
            })
            .collect()
    }

    fn check_sizes(&self, scan: &Scan, start: usize, payload: &[ArrayRef]) -> Result<(), Fault> {
        let limit = scan.row_bytes_max;
        for row in 0..payload.first().map_or(0, |column| column.len()) {
            let bytes = ByteCount(bytes_of(payload, row, 1));
            if bytes > limit {
                let id = self.keys.id.value(start + row);
                return Err(too_large(id, bytes, limit));
            }
        }
        Ok(())
    }
}

/// The fault of a row above the request's size.
pub(crate) fn too_large(id: &str, bytes: ByteCount, limit: ByteCount) -> Fault {
    Fault::new(
        FaultKind::TooLarge { limit: Some(limit) },
        format!("row {id} has {} stored, above the limit of {}", bytes.human(), limit.human()),
    )
    .hint("raise the row size limit or filter the row out")
}

/// A row group narrowed to the wanted rows of a range; `None` where nothing is left.
pub(crate) fn narrowed(scan: &Scan, group: &RowGroup, range: &KeyRange, stop: &Stop) -> Result<Option<Rows>, Fault> {
    let file = scan.files.file(group.file)?;
    let metadata = [file.group(group.group)];
    let pruned = |filter: &Filter| {
        filter.steps().filter_map(|step| step.pruner.as_ref()).any(|pruner| {
            pruner.may_pass(&metadata, file.stored_schema(), file.footer().file_metadata().schema_descr()) == [false]
        })
    };
    if !scan.meets_window(group) || !meets_range(group, range) || pruned(&scan.filter) {
        return Ok(None);
    }
    let mut rows = match scan.deleted {
        DeletedRows::LeftOut => Rows::live(Arc::clone(&file), group, scan.files.dead(group.file)),
        DeletedRows::Included => Rows::live(Arc::clone(&file), group, Some(&scan.files.superseded(group.file))),
    };
    narrow_to_range(scan, group, range, &mut rows)?;
    narrow_to_window(scan, group, &mut rows)?;
    narrow_to_filter(scan, group, &mut rows, stop)?;
    Ok((rows.count() > 0).then_some(rows))
}

/// Whether rows of the group can lie in the range.
pub(crate) fn meets_range(group: &RowGroup, range: &KeyRange) -> bool {
    let (lowest, after_highest) = range.times();
    group.time.meets(lowest, after_highest)
}

/// Fails where the row group is a single row whose `columns` are larger than a row may be: rows above a
/// row group's size are stored like this, so nothing but keys is decoded of a row that is refused.
pub(crate) fn refuse_alone(
    scan: &Scan,
    group: &RowGroup,
    rows: &mut Rows,
    columns: impl IntoIterator<Item = usize>,
) -> Result<(), Fault> {
    if group.rows > 1 {
        return Ok(());
    }
    let bytes = ByteCount(rows.file().weight(group.group, columns).bytes);
    if bytes <= scan.row_bytes_max {
        return Ok(());
    }
    rows.hold(&scan.keys.order())?;
    Err(too_large(scan.keys.of(rows)?.id.value(0), bytes, scan.row_bytes_max))
}

fn narrow_to_range(scan: &Scan, group: &RowGroup, range: &KeyRange, rows: &mut Rows) -> Result<(), Fault> {
    let whole_instants = |key: &OrderKey| key.trace_id.is_empty() && key.id.is_empty();
    let begins_before =
        |from: &OrderKey| group.time.max > from.time || (group.time.max == from.time && !whole_instants(from));
    let from = range.from.as_ref().filter(|from| begins_before(from));
    let to = range.to.as_ref().filter(|to| group.time.min <= to.time);
    if rows.count() == 0 || (from.is_none() && to.is_none()) {
        return Ok(());
    }
    let inside = if [from, to].into_iter().flatten().all(whole_instants) {
        rows.hold(&[scan.keys.time])?;
        let times = instants(rows, scan.keys.time)?;
        BooleanBuffer::collect_bool(rows.count(), |row| {
            from.is_none_or(|from| times[row] <= from.time.0) && to.is_none_or(|to| times[row] > to.time.0)
        })
    } else {
        rows.hold(&scan.keys.order())?;
        let keys = scan.keys.of(rows)?;
        BooleanBuffer::collect_bool(rows.count(), |row| {
            from.is_none_or(|from| !keys.precedes(row, from)) && to.is_none_or(|to| keys.precedes(row, to))
        })
    };
    rows.retain(&inside);
    Ok(())
}

fn narrow_to_window(scan: &Scan, group: &RowGroup, rows: &mut Rows) -> Result<(), Fault> {
    let (column, span) = match scan.cursor {
        Cursor::StartTime => (scan.keys.time, group.time),
        Cursor::Ingested => (scan.keys.ingested, group.ingested),
    };
    if rows.count() == 0 || (scan.window.contains(span.min) && scan.window.contains(span.max)) {
        return Ok(());
    }
    rows.hold(&[column])?;
    let times = instants(rows, column)?;
    let inside = BooleanBuffer::collect_bool(rows.count(), |row| scan.window.contains(model::Micros(times[row])));
    rows.retain(&inside);
    Ok(())
}

fn instants(rows: &Rows, column: usize) -> Result<arrow_buffer::ScalarBuffer<i64>, Fault> {
    use arrow_array::cast::AsArray;
    use arrow_array::types::TimestampMicrosecondType;
    let held = rows.held(column).ok_or_else(|| Fault::bug("a time column was not decoded"))?;
    let times = held.as_primitive_opt::<TimestampMicrosecondType>();
    Ok(times.ok_or_else(|| Fault::bug("a time column holds no timestamps"))?.values().clone())
}

fn narrow_to_filter(scan: &Scan, group: &RowGroup, rows: &mut Rows, stop: &Stop) -> Result<(), Fault> {
    let filter = &scan.filter;
    let positions = |rows: &Rows| -> Answers {
        let numbers = rows.positions();
        let matching = scan.positions.iter().map(|files| &files[group.file]).enumerate();
        matching
            .map(|(index, matching)| {
                let answers: BooleanArray =
                    numbers.iter().map(|row| Some(matching.contains(group.first_row + row))).collect();
                (position_column(index), Arc::new(answers) as ArrayRef)
            })
            .collect()
    };
    for step in &filter.plain {
        if rows.count() == 0 {
            return Ok(());
        }
        refuse_alone(scan, group, rows, step.program.input_names().filter_map(|name| scan.files.column(name).ok()))?;
        let answers = positions(rows);
        step.narrow(rows, &scan.relation, &answers)?;
    }
    if let Some(step) = filter.looked_up.as_ref().filter(|_| rows.count() > 0) {
        let mut answers = positions(rows);
        if !filter.tests.is_empty() {
            rows.hold(&scan.keys.order())?;
            let (traces, ids) = scan.ids(rows)?;
            let tested = scan.scores.test(&filter.tests, &traces, Some(&ids), stop)?;
            answers.extend(
                tested.into_iter().enumerate().map(|(test, array)| (score_column(test), Arc::new(array) as ArrayRef)),
            );
        }
        scan.attach(rows, stop)?;
        step.narrow(rows, &scan.relation, &answers)?;
    }
    Ok(())
}
