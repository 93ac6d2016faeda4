//! The scores of a project: their names, and those of some traces.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt8Type};
use arrow_array::{Array, RecordBatch, StringArray};
use async_trait::async_trait;
use model::{ColumnType, Fault, Micros, ScoreLookup, ScoreName, ScoreRow, ScoreScope, Stop, StoredColumn, StoredTable};
use tokio::sync::OnceCell;

use super::live::{Live, column_name, dead_of};
use super::query::Query;
use super::reading::Shared;
use super::sql::{Parameters, escaped, joined};

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

/// What a look-up returns of each score.
const COLUMNS: [&str; 9] =
    ["id", "trace_id", "observation_id", "name", "data_type", "value", "string_value", "comment", "timestamp"];

/// Scores that can be listed; corrections cannot.
const LISTABLE: &str = "IN ('NUMERIC', 'BOOLEAN', 'CATEGORICAL', 'TEXT')";

/// Look-ups of a reading that go to the server by themselves: a page of rows needs no more.
const LOOKUPS_APART: u32 = 2;
/// Scores that are held at once instead, about 24 MiB of them. Each look-up goes through the project's
/// scores, whose keys do not start with the trace.
const SCORES_HELD: usize = 100_000;

/// The look-up of one reading.
pub(super) struct ClickHouseScores {
    shared: Arc<Shared>,
    lookups: AtomicU32,
    held: OnceCell<Held>,
}

/// All scores of a scope by trace; `None` where they are too many.
struct Held {
    since: Option<Micros>,
    by_trace: Option<HashMap<Arc<str>, Vec<ScoreRow>>>,
}

impl ClickHouseScores {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, lookups: AtomicU32::new(0), held: OnceCell::new() }
    }

    /// Every listable score in scope that hangs on a trace, unless they are too many to hold.
    async fn hold(&self, scope: &ScoreScope) -> Result<Held, Fault> {
        let most = format!(" LIMIT {}", SCORES_HELD + 1);
        let trace = self.shared.database.place(stored().name)?.required("trace_id")?;
        let on_a_trace = |_: &mut Parameters| Ok(vec![format!("isNotNull({trace})")]);
        let rows = self.rows(scope, &most, on_a_trace).await?;
        if rows.len() > SCORES_HELD {
            return Ok(Held { since: scope.since, by_trace: None });
        }
        let mut by_trace: HashMap<Arc<str>, Vec<ScoreRow>> = HashMap::new();
        for row in rows {
            by_trace.entry(Arc::clone(&row.trace_id)).or_default().push(row);
        }
        Ok(Held { since: scope.since, by_trace: Some(by_trace) })
    }

    /// Scores that meet further conditions; `most` bounds how many.
    async fn rows(
        &self,
        scope: &ScoreScope,
        most: &str,
        on: impl FnOnce(&mut Parameters) -> Result<Vec<String>, Fault>,
    ) -> Result<Vec<ScoreRow>, Fault> {
        let selected = COLUMNS.map(|name| match name {
            "timestamp" => format!("toUnixTimestamp64Micro({}) AS {name}", column_name(name)),
            _ => format!("{} AS {name}", column_name(name)),
        });
        let text = format!("SELECT {} FROM ({{live}}){most}", selected.join(", "));
        let batches = self.ask(scope, &text, &COLUMNS, on, "scores").await?;
        let mut rows = Vec::new();
        for batch in &batches {
            rows.extend(rows_of(batch).ok_or_else(unreadable)?);
        }
        Ok(rows)
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
        if let Some(since) = scope.since {
            conditions.push(format!("{} >= {}", place.required(stored().time)?, parameters.instant(since)));
        }
        conditions.extend(on(&mut parameters)?);
        let live = Live {
            place,
            stored: stored(),
            columns: columns.iter().filter_map(|name| stored().column(name)).map(|column| column.name).collect(),
            conditions,
            dead: dead_of(place),
        };
        let text = text.replacen("{live}", &live.sql()?, 1);
        let stop = Stop::new();
        let (text, dead) = self.shared.without_outranked(text, &BTreeSet::from([place.number]), &stop).await?;
        let mut parameters = parameters.into_values();
        parameters.extend(dead);
        parameters.push(("project".into(), escaped(scope.project.as_str())));
        self.shared.client.look_up(Query { text, parameters, purpose }, stop).await
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
        if self.lookups.fetch_add(1, Ordering::Relaxed) >= LOOKUPS_APART {
            let held = self.held.get_or_try_init(|| self.hold(scope)).await?;
            if let Some(by_trace) = held.by_trace.as_ref().filter(|_| held.since == scope.since) {
                return Ok(traces.iter().filter_map(|trace| by_trace.get(*trace)).flatten().cloned().collect());
            }
        }
        let trace = self.shared.database.place(stored().name)?.required("trace_id")?;
        let of_traces = |parameters: &mut Parameters| {
            let lists = parameters.texts(traces.iter().copied())?;
            Ok(vec![joined("OR", "0", lists.into_iter().map(|list| format!("{trace} IN {list}")))])
        };
        self.rows(scope, "", of_traces).await
    }
}

fn unreadable() -> Fault {
    Fault::corrupt("the server's scores have other types than they were asked for")
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a StringArray> {
    batch.column_by_name(name)?.as_string_opt::<i32>()
}

fn names_of(batch: &RecordBatch) -> Option<Vec<ScoreName>> {
    let names = texts(batch, "name")?;
    let flag = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<UInt8Type>();
    let (numeric, textual) = (flag("numeric")?, flag("textual")?);
    let name = |row: usize| ScoreName {
        name: names.value(row).to_owned(),
        numeric: numeric.value(row) != 0,
        textual: textual.value(row) != 0,
    };
    Some((0..batch.num_rows()).map(name).collect())
}

fn rows_of(batch: &RecordBatch) -> Option<Vec<ScoreRow>> {
    let [ids, traces, observations, names] =
        ["id", "trace_id", "observation_id", "name"].map(|name| texts(batch, name));
    let [kinds, strings, comments] = ["data_type", "string_value", "comment"].map(|name| texts(batch, name));
    let (ids, traces, observations, names) = (ids?, traces?, observations?, names?);
    let (kinds, strings, comments) = (kinds?, strings?, comments?);
    let values = batch.column_by_name("value")?.as_primitive_opt::<Float64Type>()?;
    let times = batch.column_by_name("timestamp")?.as_primitive_opt::<Int64Type>()?;
    let text = |column: &StringArray, row: usize| column.is_valid(row).then(|| Arc::from(column.value(row)));
    let row = |row: usize| {
        Some(ScoreRow {
            id: ids.value(row).into(),
            trace_id: text(traces, row)?,
            observation_id: text(observations, row),
            name: names.value(row).into(),
            data_type: kinds.value(row).into(),
            value: values.value(row),
            string_value: text(strings, row),
            comment: text(comments, row),
            timestamp: Micros(times.value(row)),
        })
    };
    (0..batch.num_rows()).map(row).collect()
}
