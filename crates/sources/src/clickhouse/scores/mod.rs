//! The scores of a project: their names, and those of some traces.

mod by_trace;
mod rows;
mod stretches;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use async_trait::async_trait;
use lake::ScoreBlock;
use model::{
    ColumnType, Fault, FaultKind, Micros, ScoreLookup, ScoreName, ScoreRow, ScoreScope, Stop, StoredColumn, StoredTable,
};
use tokio::sync::OnceCell;

use crate::clickhouse::compile::Compiled;
use crate::clickhouse::limits::{halvings, is_limit};
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
/// Scores that are held at once instead, about 20 MiB of them: all of the project, or those of a stretch of
/// rows.
pub(super) const SCORES_HELD: usize = 100_000;

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
        let most = format!(" LIMIT {}", self.held_max + 1);
        let trace = self.shared.database.place(stored().name)?.required("trace_id")?;
        let on_a_trace = |_: &mut Parameters| Ok(vec![format!("isNotNull({trace})")]);
        let rows = match self.rows(scope, &most, on_a_trace).await {
            Err(fault) if is_limit(&fault) => {
                tracing::debug!(fault = %fault, "not all scores are held");
                return Ok(Held { since: scope.since, by_trace: None });
            }
            rows => rows?,
        };
        let by_trace = (count(&rows) <= self.held_max).then(|| ByTrace::of(rows, std::iter::empty()));
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
        let most = format!(" LIMIT {}", self.held_max + 1);
        let of_stretch = |parameters: &mut Parameters| {
            parameters.names(&values);
            Ok(vec![in_stretch])
        };
        let rows = self.rows(scope, &most, of_stretch).await?;
        if count(&rows) > self.held_max {
            self.stretches.shorten();
            return Ok(ByTrace::default());
        }
        Ok(ByTrace::of(rows, traces.into_iter().flat_map(|traces| traces.iter().flatten())))
    }

    /// Scores of these traces, asked for by themselves; of half of them at a time where the server meets a limit.
    async fn of_traces(&self, scope: &ScoreScope, traces: &[&str]) -> Result<Vec<ScoreRow>, Fault> {
        let trace = self.shared.database.place(stored().name)?.required("trace_id")?;
        let mut found = Vec::new();
        let mut left = vec![(traces, 0)];
        while let Some((traces, halved)) = left.pop() {
            let of_traces = |parameters: &mut Parameters| {
                let lists = parameters.texts(traces.iter().copied())?;
                Ok(vec![joined("OR", "0", lists.into_iter().map(|list| format!("{trace} IN {list}")))])
            };
            match self.rows(scope, "", of_traces).await {
                Ok(rows) => found.extend(rows.iter().flat_map(|rows| (0..rows.count()).map(|row| rows.get(row)))),
                Err(fault) if traces.len() > 1 && halved < halvings(&fault) => {
                    tracing::debug!(fault = %fault, "a look-up of scores is halved");
                    let (first, second) = traces.split_at(traces.len() / 2);
                    left.extend([(second, halved + 1), (first, halved + 1)]);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(found)
    }

    /// Scores that meet further conditions; `most` bounds how many.
    async fn rows(
        &self,
        scope: &ScoreScope,
        most: &str,
        on: impl FnOnce(&mut Parameters) -> Result<Vec<String>, Fault>,
    ) -> Result<Vec<ScoreBlock>, Fault> {
        let selected = ScoreBlock::COLUMNS.map(|name| match name {
            "timestamp" => format!("toUnixTimestamp64Micro({}) AS {name}", column_name(name)),
            _ => format!("{} AS {name}", column_name(name)),
        });
        let text = format!("SELECT {} FROM ({{live}}){most}", selected.join(", "));
        let batches = self.ask(scope, &text, &ScoreBlock::COLUMNS, on, "scores").await?;
        batches.iter().map(|batch| scores_of(batch).ok_or_else(unreadable)).collect()
    }

    /// Queries the live listable scores in scope; `{live}` stands for them in `text`.
    async fn ask(
        &self,
        scope: &ScoreScope,
        text: &str,
        columns: &[&str],
        on: impl FnOnce(&mut Parameters) -> Result<Vec<String>, Fault>,
        purpose: &'static str,
    ) -> Result<Vec<RecordBatch>, Fault> {
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
        let stop = Stop::new();
        let places = std::iter::once(place.number);
        let (text, dead) = self.shared.without_outranked(text, places, scope.since, &stop).await?;
        let mut parameters = parameters.into_values();
        parameters.extend(dead);
        parameters.push(("project".into(), escaped(scope.project.as_str())));
        let query = Query { text, parameters, purpose };
        let client = &self.shared.client;
        match client.look_up(query.clone(), stop.clone()).await {
            Err(fault) if matches!(fault.kind(), FaultKind::TooLarge { .. }) => {
                tracing::debug!(fault = %fault, "scores are asked for in smaller blocks");
                client.look_up_sparingly(query, stop).await
            }
            answer => answer,
        }
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
        let batches = self.ask(scope, &text, &["name", "data_type"], none, "names of scores").await?;
        let mut names = Vec::new();
        for batch in &batches {
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

fn count(rows: &[ScoreBlock]) -> usize {
    rows.iter().map(ScoreBlock::count).sum()
}

fn unreadable() -> Fault {
    Fault::corrupt("the server's scores have other types than they were asked for")
}
