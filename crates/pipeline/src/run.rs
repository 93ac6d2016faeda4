//! A run from its request to its receipt.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use model::{
    ByteCount, Checkpoint, CommentLookup, Destination, Fault, FieldRole, FileReceipt, KeyRange, Lookups,
    MANIFEST_VERSION, Manifest, ManifestColumn, ManifestWindow, OrderKey, Plan, PriceLookup, Reading, Receipt,
    RowCount, RunLog, Slice, Source, field,
};
use tracing::Instrument;

use crate::canonical::{CanonicalRule, Cutter};
use crate::encode::{Encoded, Encoding};
use crate::enrich::{self, Enrich};
use crate::files::Files;
use crate::progress::Watch;
use crate::reads::Reads;
use crate::retry::{Attempts, Retrying};
use crate::slice::Slices;
use crate::{Progress, RunSpec, Waits};

/// Version of the column schema that this build writes.
const SCHEMA_VERSION: u32 = 1;

/// What a run is connected to.
#[derive(Clone)]
pub struct Ports {
    /// Where rows come from.
    pub source: Arc<dyn Source>,
    /// Where comments come from.
    pub comments: Arc<dyn CommentLookup>,
    /// Where prices come from.
    pub prices: Arc<dyn PriceLookup>,
    /// Where files go.
    pub destination: Arc<dyn Destination>,
    /// Where checkpoints are recorded, and who may stop the run.
    pub log: Arc<dyn RunLog>,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
    /// Clock and chance of every wait.
    pub waits: Arc<dyn Waits>,
}

/// What a run has done.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOutcome {
    /// The manifest, and where it lies.
    pub receipt: Receipt,
    /// Rows of the manifest that earlier attempts wrote.
    pub rows_resumed: RowCount,
}

/// Carries out a run, from the beginning or from the checkpoint of an earlier attempt.
///
/// Ends early with the stop of the run log, and then leaves behind what the reason allows. Whatever
/// fails, no partial file is visible; after a fault that may heal the checkpoint and what it names stay.
pub async fn run(spec: RunSpec, ports: Ports, resume: Option<Checkpoint>) -> Result<RunOutcome, Fault> {
    // Of the most severe level: a span that the log's level left out would name the run to nobody.
    let span = tracing::error_span!("run", run.id = %spec.request.run, project.id = %spec.request.project);
    run_cut(spec, ports, resume, CanonicalRule::STANDARD).instrument(span).await
}

/// [`run`] with another canonical rule, for tests.
pub(crate) async fn run_cut(
    spec: RunSpec,
    ports: Ports,
    resume: Option<Checkpoint>,
    rule: CanonicalRule,
) -> Result<RunOutcome, Fault> {
    let stop = ports.log.stop();
    let spec = Arc::new(spec);
    let retrying = Retrying::new(Arc::clone(&ports.waits), stop.clone(), &spec.budget);
    let log = Arc::clone(&ports.log);
    let mut files = Files::new(Arc::clone(&spec), Arc::clone(&ports.destination), log, retrying.clone(), resume)?;
    let watch = Arc::new(Watch::new(Arc::clone(&ports.progress), spec.limit));
    let mut run = Run { spec, ports, retrying, rule, watch, reads: Reads::default(), rows_resumed: None };
    let mut attempts = Attempts::default();
    let mut settled_before = ByteCount::ZERO;
    loop {
        let result = tokio::select! {
            biased;
            reason = stop.raised() => Err(reason.fault()),
            result = run.export(&mut files) => result,
        };
        let fault = match result {
            Ok(outcome) => {
                run.close_reading().await;
                return Ok(outcome);
            }
            Err(fault) => fault,
        };
        // A file that could not be written on is taken up again behind its last durable block.
        let given_up = match files.step_back() {
            Some(settled) => {
                run.close_reading().await;
                if settled > settled_before {
                    attempts.made_progress();
                }
                settled_before = settled;
                run.retrying.with_destination().wait_to_step_back(&mut attempts, fault).await.err()
            }
            None => Some(fault),
        };
        if let Some(fault) = given_up {
            futures_util::join!(run.close_reading(), files.settle(&fault, &stop));
            return Err(fault);
        }
    }
}

struct Run {
    spec: Arc<RunSpec>,
    ports: Ports,
    retrying: Retrying,
    rule: CanonicalRule,
    watch: Arc<Watch>,
    reads: Reads,
    /// Rows that earlier attempts wrote and this one kept.
    rows_resumed: Option<RowCount>,
}

