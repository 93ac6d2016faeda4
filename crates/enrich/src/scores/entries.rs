//! The values that stand in cells: scores of one batch averaged where they are alike, in cell order.
//!
//! Everything borrows from the looked-up rows; work and memory grow with the scores found, not with
//! the rows of the batch.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use model::{Micros, ScoreRow};

use super::RowKind;
use super::columns::{ColumnKind, Columns};

/// A value for a cell, from one score of a trace or several like scores of an observation.
pub(super) struct Entry<'a> {
    trace: &'a str,
    observation: Option<&'a str>,
    /// Place among the score columns.
    pub column: usize,
    timestamp: Micros,
    id: &'a str,
    /// What is written.
    pub value: EntryValue<'a>,
}

/// What an entry writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum EntryValue<'a> {
    /// Of a NUMERIC or BOOLEAN score, or an average of them.
    Number(f64),
    /// Of a CATEGORICAL or TEXT score; never empty.
    Text(&'a str),
}

/// The entries of a batch, sorted as cells list them.
pub(super) struct Entries<'a> {
    kind: RowKind,
    entries: Vec<Entry<'a>>,
    by_trace: HashMap<&'a str, Range<usize>>,
}

impl<'a> Entries<'a> {
    /// Averages like scores and sorts what results.
    pub fn new(scores: &'a [ScoreRow], columns: &Columns, kind: RowKind) -> Self {
        let mut scores: Vec<(&ScoreRow, usize, EntryValue<'_>)> = scores
            .iter()
            .filter_map(|score| {
                let (column, holds) = columns.find(&score.name)?;
                let value = value_of(score)?;
                let fits = match value {
                    EntryValue::Number(_) => holds != ColumnKind::Texts,
                    EntryValue::Text(_) => holds != ColumnKind::Numbers,
                };
                fits.then_some((score, column, value))
            })
            .collect();
        scores.sort_unstable_by(|(a, ..), (b, ..)| like(a, b).then_with(|| stored(a, b)));
        let mut entries: Vec<Entry<'_>> = Vec::with_capacity(scores.len());
        for group in scores.chunk_by(|(a, ..), (b, ..)| a.observation_id.is_some() && like(a, b).is_eq()) {
            let (first, column, value) = group[0];
            let value = match value {
                EntryValue::Number(_) => {
                    EntryValue::Number(group.iter().map(|(score, ..)| score.value).sum::<f64>() / group.len() as f64)
                }
                text @ EntryValue::Text(_) => text,
            };
            entries.push(Entry {
                trace: &first.trace_id,
                observation: first.observation_id.as_deref(),
                column,
                timestamp: first.timestamp,
                id: &first.id,
                value,
            });
        }
        entries.sort_unstable_by(|a, b| a.trace.cmp(b.trace).then_with(|| in_cell(a, b, kind)));
        let mut by_trace = HashMap::new();
        let mut from = 0;
        for group in entries.chunk_by(|a, b| a.trace == b.trace) {
            by_trace.insert(group[0].trace, from..from + group.len());
            from += group.len();
        }
        Self { kind, entries, by_trace }
    }

    /// Whether no row has a score.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries of a row: those of its observation, then those of its trace.
    pub fn of(&self, trace: &str, id: &str) -> (&[Entry<'a>], &[Entry<'a>]) {
        let Some(range) = self.by_trace.get(trace) else { return (&[], &[]) };
        let entries = &self.entries[range.clone()];
        let on_trace = entries.partition_point(|entry| entry.observation.is_some());
        let (observations, trace) = entries.split_at(on_trace);
        match self.kind {
            RowKind::Trace => (observations, trace),
            RowKind::Observation => {
                let from = observations.partition_point(|entry| entry.observation < Some(id));
                let to = observations.partition_point(|entry| entry.observation <= Some(id));
                (&observations[from..to], trace)
            }
        }
    }
}

/// What a score shows; `None` for a text score without text and for types that are not listed.
fn value_of(score: &ScoreRow) -> Option<EntryValue<'_>> {
    match &*score.data_type {
        "NUMERIC" | "BOOLEAN" => Some(EntryValue::Number(score.value)),
        "CATEGORICAL" | "TEXT" => score.string_value.as_deref().filter(|text| !text.is_empty()).map(EntryValue::Text),
        _ => None,
    }
}

/// Equal for scores that an observation's entry averages.
fn like(a: &ScoreRow, b: &ScoreRow) -> Ordering {
    // An absent text differs from an empty one, as `Option` orders them.
    a.trace_id
        .cmp(&b.trace_id)
        .then_with(|| a.observation_id.cmp(&b.observation_id))
        .then_with(|| a.name.cmp(&b.name))
        .then_with(|| a.data_type.cmp(&b.data_type))
        .then_with(|| a.string_value.cmp(&b.string_value))
        .then_with(|| a.comment.cmp(&b.comment))
}

/// The order averages are computed in, so that they have the same bits every time.
fn stored(a: &ScoreRow, b: &ScoreRow) -> Ordering {
    a.timestamp.cmp(&b.timestamp).then_with(|| a.id.cmp(&b.id))
}

/// Observation before trace, numeric before text, then timestamp, id. Where rows are observations,
/// the entries of each lie together.
fn in_cell(a: &Entry<'_>, b: &Entry<'_>, kind: RowKind) -> Ordering {
    let by_observation = match kind {
        RowKind::Observation => a.observation.cmp(&b.observation),
        RowKind::Trace => Ordering::Equal,
    };
    let is_text = |entry: &Entry<'_>| matches!(entry.value, EntryValue::Text(_));
    (a.observation.is_none().cmp(&b.observation.is_none()))
        .then(by_observation)
        .then_with(|| is_text(a).cmp(&is_text(b)))
        .then_with(|| a.timestamp.cmp(&b.timestamp))
        .then_with(|| a.id.cmp(b.id))
}
