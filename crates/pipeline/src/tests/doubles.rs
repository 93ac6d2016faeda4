//! A source, a format, a destination and a log in memory, and the trouble they can be told to make.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use model::*;
use tokio::sync::Notify;

use crate::canonical::CanonicalRule;
use crate::run::run_cut;
use crate::{Budget, FileLayout, Ports, Progress, ProgressState, RunOutcome, RunSpec, Waits};

// --- trouble --------------------------------------------------------------------------------------

/// What a call is made to do instead of, or after, its work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// Fails without having done anything.
    FailBefore(FaultKind),
    /// Does its work and says that it failed.
    FailAfter(FaultKind),
    /// Never returns, as if the process had died before the work.
    CrashBefore,
    /// Does its work and never returns.
    CrashAfter,
    /// Raises the stop and goes on.
    Stop(StopReason),
}

/// Counts the calls of all doubles and makes trouble at one of them.
#[derive(Default)]
pub(crate) struct Calls {
    count: AtomicUsize,
    at: Mutex<Option<(usize, Trouble)>>,
    crashed: Notify,
    stop: Mutex<Stop>,
    pub(crate) names: Mutex<Vec<String>>,
}

impl Calls {
    async fn before(&self, name: &str) -> Result<Option<Trouble>, Fault> {
        let call = self.count.fetch_add(1, Ordering::SeqCst);
        self.names.lock().unwrap().push(name.to_owned());
        let planned = *self.at.lock().unwrap();
        let Some((at, trouble)) = planned.filter(|(at, _)| *at == call) else { return Ok(None) };
        assert_eq!(at, call);
        match trouble {
            Trouble::FailBefore(kind) => Err(Fault::new(kind, format!("planned failure of {name}"))),
            Trouble::CrashBefore => self.crash().await,
            Trouble::Stop(reason) => {
                self.stop.lock().unwrap().raise(reason);
                Ok(None)
            }
            Trouble::FailAfter(_) | Trouble::CrashAfter => Ok(Some(trouble)),
        }
    }

    async fn after(&self, trouble: Option<Trouble>) -> Result<(), Fault> {
        match trouble {
            Some(Trouble::FailAfter(kind)) => Err(Fault::new(kind, "planned failure after the work")),
            Some(Trouble::CrashAfter) => self.crash().await,
            _ => Ok(()),
        }
    }

    async fn crash<T>(&self) -> T {
        self.crashed.notify_one();
        std::future::pending().await
    }
}

/// Waits that take no time.
pub(crate) struct NoWaits;

#[async_trait]
impl Waits for NoWaits {
    async fn sleep(&self, _wait: Duration) {
        tokio::task::yield_now().await;
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

// --- source ---------------------------------------------------------------------------------------

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
    pub(crate) slice_rows: usize,
    pub(crate) batch_rows: usize,
    pub(crate) calls: Arc<Calls>,
    pub(crate) reads_now: Arc<AtomicUsize>,
    pub(crate) reads_peak: Arc<AtomicUsize>,
    /// No row is delivered before so many slices are being read at once.
    pub(crate) reads_awaited: usize,
}

struct ListReading {
    rows: Arc<Vec<Row>>,
    schema: SchemaRef,
    slice_rows: usize,
    batch_rows: usize,
    calls: Arc<Calls>,
    snapshot: Snapshot,
    reads_now: Arc<AtomicUsize>,
    reads_peak: Arc<AtomicUsize>,
    reads_awaited: usize,
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
            slice_rows: self.slice_rows,
            batch_rows: self.batch_rows,
            calls: Arc::clone(&self.calls),
            snapshot: Snapshot("1".into()),
            reads_now: Arc::clone(&self.reads_now),
            reads_peak: Arc::clone(&self.reads_peak),
            reads_awaited: self.reads_awaited,
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

    fn scores(&self) -> Arc<dyn ScoreLookup> {
        Arc::new(Nothing)
    }