impl Run {
    async fn export(&mut self, files: &mut Files) -> Result<RunOutcome, Fault> {
        let (spec, ports, retrying) = (Arc::clone(&self.spec), self.ports.clone(), self.retrying.clone());
        let request = files.request();
        let reading = retrying.until_ok("preparing the read", || ports.source.prepare(request.clone())).await?;
        self.reads.reading = Some(Arc::clone(&reading));

        let lookups = Lookups {
            scores: reading.scores(),
            comments: Arc::clone(&ports.comments),
            prices: Arc::clone(&ports.prices),
        };
        let enrich = Enrich::prepare(&spec, &request, &lookups, &reading, &retrying).await?;
        let schema = Arc::clone(enrich.schema());
        let encoder = spec.format.block_encoder(&schema, &spec.format_options)?;
        files.begin(&schema, reading.snapshot()).await?;
        let rows_before = files.rows();
        let rows_resumed = self.rows_resumed.map_or(rows_before, |rows| rows.min(rows_before));
        self.rows_resumed = Some(rows_resumed);
        let plan = plan_rest(&spec, &reading, files, &retrying).await?;
        let watch = Arc::clone(&self.watch);
        watch.planned(rows_before, &plan);

        let encoding = Encoding {
            cutter: Cutter::new(self.rule, spec.format.descriptor().stretches_per_block),
            encoder,
            limit_left: spec.limit.map(|limit| limit.saturating_sub(rows_before)),
            after: files.after().cloned(),
            watch: Arc::clone(&watch),
        };
        let slices = Slices::start(Arc::clone(&reading), plan, &spec.budget, self.reads.stop.clone(), retrying.clone());
        let batches = enrich::start(slices, Arc::new(enrich), &spec.budget);
        let mut blocks = encoding.start(batches, &spec.budget);

        let totals = loop {
            let next = blocks.next().await?.ok_or_else(|| Fault::bug("encoding ended without saying so"))?;
            match next? {
                Encoded::Block(block, passed) => {
                    files.append(block.join().await.flatten()?, &schema, &watch).await?;
                    watch.passed(passed);
                }
                Encoded::End(totals) => break totals,
            }
        };
        let receipts = files.finish(&schema, &watch).await?.to_vec();
        let cut_after = files.after().filter(|_| totals.cut > RowCount::ZERO).cloned();
        let mut manifest = manifest(&spec, &request, &schema, receipts, cut_after);
        manifest.changed_during_run = retrying.until_ok("counting changed rows", || reading.changed()).await?;
        let told = retrying.until_ok("looking at the source", || reading.warnings()).await?;
        manifest.warnings.extend(told.into_iter().filter(|told| !spec.warnings.contains(told)));
        conserved(&manifest, rows_before, totals.read.saturating_sub(totals.cut))?;
        files.publishing();
        let receipt = self.publish(manifest).await?;
        watch.finished();
        Ok(RunOutcome { receipt, rows_resumed })
    }

    async fn publish(&self, manifest: Manifest) -> Result<Receipt, Fault> {
        let Some(name) = &self.spec.files.manifest else { return Ok(Receipt { manifest, manifest_key: None }) };
        let (destination, retrying) = (&self.ports.destination, self.retrying.with_destination());
        let published = manifest.to_published();
        retrying.until_ok("writing the manifest", || destination.publish(&published, name)).await?;
        Ok(Receipt { manifest, manifest_key: Some(name.clone()) })
    }

    async fn close_reading(&mut self) {
        std::mem::take(&mut self.reads).close(self.spec.budget.cleanup_max).await;
    }
}

/// What is left to read. A run whose only file is complete has nothing left, whatever the source holds by now;
/// where a limit ended it, the row behind tells whether it was cut.
fn plan_rest<'a>(
    spec: &RunSpec,
    reading: &'a Arc<dyn Reading>,
    files: &Files,
    retrying: &'a Retrying,
) -> impl Future<Output = Result<Plan, Fault>> + Send + use<'a> {
    let at_limit = spec.limit.is_some_and(|limit| files.rows() >= limit);
    let nothing_left = files.complete() && !at_limit;
    let after = files.after().cloned();
    let range = spec.range.clone();
    async move {
        if nothing_left {
            return Ok(Plan::default());
        }
        let plan = retrying.until_ok("planning the read", || reading.plan(after.as_ref())).await?;
        Ok(within(plan, &range))
    }
}

/// What of a plan lies in the range.
fn within(plan: Plan, range: &KeyRange) -> Plan {
    let slices = plan.slices.into_iter();
    let slices = slices.filter_map(|slice| Some(Slice { range: slice.range.and(range)?, ..slice }));
    Plan { slices: slices.collect() }
}

/// Rows read are rows written (promise 9); a run that cannot prove it fails before its manifest.
fn conserved(manifest: &Manifest, rows_before: RowCount, rows_kept: RowCount) -> Result<(), Fault> {
    let digested: u64 = manifest.files.iter().map(|file| file.key_digest.rows()).sum();
    if manifest.rows == rows_before + rows_kept && manifest.rows.get() == digested {
        return Ok(());
    }
    Err(Fault::bug(format!(
        "{} rows were written, {rows_before} of them before, but {rows_kept} were read and {digested} are in the digests",
        manifest.rows
    )))
}

fn manifest(
    spec: &RunSpec,
    request: &model::ReadRequest,
    schema: &SchemaRef,
    files: Vec<FileReceipt>,
    cut_after: Option<OrderKey>,
) -> Manifest {
    let column = |field: &Arc<arrow_schema::Field>| ManifestColumn {
        name: field.name().clone(),
        kind: field.data_type().to_string(),
        nullable: field.is_nullable(),
        dynamic: matches!(field::role(field), FieldRole::Score | FieldRole::JsonScore),
    };
    Manifest {
        manifest_version: MANIFEST_VERSION,
        product_version: spec.product_version.clone(),
        project_id: request.project.clone(),
        window: ManifestWindow { from: request.window.from, to: request.window.to, cursor: request.cursor },
        exported_at: request.as_of,
        query_fingerprint: spec.query_fingerprint.clone(),
        query: spec.query.clone(),
        schema_version: SCHEMA_VERSION,
        columns: schema.fields().iter().map(column).collect(),
        rows: files.iter().map(|file| file.rows).sum(),
        bytes: files.iter().map(|file| file.head.bytes).sum::<ByteCount>(),
        files,
        truncated: cut_after.is_some(),
        cut_after,
        changed_during_run: RowCount::ZERO,
        warnings: spec.warnings.clone(),
        revision: 1,
        supersedes: None,
    }
}
