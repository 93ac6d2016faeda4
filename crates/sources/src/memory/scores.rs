//! Scores: the look-up by trace, and the entries that filters test.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use model::{
    Fault, Micros, ProjectId, ScoreLevel, ScoreLookup, ScoreName, ScoreRow, ScoreScope, ScoreTest, ScoreValueTest,
    SharedText,
};

use super::evaluate::compares;
use super::rows::{Record, StoredRows};
use super::value::Value;

/// The stored table that scores come from.
pub const SCORES: &str = "scores";

/// The live scores of everything stored.
pub struct MemoryScores {
    stored: Option<Arc<StoredRows>>,
}

impl MemoryScores {
    /// Looks scores up in this table; there are none without it.
    pub fn new(stored: Option<Arc<StoredRows>>) -> Self {
        Self { stored }
    }

    fn live(&self, project: &ProjectId, since: Option<Micros>) -> Vec<Record> {
        let mut live = self.stored.as_ref().map_or_else(Vec::new, |stored| stored.live(project));
        live.retain(|row| since.is_none_or(|since| row.timestamp("timestamp") >= since) && is_listable(row));
        live
    }

    /// Every listable score on a trace, by trace.
    pub fn by_trace(&self, project: &ProjectId, since: Option<Micros>) -> HashMap<SharedText, Vec<ScoreRow>> {
        let mut traces: HashMap<SharedText, Vec<ScoreRow>> = HashMap::new();
        for row in self.live(project, since).iter().filter_map(score_row) {
            traces.entry(row.trace_id.clone()).or_default().push(row);
        }
        traces
    }
}

#[async_trait]
impl ScoreLookup for MemoryScores {
    async fn score_names(&self, scope: &ScoreScope) -> Result<Vec<ScoreName>, Fault> {
        let mut names: BTreeMap<String, ScoreName> = BTreeMap::new();
        for row in self.live(&scope.project, scope.since) {
            let name = row.text("name").to_owned();
            let entry = names.entry(name.clone()).or_insert(ScoreName { name, numeric: false, textual: false });
            match row.text("data_type") {
                "NUMERIC" | "BOOLEAN" => entry.numeric = true,
                _ => entry.textual = true,
            }
        }
        Ok(names.into_values().collect())
    }

    async fn scores(&self, scope: &ScoreScope, traces: &[&str]) -> Result<Vec<ScoreRow>, Fault> {
        let wanted: BTreeSet<&str> = traces.iter().copied().collect();
        let by_trace = self.by_trace(&scope.project, scope.since);
        Ok(by_trace.into_iter().filter(|(trace, _)| wanted.contains(&**trace)).flat_map(|(_, rows)| rows).collect())
    }
}

fn is_listable(row: &Record) -> bool {
    matches!(row.text("data_type"), "NUMERIC" | "BOOLEAN" | "CATEGORICAL" | "TEXT")
}

/// The score on a trace; `None` where it hangs on something else.
fn score_row(row: &Record) -> Option<ScoreRow> {
    let optional = |column: &str| row.get(column).and_then(Value::as_text).map(SharedText::from);
    Some(ScoreRow {
        id: row.text("id").into(),
        trace_id: optional("trace_id")?,
        observation_id: optional("observation_id"),
        name: row.text("name").into(),
        data_type: row.text("data_type").into(),
        value: row.get("value").and_then(Value::to_f64).unwrap_or_default(),
        string_value: optional("string_value"),
        comment: optional("comment"),
        timestamp: row.timestamp("timestamp"),
    })
}

/// What a score test looks at: one score of a trace, or the average of like scores of an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreEntry {
    on_observation: bool,
    name: SharedText,
    data_type: SharedText,
    string_value: Option<SharedText>,
    value: f64,
}

impl ScoreEntry {
    /// Whether the entry passes the test.
    pub fn passes(&self, test: &ScoreTest) -> bool {
        let at_level = match test.level {
            ScoreLevel::Any => true,
            ScoreLevel::Trace => !self.on_observation,
        };
        at_level && *self.name == *test.name && self.has_value(&test.test)
    }

    fn has_value(&self, test: &ScoreValueTest) -> bool {
        let string_value = self.string_value.as_deref().unwrap_or_default();
        match (test, &*self.data_type) {
            (ScoreValueTest::Number { op, value }, "NUMERIC" | "BOOLEAN") => {
                self.value.partial_cmp(value).is_some_and(|order| compares(*op, order))
            }
            (ScoreValueTest::Category(accepted), "CATEGORICAL" | "TEXT") => {
                !string_value.is_empty() && accepted.iter().any(|text| text == string_value)
            }
            (ScoreValueTest::Boolean(wanted), "BOOLEAN") => string_value.to_lowercase() == wanted.to_string(),
            _ => false,
        }
    }
}

/// The entries of one trace's scores that hang on a row.
///
/// `observation` keeps the scores of that observation and of the trace itself; without it, the row
/// is the trace, and the scores of all its observations count.
pub fn entries(scores: &[ScoreRow], observation: Option<&str>) -> Vec<ScoreEntry> {
    let mut groups: BTreeMap<_, Vec<&ScoreRow>> = BTreeMap::new();
    for score in scores {
        match (&score.observation_id, observation) {
            (Some(of), Some(observation)) if **of != *observation => {}
            (Some(of), _) => {
                let group = (Some(of), &score.comment, &score.name, &score.data_type, &score.string_value, "");
                groups.entry(group).or_default().push(score);
            }
            (None, _) => {
                let group = (None, &score.comment, &score.name, &score.data_type, &score.string_value, &*score.id);
                groups.entry(group).or_default().push(score);
            }
        }
    }
    groups
        .into_values()
        .map(|mut members| {
            members.sort_by_key(|score| (score.timestamp, &score.id));
            ScoreEntry {
                on_observation: members[0].observation_id.is_some(),
                name: members[0].name.clone(),
                data_type: members[0].data_type.clone(),
                string_value: members[0].string_value.clone(),
                value: members.iter().map(|score| score.value).sum::<f64>() / members.len() as f64,
            }
        })
        .collect()
}