    async fn close(&self) -> Result<(), Fault> {
        Ok(())
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
impl CommentLookup for Nothing {
    async fn comments(&self, _: &ProjectId, _: ObjectKind, _: &[&str]) -> Result<Vec<Comment>, Fault> {
        Ok(vec![])
    }

    async fn commented(&self, _: &ProjectId, _: ObjectKind, _: &CommentTest, _: usize) -> Result<Vec<String>, Fault> {
        Ok(vec![])
    }

    async fn any(&self, _: &ProjectId, _: ObjectKind) -> Result<bool, Fault> {
        Ok(false)
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

// --- format ---------------------------------------------------------------------------------------

/// A line per row, `{` before the first and `}` behind the last block, `;` between blocks.
pub(crate) struct Lines {
    stateful: bool,
    descriptor: FormatDescriptor,
}

pub(crate) static LINES: LazyLock<Lines> = LazyLock::new(|| lines(true));
pub(crate) static STATELESS_LINES: LazyLock<Lines> = LazyLock::new(|| lines(false));

fn lines(stateful: bool) -> Lines {
    let descriptor = FormatDescriptor {
        name: "lines",
        doc: "a line per row",
        extension: "txt",
        content_type: "text/plain",
        compressible: false,
        stretches_per_block: 2,
        unicode_default: UnicodeRule::Keep,
    };
    Lines { stateful, descriptor }
}

struct LinesEncoder {
    stateful: bool,
    blocks: u64,
}

impl Format for Lines {
    fn descriptor(&self) -> &FormatDescriptor {
        &self.descriptor
    }

    fn block_encoder(&self, _: &SchemaRef, _: &FormatOptions) -> Result<Arc<dyn BlockEncoder>, Fault> {
        Ok(Arc::new(LinesBlocks))
    }

    fn start(
        &self,
        _: &SchemaRef,
        _: &FormatOptions,
        resume: Option<&EncoderState>,
    ) -> Result<Box<dyn Encoder>, Fault> {
        let blocks = resume.map_or(0, |state| state.0.as_u64().unwrap());
        Ok(Box::new(LinesEncoder { stateful: self.stateful, blocks }))
    }

    fn scanner(&self, _: Compression, columns: &[&str]) -> Result<Box<dyn RowScanner>, Fault> {
        Ok(Box::new(LinesScanner { columns: columns.len(), line: String::new() }))
    }
}

struct LinesBlocks;

impl BlockEncoder for LinesBlocks {
    fn encode(&self, rows: &[RecordBatch]) -> Result<EncodedBlock, Fault> {
        let mut lines = String::new();
        let mut count = 0;
        for batch in rows {
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().map(|column| column.as_string::<i32>());
                let cells: Vec<&str> =
                    cells.map(|texts| if texts.is_null(row) { "NULL" } else { texts.value(row) }).collect();
                lines += &format!("{}\n", cells.join(","));
                count += 1;
            }
        }
        Ok(EncodedBlock { rows: RowCount(count), bytes: ByteCount::from(lines.len()), payload: Box::new(lines) })
    }
}

impl Encoder for LinesEncoder {
    fn append(&mut self, block: EncodedBlock) -> Result<Bytes, Fault> {
        let lines = block.payload.downcast::<String>().unwrap();
        self.blocks += 1;
        Ok(Bytes::from(format!("{}{lines}", if self.blocks == 1 { "{\n" } else { ";\n" })))
    }

    fn state(&self) -> Option<EncoderState> {
        self.stateful.then(|| EncoderState(self.blocks.into()))
    }

    fn finish(self: Box<Self>) -> Result<Bytes, Fault> {
        Ok(Bytes::from_static(if self.blocks == 0 { b"{}\n" } else { b"}\n" }))
    }
}

struct LinesScanner {
    /// The first so many cells of a line are asked for.
    columns: usize,
    line: String,
}

impl RowScanner for LinesScanner {
    fn push(&mut self, bytes: &[u8], found: &mut ScannedRows) -> Result<(), Fault> {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(char::from(*byte));
                continue;
            }
            let line = std::mem::take(&mut self.line);
            match line.as_str() {
                "{" | "{}" | "}" | ";" => continue,
                other if !other.contains(',') => return Err(Fault::corrupt(format!("{other:?} is not a row"))),
                _ => found.rows += RowCount(1),
            }
            if self.columns > 0 {
                found.texts.push(line.split(',').take(self.columns).map(|cell| Some(cell.to_owned())).collect());
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>, _found: &mut ScannedRows) -> Result<(), Fault> {
        Ok(())
    }
}

// --- destination ----------------------------------------------------------------------------------

/// Files in memory. Bytes are durable in whole parts only, like those of an object store.
pub(crate) struct Shelf {
    pub(crate) calls: Arc<Calls>,
    pub(crate) part_bytes: usize,
    pub(crate) resumable: bool,
    pub(crate) file_bytes_max: u64,
    pub(crate) visible: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    pub(crate) uploads: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
    next_upload: AtomicUsize,
}

struct ShelfWriter {
    calls: Arc<Calls>,
    part_bytes: usize,
    visible: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    uploads: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
    upload: u64,
    name: String,
    buffered: Vec<u8>,
    durable: usize,
}

impl Shelf {
    pub(crate) fn file(&self, name: &str) -> Vec<u8> {
        self.visible.lock().unwrap().get(name).unwrap_or_else(|| panic!("{name} is not visible")).clone()
    }
}

fn gone() -> Fault {
    Fault::new(FaultKind::NotFound, "there is no such upload")
}

impl fmt::Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a shelf")
    }
}

#[async_trait]
impl Destination for Shelf {
    fn limits(&self) -> DestinationLimits {
        DestinationLimits { file_bytes_max: ByteCount(self.file_bytes_max), resumable: self.resumable, manifests: true }
    }

