//! Scores and comments on some of the traces and events.

use model::{Comment, Micros};

use super::event::{Event, Row, Trace};
use super::random::Random;
use super::words::{Spelling, prose, title};
use crate::rows::{Cell, Rows};

/// What is added to the name of a score that is renamed.
const RENAMED: &str = "-reviewed";
/// A score that moves does so by less than three days, which is to another day more often than not.
const MOVE_SECONDS_MAX: u64 = 3 * 86_400;

/// One version of a score.
#[derive(Clone, Debug)]
pub(super) struct Score {
    id: String,
    observation: Option<String>,
    name: String,
    value: Value,
    source: &'static str,
    comment: Option<String>,
    timestamp: Micros,
    created: Micros,
    pub(super) updated: Micros,
    deleted: bool,
}

/// What a score says.
#[derive(Clone, Debug)]
enum Value {
    Numeric(f64),
    Boolean(bool),
    Categorical(&'static str),
    Text(String),
    Correction(String),
}

/// Scores of the trace and its events, perhaps.
pub(super) fn of(random: &mut Random, events: &[Event]) -> Vec<Score> {
    let mut scores = Vec::new();
    let Some(root) = events.first() else { return scores };
    if random.chance(200) {
        let value = Value::Numeric(random.below(101) as f64 / 100.0);
        scores.push(Score::new(random, None, root.updated, "trace-quality", value));
    }
    if random.chance(60) {
        let value = Value::Categorical(random.pick(&["solved", "open", "escalated"]));
        scores.push(Score::new(random, None, root.updated, "outcome", value));
    }
    if random.chance(20) {
        let mut text = String::new();
        prose(random, Spelling::Unicode, 120, "\n", &mut text);
        scores.push(Score::new(random, None, root.updated, "reviewer-note", Value::Text(text)));
    }
    for event in events.iter().filter(|event| event.kind == "GENERATION") {
        let id = Some(event.id.as_str());
        let at = event.updated;
        if random.chance(120) {
            // Two scores of one name on one observation are averaged by exports.
            for _ in 0..random.between(1, 3) {
                let value = Value::Numeric(random.below(1_001) as f64 / 1_000.0);
                scores.push(Score::new(random, id, at, "relevance", value));
            }
        }
        if random.chance(80) {
            let value = Value::Boolean(random.chance(700));
            scores.push(Score::new(random, id, at, "is-helpful", value));
        }
        if random.chance(50) {
            let value = Value::Categorical(random.pick(&["positive", "neutral", "negative"]));
            scores.push(Score::new(random, id, at, "sentiment", value));
        }
        if random.chance(10) {
            let value = Value::Correction(event.output.clone());
            scores.push(Score::new(random, id, at, "output", value));
        }
    }
    scores
}

/// Comments on an event, perhaps.
pub(super) fn comment(random: &mut Random, event: &Event) -> Option<Comment> {
    if !random.chance(3) {
        return None;
    }
    let mut content = String::new();
    prose(random, Spelling::Unicode, 80, "\n", &mut content);
    Some(Comment {
        id: random.hex(24),
        object_id: event.id.clone(),
        content,
        author_email: random.chance(800).then(|| format!("reviewer-{}@example.com", random.below(20))),
        created_at: Micros(event.updated.0 + random.between(60, 86_400) as i64 * Micros::PER_SECOND),
    })
}

impl Score {
    fn new(random: &mut Random, observation: Option<&str>, after: Micros, name: &str, value: Value) -> Self {
        // Scores have milliseconds.
        let at = Micros((after.0 / 1_000 + random.between(1_000, 600_000) as i64) * 1_000);
        Self {
            id: random.hex(32),
            observation: observation.map(str::to_owned),
            name: name.to_owned(),
            value,
            source: random.pick(&["API", "EVAL", "ANNOTATION"]),
            comment: random.chance(100).then(|| title(random, 6)),
            timestamp: at,
            created: at,
            updated: at,
            deleted: false,
        }
    }

    /// A version that is stored so many microseconds later: with another value, under another name, or of another
    /// time.
    pub(super) fn changed(&self, random: &mut Random, after: i64) -> Self {
        let mut changed = Self { updated: Micros(self.updated.0 + after), ..self.clone() };
        match random.below(3) {
            0 => changed.value = self.value.replaced(random),
            1 => changed.name.push_str(RENAMED),
            _ => {
                let away = random.between(1, MOVE_SECONDS_MAX) as i64 * Micros::PER_SECOND;
                changed.timestamp = Micros(self.timestamp.0 + if random.chance(500) { away } else { -away });
            }
        }
        changed
    }

    /// The version that deletes it so many microseconds later.
    pub(super) fn deleted(&self, after: i64) -> Self {
        Self { updated: Micros(self.updated.0 + after), deleted: true, ..self.clone() }
    }

    /// Appends the score to a batch of stored scores.
    pub(super) fn store(&self, project: &str, trace: &Trace, rows: &mut Rows) {
        let mut row = Row { rows };
        row.text("id", &self.id);
        row.set("timestamp", Cell::Time(self.timestamp));
        row.text("project_id", project);
        row.text("environment", trace.environment);
        row.text("trace_id", &trace.id);
        if let Some(observation) = &self.observation {
            row.text("observation_id", observation);
        }
        row.text("name", &self.name);
        row.text("source", self.source);
        if let Some(comment) = &self.comment {
            row.text("comment", comment);
        }
        let (data_type, number, text) = match &self.value {
            Value::Numeric(number) => ("NUMERIC", *number, None),
            Value::Boolean(flag) => ("BOOLEAN", f64::from(u8::from(*flag)), Some(if *flag { "True" } else { "False" })),
            Value::Categorical(category) => ("CATEGORICAL", 0.0, Some(*category)),
            Value::Text(text) => ("TEXT", 0.0, Some(text.as_str())),
            Value::Correction(_) => ("CORRECTION", 0.0, None),
        };
        row.text("data_type", data_type);
        row.set("value", Cell::Float(number));
        if let Some(text) = text {
            row.text("string_value", text);
        }
        if let Value::Correction(text) = &self.value {
            row.text("long_string_value", text);
        }
        row.map("metadata", [("rubric", Cell::Text("v2"))].into_iter());
        row.set("created_at", Cell::Time(self.created));
        for column in ["updated_at", "event_ts"] {
            row.set(column, Cell::Time(self.updated));
        }
        row.set("is_deleted", Cell::Bool(self.deleted));
        rows.close(self.updated);
    }
}

impl Value {
    /// Another value of the same type.
    fn replaced(&self, random: &mut Random) -> Self {
        match self {
            Self::Numeric(_) => Self::Numeric(random.below(1_001) as f64 / 1_000.0),
            Self::Boolean(flag) => Self::Boolean(!flag),
            Self::Categorical(_) => Self::Categorical("mixed"),
            Self::Text(_) => Self::Text(title(random, 8)),
            Self::Correction(_) => Self::Correction(title(random, 8)),
        }
    }
}
