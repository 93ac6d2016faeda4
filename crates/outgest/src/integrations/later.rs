//! A window a day afterwards: are the rows that its source has now in its files?
//!
//! The source's keys are compared with the digests of the manifest; files are read only where the two differ.
//! Rows that are missing, or were exported in an older version although nothing changed since, are exported as
//! a revision beside the files that are there. Exported rows that changed since are in a later window: they are
//! counted.

use std::sync::Arc;

use futures_util::TryStreamExt;
use jobs::{Context, Done};
use model::{
    CommentLookup, Destination, Fault, FileName, FoundLater, Integration, Job, Micros, RowCount, RowsOfTable, RunId,
    SchedulerStore, Source, Stop, WindowManifest, WindowRun,
};
use pipeline::{Against, Budget, Difference, FilesRead, Verification, VerifyReport, Waits};
use serde::Deserialize;

use super::places::Places;
use crate::export::{Request, read_request};

/// Largest manifest that is read.
const MANIFEST_BYTES_MAX: usize = 256 << 20;

/// Most rows of a table that a revision names one by one; beyond it the whole table is exported again.
const ROWS_NAMED_MAX: usize = 50_000;

/// Compares windows with their source.
#[derive(Clone)]
pub struct Reconciler {
    /// Where integrations and their runs are kept.
    pub store: Arc<dyn SchedulerStore>,
    /// Where rows come from.
    pub source: Arc<dyn Source>,
    /// Where comments come from.
    pub comments: Arc<dyn CommentLookup>,
    /// Where files went.
    pub places: Arc<dyn Places>,
    /// The current time.
    pub now: fn() -> Micros,
    /// Clock and chance of every wait.
    pub waits: Arc<dyn Waits>,
    /// Bounds of each comparison.
    pub budget: Budget,
}

/// The spec of the job.
#[derive(Deserialize)]
struct Compared {
    run: model::JobId,
}

impl Reconciler {
    /// Compares the window of a run with its source, and notes what was found.
    pub async fn run(&self, job: &Job, context: Context) -> Result<Done, Fault> {
        let spec: Compared = serde_json::from_value(job.spec.clone())
            .map_err(|error| Fault::corrupt("the job of a comparison cannot be read").because(error))?;
        let done = Ok(Done::Completed(().into()));
        // A run or an integration that is gone meanwhile needs no comparison.
        let Some(run) = self.store.run_of_job(&spec.run).await? else { return done };
        let Some(integration) = self.store.integration_of_job(&run.integration).await? else { return done };
        let (found, missing) = self.compare(&integration, &run, &context.log.stop()).await?;
        self.store.note_found_later(&run.id, found, missing, (self.now)()).await?;
        done
    }

    async fn compare(
        &self,
        integration: &Integration,
        run: &WindowRun,
        stop: &Stop,
    ) -> Result<(FoundLater, Vec<RowsOfTable>), Fault> {
        let mut found = FoundLater { at: (self.now)(), ..FoundLater::default() };
        let mut missing = Vec::new();
        let manifest = run.result.as_ref().and_then(|result| result.manifest.clone());
        let Some(name) = manifest else { return Ok((found, missing)) };
        let destination = self.places.connect_files(integration).await?;
        let manifest = read_manifest(&*destination, &name).await?;
        for table in manifest.into_tables() {
            let Some(name) = table.files.first().map(|file| file.table.to_string()) else { continue };
            let request = Request::of_query(&table.query)?;
            let id = RunId::new(format!("reconcile-{}", run.id));
            let read = read_request(&request, &id, table.exported_at, self.comments.as_ref()).await?;
            let report = pipeline::verify(Verification {
                manifest: table,
                destination: Arc::clone(&destination),
                format: request.format,
                files: FilesRead::Suspects,
                altered: request.altered_columns(),
                against: Some(Against { source: Arc::clone(&self.source), request: read, full: false }),
                stop: stop.clone(),
                waits: Arc::clone(&self.waits),
                budget: self.budget,
            })
            .await?;
            found.superseded_rows += report.rows_superseded;
            let rows = missing_rows(&report);
            found.missing_rows += rows.count;
            if rows.count > RowCount::ZERO {
                missing.push(RowsOfTable { table: name, ids: rows.ids });
            }
        }
        Ok((found, missing))
    }
}

/// Rows that a revision is to have.
struct Missing {
    count: RowCount,
    /// Empty where they cannot be named, or are too many to be.
    ids: Vec<String>,
}

fn missing_rows(report: &VerifyReport) -> Missing {
    let mut count = RowCount(report.differences_more);
    let mut ids = Vec::new();
    let mut nameless = report.differences_more > 0;
    for difference in &report.differences {
        match difference {
            Difference::RowMissing(row) | Difference::RowLate(row) | Difference::RowVersion(row) => {
                count += RowCount(1);
                ids.push(row.id.clone());
            }
            Difference::Bucket { stored, .. } => {
                count += *stored;
                nameless = true;
            }
            // What was exported and is gone was deleted; the window of the deletion says so. Files that were
            // changed by others are for `outgest verify` to find.
            _ => {}
        }
    }
    if nameless || ids.len() > ROWS_NAMED_MAX {
        ids.clear();
    }
    Missing { count, ids }
}

/// Reads the manifest of a window back.
async fn read_manifest(destination: &dyn Destination, name: &FileName) -> Result<WindowManifest, Fault> {
    let mut bytes = Vec::new();
    let mut stream = destination.read(name).await?;
    while let Some(piece) = stream.try_next().await? {
        if bytes.len() + piece.len() > MANIFEST_BYTES_MAX {
            return Err(Fault::corrupt(format!("{name} is too large to be a manifest")));
        }
        bytes.extend_from_slice(&piece);
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Fault::corrupt(format!("{name} is not the manifest of a window")).because(error))
}
