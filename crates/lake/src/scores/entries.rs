//! What score filters test: single scores of a trace, and averages of like scores of an observation.

use std::collections::{BTreeMap, HashMap};

use model::{ScoreLevel, ScoreRow, ScoreTest, ScoreValueTest, SharedText};

use crate::expr::compare_doubles;

/// Which tests the entries of one trace pass.
pub(super) struct TraceAnswers {
    /// Per test, whether an entry of the trace itself passes.
    of_trace: Vec<bool>,
    /// Per observation and test, whether an entry of the observation passes.
    of_observations: HashMap<SharedText, Vec<bool>>,
    /// Per test, whether an entry of any observation passes.
    of_any_observation: Vec<bool>,
}

impl TraceAnswers {
    /// Tests the entries that these scores of one trace make.
    pub(super) fn of(scores: &[ScoreRow], tests: &[ScoreTest]) -> Self {
        let nothing = vec![false; tests.len()];
        let mut answers =
            Self { of_trace: nothing.clone(), of_observations: HashMap::new(), of_any_observation: nothing.clone() };
        let mut entries: BTreeMap<_, Vec<&ScoreRow>> = BTreeMap::new();
        for score in scores {
            // Scores of the trace itself never share an entry, so their id is part of it.
            let single = score.observation_id.is_none().then_some(&score.id);
            let like = (&score.comment, &score.name, &score.data_type, &score.string_value);
            entries.entry((&score.observation_id, like, single)).or_default().push(score);
        }
        for ((observation, _, _), mut members) in entries {
            members.sort_by_key(|score| (score.timestamp, &score.id));
            let average = members.iter().map(|score| score.value).sum::<f64>() / members.len() as f64;
            let passes =
                |test: &ScoreTest| *members[0].name == *test.name && has_value(members[0], average, &test.test);
            let reached = match observation {
                None => &mut answers.of_trace,
                Some(observation) => {
                    answers.of_observations.entry(observation.clone()).or_insert_with(|| nothing.clone())
                }
            };
            for (index, test) in tests.iter().enumerate() {
                let at_level = observation.is_none() || test.level == ScoreLevel::Any;
                let passed = at_level && passes(test);
                reached[index] |= passed;
                answers.of_any_observation[index] |= passed && observation.is_some();
            }
        }
        answers
    }

    /// Whether a row passes: this observation of the trace, or the trace as a whole.
    pub(super) fn passes(&self, test: usize, observation: Option<&str>) -> bool {
        self.of_trace[test]
            || match observation {
                Some(observation) => self.of_observations.get(observation).is_some_and(|passed| passed[test]),
                None => self.of_any_observation[test],
            }
    }
}

fn has_value(score: &ScoreRow, average: f64, test: &ScoreValueTest) -> bool {
    let string_value = score.string_value.as_deref().unwrap_or_default();
    match (test, &*score.data_type) {
        (ScoreValueTest::Number { op, value }, "NUMERIC" | "BOOLEAN") => compare_doubles(average, *op, *value),
        (ScoreValueTest::Category(accepted), "CATEGORICAL" | "TEXT") => {
            !string_value.is_empty() && accepted.iter().any(|text| text == string_value)
        }
        (ScoreValueTest::Boolean(wanted), "BOOLEAN") => {
            string_value.to_lowercase() == if *wanted { "true" } else { "false" }
        }
        _ => false,
    }
}
