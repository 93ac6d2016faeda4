//! The scores of the stored state that is read: by trace for enrichment, and as answers to filters.
//!
//! Nothing is loaded before it is asked for. An [`index`] knows where the scores of a trace stand in
//! 12 bytes a score; the rows themselves are decoded a row group at a time and kept within bounds,
//! which is quick because slices come in time order and scores are given near their events.

mod block;
mod entries;
mod index;
mod rows;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array, BooleanArray, StringArray};
use async_trait::async_trait;
use model::{Fault, Micros, ProjectId, ScoreLookup, ScoreName, ScoreRow, ScoreScope, ScoreTest, SharedText, Stop};

pub use block::ScoreBlock;

use crate::read::{ProjectFiles, Rows, blocking};
use entries::TraceAnswers;
use index::TraceIndex;
use rows::{ScoreColumns, ScoreGroup};

/// The live scores of one project in one snapshot.
#[derive(Debug)]
pub(crate) struct Scores {
    project: ProjectId,
    /// Scores before this count in no filter.
    since: Option<Micros>,
    /// Nothing where the store has no table of scores.
    stored: Option<Stored>,
}

#[derive(Debug)]
struct Stored {
    files: ProjectFiles,
    columns: ScoreColumns,
    index: Mutex<Option<Arc<TraceIndex>>>,
    /// Decoded row groups by number, the most recently used last.
    decoded: Mutex<Vec<(usize, Arc<ScoreGroup>)>>,
}

/// Bytes of decoded scores kept: the row groups that slices in flight look at, or a small store whole.
const DECODED_BYTES_MAX: u64 = 12 * 1024 * 1024;
/// Rows whose score filter is decided at once, which bounds the scores held meanwhile.
const TESTED_ROWS: usize = 4096;

impl Scores {
    /// The scores of these files. Reads only their footers.
    pub(crate) fn new(project: ProjectId, since: Option<Micros>, files: Option<ProjectFiles>) -> Result<Self, Fault> {
        let stored = files
            .map(|files| -> Result<Stored, Fault> {
                let columns = ScoreColumns::of(&files)?;
                Ok(Stored { files, columns, index: Mutex::default(), decoded: Mutex::default() })
            })
            .transpose()?;
        Ok(Self { project, since, stored })
    }

    /// For every test, which rows pass it. `ids` are the rows' observations; without them the rows
    /// are traces, and the scores of all their observations count.
    pub(crate) fn test(
        &self,
        tests: &[ScoreTest],
        traces: &StringArray,
        ids: Option<&StringArray>,
        stop: &Stop,
    ) -> Result<Vec<BooleanArray>, Fault> {
        let mut answers: Vec<Vec<bool>> = vec![Vec::with_capacity(traces.len()); tests.len()];
        let names: HashSet<&str> = tests.iter().map(|test| &*test.name).collect();
        for start in (0..traces.len()).step_by(TESTED_ROWS) {
            let chunk = start..(start + TESTED_ROWS).min(traces.len());
            let wanted: HashSet<&str> = chunk.clone().map(|row| traces.value(row)).collect();
            let mut by_trace: HashMap<SharedText, Vec<ScoreRow>> = HashMap::new();
            if let Some(stored) = &self.stored {
                stored.each(&wanted, self.since, Some(&names), stop, &mut |score| {
                    by_trace.entry(score.trace_id.clone()).or_default().push(score);
                })?;
            }
            let by_trace: HashMap<SharedText, TraceAnswers> =
                by_trace.into_iter().map(|(trace, scores)| (trace, TraceAnswers::of(&scores, tests))).collect();
            for row in chunk {
                let trace = by_trace.get(traces.value(row));
                for (test, answers) in answers.iter_mut().enumerate() {
                    answers.push(trace.is_some_and(|trace| trace.passes(test, ids.map(|ids| ids.value(row)))));
                }
            }
        }
        Ok(answers.into_iter().map(BooleanArray::from).collect())
    }

    fn in_scope(&self, scope: &ScoreScope) -> Result<Option<&Stored>, Fault> {
        if scope.project != self.project {
            return Err(Fault::bug(format!(
                "scores of project {} were asked of a reading of {}",
                scope.project, self.project
            )));
        }
        Ok(self.stored.as_ref())
    }

