//! A window a day afterwards: were the rows that its source has now exported?
//!
//! Of files, the source's keys are compared with the digests of the manifest; files are read only where the two
//! differ. Of events, they are compared with the keys that were kept while sending, since receivers cannot be asked.
//! Rows that are missing, or were exported in an older version although nothing changed since, are exported as
//! a revision beside what is there. Exported rows that changed since are in a later window: they are counted.

use std::sync::Arc;

use futures_util::TryStreamExt;
use jobs::{Context, Done};
use model::{
    AskedRows, CommentLookup, Comparison, Destination, Failure, Fault, FaultKind, FileName, FoundLater, Integration,
    IntegrationSettings, Job, Micros, ReadRequest, RowCount, RowsOfTable, RunId, SchedulerStore, Source, Stop,
    TableDelivery, WindowManifest, WindowRun,
};
use pipeline::{Against, Budget, Difference, FilesRead, SentVerification, Verification, VerifyReport, Waits};
use serde::Deserialize;

use super::places::Places;
use super::reads::read_of;
use crate::export::{Request, read_request};

/// Largest manifest that is read.
const MANIFEST_BYTES_MAX: usize = 256 << 20;

/// The step whose failure says that it was the manifest that is not there.
const READING_MANIFEST: &str = "reading the manifest";

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

/// The end of the job, whose result this is.
fn done(comparison: Comparison) -> Result<Done, Fault> {
    let result = serde_json::to_value(comparison);
    Ok(Done::Completed(result.map_err(|error| Fault::bug("cannot write a comparison").because(error))?))
}

/// Whether the manifest was not there a day before either: one answer of that kind may be a proxy's. Other things that
/// a comparison needs may be missing and come back.
fn was_gone(known: &FoundLater) -> bool {
    let failure = known.failure.as_ref();
    failure.is_some_and(|failure| {
        failure.kind == FaultKind::NotFound.as_str() && failure.step.as_deref() == Some(READING_MANIFEST)
    })
}

/// What is noted of a window whose manifest is not there: it will not be there tomorrow either. What an earlier
/// comparison found stays true.
fn gone(at: Micros, fault: Fault, known: FoundLater) -> Comparison {
    let fault = fault.hint("files that were removed, or lie where the integration wrote before, are not compared");
    let found = FoundLater { at, failure: Some(Failure::from(&fault)), ..known };
    Comparison { found, missing: Vec::new() }
}

impl Reconciler {
    /// Compares the window of a run with its source. What was found is the result of the job: it is noted, and the
    /// revision planned, when the job is completed.
    pub async fn run(&self, job: &Job, context: Context) -> Result<Done, Fault> {
        let spec: Compared = serde_json::from_value(job.spec.clone())
            .map_err(|error| Fault::corrupt("the job of a comparison cannot be read").because(error))?;
        // A run or an integration that is gone meanwhile needs no comparison.
        let nothing = Ok(Done::Completed(().into()));
        let Some(run) = self.store.run_of_job(&spec.run).await? else { return nothing };
        let Some(integration) = self.store.integration_of_job(&run.integration).await? else { return nothing };
        let Some(result) = &run.result else { return nothing };
        let stop = context.log.stop();
        let mut tables = Vec::new();
        if let Some(name) = &result.manifest {
            let destination = self.places.connect_files(&integration).await?;
            let known = run.found_later.clone().unwrap_or_default();
            let manifest = read_manifest(&*destination, name).await.map_err(|fault| fault.during(READING_MANIFEST));
            let manifest = match manifest {
                Err(fault) if fault.kind() == FaultKind::NotFound && was_gone(&known) => {
                    return done(gone((self.now)(), fault, known));
                }
                manifest => manifest?,
            };
            tables = self.compare_files(&run, &destination, manifest, &stop).await?;
        } else if let Some(asked) = &result.asked {
            tables = self.compare_events((&integration, &run), asked, &result.deliveries, &stop).await?;
        }
        done(comparison((self.now)(), tables))
    }

    /// Compares each table's files with the source.
    async fn compare_files(
        &self,
        run: &WindowRun,
        destination: &Arc<dyn Destination>,
        manifest: WindowManifest,
        stop: &Stop,
    ) -> Result<Vec<(String, VerifyReport)>, Fault> {
        let mut reports = Vec::new();
        for table in manifest.into_tables() {
            let Some(name) = table.files.first().map(|file| file.table.to_string()) else { continue };
            let request = Request::of_query(&table.query)?;
            let read = read_request(&request, &read_id(run), table.exported_at, self.comments.as_ref()).await?;
            let report = pipeline::verify(Verification {
                manifest: table,
                destination: Arc::clone(destination),
                format: request.format,
                options: request.format_options.clone(),
                files: FilesRead::Suspects,
                altered: request.masked_columns(),
                against: Some(self.against(read)),
                stop: stop.clone(),
                waits: Arc::clone(&self.waits),
                budget: self.budget,
            });
            reports.push((name, report.await?));
        }
        Ok(reports)
    }

    /// Compares the keys that were kept of each table's events with the source, by the settings of then.
    async fn compare_events(
        &self,
        (integration, run): (&Integration, &WindowRun),
        asked: &AskedRows,
        deliveries: &[TableDelivery],
        stop: &Stop,
    ) -> Result<Vec<(String, VerifyReport)>, Fault> {
        let (cursor, tables) = (asked.cursor, asked.tables.clone());
        let settings = IntegrationSettings { cursor, tables, ..integration.settings.clone() };
        let mut reports = Vec::new();
        for table in &settings.tables {
            let of = (&integration.project, &settings, table);
            let window = run.name.span.window();
            let read = read_of(of, window, &read_id(run), run.planned_at, self.comments.as_ref()).await?;
            let name = read.table.name.clone();
            let delivered = deliveries.iter().find(|delivery| delivery.table == name);
            let hashes = || self.store.sent_keys(&run.id, name.as_str());
            let report = pipeline::verify_sent(SentVerification {
                rows: delivered.map(|delivery| delivery.counts.read).unwrap_or_default(),
                hashes: &hashes,
                against: self.against(read),
                stop: stop.clone(),
                waits: Arc::clone(&self.waits),
                budget: self.budget,
            });
            reports.push((name.to_string(), report.await?));
        }
        Ok(reports)
    }

