//! Carries a window out: its tables one after the other, what is counted beside them, and the manifest that
//! makes all of it visible as finished. Where the destination takes events, [`events`](super::events) goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use jobs::{Context, Done};
use model::{
    ByteCount, CommentLookup, Cursor, Delivery, Destination, Fault, FaultKind, FileReceipt, FileSettings, Integration,
    IntegrationId, IntegrationTable, Job, KeyDigest, KeyTemplate, Manifest, Micros, PriceLookup, ReadRequest, RowCount,
    RunId, SchedulerStore, SchemaRule, Stop, TableColumns, TableName, WindowFacts, WindowJob, WindowManifest,
    WindowName, WindowResult,
};
use pipeline::{Budget, EmptyRun, FileLayout, Paces, Ports, Waits};

use super::begun;
use super::counts;
use super::places::Places;
use super::revision;
use super::schema::{self, Schema};
use super::source::PatientSource;
use super::tables_log::TablesLog;
use crate::export::{Request, run_spec, table_of};
use crate::serve::read_spec;

/// Carries windows out.
#[derive(Clone)]
pub struct WindowRunner {
    /// Where integrations and their runs are kept.
    pub store: Arc<dyn SchedulerStore>,
    /// Where rows come from.
    pub source: Arc<PatientSource>,
    /// Where comments come from.
    pub comments: Arc<dyn CommentLookup>,
    /// Where prices come from.
    pub prices: Arc<dyn PriceLookup>,
    /// Where files and events go.
    pub places: Arc<dyn Places>,
    /// What links in events begin with, unless the integration says so itself.
    pub base_url: Option<String>,
    /// The current time.
    pub now: fn() -> Micros,
    /// Clock and chance of every wait.
    pub waits: Arc<dyn Waits>,
    /// Bounds of each run.
    pub budget: Budget,
    /// How fast events go to each integration's receiver, whichever of its windows they are of.
    pub paces: Paces<IntegrationId>,
}

/// One table of a window, ready to be written.
pub(super) struct Piece {
    pub(super) table: TableName,
    pub(super) request: Request,
    pub(super) layout: FileLayout,
    /// Whether it has only rows that earlier files lack.
    partial: bool,
    /// Columns that it would have if those of the first files did not stay.
    pub(super) unfrozen: Option<Vec<String>>,
}

/// Rows that came late, and deletions.
type Counted = (RowCount, RowCount);

impl WindowRunner {
    /// Carries a window out, from its checkpoint where it has one.
    pub async fn run(&self, job: &Job, context: Context) -> Result<Done, Fault> {
        let window: WindowJob = read_spec(&job.spec, WindowJob::VERSION)?;
        let integration = self.integration(&window).await?;
        let connected = self.places.connect(&integration.settings, &BTreeMap::new(), Some(&integration.id)).await?;
        match connected {
            Delivery::Files(destination) => self.export(job, (&integration, &window), destination, context).await,
            Delivery::Events(destination) => self.deliver(job, (&integration, &window), destination, context).await,
        }
    }

    /// Writes the files of a window, and its manifest.
    async fn export(
        &self,
        job: &Job,
        (integration, window): (&Integration, &WindowJob),
        destination: Arc<dyn Destination>,
        context: Context,
    ) -> Result<Done, Fault> {
        let files = files_of(integration)?;
        let known = self.known_columns(integration, window).await?;
        let pieces = pieces(integration, files, window, &known)?;
        let stop = context.log.stop();
        let begun = begun::of(integration, files, window, &pieces)?;
        let left = self.left(integration, &begun, job.checkpoint.clone(), (&*context.log, &*destination)).await?;
        let mut log = TablesLog::new(context.log, context.progress, (begun, pieces.len()), left);
        if pieces.is_empty() {
            let warnings = revision::lacks(window, |_| None);
            return completed(&WindowResult { columns: known, warnings, ..WindowResult::default() });
        }
        let mut tables: Vec<Manifest> = Vec::with_capacity(pieces.len());
        let mut reads = Vec::with_capacity(pieces.len());
        for (number, piece) in pieces.iter().enumerate() {
            let later: Vec<TableName> = pieces[number + 1..].iter().map(|later| later.table.clone()).collect();
            let (manifest, read) =
                self.write(job, window, piece, (number, later.as_slice()), &log, &destination).await?;
            log.finished(&manifest.files);
            tables.push(manifest);
            reads.push(read);
        }
        let counted = self.count(integration, window, &reads, &stop).await?;
        let mut schema = Schema::of(&known, &pieces, &mut tables);
        let told =
            self.look_at_score_names(integration, (pieces.as_slice(), reads.as_slice()), &mut schema, &stop).await?;
        tables[0].warnings.extend(told);
        let rows = |table: &str| {
            let at = pieces.iter().position(|piece| piece.table.as_str() == table)?;
            Some(tables[at].rows)
        };
        let lacks = revision::lacks(window, rows);
        tables[0].warnings.extend(lacks);
        stop.check()?;
        let result = self.publish(integration, window, tables, (counted, schema), &destination).await?;
        completed(&result)
    }

