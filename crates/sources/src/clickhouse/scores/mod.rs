//! The scores of a project: their names, and those of some traces.

mod by_trace;
mod rows;
mod stretches;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use async_trait::async_trait;
use futures_util::{Stream, TryStreamExt};
use lake::ScoreBlock;
use lake::sizes::bytes_of;
use model::{
    ColumnType, Fault, FaultKind, Micros, ScoreLookup, ScoreName, ScoreRow, ScoreScope, Stop, StoredColumn, StoredTable,
};
use tokio::sync::OnceCell;

use crate::clickhouse::compile::Compiled;
use crate::clickhouse::limits::{in_halves, is_limit};
use crate::clickhouse::live::{Live, column_name, dead_of};
use crate::clickhouse::query::Query;
use crate::clickhouse::reading::{Bounds, Shared};
use crate::clickhouse::sql::{Parameters, escaped, joined};
use by_trace::ByTrace;
use rows::{names_of, scores_of};
use stretches::Stretches;

/// What is read of stored scores, by their physical names.
pub(super) fn stored() -> &'static StoredTable {
    static STORED: LazyLock<StoredTable> = LazyLock::new(|| {
        let column = |name, kind, nullable| StoredColumn { name, kind, nullable, required: !nullable, default: "" };
        let text = |name| column(name, ColumnType::Text, false);
        let optional = |name| column(name, ColumnType::Text, true);
        StoredTable {
            name: "scores",
            columns: vec![
                text("id"),
                column("timestamp", ColumnType::Timestamp, false),
                text("project_id"),
                optional("trace_id"),
                optional("observation_id"),
                text("name"),
                column("value", ColumnType::Float64, false),
                optional("comment"),
                text("data_type"),
                optional("string_value"),
                column("updated_at", ColumnType::Timestamp, false),
                column("event_ts", ColumnType::Timestamp, false),
                column("is_deleted", ColumnType::Bool, false),
            ],
            key: &["project_id", "id"],
            time: "timestamp",
            version: "event_ts",
            deleted: "is_deleted",
            ingested: "updated_at",
        }
    });
    &STORED
}

/// Scores that can be listed; corrections cannot.
const LISTABLE: &str = "IN ('NUMERIC', 'BOOLEAN', 'CATEGORICAL', 'TEXT')";

/// Look-ups of a reading that go to the server by themselves: a page of rows needs no more.
const LOOKUPS_APART: u32 = 2;
/// Scores that are held at once instead: all of the project, or those of a stretch of rows.
pub(super) const SCORES_HELD: usize = 100_000;
/// Bytes that they have at most. So many scores have 20 MiB, unless their texts are long. Two stretches are held while
/// a third is received: 72 of the 256 MiB that a run may take, a block of the server's, and a stretch that is held no
/// longer until the batches are through that show its scores.
const BYTES_HELD: u64 = 24 << 20;

/// The look-up of one reading.
pub(super) struct ClickHouseScores {
    shared: Arc<Shared>,
    /// Selects the traces of the rows within `lo` and `hi`.
    traces: String,
    /// Values that this has beside those.
    parameters: Vec<(String, String)>,
    held_max: usize,
    lookups: AtomicU32,
    held: OnceCell<Held>,
    stretches: Stretches,
}

/// All scores of a scope by trace; `None` where they are too many.
struct Held {
    since: Option<Micros>,
    by_trace: Option<ByTrace>,
}

impl ClickHouseScores {
    /// The look-up that holds so many scores at most, or twice as many in two stretches.
    pub(super) fn new(shared: Arc<Shared>, compiled: &Compiled, held_max: usize) -> Self {
        let (traces, parameters) = (compiled.traces.clone(), compiled.parameters.clone());
        let (lookups, held) = (AtomicU32::new(0), OnceCell::new());
        Self { shared, traces, parameters, held_max, lookups, held, stretches: Stretches::new() }
    }

    /// Where the reader of slices says which rows come next.
    pub(super) fn stretches(&self) -> &Stretches {
        &self.stretches
    }

