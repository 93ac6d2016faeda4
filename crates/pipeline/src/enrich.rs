//! Applies the enrichments to batches on several cores, in order, and measures the result.
//!
//! Rows are measured here because the canonical cut counts the columns that are written, and
//! because looking at every cell is work for a blocking thread.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use model::{Enricher, Enrichment, Fault, FieldRole, Lookups, Reading, field};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;

use crate::canonical::cell_bytes;
use crate::key::{Keys, payload_columns};
use crate::retry::Retrying;
use crate::slice::{BatchPermit, Read, Slices};
use crate::task::{Feed, Task};
use crate::{Budget, RunSpec};

/// The steps of a run, prepared.
pub(crate) struct Enrich {
    steps: Vec<Arc<dyn Enricher>>,
    /// Columns of the last step's batches that are written, in order.
    written: Vec<usize>,
    schema: SchemaRef,
    retrying: Retrying,
}

/// Rows as they will be written.
pub(crate) struct MeasuredRows {
    /// The columns of the files.
    pub(crate) rows: RecordBatch,
    /// The key columns.
    pub(crate) keys: RecordBatch,
    /// Cell bytes of every row.
    pub(crate) cell_bytes: Vec<u64>,
    /// Keeps the source from reading on; dropped when the cutter has taken the rows.
    pub(crate) _permit: BatchPermit,
}

/// What the cutter takes, in order.
pub(crate) enum Enriched {
    /// Rows under way.
    Rows(Task<Result<MeasuredRows, Fault>>),
    /// So many planned bytes have been passed.
    Passed(model::ByteCount),
}

impl Enrich {
    /// Prepares every step and fixes the columns of the files.
    pub(crate) async fn prepare(
        spec: &RunSpec,
        request: &model::ReadRequest,
        lookups: &Lookups,
        reading: &Arc<dyn Reading>,
        retrying: &Retrying,
    ) -> Result<Self, Fault> {
        let (steps, schema) = prepare_steps(&spec.enrichments, request, lookups, reading, retrying).await?;
        let written = written_columns(&schema, &spec.output_columns)?;
        let schema =
            schema.project(&written).map_err(|failure| Fault::bug("cannot select columns").because(failure))?;
        Ok(Self { steps, written, schema: Arc::new(schema), retrying: retrying.clone() })
    }

    /// The same for events, which have every column.
    pub(crate) async fn prepare_all(
        enrichments: &[Arc<dyn Enrichment>],
        request: &model::ReadRequest,
        lookups: &Lookups,
        reading: &Arc<dyn Reading>,
        retrying: &Retrying,
    ) -> Result<Self, Fault> {
        let (steps, schema) = prepare_steps(enrichments, request, lookups, reading, retrying).await?;
        let written: Vec<usize> = (0..payload_columns(&schema)?).collect();
        let schema =
            schema.project(&written).map_err(|failure| Fault::bug("cannot select columns").because(failure))?;
        Ok(Self { steps, written, schema: Arc::new(schema), retrying: retrying.clone() })
    }

    /// The columns of the files.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(crate) async fn apply(&self, mut batch: RecordBatch) -> Result<RecordBatch, Fault> {
        for step in &self.steps {
            let rows = batch.num_rows();
            batch = self.retrying.until_ok("enriching", || step.apply(batch.clone())).await?;
            if batch.num_rows() != rows {
                return Err(Fault::bug(format!("an enrichment made {} rows of {rows}", batch.num_rows())));
            }
        }
        Ok(batch)
    }

    /// The columns that are written, and the key columns. Fails where rows are not in order.
    pub(crate) fn part(&self, batch: &RecordBatch) -> Result<(RecordBatch, RecordBatch), Fault> {
        let wrong = |failure| Fault::bug("an enrichment returned other columns than agreed").because(failure);
        Keys::of(batch)?.check_order()?;
        let first_key = payload_columns(batch.schema_ref())?;
        let keys: Vec<usize> = (first_key..batch.num_columns()).collect();
        let keys = batch.project(&keys).map_err(wrong)?;
        Ok((batch.project(&self.written).map_err(wrong)?, keys))
    }

    fn measure(&self, batch: &RecordBatch, permit: BatchPermit) -> Result<MeasuredRows, Fault> {
        let (rows, keys) = self.part(batch)?;
        Ok(MeasuredRows { cell_bytes: cell_bytes(&rows)?, rows, keys, _permit: permit })
    }
}

/// Prepares the steps in order, and the columns of the last one.
async fn prepare_steps(
    enrichments: &[Arc<dyn Enrichment>],
    request: &model::ReadRequest,
    lookups: &Lookups,
    reading: &Arc<dyn Reading>,
    retrying: &Retrying,
) -> Result<(Vec<Arc<dyn Enricher>>, SchemaRef), Fault> {
    let mut schema = Arc::clone(reading.schema());
    let mut steps = Vec::with_capacity(enrichments.len());
    for enrichment in enrichments {
        let prepare = || enrichment.prepare(request, &schema, lookups);
        let step = retrying.until_ok("preparing an enrichment", prepare).await?;
        schema = Arc::clone(step.schema());
        steps.push(step);
    }
    Ok((steps, schema))
}

/// Starts enriching everything that `slices` deliver.
pub(crate) fn start(slices: Slices, enrich: Arc<Enrich>, budget: &Budget) -> Feed<Result<Enriched, Fault>> {
    Feed::spawn("enriching", budget.batches_in_flight(), |out| forward(slices, enrich, out))
}

async fn forward(mut slices: Slices, enrich: Arc<Enrich>, out: Sender<Result<Enriched, Fault>>) {
    while let Some(read) = slices.next().await.transpose() {
        // A batch is only started when there is room for its result.
        let Ok(place) = out.reserve().await else { return };
        let failed = read.is_err();
        place.send(read.map(|read| match read {
            Read::Passed(bytes) => Enriched::Passed(bytes),
            Read::Rows(batch, permit) => Enriched::Rows(Task::blocking("enriching a batch", {
                let (enrich, runtime) = (Arc::clone(&enrich), Handle::current());
                move || {
                    let batch = runtime.block_on(enrich.apply(batch))?;
                    enrich.measure(&batch, permit)
                }
            })),
        }));
        if failed {
            return;
        }
    }
}

/// The columns asked for, in the user's order, then the score columns.
fn written_columns(schema: &Schema, names: &[String]) -> Result<Vec<usize>, Fault> {
    let fields = &schema.fields()[..payload_columns(schema)?];
    let is_score = |index: &usize| matches!(field::role(&fields[*index]), FieldRole::Score | FieldRole::JsonScore);
    let mut written = Vec::with_capacity(fields.len());
    for name in names {
        let index = fields.iter().position(|field| field.name() == name);
        written.push(index.ok_or_else(|| Fault::bug(format!("column {name:?} is neither read nor added")))?);
    }
    let scores: Vec<usize> = (0..fields.len()).filter(is_score).filter(|index| !written.contains(index)).collect();
    written.extend(scores);
    Ok(written)
}