    async fn check(&self, _report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault> {
        Ok(())
    }

    async fn head(&self, file: &FileName) -> Result<Option<ObjectHead>, Fault> {
        let visible = self.visible.lock().unwrap();
        Ok(visible.get(file.as_str()).map(|bytes| ObjectHead { bytes: ByteCount::from(bytes.len()), tag: None }))
    }

    async fn read(&self, file: &FileName) -> Result<BoxStream<'static, Result<Bytes, Fault>>, Fault> {
        let bytes = self.visible.lock().unwrap().get(file.as_str()).cloned();
        let bytes = bytes.ok_or_else(|| Fault::new(FaultKind::NotFound, format!("there is no file {file}")))?;
        let chunks: Vec<_> = bytes.chunks(7).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        Ok(stream::iter(chunks).boxed())
    }

    async fn open(
        &self,
        file: &FileName,
        _: &FileAttributes,
        resume: Option<&UploadState>,
    ) -> Result<Box<dyn FileWriter>, Fault> {
        let trouble = self.calls.before("open").await?;
        let (upload, durable) = match resume {
            None => {
                let upload = self.next_upload.fetch_add(1, Ordering::SeqCst) as u64;
                self.uploads.lock().unwrap().insert(upload, vec![]);
                (upload, 0)
            }
            Some(state) => {
                let upload = state.0["upload"].as_u64().unwrap();
                let durable = state.0["bytes"].as_u64().unwrap() as usize;
                let mut uploads = self.uploads.lock().unwrap();
                uploads.get_mut(&upload).ok_or_else(gone)?.truncate(durable);
                (upload, durable)
            }
        };
        self.calls.after(trouble).await?;
        Ok(Box::new(ShelfWriter {
            calls: Arc::clone(&self.calls),
            part_bytes: self.part_bytes,
            visible: Arc::clone(&self.visible),
            uploads: Arc::clone(&self.uploads),
            upload,
            name: file.as_str().to_owned(),
            buffered: vec![],
            durable,
        }))
    }

    async fn discard(&self, upload: &UploadState) -> Result<(), Fault> {
        let trouble = self.calls.before("discard").await?;
        self.uploads.lock().unwrap().remove(&upload.0["upload"].as_u64().unwrap());
        self.calls.after(trouble).await
    }

    async fn remove(&self, file: &FileName) -> Result<bool, Fault> {
        Ok(self.visible.lock().unwrap().remove(file.as_str()).is_some())
    }

    async fn publish(&self, manifest: &Manifest, name: &FileName) -> Result<Receipt, Fault> {
        let trouble = self.calls.before("publish").await?;
        let text = serde_json::to_vec_pretty(manifest).unwrap();
        self.visible.lock().unwrap().insert(name.as_str().to_owned(), text);
        self.calls.after(trouble).await?;
        Ok(Receipt { manifest: manifest.clone(), manifest_key: Some(name.clone()) })
    }
}

impl ShelfWriter {
    fn state(&self) -> UploadState {
        UploadState(serde_json::json!({ "upload": self.upload, "bytes": self.durable }))
    }
}

#[async_trait]
impl FileWriter for ShelfWriter {
    fn upload(&self) -> UploadState {
        self.state()
    }