    /// Removes the files of a window that was cancelled before its manifest was written.
    pub async fn clean_up(&self, job: &Job) -> Result<(), Fault> {
        let Some(checkpoint) = &job.checkpoint else { return Ok(()) };
        let window: WindowJob = read_spec(&job.spec, WindowJob::VERSION)?;
        // Whoever deleted the integration took its secrets away as well: then nothing can be removed.
        let Some(integration) = self.store.integration_of_job(&window.integration).await? else {
            tracing::warn!(integration.id = %window.integration, "files of a deleted integration are left where they are");
            return Ok(());
        };
        // Events that were sent cannot be taken back.
        if integration.settings.files.is_none() {
            return Ok(());
        }
        self.remove_left(&integration, checkpoint, None).await
    }

    async fn integration(&self, window: &WindowJob) -> Result<Integration, Fault> {
        let gone = || Fault::new(FaultKind::Cancelled, "the integration was deleted");
        self.store.integration_of_job(&window.integration).await?.ok_or_else(gone)
    }

    async fn write(
        &self,
        job: &Job,
        window: &WindowJob,
        piece: &Piece,
        (number, later): (usize, &[TableName]),
        log: &TablesLog,
        destination: &Arc<dyn Destination>,
    ) -> Result<(Manifest, ReadRequest), Fault> {
        let left = log.left_of(&piece.table, &piece.layout, later);
        let mut layout = piece.layout.clone();
        if left.complete {
            // Nothing is written any more: with one file, all of them are known to be there.
            layout.roll_bytes = None;
        }
        let run = RunId::new(job.id.as_str());
        let comments = self.comments.as_ref();
        let budget = self.budget.sharing_places();
        let spec = run_spec(&piece.request, &run, window.planned_at, comments, layout, budget).await;
        let mut spec = spec.map_err(|fault| fault.during("looking comments up"))?;
        spec.request.snapshot = log.snapshot();
        spec.begun_before = job.attempt > 1;
        if piece.partial {
            spec.warnings.push("A revision: only rows that earlier files of the window lack.".to_owned());
        }
        let read = spec.request.clone();
        let ports = Ports {
            source: Arc::<PatientSource>::clone(&self.source),
            comments: Arc::clone(&self.comments),
            prices: Arc::clone(&self.prices),
            destination: Arc::clone(destination),
            log: log.table(),
            progress: log.progress(number),
            waits: Arc::clone(&self.waits),
        };
        let outcome = match pipeline::run(spec, ports, left.checkpoint).await {
            Ok(outcome) => outcome,
            Err(fault) => return Err(self.of_reading(fault, log.snapshot()).await),
        };
        let read = ReadRequest { snapshot: log.snapshot().or(read.snapshot.clone()), ..read };
        Ok((outcome.receipt.manifest, read))
    }

    /// Rows that came late, and deletions.
    pub(super) async fn count(
        &self,
        integration: &Integration,
        window: &WindowJob,
        reads: &[ReadRequest],
        stop: &Stop,
    ) -> Result<Counted, Fault> {
        let before = match integration.settings.cursor {
            Cursor::Ingested => None,
            Cursor::StartTime => self.store.run_before(&integration.id, window.span).await?,
        };
        let (mut late, mut deleted) = (RowCount::ZERO, RowCount::ZERO);
        for read in reads {
            let asked = match (integration.settings.cursor, &before) {
                (Cursor::Ingested, _) => Some(counts::caught(read, window.span)),
                (Cursor::StartTime, Some(before)) => {
                    let read = ReadRequest { snapshot: None, ..read.clone() };
                    Some(counts::missed(&read, window.span, before.planned_at, window.planned_at))
                }
                (Cursor::StartTime, None) => None,
            };
            if let Some(asked) = asked {
                late += counts::rows(&*self.source, asked, stop).await?;
            }
            if let Some(asked) = counts::deletions(read) {
                deleted += counts::rows(&*self.source, asked, stop).await?;
            }
        }
        Ok((late, deleted))
    }

    /// The columns of the window before.
    async fn known_columns(&self, integration: &Integration, window: &WindowJob) -> Result<Vec<TableColumns>, Fault> {
        let before = self.store.run_before(&integration.id, window.span).await?;
        Ok(before.and_then(|run| run.result).map(|result| result.columns).unwrap_or_default())
    }

