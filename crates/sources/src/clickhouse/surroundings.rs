//! Tests of a row that look at other rows: its scores, and its place among the events of its trace.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use model::{CompareOp, Fault, ReadRequest, ScoreLevel, ScoreTest, ScoreValueTest, TracePosition};

use super::database::Database;
use super::live::{Live, column_name, dead_of, stored_term};
use super::met::Met;
use super::place::Place;
use super::scores;
use super::sql::{Parameters, Printer, Surroundings, joined, operator};

/// Places that are looked through beside the rows themselves, and for which of their rows.
pub(super) type LookedThrough = BTreeMap<usize, Vec<Met>>;

/// What is around the rows of one request.
pub(super) struct Around<'a> {
    pub(super) request: &'a ReadRequest,
    pub(super) database: &'a Database,
    pub(super) looked_through: &'a RefCell<LookedThrough>,
    /// The row's trace.
    pub(super) trace: String,
    /// Its id in the trace; `None` where the row is the trace.
    pub(super) id: Option<String>,
    /// Selects the traces of the slice.
    pub(super) in_slice: String,
}

impl Around<'_> {
    fn look_through(&self, place: &Place, met: &Met) -> String {
        self.looked_through.borrow_mut().entry(place.number).or_default().push(met.clone());
        dead_of(place)
    }

    /// Selects trace and observation of the score entries that pass, with these further conditions.
    fn entries(&self, test: &ScoreTest, on: &str, parameters: &mut Parameters) -> Result<String, Fault> {
        let stored = scores::stored();
        let place = self.database.place(stored.name)?;
        let met = Met::of(place, "trace_id", &self.in_slice)?;
        let conditions = vec![
            format!("{} = {}", place.required("name")?, parameters.text(&test.name)),
            format!("{on}({})", place.required("observation_id")?),
        ];
        let [trace_id, observation_id, kind, text] =
            ["trace_id", "observation_id", "data_type", "string_value"].map(column_name);
        let text_or_empty = format!("ifNull({text}, '')");
        let selected = format!("assumeNotNull({trace_id}) AS trace, assumeNotNull({observation_id}) AS observation");
        let passing = match &test.test {
            ScoreValueTest::Number { op, value } => {
                let [id, value_column, time, comment] = ["id", "value", "timestamp", "comment"].map(column_name);
                // A score of a trace is an entry by itself; like ones of an observation are one. Values are
                // added in their order, so that the average is the same wherever it is computed.
                format!(
                    "SELECT {selected} FROM ({{live}}) WHERE {kind} IN ('NUMERIC', 'BOOLEAN') \
                     GROUP BY {trace_id}, {observation_id}, {comment}, {kind}, {text}, \
                     if(isNull({observation_id}), {id}, '') \
                     HAVING {}",
                    compared(
                        &format!(
                            "(arraySum(arrayMap(s -> s.3, arraySort(groupArray(({time}, {id}, {value_column}))))) / count())"
                        ),
                        *op,
                        *value,
                        parameters
                    )
                )
            }
            ScoreValueTest::Category(accepted) => {
                let lists = parameters.texts(accepted.iter().map(String::as_str))?;
                let accepted = joined("OR", "0", lists.into_iter().map(|list| format!("{text_or_empty} IN {list}")));
                format!(
                    "SELECT {selected} FROM ({{live}}) WHERE {kind} IN ('CATEGORICAL', 'TEXT') \
                     AND {text_or_empty} != '' AND {accepted}"
                )
            }
            ScoreValueTest::Boolean(wanted) => format!(
                "SELECT {selected} FROM ({{live}}) WHERE {kind} = 'BOOLEAN' AND lower({text_or_empty}) = '{wanted}'"
            ),
        };
        let live = Live {
            place,
            stored,
            columns: stored.columns.iter().map(|column| column.name).collect(),
            dead: self.look_through(place, &met),
            met: Some(met),
            conditions,
        };
        Ok(passing.replacen("{live}", &live.sql_since(self.request.scores_since, parameters)?, 1))
    }
}

/// A comparison of doubles, which no operator passes for what is no number.
fn compared(left: &str, op: CompareOp, right: f64, parameters: &mut Parameters) -> String {
    if right.is_nan() {
        return "0".into();
    }
    format!("{left} {} {} AND NOT isNaN({left})", operator(op), parameters.float(right))
}

impl Surroundings for Around<'_> {
    fn score(&self, test: &ScoreTest, parameters: &mut Parameters) -> Result<String, Fault> {
        let within = self.database.place(scores::stored().name)?.within();
        let on_trace = self.entries(test, "isNull", parameters)?;
        let mut found = vec![format!("{} {within} (SELECT trace FROM ({on_trace}))", self.trace)];
        if test.level == ScoreLevel::Any {
            let on_observation = self.entries(test, "isNotNull", parameters)?;
            found.push(match &self.id {
                Some(id) => {
                    format!("({}, {id}) {within} (SELECT trace, observation FROM ({on_observation}))", self.trace)
                }
                None => format!("{} {within} (SELECT trace FROM ({on_observation}))", self.trace),
            });
        }
        Ok(joined("OR", "0", found.into_iter()))
    }

    fn position(&self, position: TracePosition, parameters: &mut Parameters) -> Result<String, Fault> {
        let stored = &**self.request.table.stored();
        let order = self.request.table.order;
        let no_place = || Fault::bug("a place in a trace is tested where there is none");
        let (place_number, direction) = match position {
            TracePosition::Root => {
                let names = |name: &str| stored_term(stored, name);
                let root = stored.root().ok_or_else(no_place)?;
                return Printer { names: &names, parameters, surroundings: None }.predicate(&root);
            }
            TracePosition::FromStart(number) => (number, "ASC"),
            TracePosition::FromEnd(number) => (number, "DESC"),
        };
        let trace_id = order.trace_id.ok_or_else(no_place)?;
        let id = self.id.as_ref().ok_or_else(no_place)?;
        let place = self.database.place(stored.name)?;
        let met = Met::of(place, trace_id, &self.in_slice)?;
        let live = Live {
            place,
            stored,
            columns: BTreeSet::from([trace_id, order.id, stored.time]),
            dead: self.look_through(place, &met),
            met: Some(met),
            conditions: Vec::new(),
        };
        let [trace_name, id_name, time_name] = [trace_id, order.id, stored.time].map(column_name);
        Ok(format!(
            "({}, {id}) {} (SELECT {trace_name}, {id_name} FROM (SELECT {trace_name}, {id_name}, row_number() OVER \
             (PARTITION BY {trace_name} ORDER BY {time_name} {direction}, {id_name} {direction}) AS place FROM ({})) \
             WHERE place = {})",
            self.trace,
            place.within(),
            live.sql()?,
            parameters.bind("UInt32", place_number.to_string()),
        ))
    }
}