    async fn write(&mut self, bytes: Bytes) -> Result<Durable, Fault> {
        let trouble = self.calls.before("write").await?;
        self.buffered.extend_from_slice(&bytes);
        let whole = self.buffered.len() / self.part_bytes * self.part_bytes;
        {
            let mut uploads = self.uploads.lock().unwrap();
            let upload = uploads.get_mut(&self.upload).ok_or_else(gone)?;
            assert_eq!(upload.len(), self.durable, "another writer is at work");
            upload.extend(self.buffered.drain(..whole));
        }
        self.durable += whole;
        self.calls.after(trouble).await?;
        Ok(Durable { bytes: ByteCount::from(self.durable), state: self.state() })
    }

    async fn commit(self: Box<Self>) -> Result<ObjectHead, Fault> {
        let trouble = self.calls.before("commit").await?;
        let mut bytes = self.uploads.lock().unwrap().remove(&self.upload).ok_or_else(gone)?;
        bytes.extend_from_slice(&self.buffered);
        let head = ObjectHead { bytes: ByteCount::from(bytes.len()), tag: None };
        self.visible.lock().unwrap().insert(self.name.clone(), bytes);
        self.calls.after(trouble).await?;
        Ok(head)
    }

    async fn abort(self: Box<Self>) -> Result<(), Fault> {
        let trouble = self.calls.before("abort").await?;
        self.uploads.lock().unwrap().remove(&self.upload);
        self.calls.after(trouble).await
    }
}

// --- log and progress -----------------------------------------------------------------------------

/// Checkpoints as text, as a store keeps them.
pub(crate) struct Notebook {
    pub(crate) calls: Arc<Calls>,
    pub(crate) recorded: Mutex<Vec<String>>,
}

impl Notebook {
    pub(crate) fn last(&self) -> Option<Checkpoint> {
        self.recorded.lock().unwrap().last().map(|text| serde_json::from_str(text).unwrap())
    }
}

#[async_trait]
impl RunLog for Notebook {
    async fn record(&self, checkpoint: &Checkpoint) -> Result<(), Fault> {
        let trouble = self.calls.before("record").await?;
        self.recorded.lock().unwrap().push(serde_json::to_string(checkpoint).unwrap());
        self.calls.after(trouble).await
    }

    fn stop(&self) -> Stop {
        self.calls.stop.lock().unwrap().clone()
    }
}

#[derive(Default)]
pub(crate) struct Watched(pub(crate) Mutex<Vec<ProgressState>>);

impl Progress for Watched {
    fn update(&self, state: &ProgressState) {
        self.0.lock().unwrap().push(state.clone());
    }
}

// --- a whole run ----------------------------------------------------------------------------------

/// Everything a test may vary, and the doubles of the latest run.
pub(crate) struct Bench {
    pub(crate) source: Arc<ListSource>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) notebook: Arc<Notebook>,
    pub(crate) watched: Arc<Watched>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) spec: RunSpec,
    pub(crate) rule: CanonicalRule,
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Done(Box<RunOutcome>),
    Failed(Fault),
    Crashed,
}

impl Bench {
    /// `count` rows in slices of 7 and batches of 3, stretches of 4 rows, parts of 50 bytes.
    pub(crate) fn new(count: usize) -> Self {
        let calls = Arc::new(Calls::default());
        let rows = (0..count).map(|index| row(index)).collect();
        let source = ListSource {
            rows: Mutex::new(rows),
            slice_rows: 7,
            batch_rows: 3,
            calls: Arc::clone(&calls),
            reads_now: Arc::default(),
            reads_peak: Arc::default(),
            reads_awaited: 0,
        };
        let shelf = Shelf {
            calls: Arc::clone(&calls),
            part_bytes: 50,
            resumable: true,
            file_bytes_max: 1 << 40,
            visible: Arc::default(),
            uploads: Arc::default(),
            next_upload: AtomicUsize::new(0),
        };
        Self {
            source: Arc::new(source),
            shelf: Arc::new(shelf),
            notebook: Arc::new(Notebook { calls: Arc::clone(&calls), recorded: Mutex::default() }),
            watched: Arc::default(),
            calls,
            spec: spec(),
            rule: CanonicalRule { rows_max: 4, cell_bytes_max: ByteCount(120) },
        }
    }

