//! One request, prepared: everything is worked out at once and handed over in pieces.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};
use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use futures_util::stream;
use model::{
    ByteCount, ColumnType, Cursor, DeletedRows, Expr, Fault, FaultKind, KeyRange, Micros, OrderKey, Plan, ReadRequest,
    Reading, Relation, ScoreLookup, Slice, Snapshot, Stop,
};

use super::columnar::{cell_bytes, to_array};
use super::evaluate::{evaluate, holds};
use super::group::{attach, groups};
use super::position;
use super::rows::{Record, StoredRows};
use super::scores::{MemoryScores, entries};
use super::value::Value;

/// A prepared read. Rows are kept in the total order.
pub struct MemoryReading {
    request: ReadRequest,
    schema: SchemaRef,
    snapshot: Snapshot,
    rows: Vec<Placed>,
    slice_rows: usize,
    scores: Arc<MemoryScores>,
}

/// A live row inside the window.
struct Placed {
    key: OrderKey,
    version: Micros,
    cursor: Micros,
    row: Record,
    passes: bool,
}

impl MemoryReading {
    /// Checks the request and finds its rows. `attached` are the rows that attached columns are made
    /// of, where the table has any.
    pub fn prepare(
        request: ReadRequest,
        stored: &StoredRows,
        attached: Option<&StoredRows>,
        scores: Arc<MemoryScores>,
        snapshot: Snapshot,
        slice_rows: usize,
    ) -> Result<Self, Fault> {
        request.check()?;
        let mut rows = placed(&request, stored, attached);
        rows.retain(|placed| request.window.contains(placed.cursor));
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        attach_scores(&mut rows, &request, &scores);
        for placed in &mut rows {
            placed.passes = request.filter.as_ref().is_none_or(|filter| holds(filter, &placed.row));
        }
        let fields = request.columns.iter().map(model::ColumnSpec::to_field).chain(<dyn Reading>::key_fields());
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self { request, schema, snapshot, rows, slice_rows, scores })
    }

    /// The rows of a range that pass the filter, cut so that no batch exceeds its bytes.
    fn pieces(&self, range: &KeyRange) -> Vec<Vec<usize>> {
        let mut pieces: Vec<Vec<usize>> = Vec::new();
        let mut room = 0;
        for (index, placed) in self.rows.iter().enumerate() {
            if !placed.passes || !range.contains(&placed.key) {
                continue;
            }
            let bytes = self.batch_bytes(placed);
            match pieces.last_mut() {
                Some(piece) if bytes <= room => {
                    piece.push(index);
                    room -= bytes;
                }
                _ => {
                    pieces.push(vec![index]);
                    room = self.request.batch_bytes_max.get().saturating_sub(bytes);
                }
            }
        }
        pieces
    }

    /// Bytes that a row takes in a batch at most, key columns included.
    fn batch_bytes(&self, placed: &Placed) -> u64 {
        let columns = self.request.columns.iter().map(|column| match column.kind {
            ColumnType::Comments => cell_bytes(&Value::List(Vec::new())),
            _ => cell_bytes(&evaluate(&column.expr, &placed.row)),
        });
        let key = 3 * 9 + 2 * 9 + (placed.key.trace_id.len() + placed.key.id.len()) as u64;
        columns.sum::<u64>() + key
    }

    /// Refuses a row above the request's size, by its stored bytes.
    fn check_size(&self, placed: &Placed) -> Result<(), Fault> {
        let limit = self.request.row_bytes_max;
        let bytes = ByteCount(placed.row.values.iter().map(cell_bytes).sum());
        if bytes <= limit {
            return Ok(());
        }
        let id = &placed.key.id;
        Err(Fault::new(
            FaultKind::TooLarge { limit: Some(limit) },
            format!("row {id} has {} stored, above the limit of {}", bytes.human(), limit.human()),
        )
        .hint("raise the row size limit or filter the row out"))
    }

    fn batch(&self, piece: &[usize]) -> Result<RecordBatch, Fault> {
        let rows: Vec<&Placed> = piece.iter().map(|&index| &self.rows[index]).collect();
        for placed in &rows {
            self.check_size(placed)?;
        }
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for column in &self.request.columns {
            let values: Vec<Value> = match column.kind {
                ColumnType::Comments => vec![Value::Null; rows.len()],
                _ => rows.iter().map(|placed| evaluate(&column.expr, &placed.row)).collect(),
            };
            columns.push(to_array(&column.kind, &values)?);
        }
        let key_column = |kind, value: &dyn Fn(&Placed) -> Value| {
            to_array(kind, &rows.iter().map(|placed| value(placed)).collect::<Vec<_>>())
        };
        let (instant, text) = (&ColumnType::Timestamp, &ColumnType::Text);
        columns.push(key_column(instant, &|placed| Value::Timestamp(placed.key.time))?);
        columns.push(key_column(text, &|placed| Value::Text(placed.key.trace_id.to_string()))?);
        columns.push(key_column(text, &|placed| Value::Text(placed.key.id.to_string()))?);
        columns.push(key_column(instant, &|placed| Value::Timestamp(placed.version))?);
        columns.push(key_column(instant, &|placed| Value::Timestamp(placed.cursor))?);
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .map_err(|error| Fault::bug("a column of the table has another type than it says").because(error))
    }
}

