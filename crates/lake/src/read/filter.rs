//! A request's filter, prepared: cut into steps, from what is cheap to know to what is dear.
//!
//! Tests that no single row can answer (score tests, places in a trace) become boolean columns of
//! their own, so that any tree of `and`, `or` and `not` around them is evaluated like every other.
//! Scores and columns that are attached from another table are looked up last, for the rows left.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use model::{Expr, Fault, ScoreTest, StoredTable, TracePosition};

use super::rows::{Rows, batch};
use crate::expr::{Program, Pruner};

/// The conjuncts of a filter that are evaluated together.
#[derive(Debug)]
pub(crate) struct Step {
    pub program: Program,
    pub pruner: Option<Pruner>,
}

/// A filter in steps; rows must pass all of them.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// Steps over stored columns and places in the trace.
    pub plain: Vec<Step>,
    /// The step over scores and attached columns, which are looked up.
    pub looked_up: Option<Step>,
    /// The score tests, whose answers are the columns [`score_column`] names.
    pub tests: Vec<ScoreTest>,
    /// The places in the trace, whose answers are the columns [`position_column`] names.
    pub positions: Vec<TracePosition>,
}

/// Name of the column that answers the score test of this number.
pub(crate) fn score_column(test: usize) -> String {
    format!("{SCORE_PREFIX}{test}")
}

/// Name of the column that says which rows stand at the place of this number.
pub(crate) fn position_column(position: usize) -> String {
    format!("{POSITION_PREFIX}{position}")
}

const SCORE_PREFIX: &str = "outgest.score.";
const POSITION_PREFIX: &str = "outgest.position.";

impl Filter {
    /// Prepares a filter over the rows of a relation with this schema. `roots` is the stored table
    /// whose rows know whether they are roots, where the relation is one; `is_attached` tells which
    /// columns come from another table.
    pub(crate) fn prepare(
        filter: &Expr,
        relation: &Schema,
        roots: Option<&StoredTable>,
        is_attached: &dyn Fn(&str) -> bool,
    ) -> Result<Self, Fault> {
        let mut prepared = Self::default();
        let resolved = prepared.resolve(filter, roots)?;
        let mut fields: Vec<Arc<Field>> = relation.fields().iter().map(Arc::clone).collect();
        let answers = (0..prepared.tests.len()).map(score_column);
        for name in answers.chain((0..prepared.positions.len()).map(position_column)) {
            fields.push(Arc::new(Field::new(name, DataType::Boolean, false)));
        }
        let schema = Schema::new(fields);
        let parts = match resolved {
            Expr::And(parts) => parts,
            single => vec![single],
        };
        let is_looked_up =
            |part: &Expr| matches!(part, Expr::Column(name) if name.starts_with(SCORE_PREFIX) || is_attached(name));
        let (looked_up, plain): (Vec<Expr>, Vec<Expr>) = parts.into_iter().partition(|part| part.any(&is_looked_up));
        let (searching, cheap): (Vec<Expr>, Vec<Expr>) = plain.into_iter().partition(|part| part.any(&searches_text));
        let step = |parts: Vec<Expr>| -> Result<Option<Step>, Fault> {
            if parts.is_empty() {
                return Ok(None);
            }
            let program = Program::predicate(&Expr::And(parts), &schema)?;
            Ok(Some(Step { pruner: Pruner::of(&program), program }))
        };
        prepared.plain = [step(cheap)?, step(searching)?].into_iter().flatten().collect();
        prepared.looked_up = step(looked_up)?;
        Ok(prepared)
    }

