//! Scores and comments on some of the traces and events.

use model::{Comment, Micros};

use super::event::{Event, Row, Trace};
use super::random::Random;
use super::words::{Spelling, prose, title};
use crate::rows::{Cell, Rows};

/// What a score says.
enum Value {
    Numeric(f64),
    Boolean(bool),
    Categorical(&'static str),
    Text(String),
    Correction(String),
}

/// Scores the trace and its events, perhaps.
pub(super) fn store(random: &mut Random, project: &str, trace: &Trace, events: &[Event], rows: &mut Rows) {
    let Some(root) = events.first() else { return };
    if random.chance(200) {
        let value = Value::Numeric(random.below(101) as f64 / 100.0);
        one(random, project, trace, None, root.updated, ("trace-quality", value), rows);
    }
    if random.chance(60) {
        let value = Value::Categorical(random.pick(&["solved", "open", "escalated"]));
        one(random, project, trace, None, root.updated, ("outcome", value), rows);
    }
    if random.chance(20) {
        let mut text = String::new();
        prose(random, Spelling::Unicode, 120, "\n", &mut text);
        one(random, project, trace, None, root.updated, ("reviewer-note", Value::Text(text)), rows);
    }
    for event in events.iter().filter(|event| event.kind == "GENERATION") {
        let id = Some(event.id.as_str());
        let at = event.updated;
        if random.chance(120) {
            // Two scores of one name on one observation are averaged by exports.
            for _ in 0..random.between(1, 3) {
                let value = Value::Numeric(random.below(1_001) as f64 / 1_000.0);
                one(random, project, trace, id, at, ("relevance", value), rows);
            }
        }
        if random.chance(80) {
            let value = Value::Boolean(random.chance(700));
            one(random, project, trace, id, at, ("is-helpful", value), rows);
        }
        if random.chance(50) {
            let value = Value::Categorical(random.pick(&["positive", "neutral", "negative"]));
            one(random, project, trace, id, at, ("sentiment", value), rows);
        }
        if random.chance(10) {
            let value = Value::Correction(event.output.clone());
            one(random, project, trace, id, at, ("output", value), rows);
        }
    }
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

fn one(
    random: &mut Random,
    project: &str,
    trace: &Trace,
    observation: Option<&str>,
    after: Micros,
    (name, value): (&str, Value),
    rows: &mut Rows,
) {
    // Scores have milliseconds.
    let at = Micros((after.0 / 1_000 + random.between(1_000, 600_000) as i64) * 1_000);
    let mut row = Row { rows };
    row.text("id", &random.hex(32));
    row.set("timestamp", Cell::Time(at));
    row.text("project_id", project);
    row.text("environment", trace.environment);
    row.text("trace_id", &trace.id);
    if let Some(observation) = observation {
        row.text("observation_id", observation);
    }
    row.text("name", name);
    row.text("source", random.pick(&["API", "EVAL", "ANNOTATION"]));
    if random.chance(100) {
        row.text("comment", &title(random, 6));
    }
    let (data_type, number, text) = match &value {
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
    if let Value::Correction(text) = &value {
        row.text("long_string_value", text);
    }
    row.map("metadata", [("rubric", Cell::Text("v2"))].into_iter());
    for column in ["created_at", "updated_at", "event_ts"] {
        row.set(column, Cell::Time(at));
    }
    rows.close(at);
}
