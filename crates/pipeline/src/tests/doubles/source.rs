//! Rows in a list, read in slices and batches of any size.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use model::*;

use super::Calls;

/// One stored row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) time: i64,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) version: i64,
    pub(crate) ingested: i64,
    pub(crate) text: Option<String>,
}

impl Row {
    pub(crate) fn key(&self) -> OrderKey {
        OrderKey { time: Micros(self.time), trace_id: self.trace.as_str().into(), id: self.id.as_str().into() }
    }
}

/// Rows in some order, delivered in the total order in slices and batches of any size.
pub(crate) struct ListSource {
    pub(crate) rows: Mutex<Vec<Row>>,
    /// Versions that were stored so long ago that only a look at all versions finds that they are the newest.
    pub(crate) old_versions: Mutex<Vec<Row>>,
    /// Rows that came before, with another start: the source tells when it is asked for them.
    pub(crate) moved: Mutex<Vec<String>>,
    pub(crate) slice_rows: usize,
    pub(crate) batch_rows: usize,
    calls: Arc<Calls>,
    reads_now: Arc<AtomicUsize>,
    pub(crate) reads_peak: Arc<AtomicUsize>,
    /// No row is delivered before so many slices are being read at once.
    pub(crate) reads_awaited: usize,
    /// Readings that somebody tried to end.
    pub(crate) closed: Arc<AtomicUsize>,
    /// Whether none can be ended.
    pub(crate) unclosable: Arc<AtomicBool>,
}

struct ListReading {
    rows: Arc<Vec<Row>>,
    schema: SchemaRef,
    moved: Vec<String>,
    slice_rows: usize,
    batch_rows: usize,
    calls: Arc<Calls>,
    snapshot: Snapshot,
    reads_now: Arc<AtomicUsize>,
    reads_peak: Arc<AtomicUsize>,
    reads_awaited: usize,
    closed: Arc<AtomicUsize>,
    unclosable: Arc<AtomicBool>,
}

impl ListSource {
    /// Slices of 7 rows, batches of 3.
    pub(super) fn new(rows: Vec<Row>, calls: &Arc<Calls>) -> Self {
        Self {
            rows: Mutex::new(rows),
            old_versions: Mutex::default(),
            moved: Mutex::default(),
            slice_rows: 7,
            batch_rows: 3,
            calls: Arc::clone(calls),
            reads_now: Arc::default(),
            reads_peak: Arc::default(),
            reads_awaited: 0,
            closed: Arc::default(),
            unclosable: Arc::default(),
        }
    }
}

impl fmt::Display for ListSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
}

#[async_trait]
impl Source for ListSource {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities { snapshots: true }
    }

    async fn prepare(&self, request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
        let trouble = self.calls.before("prepare").await?;
        let mut rows = self.rows.lock().unwrap().clone();
        if request.versions == VersionScope::All {
            for old in &*self.old_versions.lock().unwrap() {
                rows.retain(|row| (&row.trace, &row.id) != (&old.trace, &old.id));
                rows.push(old.clone());
            }
        }
        rows.retain(|row| {
            request.window.contains(Micros(match request.cursor {
                Cursor::Ingested => row.ingested,
                Cursor::StartTime => row.time,
            }))
        });
        rows.sort_by_key(Row::key);
        let fields = request.columns.iter().map(ColumnSpec::to_field).chain(<dyn Reading>::key_fields());
        self.calls.after(trouble).await?;
        Ok(Arc::new(ListReading {
            rows: Arc::new(rows),
            schema: Arc::new(Schema::new(fields.collect::<Vec<Field>>())),
            moved: self.moved.lock().unwrap().clone(),
            slice_rows: self.slice_rows,
            batch_rows: self.batch_rows,
            calls: Arc::clone(&self.calls),
            snapshot: Snapshot("1".into()),
            reads_now: Arc::clone(&self.reads_now),
            reads_peak: Arc::clone(&self.reads_peak),
            reads_awaited: self.reads_awaited,
            closed: Arc::clone(&self.closed),
            unclosable: Arc::clone(&self.unclosable),
        }))
    }

    async fn has_project(&self, _project: &ProjectId, _table: &TableSpec) -> Result<bool, Fault> {
        Ok(true)
    }
}

#[async_trait]
impl Reading for ListReading {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn snapshot(&self) -> Option<&Snapshot> {
        Some(&self.snapshot)
    }

    async fn plan(&self, after: Option<&OrderKey>) -> Result<Plan, Fault> {
        let trouble = self.calls.before("plan").await?;
        let mut range = Some(KeyRange::ALL);
        if let Some(after) = after {
            range = KeyRange::ALL.after(after);
        }
        let mut slices = Vec::new();
        let keys: Vec<OrderKey> = self.rows.iter().map(Row::key).filter(|key| after.is_none_or(|a| key > a)).collect();
        for last in keys.chunks(self.slice_rows).filter_map(<[_]>::last) {
            let Some(left) = range.take() else { break };
            let slice = KeyRange { from: left.from.clone(), to: Some(last.successor()) };
            range = left.after(last);
            let rows = RowCount::from(self.slice_rows);
            slices.push(Slice { range: slice, rows, bytes: ByteCount(rows.get() * 100) });
        }
        if let Some(range) = range {
            slices.push(Slice { range, rows: RowCount(0), bytes: ByteCount(0) });
        }
        self.calls.after(trouble).await?;
        Ok(Plan { slices })
    }

    async fn earliest(&self) -> Result<Option<Micros>, Fault> {
        Ok(self.rows.iter().map(|row| Micros(row.time.min(row.ingested))).min())
    }