#[async_trait]
impl Reading for MemoryReading {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn snapshot(&self) -> Option<&Snapshot> {
        Some(&self.snapshot)
    }

    async fn plan(&self, after: Option<&OrderKey>) -> Result<Plan, Fault> {
        let rest = after.map_or(Some(KeyRange::ALL), |key| KeyRange::ALL.after(key));
        let Some(rest) = rest else { return Ok(Plan::default()) };
        let left: Vec<&Placed> = self.rows.iter().filter(|placed| rest.contains(&placed.key)).collect();
        let mut slices: Vec<Slice> = left
            .chunks(self.slice_rows)
            .map(|rows| Slice {
                range: KeyRange { from: Some(rows[0].key.clone()), to: None },
                rows: rows.len().into(),
                bytes: ByteCount(rows.iter().map(|placed| self.batch_bytes(placed)).sum()),
            })
            .collect();
        for index in 1..slices.len() {
            slices[index - 1].range.to = slices[index].range.from.clone();
        }
        if let Some(first) = slices.first_mut() {
            first.range.from = rest.from;
        }
        Ok(Plan { slices })
    }

    async fn earliest(&self) -> Result<Option<Micros>, Fault> {
        Ok(self.rows.iter().filter(|placed| placed.passes).map(|placed| placed.cursor).min())
    }

    fn read(self: Arc<Self>, range: KeyRange, stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        let pieces = self.pieces(&range).into_iter();
        // The stream ends with its first fault: nothing is left to give after it.
        stream::unfold(Some(pieces), move |pieces| {
            let next = pieces.and_then(|mut pieces| {
                let piece = pieces.next()?;
                let batch = stop.check().and_then(|()| self.batch(&piece));
                Some(if batch.is_ok() { (batch, Some(pieces)) } else { (batch, None) })
            });
            async move { next }
        })
        .boxed()
    }

    fn scores(&self) -> Arc<dyn ScoreLookup> {
        Arc::clone(&self.scores) as Arc<dyn ScoreLookup>
    }

    async fn close(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// The live rows of the relation with their keys, whatever the window.
fn placed(request: &ReadRequest, stored: &StoredRows, others: Option<&StoredRows>) -> Vec<Placed> {
    let order = request.table.order;
    let key = |row: &Record| OrderKey {
        time: row.timestamp(order.time),
        trace_id: order.trace_id.map_or("", |column| row.text(column)).into(),
        id: row.text(order.id).into(),
    };
    let mut live = match request.deleted {
        DeletedRows::LeftOut => stored.live(&request.project),
        DeletedRows::Included => stored.newest(&request.project),
    };
    if let (Some(attached), Some(others)) = (&request.table.attached, others) {
        attach(attached, &mut live, others.live(&request.project));
    }
    match &request.table.relation {
        Relation::Stored(table) => {
            if let Some((trace_id, root)) = order.trace_id.zip(table.root()) {
                position::assign(&mut live, &root, table.time, trace_id, order.id);
            }
            let cursor = match request.cursor {
                Cursor::StartTime => table.time,
                Cursor::Ingested => table.ingested,
            };
            live.into_iter()
                .map(|row| Placed {
                    key: key(&row),
                    version: row.timestamp(table.version),
                    cursor: row.timestamp(cursor),
                    row,
                    passes: true,
                })
                .collect()
        }
        Relation::Grouped(grouped) => groups(grouped, live)
            .into_iter()
            .map(|group| {
                let key = key(&group.row);
                let cursor = match request.cursor {
                    Cursor::StartTime => key.time,
                    Cursor::Ingested => group.ingested,
                };
                Placed { key, version: group.version, cursor, row: group.row, passes: true }
            })
            .collect(),
    }
}

/// Hangs score entries on the rows where a filter tests scores.
fn attach_scores(rows: &mut [Placed], request: &ReadRequest, scores: &MemoryScores) {
    let tests_scores = |expr: &Expr| expr.any(&|expr| matches!(expr, Expr::Score(_)));
    if !request.filter.as_ref().is_some_and(tests_scores) {
        return;
    }
    let by_trace = scores.by_trace(&request.project, request.scores_since);
    for placed in rows {
        let (trace, observation) = match &request.table.relation {
            Relation::Stored(_) => (&placed.key.trace_id, Some(&*placed.key.id)),
            Relation::Grouped(_) => (&placed.key.id, None),
        };
        if let Some(scores) = by_trace.get(&**trace) {
            placed.row.scores = entries(scores, observation);
        }
    }
}
