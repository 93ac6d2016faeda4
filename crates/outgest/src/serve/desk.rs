//! What the API may ask before an export is queued: is it right, how much is it, what does it look like.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use async_trait::async_trait;
use destinations::memory::MemoryDestination;
use futures_util::StreamExt;
use model::{
    ByteCount, CheckedExport, Checkpoint, CommentLookup, Compression, Destination, ExportAsk, ExportDesk,
    ExportEstimate, ExportPreview, Fault, FileName, Format, FormatOptions, Micros, PriceLookup, ProjectId, RowCount,
    RunId, RunLog, Source, Stop,
};
use pipeline::{Budget, EmptyRun, FileLayout, Ports, RealWaits, Silent};

use super::spec::AskedExport;
use crate::config;
use crate::export::{CommentsHere, Request, read_request, run_spec};

/// Rows of a preview are read in small batches: it shows a few and must not load a server.
const PREVIEW_PREFETCH: ByteCount = ByteCount::mebibytes(8);

/// Checks requests and looks at rows, without the queue.
pub struct Desk {
    /// Where rows come from.
    pub source: Arc<dyn Source>,
    /// Where comments come from.
    pub comments: Arc<dyn CommentLookup>,
    /// Where prices come from.
    pub prices: Arc<dyn PriceLookup>,
    /// Whether there are comments to filter by.
    pub comments_here: CommentsHere,
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
        reading.close().await?;
        let plan = plan?;
        let rows_max = request.limit.map_or(plan.rows(), |limit| limit.min(plan.rows()));
        Ok(ExportEstimate { rows_max, bytes_max: plan.bytes() })
    }

    async fn preview(&self, project: &ProjectId, checked: &CheckedExport, rows: u32) -> Result<ExportPreview, Fault> {
        let request = self.request(project, checked)?;
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
        let mut spec = run_spec(&request, &run, config::now(), self.comments.as_ref(), layout, budget).await?;
        let asked = u64::from(rows);
        spec.limit = Some(RowCount(request.limit.map_or(asked, |limit| limit.get().min(asked))));
        spec.format = lines()?;
        spec.format_options = FormatOptions { compression: Compression::None, bom: false, ..spec.format_options };
        let shelf = Arc::new(MemoryDestination::new());
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
}

impl Desk {
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