    fn read(self: Arc<Self>, range: KeyRange, _stop: Stop) -> BoxStream<'static, Result<RecordBatch, Fault>> {
        let rows: Vec<Row> = self.rows.iter().filter(|row| range.contains(&row.key())).cloned().collect();
        let chunks: Vec<Vec<Row>> = rows.chunks(self.batch_rows).map(<[_]>::to_vec).collect();
        let now = self.reads_now.fetch_add(1, Ordering::SeqCst) + 1;
        self.reads_peak.fetch_max(now, Ordering::SeqCst);
        let reading = Arc::clone(&self);
        let batches = stream::iter(chunks).then(move |chunk| {
            let reading = Arc::clone(&reading);
            async move {
                while reading.reads_peak.load(Ordering::SeqCst) < reading.reads_awaited {
                    tokio::task::yield_now().await;
                }
                let trouble = reading.calls.before("read").await?;
                reading.calls.after(trouble).await?;
                Ok(batch_of(&reading.schema, &chunk))
            }
        });
        let ended = stream::once(async move {
            self.reads_now.fetch_sub(1, Ordering::SeqCst);
            None
        });
        batches.map(Some).chain(ended).filter_map(|item| async { item }).boxed()
    }

    async fn once_each(&self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        let trouble = self.calls.before("once each").await?;
        let ids = batch.column_by_name(key_column::ID).unwrap().as_string::<i32>();
        let comes = ids.iter().flatten().filter(|id| !self.moved.iter().any(|moved| moved == id));
        let row = |id| self.rows.iter().find(|row| row.id == id).unwrap().clone();
        let rows: Vec<Row> = comes.map(row).collect();
        self.calls.after(trouble).await?;
        Ok(batch_of(&self.schema, &rows))
    }

    async fn changed(&self) -> Result<RowCount, Fault> {
        Ok(RowCount::from(self.moved.len()))
    }

    fn scores(&self) -> Arc<dyn ScoreLookup> {
        Arc::new(Nothing)
    }

    async fn close(&self) -> Result<(), Fault> {
        self.closed.fetch_add(1, Ordering::SeqCst);
        match self.unclosable.load(Ordering::SeqCst) {
            true => Err(Fault::new(FaultKind::Credentials, "nobody may end a read")),
            false => Ok(()),
        }
    }
}

/// The batch of these rows: any of the columns `id` and `text`, then the key columns.
pub(crate) fn batch_of(schema: &SchemaRef, rows: &[Row]) -> RecordBatch {
    let times = |time: fn(&Row) -> i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(time)).with_timezone("UTC"))
    };
    let texts =
        |text: fn(&Row) -> Option<&str>| -> ArrayRef { Arc::new(StringArray::from_iter(rows.iter().map(text))) };
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        "id" | key_column::ID => texts(|row| Some(&row.id)),
        "text" => texts(|row| row.text.as_deref()),
        "event_ts" => Arc::new(StringArray::from_iter_values(rows.iter().map(|row| Micros(row.version).to_string()))),
        "traceId" | key_column::TRACE_ID => texts(|row| Some(&row.trace)),
        key_column::TIME | key_column::CURSOR => times(|row| row.time),
        key_column::VERSION => times(|row| row.version),
        "outgest.ingested" => times(|row| row.ingested),
        other => panic!("no such column: {other}"),
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect()).unwrap()
}

/// No scores and no comments.
pub(crate) struct Nothing;

#[async_trait]
impl ScoreLookup for Nothing {
    async fn score_names(&self, _scope: &ScoreScope) -> Result<Vec<ScoreName>, Fault> {
        Ok(vec![])
    }

    async fn scores(&self, _scope: &ScoreScope, _traces: &[&str]) -> Result<Vec<ScoreRow>, Fault> {
        Ok(vec![])
    }
}

#[async_trait]
impl PriceLookup for Nothing {
    async fn prices(&self, _: &ProjectId, _: &[&str]) -> Result<Vec<ModelPrices>, Fault> {
        Ok(vec![])
    }
}

#[async_trait]
impl CommentLookup for Nothing {
    async fn comments(&self, _: &ProjectId, _: ObjectKind, _: &[&str]) -> Result<Vec<Comment>, Fault> {
        Ok(vec![])
    }

    async fn commented(&self, _: &CommentScope, _: &CommentTest, _: usize) -> Result<Vec<String>, Fault> {
        Ok(vec![])
    }

    async fn objects(&self, _: &CommentScope, _: usize) -> Result<Vec<String>, Fault> {
        Ok(vec![])
    }
}

/// Marks every text, one batch after the other.
#[derive(Debug)]
pub(crate) struct Shout;

struct Shouting(SchemaRef);

#[async_trait]
impl Enrichment for Shout {
    async fn prepare(&self, _: &ReadRequest, input: &SchemaRef, _: &Lookups) -> Result<Arc<dyn Enricher>, Fault> {
        Ok(Arc::new(Shouting(Arc::clone(input))))
    }
}

#[async_trait]
impl Enricher for Shouting {
    fn schema(&self) -> &SchemaRef {
        &self.0
    }

    async fn apply(&self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        let text = batch.schema().index_of("text").unwrap();
        let louder = batch.column(text).as_string::<i32>().iter().map(|text| text.map(str::to_uppercase));
        let mut columns = batch.columns().to_vec();
        columns[text] = Arc::new(louder.collect::<StringArray>());
        Ok(RecordBatch::try_new(batch.schema(), columns).unwrap())
    }
}

/// The row with this number: several per instant and trace, texts of many lengths, some null.
pub(crate) fn row(index: usize) -> Row {
    Row {
        time: (index / 5) as i64 * 1_000,
        trace: format!("t{}", index % 5 / 2),
        id: format!("s{index:03}"),
        version: index as i64,
        ingested: 1_000_000 + index as i64,
        text: (index % 7 != 3).then(|| "x".repeat(index * 13 % 40)),
    }
}
