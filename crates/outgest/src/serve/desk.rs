//! What the API may ask before an export is queued: is it right, how much is it, what does it look like.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{Field, Schema};
use async_trait::async_trait;
use destinations::memory::MemoryDestination;
use futures_util::StreamExt;
use model::{
    BrowseBounds, ByteCount, CheckedExport, Checkpoint, CommentLookup, Compression, Destination, ExportAsk, ExportDesk,
    ExportEstimate, ExportPreview, Fault, FaultKind, FileName, Format, FormatOptions, Micros, PriceLookup, ProjectId,
    RowCount, RunId, RunLog, Source, Stop,
};
use pipeline::{Budget, EmptyRun, FileLayout, Ports, RealWaits, Silent};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::spec::AskedExport;
use crate::config;
use crate::data::RowLookups;
use crate::export::{CommentsHere, Request, read_request, run_spec};

/// Rows of a preview are read in small batches: it shows a few and must not load a server.
const PREVIEW_PREFETCH: ByteCount = ByteCount::mebibytes(8);

/// Previews at the same time: each holds at most what one call may show, as bytes and as values.
const PREVIEWS_AT_ONCE: usize = 2;

/// How long a caller waits for a place: half of what the whole call may take.
const PREVIEW_WAIT: Duration = Duration::from_millis(2_500);

/// Checks requests and looks at rows, without the queue.
pub struct Desk {
    /// Where rows come from.
    pub source: Arc<dyn Source>,
    comments: Arc<dyn CommentLookup>,
    prices: Arc<dyn PriceLookup>,
    /// Whether there are comments to filter by.
    comments_here: CommentsHere,
    previews: Semaphore,
}

#[async_trait]
impl ExportDesk for Desk {
    async fn check(&self, project: &ProjectId, ask: &ExportAsk, now: Micros) -> Result<CheckedExport, Fault> {
        let (request, warnings) = Request::of_ask(project, ask, self.comments_here, now)?;
        refuse_format_options(&request)?;
        AskedExport::checked(&request, ask.roll_bytes, warnings)
    }

    async fn estimate(&self, project: &ProjectId, checked: &CheckedExport) -> Result<ExportEstimate, Fault> {
        let request = self.request(project, checked)?;
        let read = read_request(&request, &RunId::new("estimate"), config::now(), self.comments.as_ref()).await?;
        let reading = self.source.prepare(read).await?;
        let plan = reading.plan(None).await;
        pipeline::end_reading(&*reading).await;
        let plan = plan?;
        let rows_max = request.limit.map_or(plan.rows(), |limit| limit.min(plan.rows()));
        Ok(ExportEstimate { rows_max, bytes_max: plan.bytes() })
    }

    async fn preview(&self, project: &ProjectId, checked: &CheckedExport, rows: u32) -> Result<ExportPreview, Fault> {
        let _place = self.place().await?;
        let request = self.request(project, checked)?;
        let asked = request.limit.map_or(u64::from(rows), |limit| limit.get().min(u64::from(rows)));
        // Rows that are larger than one call may show are shown in a smaller number.
        for most in [asked, asked / 10] {
            match self.first_rows(&request, RowCount(most.max(1))).await {
                Err(fault) if matches!(fault.kind(), FaultKind::TooLarge { .. }) => {}
                preview => return preview,
            }
        }
        self.first_rows(&request, RowCount(1)).await.map_err(|fault| match fault.kind() {
            FaultKind::TooLarge { .. } => Fault::new(fault.kind(), "the first row is too large to be shown")
                .hint("choose columns without input, output and metadata; the export itself may have it")
                .because(fault),
            _ => fault,
        })
    }
}

impl Desk {
    /// Looks at rows of `source`.
    pub fn new(source: Arc<dyn Source>, lookups: &RowLookups, comments_here: CommentsHere) -> Self {
        Self {
            source,
            comments: Arc::clone(&lookups.comments),
            prices: Arc::clone(&lookups.prices),
            comments_here,
            previews: Semaphore::new(PREVIEWS_AT_ONCE),
        }
    }