    async fn publish(
        &self,
        integration: &Integration,
        window: &WindowJob,
        tables: Vec<Manifest>,
        ((late_rows, deleted_rows), schema): (Counted, Schema),
        destination: &Arc<dyn Destination>,
    ) -> Result<WindowResult, Fault> {
        let files = files_of(integration)?;
        let warnings: Vec<String> = tables.iter().flat_map(|table| table.warnings.clone()).collect();
        let facts = WindowFacts {
            integration: integration.id.clone(),
            export_source: integration.settings.preset().map(model::SourcePreset::as_str),
            span: window.span,
            planned_at: window.planned_at,
            late_rows,
            deleted_rows,
            revision: window.revision,
            supersedes: window.supersedes.clone(),
        };
        let manifest = WindowManifest::new(facts, tables).ok_or_else(|| Fault::bug("a window without tables"))?;
        let name = KeyTemplate::manifest(&files.prefix, &integration.project, &window.name())?;
        let published = destination.publish(&manifest.to_published(), &name).await;
        published.map_err(|fault| fault.during("writing the manifest"))?;
        // Runs are kept for ever, and digests of keys are most of what a file's receipt has: whoever compares the window
        // reads them in the manifest.
        let file = |file: FileReceipt| FileReceipt { key_digest: KeyDigest::default(), ..file };
        Ok(WindowResult {
            manifest: Some(name),
            rows: manifest.rows,
            bytes: manifest.bytes,
            files: manifest.to_published().files.into_iter().map(file).collect(),
            late_rows,
            deleted_rows,
            columns: schema.columns,
            score_names: schema.score_names,
            schema_changed: schema.changes,
            warnings,
            ..WindowResult::default()
        })
    }
}

/// A window is carried out.
pub(super) fn completed(result: &WindowResult) -> Result<Done, Fault> {
    let result = serde_json::to_value(result).map_err(|error| Fault::bug("cannot write a result").because(error))?;
    Ok(Done::Completed(result))
}

/// The file settings of an integration whose destination takes files.
pub fn files_of(integration: &Integration) -> Result<&FileSettings, Fault> {
    let missing = || Fault::bug(format!("integration {} has no files", integration.id));
    integration.settings.files.as_ref().ok_or_else(missing)
}

/// The tables of a window in order: all of them, or those of which it has rows to add.
/// With frozen columns they have those of the window before.
fn pieces(
    integration: &Integration,
    files: &FileSettings,
    window: &WindowJob,
    known: &[TableColumns],
) -> Result<Vec<Piece>, Fault> {
    let mut pieces = Vec::new();
    for table in &integration.settings.tables {
        let spec = &table_of(&table.table).map_err(|problem| Fault::of_problems(vec![problem]))?.table;
        let folder = spec.name.clone();
        let rows = window.rows.iter().find(|rows| rows.table == folder.as_str());
        if !window.rows.is_empty() && rows.is_none() {
            continue;
        }
        let mut table = table.clone();
        let read = |table: &IntegrationTable| {
            Request::scheduled(&integration.project, &integration.settings, table, window.span.window())
        };
        let frozen = known.iter().find(|known| known.table == folder.as_str());
        let mut unfrozen = None;
        if let (SchemaRule::Frozen, Some(frozen)) = (files.schema, frozen) {
            let columns = read(&table)?.selection.columns;
            unfrozen = Some(columns.iter().map(|column| column.name.clone()).collect());
            table.groups.clear();
            table.columns = schema::names(&frozen.columns);
        }
        let mut request = read(&table)?;
        // A manifest would name the rows: where names are masked the whole table is written once more.
        let some = rows.filter(|rows| !rows.ids.is_empty() && !revision::hides_names(&request, spec));
        if let Some(rows) = some {
            revision::narrow(&mut table, spec, rows);
            request = read(&table)?;
        }
        let layout = layout(integration, files, &window.name(), &folder, &request)?;
        pieces.push(Piece { table: folder, request, layout, partial: some.is_some(), unfrozen });
    }
    Ok(pieces)
}

/// How the files of a table are named.
pub fn layout(
    integration: &Integration,
    files: &FileSettings,
    name: &WindowName,
    folder: &TableName,
    request: &Request,
) -> Result<FileLayout, Fault> {
    let ids = (&integration.project, &integration.id);
    let stem = files.template.stem(&files.prefix, ids, folder.as_str(), name)?;
    let (format, compression) = (request.format.descriptor(), request.format_options.compression);
    Ok(FileLayout {
        stem: stem.as_str().to_owned(),
        extension: format!(".{}{}", format.extension, compression.suffix()),
        roll_bytes: files.roll_bytes.filter(|bytes| *bytes > ByteCount::ZERO),
        manifest: None,
        empty: EmptyRun::File,
    })
}