    /// Every listable score in scope that hangs on a trace, unless they are too many to hold.
    async fn hold(&self, scope: &ScoreScope) -> Result<Held, Fault> {
        let trace = self.shared.database.place(stored().name)?.required("trace_id")?;
        let on_a_trace = |_: &mut Parameters| Ok(vec![format!("isNotNull({trace})")]);
        let rows = match self.rows_to_hold(scope, on_a_trace).await {
            Err(fault) if is_limit(&fault) => {
                tracing::debug!(fault = %fault, "not all scores are held");
                None
            }
            rows => rows?,
        };
        let by_trace = rows.map(|rows| ByTrace::of(rows, std::iter::empty()));
        Ok(Held { since: scope.since, by_trace })
    }

    /// Scores of these traces, most of them from the stretches that are held.
    async fn of_stretches(&self, scope: &ScoreScope, traces: &[&str]) -> Result<Vec<ScoreRow>, Fault> {
        let mut found = Vec::new();
        let mut held = self.stretches.held.lock().await;
        let mut missing = held.find(scope.since, traces, &mut found);
        if let Some(bounds) = self.stretches.now()
            && !missing.is_empty()
            && !held.has(bounds, scope.since)
        {
            held.hold(bounds, scope.since, self.stretch(scope, bounds).await?);
            missing = held.find(scope.since, &missing, &mut found);
        }
        drop(held);
        if !missing.is_empty() {
            found.extend(self.of_traces(scope, &missing).await?);
        }
        Ok(found)
    }

    /// The scores of all traces of a stretch; none where they are too many, for us or for the server.
    async fn stretch(&self, scope: &ScoreScope, bounds: Bounds) -> Result<ByTrace, Fault> {
        match self.whole_stretch(scope, bounds).await {
            Err(fault) if is_limit(&fault) => {
                tracing::debug!(fault = %fault, "stretches of scores become shorter");
                self.stretches.shorten();
                Ok(ByTrace::default())
            }
            by_trace => by_trace,
        }
    }

    async fn whole_stretch(&self, scope: &ScoreScope, bounds: Bounds) -> Result<ByTrace, Fault> {
        let values: Vec<(String, String)> = bounds.named().into_iter().chain(self.parameters.clone()).collect();
        let place = self.shared.database.place(stored().name)?;
        let in_stretch = format!("{} {} ({})", place.required("trace_id")?, place.within(), self.traces);
        // A trace that has no scores is told by this list from one that comes in the meantime.
        let mut parameters = vec![("project".to_owned(), escaped(scope.project.as_str()))];
        parameters.extend(values.clone());
        let text = format!("SELECT DISTINCT * FROM ({})", self.traces);
        let query = Query { text, parameters, purpose: "traces with scores" };
        let traces = self.shared.client.look_up(query, Stop::new()).await?;
        let traces = traces.iter().map(|batch| batch.column(0).as_string_opt::<i32>().ok_or_else(unreadable));
        let traces = traces.collect::<Result<Vec<_>, _>>()?;
        let of_stretch = |parameters: &mut Parameters| {
            parameters.names(&values);
            Ok(vec![in_stretch])
        };
        let Some(rows) = self.rows_to_hold(scope, of_stretch).await? else {
            self.stretches.shorten();
            return Ok(ByTrace::default());
        };
        Ok(ByTrace::of(rows, traces.into_iter().flat_map(|traces| traces.iter().flatten())))
    }

    /// Scores of these traces, asked for by themselves; of half of them at a time where the server meets a limit.
    async fn of_traces(&self, scope: &ScoreScope, traces: &[&str]) -> Result<Vec<ScoreRow>, Fault> {
        let trace = &self.shared.database.place(stored().name)?.required("trace_id")?;
        let found = in_halves(traces, "a look-up of scores", |traces| {
            let of_traces = move |parameters: &mut Parameters| {
                let lists = parameters.texts(traces.iter().copied())?;
                Ok(vec![joined("OR", "0", lists.into_iter().map(|list| format!("{trace} IN {list}")))])
            };
            self.rows(scope, of_traces)
        });
        let found = found.await?;
        Ok(found.iter().flatten().flat_map(|rows| (0..rows.count()).map(|row| rows.share(row))).collect())
    }

    /// Scores that meet further conditions.
    async fn rows(
        &self,
        scope: &ScoreScope,
        on: impl FnOnce(&mut Parameters) -> Result<Vec<String>, Fault>,
    ) -> Result<Vec<ScoreBlock>, Fault> {
        let query = self.query(scope, &selected(), &ScoreBlock::COLUMNS, on, "scores").await?;
        blocks_of(&self.ask(query).await?)
    }