    /// The filter with every test that needs more than the row replaced by a column of answers.
    fn resolve(&mut self, expr: &Expr, roots: Option<&StoredTable>) -> Result<Expr, Fault> {
        let mut each =
            |parts: &[Expr]| parts.iter().map(|part| self.resolve(part, roots)).collect::<Result<Vec<_>, _>>();
        Ok(match expr {
            Expr::And(parts) => Expr::And(each(parts)?),
            Expr::Or(parts) => Expr::Or(each(parts)?),
            Expr::Not(inner) => Expr::Not(Box::new(self.resolve(inner, roots)?)),
            Expr::Score(test) => answer(score_column(place(&mut self.tests, test))),
            Expr::InTracePosition(TracePosition::Root) => roots
                .and_then(StoredTable::root)
                .ok_or_else(|| Fault::bad_request("rows of this table have no place in a trace"))?,
            Expr::InTracePosition(position) => answer(position_column(place(&mut self.positions, position))),
            other if other.any(&|part| matches!(part, Expr::Score(_) | Expr::InTracePosition(_))) => {
                return Err(Fault::bug("a score or trace position test stands inside a value"));
            }
            other => other.clone(),
        })
    }

    /// Every step in the order of evaluation.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.plain.iter().chain(&self.looked_up)
    }
}

/// The place of a test in a list, added where it is new.
fn place<T: Clone + PartialEq>(list: &mut Vec<T>, wanted: &T) -> usize {
    list.iter().position(|known| known == wanted).unwrap_or_else(|| {
        list.push(wanted.clone());
        list.len() - 1
    })
}

fn answer(column: String) -> Expr {
    Expr::IsTrue(Box::new(Expr::column(column)))
}

fn searches_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Text { .. } | Expr::HasAllTokens { .. })
}

/// Columns that are not stored: name and values for the rows that are left.
pub(crate) type Answers = Vec<(String, ArrayRef)>;

/// Bytes of filter columns decoded at once. A row group has about 16 MiB, so only groups with huge
/// or endlessly repeated values are tested piece by piece.
const STEP_BYTES_MAX: u64 = 32 * 1024 * 1024;

impl Step {
    /// Drops the rows that do not pass. `schema` is the relation's; `answers` cover the rows left.
    pub(crate) fn narrow(&self, rows: &mut Rows, schema: &SchemaRef, answers: &Answers) -> Result<(), Fault> {
        let stored: Vec<usize> = self.program.input_names().filter_map(|name| schema.index_of(name).ok()).collect();
        let missing = rows.missing(&stored);
        let weight = rows.file().weight(rows.group(), missing.iter().copied());
        if weight.bytes <= STEP_BYTES_MAX {
            rows.hold(&missing)?;
            let keep = self.test(rows, schema, answers, &[], 0, rows.count())?;
            rows.retain(&keep);
            return Ok(());
        }
        let mut reader = rows.reader(&missing, weight.batch_rows(rows.total(), STEP_BYTES_MAX / 4))?;
        let mut keep = arrow_buffer::BooleanBufferBuilder::new(rows.count());
        while let Some(piece) = reader.next()? {
            let decoded: Vec<(usize, ArrayRef)> = missing.iter().copied().zip(piece).collect();
            let count = decoded.first().map_or(0, |(_, array)| array.len());
            keep.append_buffer(&self.test(rows, schema, answers, &decoded, keep.len(), count)?);
        }
        if keep.len() != rows.count() {
            return Err(Fault::corrupt(format!("a row group has {} of {} rows", keep.len(), rows.count())));
        }
        rows.retain(&keep.finish());
        Ok(())
    }

    /// The answers for `count` rows from `start`, whose columns are held or just `decoded`.
    fn test(
        &self,
        rows: &Rows,
        schema: &SchemaRef,
        answers: &Answers,
        decoded: &[(usize, ArrayRef)],
        start: usize,
        count: usize,
    ) -> Result<BooleanBuffer, Fault> {
        let columns = self
            .program
            .input_names()
            .map(|name| {
                if let Some((_, answer)) = answers.iter().find(|(known, _)| known == name) {
                    return Ok(answer.slice(start, count));
                }
                let column = schema.index_of(name).map_err(|_| Fault::bug(format!("no column answers {name}")))?;
                if let Some((_, array)) = decoded.iter().find(|(of, _)| *of == column) {
                    return Ok(Arc::clone(array));
                }
                let held = rows.held(column).ok_or_else(|| Fault::bug(format!("column {name} was not decoded")))?;
                Ok(held.slice(start, count))
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        Ok(self.program.test(&batch(self.program.inputs(), columns, count)?)?.values().clone())
    }
}