    pub(crate) fn rolled(mut self, bytes: u64) -> Self {
        self.spec.files.roll_bytes = Some(ByteCount(bytes));
        self
    }

    pub(crate) fn ports(&self) -> Ports {
        Ports {
            source: Arc::clone(&self.source) as _,
            comments: Arc::new(Nothing),
            destination: Arc::clone(&self.shelf) as _,
            log: Arc::clone(&self.notebook) as _,
            progress: Arc::clone(&self.watched) as _,
            waits: Arc::new(NoWaits),
        }
    }

    /// Runs once, without trouble.
    pub(crate) async fn run(&self) -> Result<RunOutcome, Fault> {
        run_cut(self.spec.clone(), self.ports(), None, self.rule).await
    }

    /// Runs from the last checkpoint, if any, with trouble at a call.
    pub(crate) async fn attempt(&self, trouble: Option<(usize, Trouble)>) -> Ended {
        self.calls.count.store(0, Ordering::SeqCst);
        *self.calls.at.lock().unwrap() = trouble;
        *self.calls.stop.lock().unwrap() = Stop::new();
        let run = run_cut(self.spec.clone(), self.ports(), self.notebook.last(), self.rule);
        tokio::select! {
            ended = run => ended.map_or_else(Ended::Failed, |outcome| Ended::Done(Box::new(outcome))),
            () = self.calls.crashed.notified() => Ended::Crashed,
        }
    }

    /// Calls made since the last attempt began.
    pub(crate) fn calls_made(&self) -> usize {
        self.calls.count.load(Ordering::SeqCst)
    }

    /// All visible files.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.shelf.visible.lock().unwrap().clone()
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

fn spec() -> RunSpec {
    RunSpec {
        request: request(),
        output_columns: vec!["id".into(), "text".into()],
        enrichments: vec![],
        limit: None,
        format: &*LINES,
        format_options: FormatOptions::default(),
        files: FileLayout {
            stem: "out".into(),
            extension: ".txt".into(),
            roll_bytes: None,
            manifest: Some(FileName::new("out.txt.manifest.json").unwrap()),
        },
        query: serde_json::json!({}),
        query_fingerprint: "f".into(),
        product_version: "0".into(),
        warnings: vec![],
        budget: Budget { checkpoint_bytes: ByteCount(1), ..Budget::for_cores(2) },
    }
}

pub(crate) fn request() -> ReadRequest {
    let column = |name: &str, stored: &str, nullable| ColumnSpec {
        name: name.to_owned(),
        kind: ColumnType::Text,
        nullable,
        expr: Expr::column(stored),
        group: "core",
        default: true,
        role: FieldRole::Plain,
        timestamps: TimestampStyle::SqlMicros,
    };
    let columns = vec![
        column("text", "text", true),
        column("event_ts", "version", false),
        column("id", "id", false),
        column("traceId", "trace_id", false),
    ];
    let stored = StoredTable {
        name: "events",
        columns: vec![],
        key: &["project_id", "trace_id", "id"],
        time: "time",
        version: "version",
        deleted: "deleted",
        ingested: "ingested",
    };
    let table = TableSpec {
        name: TableName::new("events"),
        doc: "",
        relation: Relation::Stored(Arc::new(stored)),
        order: OrderColumns { time: "time", trace_id: Some("trace_id"), id: "id" },
        columns: columns.clone(),
        filters: vec![],
        search: SearchColumns::default(),
        comments: None,
        scores: false,
    };
    ReadRequest {
        run: RunId::new("run-1"),
        project: ProjectId::new("p"),
        table: Arc::new(table),
        columns,
        filter: None,
        window: Window::default(),
        cursor: Cursor::StartTime,
        as_of: Micros(2_000_000),
        snapshot: None,
        scores_since: None,
        batch_bytes_max: ByteCount::mebibytes(1),
        row_bytes_max: ByteCount::mebibytes(100),
    }
}