    /// The same, unless they are more than are held.
    async fn rows_to_hold(
        &self,
        scope: &ScoreScope,
        on: impl FnOnce(&mut Parameters) -> Result<Vec<String>, Fault>,
    ) -> Result<Option<Vec<ScoreBlock>>, Fault> {
        let text = format!("{} LIMIT {}", selected(), self.held_max + 1);
        let query = self.query(scope, &text, &ScoreBlock::COLUMNS, on, "scores").await?;
        let batches = self.shared.client.stream_looked_up(query.clone(), Stop::new());
        let received = match received(batches, self.held_max, BYTES_HELD).await {
            Err(fault) if is_too_large(&fault) => {
                tracing::debug!(fault = %fault, "scores are asked for in smaller blocks");
                self.received_sparingly(query).await?
            }
            received => received?,
        };
        received.map(|batches| blocks_of(&batches)).transpose()
    }

    /// What a query for scores brings, where the server has little memory, unless that is more than is held. Such an
    /// answer comes as a whole: so the server is asked first how large it is.
    async fn received_sparingly(&self, query: Query) -> Result<Option<Vec<RecordBatch>>, Fault> {
        let text = format!("SELECT count() AS scores, sum(byteSize(*)) AS bytes FROM ({})", query.text);
        let size = Query { text, purpose: "the size of scores", ..query.clone() };
        let client = &self.shared.client;
        let size = client.look_up_sparingly(size, Stop::new()).await?;
        let number = |name: &str| {
            let column = size.first()?.column_by_name(name)?.as_primitive_opt::<UInt64Type>()?;
            (!column.is_empty()).then(|| column.value(0))
        };
        let (scores, bytes) = number("scores").zip(number("bytes")).ok_or_else(unreadable)?;
        if scores > self.held_max as u64 || bytes > BYTES_HELD {
            return Ok(None);
        }
        client.look_up_sparingly(query, Stop::new()).await.map(Some)
    }

    /// Sends a query; once more in a way that takes less memory where the server has too little.
    async fn ask(&self, query: Query) -> Result<Vec<RecordBatch>, Fault> {
        let client = &self.shared.client;
        match client.look_up(query.clone(), Stop::new()).await {
            Err(fault) if is_too_large(&fault) => {
                tracing::debug!(fault = %fault, "scores are asked for in smaller blocks");
                client.look_up_sparingly(query, Stop::new()).await
            }
            answer => answer,
        }
    }

    /// A query of the live listable scores in scope; `{live}` stands for them in `text`.
    async fn query(
        &self,
        scope: &ScoreScope,
        text: &str,
        columns: &[&str],
        on: impl FnOnce(&mut Parameters) -> Result<Vec<String>, Fault>,
        purpose: &'static str,
    ) -> Result<Query, Fault> {
        let place = self.shared.database.place(stored().name)?;
        let mut parameters = Parameters::default();
        let mut conditions = vec![format!("{} {LISTABLE}", place.required("data_type")?)];
        conditions.extend(on(&mut parameters)?);
        let live = Live {
            place,
            stored: stored(),
            columns: columns.iter().filter_map(|name| stored().column(name)).map(|column| column.name).collect(),
            met: None,
            conditions,
            dead: dead_of(place),
        };
        let text = text.replacen("{live}", &live.sql_since(scope.since, &mut parameters)?, 1);
        let places = std::iter::once(place.number);
        let (text, dead) = self.shared.without_outranked(text, places, scope.since, &Stop::new()).await?;
        let mut parameters = parameters.into_values();
        parameters.extend(dead);
        parameters.push(("project".into(), escaped(scope.project.as_str())));
        Ok(Query { text, parameters, purpose })
    }
}

#[async_trait]
impl ScoreLookup for ClickHouseScores {
    async fn score_names(&self, scope: &ScoreScope) -> Result<Vec<ScoreName>, Fault> {
        let [name, kind] = ["name", "data_type"].map(column_name);
        let text = format!(
            "SELECT {name} AS name, max({kind} IN ('NUMERIC', 'BOOLEAN')) AS numeric, \
             max({kind} IN ('CATEGORICAL', 'TEXT')) AS textual FROM ({{live}}) GROUP BY name ORDER BY name"
        );
        let none = |_: &mut Parameters| Ok(Vec::new());
        let query = self.query(scope, &text, &["name", "data_type"], none, "names of scores").await?;
        let mut names = Vec::new();
        for batch in &self.ask(query).await? {
            names.extend(names_of(batch).ok_or_else(unreadable)?);
        }
        Ok(names)
    }