    async fn place(&self) -> Result<SemaphorePermit<'_>, Fault> {
        match tokio::time::timeout(PREVIEW_WAIT, self.previews.acquire()).await {
            Ok(place) => place.map_err(|closed| Fault::bug("the places of previews are gone").because(closed)),
            Err(_) => Err(Fault::new(FaultKind::Throttled, "too many people look at previews at the same time")
                .hint("try again in a moment")
                .retry_after(PREVIEW_WAIT)),
        }
    }

    /// So many first rows, or a fault of the kind `TooLarge`.
    async fn first_rows(&self, request: &Request, rows: RowCount) -> Result<ExportPreview, Fault> {
        let file = FileName::new("preview.jsonl")?;
        let layout = FileLayout {
            stem: "preview".to_owned(),
            extension: ".jsonl".to_owned(),
            roll_bytes: None,
            manifest: None,
            empty: EmptyRun::File,
        };
        let budget = Budget { prefetch_bytes: PREVIEW_PREFETCH, reads_max: 1, ..Budget::for_cores(1) };
        let run = RunId::new("preview");
        let mut spec = run_spec(request, &run, config::now(), self.comments.as_ref(), layout, budget).await?;
        spec.limit = Some(rows);
        spec.format = lines()?;
        spec.format_options = FormatOptions { compression: Compression::None, bom: false, ..spec.format_options };
        let shelf = Arc::new(MemoryDestination::with_file_bytes_max(BrowseBounds::DEFAULT.bytes));
        let ports = Ports {
            source: Arc::clone(&self.source),
            comments: Arc::clone(&self.comments),
            prices: Arc::clone(&self.prices),
            destination: Arc::<MemoryDestination>::clone(&shelf),
            log: Arc::new(Unrecorded(Stop::new())),
            progress: Arc::new(Silent),
            waits: Arc::new(RealWaits),
        };
        let outcome = pipeline::run(spec, ports, None).await?;
        let mut bytes = Vec::new();
        let mut chunks = shelf.read(&file).await?;
        while let Some(chunk) = chunks.next().await {
            bytes.extend_from_slice(&chunk?);
        }
        let line = |line: &[u8]| {
            serde_json::from_slice(line).map_err(|error| Fault::bug("a row of the preview is no JSON").because(error))
        };
        let rows = bytes.split(|byte| *byte == b'\n').filter(|row| !row.is_empty()).map(line);
        let manifest = outcome.receipt.manifest;
        Ok(ExportPreview {
            columns: manifest.columns.into_iter().map(|column| column.name).collect(),
            rows: rows.collect::<Result<_, Fault>>()?,
            more: manifest.truncated,
        })
    }

    /// The request of this project, whatever the caller made of it meanwhile.
    fn request(&self, project: &ProjectId, checked: &CheckedExport) -> Result<Request, Fault> {
        let asked: AskedExport = serde_json::from_value(checked.spec.clone())
            .map_err(|error| Fault::bug("a checked request cannot be read").because(error))?;
        let request = Request::of_query(&asked.query)?;
        if request.project != *project {
            return Err(Fault::bug("a request was checked for another project"));
        }
        Ok(request)
    }
}

/// Asks the format now what it would refuse when the run begins.
fn refuse_format_options(request: &Request) -> Result<(), Fault> {
    let column = |column: &model::ColumnSpec| Field::new(column.name.as_str(), column.kind.to_arrow(), column.nullable);
    let schema = Arc::new(Schema::new(request.selection.columns.iter().map(column).collect::<Vec<_>>()));
    request.format.block_encoder(&schema, &request.format_options).map(drop)
}

/// The format whose lines a preview is read from.
fn lines() -> Result<&'static dyn Format, Fault> {
    formats::find("jsonl")
}

/// A run that leaves nothing behind needs no log.
struct Unrecorded(Stop);

#[async_trait]
impl RunLog for Unrecorded {
    async fn record(&self, _: &Checkpoint) -> Result<(), Fault> {
        Ok(())
    }

    fn stop(&self) -> Stop {
        self.0.clone()
    }
}