    fn names(&self, scope: &ScoreScope, stop: &Stop) -> Result<Vec<ScoreName>, Fault> {
        let Some(stored) = self.in_scope(scope)? else { return Ok(Vec::new()) };
        let mut names: BTreeMap<String, ScoreName> = BTreeMap::new();
        for group in stored.files.groups() {
            stop.check()?;
            if scope.since.is_some_and(|since| group.time.max < since) {
                continue;
            }
            let mut rows = Rows::live(stored.files.file(group.file)?, group, stored.files.dead(group.file));
            rows.hold(&stored.columns.naming())?;
            stored.columns.each_name(&rows, scope.since, &mut |name, numeric| {
                if !names.contains_key(name) {
                    let entry = ScoreName { name: name.to_owned(), numeric: false, textual: false };
                    names.insert(name.to_owned(), entry);
                }
                if let Some(entry) = names.get_mut(name) {
                    entry.numeric |= numeric;
                    entry.textual |= !numeric;
                }
            })?;
        }
        Ok(names.into_values().collect())
    }

    fn of_traces(&self, scope: &ScoreScope, traces: &HashSet<&str>, stop: &Stop) -> Result<Vec<ScoreRow>, Fault> {
        let mut found = Vec::new();
        if let Some(stored) = self.in_scope(scope)? {
            stored.each(traces, scope.since, None, stop, &mut |score| found.push(score))?;
        }
        Ok(found)
    }
}

impl Stored {
    /// Hands over every listable score of these traces, of these names where given.
    fn each(
        &self,
        traces: &HashSet<&str>,
        since: Option<Micros>,
        names: Option<&HashSet<&str>>,
        stop: &Stop,
        found: &mut dyn FnMut(ScoreRow),
    ) -> Result<(), Fault> {
        let index = self.index(stop)?;
        for (group, rows) in index.find(traces.iter().copied()) {
            stop.check()?;
            let group = self.group(group)?;
            let scores = &group.scores;
            for row in rows {
                // Two traces may share a hash, so the text decides.
                if traces.contains(scores.trace_id(row))
                    && since.is_none_or(|since| scores.timestamp(row) >= since)
                    && names.is_none_or(|names| names.contains(scores.name(row)))
                {
                    found(scores.get(row));
                }
            }
        }
        Ok(())
    }

    fn index(&self, stop: &Stop) -> Result<Arc<TraceIndex>, Fault> {
        // Whoever comes second waits for the first instead of building the same index again.
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = &*index {
            return Ok(Arc::clone(index));
        }
        let built = Arc::new(TraceIndex::build(&self.files, &self.columns, stop)?);
        *index = Some(Arc::clone(&built));
        Ok(built)
    }

    fn group(&self, group: usize) -> Result<Arc<ScoreGroup>, Fault> {
        let lock = || self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut decoded = lock();
            if let Some(at) = decoded.iter().position(|(of, _)| *of == group) {
                let found = decoded.remove(at);
                let scores = Arc::clone(&found.1);
                decoded.push(found);
                return Ok(scores);
            }
        }
        let scores = Arc::new(ScoreGroup::decode(&self.files, group)?);
        let mut decoded = lock();
        decoded.push((group, Arc::clone(&scores)));
        let mut bytes: u64 = decoded.iter().map(|(_, scores)| scores.bytes).sum();
        while decoded.len() > 1 && bytes > DECODED_BYTES_MAX {
            bytes -= decoded.remove(0).1.bytes;
        }
        Ok(scores)
    }
}

/// [`ScoreLookup`] over the scores of a reading.
pub(crate) struct LakeScores(pub Arc<Scores>);

#[async_trait]
impl ScoreLookup for LakeScores {
    async fn score_names(&self, scope: &ScoreScope) -> Result<Vec<ScoreName>, Fault> {
        let (scores, scope) = (Arc::clone(&self.0), scope.clone());
        blocking(move |stop| scores.names(&scope, stop)).await
    }

    async fn scores(&self, scope: &ScoreScope, traces: &[&str]) -> Result<Vec<ScoreRow>, Fault> {
        let (scores, scope) = (Arc::clone(&self.0), scope.clone());
        let traces: Vec<String> = traces.iter().map(|trace| (*trace).to_owned()).collect();
        blocking(move |stop| scores.of_traces(&scope, &traces.iter().map(String::as_str).collect(), stop)).await
    }
}