    async fn scores(&self, scope: &ScoreScope, traces: &[&str]) -> Result<Vec<ScoreRow>, Fault> {
        if traces.is_empty() {
            return Ok(Vec::new());
        }
        if self.lookups.fetch_add(1, Ordering::Relaxed) < LOOKUPS_APART {
            return self.of_traces(scope, traces).await;
        }
        let held = self.held.get_or_try_init(|| self.hold(scope)).await?;
        match held.by_trace.as_ref().filter(|_| held.since == scope.since) {
            Some(by_trace) => Ok(traces.iter().flat_map(|trace| by_trace.scores(trace)).collect()),
            None => self.of_stretches(scope, traces).await,
        }
    }
}

/// Selects scores as they are read. Of comments only their likeness counts, and they may be long: a number stands for
/// each, in the form of a text. It differs where they do but for a chance of 2^-128.
fn selected() -> String {
    let selected = ScoreBlock::COLUMNS.map(|name| {
        let column = column_name(name);
        match name {
            "timestamp" => format!("toUnixTimestamp64Micro({column}) AS {name}"),
            "comment" => format!("if(isNull({column}), NULL, hex(sipHash128(assumeNotNull({column})))) AS {name}"),
            _ => format!("{column} AS {name}"),
        }
    });
    format!("SELECT {} FROM ({{live}})", selected.join(", "))
}

/// Receives scores, unless they are more than so many or take more than so many bytes: then nothing behind the block
/// that tells.
async fn received(
    batches: impl Stream<Item = Result<RecordBatch, Fault>>,
    scores_max: usize,
    bytes_max: u64,
) -> Result<Option<Vec<RecordBatch>>, Fault> {
    let mut batches = std::pin::pin!(batches);
    let (mut received, mut scores, mut bytes) = (Vec::new(), 0, 0);
    while let Some(batch) = batches.try_next().await? {
        scores += batch.num_rows();
        bytes += bytes_of(batch.columns(), 0, batch.num_rows());
        if bytes > bytes_max {
            return Ok(None);
        }
        received.push(batch);
    }
    Ok((scores <= scores_max).then_some(received))
}

fn blocks_of(batches: &[RecordBatch]) -> Result<Vec<ScoreBlock>, Fault> {
    batches.iter().map(|batch| scores_of(batch).ok_or_else(unreadable)).collect()
}

fn is_too_large(fault: &Fault) -> bool {
    matches!(fault.kind(), FaultKind::TooLarge { .. })
}

fn unreadable() -> Fault {
    Fault::corrupt("the server's scores have other types than they were asked for")
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, StringArray};
    use futures_util::stream;

    use super::*;

    /// How many of these blocks are taken, of two scores with so many bytes of text each, and how many are held.
    async fn taken(texts: &[usize], scores_max: usize, bytes_max: u64) -> (usize, Option<usize>) {
        let mut taken = 0;
        let blocks = texts.iter().map(|bytes| {
            taken += 1;
            let texts = StringArray::from(vec!["x".repeat(*bytes); 2]);
            Ok(RecordBatch::try_from_iter([("comment", Arc::new(texts) as ArrayRef)]).unwrap())
        });
        let held = received(stream::iter(blocks), scores_max, bytes_max).await.unwrap();
        (taken, held.map(|blocks| blocks.len()))
    }

    #[tokio::test]
    async fn no_more_scores_are_received_than_are_held() {
        assert_eq!(taken(&[], 4, 1_000).await, (0, Some(0)));
        assert_eq!(taken(&[10, 10], 4, 1_000).await, (2, Some(2)));
        assert_eq!(taken(&[10, 10, 10], 4, 1_000).await, (3, None), "too many");
        assert_eq!(taken(&[10, 600, 10, 10], 100, 1_000).await, (2, None), "too long");
        assert_eq!(taken(&[600, 10], 4, 1_000).await, (1, None), "too long at once");
    }
}