    fn against(&self, request: ReadRequest) -> Against {
        Against { source: Arc::clone(&self.source), request, full: false }
    }
}

/// What the reads of a comparison are called in the source's log.
fn read_id(run: &WindowRun) -> RunId {
    RunId::new(format!("reconcile-{}", run.id))
}

/// What the reports of all tables come to.
fn comparison(at: Micros, tables: Vec<(String, VerifyReport)>) -> Comparison {
    let mut comparison = Comparison { found: FoundLater { at, ..FoundLater::default() }, missing: Vec::new() };
    for (table, report) in tables {
        let rows = missing_rows(&report);
        comparison.found.superseded_rows += report.rows_superseded + rows.superseded;
        comparison.found.missing_rows += rows.count;
        if rows.count > RowCount::ZERO {
            comparison.missing.push(RowsOfTable::new(table, rows.named));
        }
    }
    comparison
}

/// Rows that a revision is to have.
struct Missing {
    /// At least so many.
    count: RowCount,
    /// Trace and id of each; empty where they cannot be named, or are too many to be.
    named: Vec<(String, String)>,
    /// Exported rows that nothing but the digest tells to have changed since, or to be gone.
    superseded: RowCount,
}

fn missing_rows(report: &VerifyReport) -> Missing {
    let mut count = report.lacking_more;
    let mut named = Vec::new();
    let mut superseded = RowCount::ZERO;
    // More than the comparison names.
    let mut nameless = report.lacking_more > RowCount::ZERO;
    for difference in &report.differences {
        match difference {
            // Of files that hide their keys. Rows that were changed since leave a bucket, so that one with fewer of
            // them tells of no missing row. In one with as many or more, and others, a row is missing for certain.
            Difference::Bucket { exported, stored, .. } if stored < exported => {
                superseded += RowCount(exported.get() - stored.get());
            }
            Difference::Bucket { exported, stored, .. } => {
                count += RowCount((stored.get() - exported.get()).max(1));
                nameless = true;
            }
            // What was exported and is gone was deleted; the window of the deletion says so. Files that were
            // changed by others are for `outgest verify` to find.
            other => {
                let Some(row) = other.lacking() else { continue };
                count += RowCount(1);
                named.push((row.trace_id.clone(), row.id.clone()));
            }
        }
    }
    if nameless {
        named.clear();
    }
    Missing { count, named, superseded }
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

#[cfg(test)]
mod tests {
    use pipeline::RowName;

    use super::*;

    fn report(differences: Vec<Difference>) -> VerifyReport {
        VerifyReport { differences, ..VerifyReport::default() }
    }

    fn row(id: &str) -> RowName {
        RowName { trace_id: "t".to_owned(), id: id.to_owned(), ingested: None }
    }

    #[test]
    fn a_bucket_tells_of_missing_rows_only_where_one_is_missing_for_certain() {
        let buckets = [(9, 8, 0, 1), (9, 0, 0, 9), (9, 9, 1, 0), (9, 10, 1, 0), (9, 12, 3, 0)];
        for (exported, stored, missing, superseded) in buckets {
            let bucket = Difference::Bucket { bucket: 7, exported: RowCount(exported), stored: RowCount(stored) };
            let found = missing_rows(&report(vec![Difference::RowMissing(row("a")), bucket]));
            let counts = (found.count.get(), found.superseded.get());
            assert_eq!(counts, (1 + missing, superseded), "{stored} of {exported}");
            // Rows of which nobody knows the names are in an export of the whole table alone.
            let named = if missing > 0 { vec![] } else { vec![("t".to_owned(), "a".to_owned())] };
            assert_eq!(found.named, named, "{stored} of {exported}");
        }
    }

    #[test]
    fn what_was_found_before_the_manifest_was_gone_stays() {
        let revision = Some(model::JobId::new("r2"));
        let known =
            FoundLater { missing_rows: RowCount(3), superseded_rows: RowCount(2), revision, ..FoundLater::default() };
        let fault = Fault::new(FaultKind::NotFound, "it does not exist").during(READING_MANIFEST);

        let found = gone(Micros(7), fault, known.clone()).found;

        assert!(was_gone(&found) && !was_gone(&known));
        assert_eq!(FoundLater { at: known.at, failure: None, ..found }, known);
    }

    #[test]
    fn rows_are_named_unless_more_are_lacking_than_a_comparison_names() {
        let missing = (0..20_000).map(|n| Difference::RowMissing(row(&n.to_string())));
        let gone = (0..20_000).map(|n| Difference::RowGone(row(&format!("gone {n}"))));
        let mut of_many = report(missing.chain(gone).collect());
        // Of rows that were deleted any number makes no row missing.
        of_many.differences_more = 1_000;
        let found = missing_rows(&of_many);
        assert_eq!((found.count, found.named.len()), (RowCount(20_000), 20_000));
        of_many.lacking_more = RowCount(1);
        let found = missing_rows(&of_many);
        assert_eq!((found.count, found.named.len()), (RowCount(20_001), 0));
    }
}
