//! Score columns: one per score name of the project, appended behind the columns of the table.
//!
//! Which columns there are is fixed before the first row ([`columns`]); what stands in a cell is the
//! work of [`entries`] and [`cells`]. Scores themselves come from the look-up, once per batch for all
//! its traces. A score stored after the run was prepared, by a source that cannot read one state
//! twice, has no column in this run.

mod cells;
mod columns;
mod entries;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, StringArray};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use model::{
    Enricher, Enrichment, Fault, Lookups, ObjectKind, ReadRequest, Reading, ScoreLookup, ScoreScope, key_column,
};

use cells::cells;
use columns::Columns;
use entries::Entries;

/// Appends the score columns of tables that have them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scores;

/// What a row is to the scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowKind {
    /// Its own scores and those of its trace.
    Observation,
    /// The scores of the trace and of all its observations.
    Trace,
}

#[async_trait]
impl Enrichment for Scores {
    async fn prepare(
        &self,
        request: &ReadRequest,
        input: &SchemaRef,
        lookups: &Lookups,
    ) -> Result<Arc<dyn Enricher>, Fault> {
        let table = &request.table;
        let scope = ScoreScope { project: request.project.clone(), since: request.scores_since };
        let names = if table.scores { lookups.scores.score_names(&scope).await? } else { Vec::new() };
        let kind = match table.comments {
            Some(ObjectKind::Trace) => RowKind::Trace,
            _ => RowKind::Observation,
        };
        let columns = Columns::new(table, input, &names);
        Ok(Arc::new(ScoreColumns { kind, scope, scores: Arc::clone(&lookups.scores), columns }))
    }
}

struct ScoreColumns {
    kind: RowKind,
    scope: ScoreScope,
    scores: Arc<dyn ScoreLookup>,
    columns: Columns,
}

#[async_trait]
impl Enricher for ScoreColumns {
    fn schema(&self) -> &SchemaRef {
        &self.columns.schema
    }

    async fn apply(&self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        if self.columns.is_empty() {
            return Ok(batch);
        }
        let ids = key_texts(&batch, key_column::ID)?;
        let traces = match self.kind {
            RowKind::Observation => key_texts(&batch, key_column::TRACE_ID)?,
            RowKind::Trace => ids,
        };
        let scores = self.scores.scores(&self.scope, &distinct(traces)).await?;
        let entries = Entries::new(&scores, &self.columns, self.kind);
        let added = cells(&entries, &self.columns, traces, ids);

        let (_, mut arrays, _) = batch.into_parts();
        let keys = arrays.split_off(arrays.len() - <dyn Reading>::KEY_COLUMNS);
        arrays.extend(added);
        arrays.extend(keys);
        RecordBatch::try_new(Arc::clone(&self.columns.schema), arrays)
            .map_err(|error| Fault::bug("score columns do not fit their schema").because(error))
    }
}

fn key_texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, Fault> {
    let first = batch.num_columns().saturating_sub(<dyn Reading>::KEY_COLUMNS);
    let schema = batch.schema_ref();
    (first..batch.num_columns())
        .find(|&column| schema.field(column).name() == name)
        .and_then(|column| batch.column(column).as_string_opt())
        .ok_or_else(|| Fault::bug(format!("a batch does not end with key column {name}")))
}

/// The different texts of a key column, in order of first appearance.
fn distinct(texts: &StringArray) -> Vec<&str> {
    let mut seen = HashSet::new();
    let mut last = None;
    let mut distinct = Vec::new();
    for text in texts.iter().flatten() {
        // Neighbours often share their trace; comparing with the last one saves the hash.
        if last != Some(text) && seen.insert(text) {
            distinct.push(text);
        }
        last = Some(text);
    }
    distinct
}
