//! Accumulators: how the rows of a group become one value, row by row and in any order of rows.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    UInt64Array,
};
use arrow_schema::{DataType, Field};
use model::{Aggregate, ColumnType, Expr, Fault};
use xxhash_rust::xxh3::xxh3_128;

/// Where a row stands in its group: roots first, then the newest, then by ids.
#[derive(Clone, Debug)]
pub(super) struct Rank {
    root: bool,
    time: i64,
    ids: Box<[Box<str>]>,
}

/// The rank of a row of a batch, as yet unstored.
#[derive(Clone, Copy)]
pub(super) struct RankOf<'a> {
    pub root: bool,
    pub time: i64,
    /// Columns of the ids, in the order of [`model::StoredTable::ids`].
    pub ids: &'a [&'a StringArray],
    /// The row's place in them.
    pub row: usize,
}

impl RankOf<'_> {
    /// Whether the row stands before the one with this rank.
    pub(super) fn is_before(self, other: &Rank) -> bool {
        let first = other.root.cmp(&self.root).then_with(|| other.time.cmp(&self.time));
        first.then_with(|| self.texts().cmp(other.ids.iter().map(|id| &**id))).is_lt()
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(|ids| ids.value(self.row))
    }
}

impl From<RankOf<'_>> for Rank {
    fn from(of: RankOf<'_>) -> Self {
        Self { root: of.root, time: of.time, ids: of.texts().map(Box::from).collect() }
    }
}

/// A value that accumulators keep. Numbers of one column share their type, so digits suffice.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Exact(i128),
    Double(f64),
    Text(Box<str>),
}

/// The state of one aggregate of one group.
#[derive(Debug)]
pub(super) enum Accumulator {
    Extreme { largest: bool, best: Option<Cell> },
    Sum(Option<Cell>),
    Count(i64),
    Distinct(HashSet<u128>),
    FirstText(Option<(Rank, Box<str>)>),
    Texts(BTreeSet<Box<str>>),
    Any(bool),
}

/// What an accumulator is fed: the expression and the type of its values.
pub(super) fn input(aggregate: &Aggregate, kind: &ColumnType) -> Option<(Expr, DataType)> {
    Some(match aggregate {
        Aggregate::Group | Aggregate::Count | Aggregate::First(_) => return None,
        Aggregate::Min(expr) | Aggregate::Max(expr) | Aggregate::Sum(expr) => (expr.clone(), kind.to_arrow()),
        Aggregate::CountDistinct(expr) | Aggregate::FirstNonEmpty(expr) | Aggregate::DistinctTexts(expr) => {
            (expr.clone(), DataType::Utf8)
        }
        Aggregate::UnionLists(expr) => (expr.clone(), ColumnType::text_list().to_arrow()),
        Aggregate::AnyTrue(expr) => (expr.clone(), DataType::Boolean),
    })
}

impl Accumulator {
    /// The state before the first row; `None` for what needs no accumulator.
    pub(super) fn new(aggregate: &Aggregate) -> Option<Self> {
        Some(match aggregate {
            Aggregate::Group | Aggregate::First(_) => return None,
            Aggregate::Min(_) => Self::Extreme { largest: false, best: None },
            Aggregate::Max(_) => Self::Extreme { largest: true, best: None },
            Aggregate::Sum(_) => Self::Sum(None),
            Aggregate::Count => Self::Count(0),
            Aggregate::CountDistinct(_) => Self::Distinct(HashSet::new()),
            Aggregate::FirstNonEmpty(_) => Self::FirstText(None),
            Aggregate::DistinctTexts(_) | Aggregate::UnionLists(_) => Self::Texts(BTreeSet::new()),
            Aggregate::AnyTrue(_) => Self::Any(false),
        })
    }

    /// Takes one row: its value, where the aggregate has an input, and its rank.
    pub(super) fn add(&mut self, values: Option<&ArrayRef>, row: usize, rank: RankOf<'_>) -> Result<(), Fault> {
        if let Self::Count(count) = self {
            *count += 1;
            return Ok(());
        }
        let values = values.ok_or_else(|| Fault::bug("an aggregate has no input"))?;
        if values.is_null(row) {
            return Ok(());
        }
        match self {
            Self::Count(_) => {}
            Self::Extreme { largest, best } => {
                let cell = cell(values, row)?;
                let better =
                    best.as_ref().is_none_or(|best| if *largest { best.is_below(&cell) } else { cell.is_below(best) });
                if better {
                    *best = Some(cell);
                }
            }
            Self::Sum(sum) => {
                let cell = cell(values, row)?;
                *sum = Some(match sum.take() {
                    None => cell,
                    Some(sum) => sum.plus(cell, values.data_type())?,
                });
            }
            Self::Distinct(seen) => {
                seen.insert(xxh3_128(text(values, row)?.as_bytes()));
            }
            Self::FirstText(first) => {
                let text = text(values, row)?;
                if !text.is_empty() && first.as_ref().is_none_or(|(best, _)| rank.is_before(best)) {
                    *first = Some((rank.into(), text.into()));
                }
            }
            Self::Texts(texts) => match values.data_type() {
                DataType::Utf8 => {
                    let text = text(values, row)?;
                    if !text.is_empty() && !texts.contains(text) {
                        texts.insert(text.into());
                    }
                }
                _ => {
                    let items = values.as_list::<i32>().value(row);
                    for text in items.as_string::<i32>().iter().flatten() {
                        if !texts.contains(text) {
                            texts.insert(text.into());
                        }
                    }
                }
            },
            Self::Any(any) => *any |= values.as_boolean().value(row),
        }
        Ok(())
    }
}

impl Cell {
    fn is_below(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a < b,
            (Self::Double(a), Self::Double(b)) => a < b,
            (Self::Text(a), Self::Text(b)) => a.as_bytes() < b.as_bytes(),
            _ => false,
        }
    }

    /// The sum; integers wrap at the width of their type.
    fn plus(self, other: Self, kind: &DataType) -> Result<Self, Fault> {
        Ok(match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => Self::Exact(match kind {
                DataType::UInt64 => i128::from((a as u64).wrapping_add(b as u64)),
                DataType::Int64 => i128::from((a as i64).wrapping_add(b as i64)),
                _ => a.wrapping_add(b),
            }),
            (Self::Double(a), Self::Double(b)) => Self::Double(a + b),
            _ => return Err(Fault::bug("texts cannot be summed")),
        })
    }
}

fn text(values: &ArrayRef, row: usize) -> Result<&str, Fault> {
    let texts =
        values.as_string_opt::<i32>().ok_or_else(|| Fault::bug("an aggregate over text was fed something else"))?;
    Ok(texts.value(row))
}

fn cell(values: &ArrayRef, row: usize) -> Result<Cell, Fault> {
    Ok(match values.data_type() {
        DataType::Int64 => Cell::Exact(values.as_primitive::<Int64Type>().value(row).into()),
        DataType::UInt64 => Cell::Exact(values.as_primitive::<UInt64Type>().value(row).into()),
        DataType::Decimal128(_, _) => Cell::Exact(values.as_primitive::<Decimal128Type>().value(row)),
        DataType::Timestamp(_, _) => Cell::Exact(values.as_primitive::<TimestampMicrosecondType>().value(row).into()),
        DataType::Boolean => Cell::Exact(values.as_boolean().value(row).into()),
        DataType::Float64 => Cell::Double(values.as_primitive::<Float64Type>().value(row)),
        DataType::Utf8 => Cell::Text(values.as_string::<i32>().value(row).into()),
        other => return Err(Fault::bug(format!("there is no smallest, largest or sum of {other}"))),
    })
}

/// The values of the accumulators of one column, one per group.
pub(super) fn finish<'a>(kind: &ColumnType, states: impl Iterator<Item = &'a Accumulator>) -> Result<ArrayRef, Fault> {
    let states: Vec<&Accumulator> = states.collect();
    let misfit = || Fault::bug(format!("an aggregate does not make {kind:?}"));
    let exact = |state: &&Accumulator| -> Option<i128> {
        match state {
            Accumulator::Extreme { best: Some(Cell::Exact(value)), .. }
            | Accumulator::Sum(Some(Cell::Exact(value))) => Some(*value),
            Accumulator::Sum(_) => Some(0),
            Accumulator::Count(count) => Some(i128::from(*count)),
            Accumulator::Distinct(seen) => Some(seen.len() as i128),
            _ => None,
        }
    };
    let narrow = |value: Option<i128>| value.map(|value| i64::try_from(value).map_err(|_| misfit())).transpose();
    Ok(match kind {
        ColumnType::Int64 => {
            let values = states.iter().map(|state| narrow(exact(state))).collect::<Result<Int64Array, Fault>>()?;
            Arc::new(values)
        }
        ColumnType::Timestamp => {
            let values = states.iter().map(|state| narrow(exact(state)));
            Arc::new(values.collect::<Result<TimestampMicrosecondArray, Fault>>()?.with_timezone("UTC"))
        }
        ColumnType::UInt64 => {
            let values = states.iter().map(|state| exact(state).map(|value| value as u64));
            Arc::new(values.collect::<UInt64Array>())
        }
        ColumnType::Decimal { precision, scale } => {
            let values: Decimal128Array = states.iter().map(exact).collect();
            Arc::new(values.with_precision_and_scale(*precision, *scale).map_err(|cause| misfit().because(cause))?)
        }
        ColumnType::Float64 => {
            let values = states.iter().map(|state| match state {
                Accumulator::Extreme { best: Some(Cell::Double(value)), .. }
                | Accumulator::Sum(Some(Cell::Double(value))) => Some(*value),
                Accumulator::Sum(_) => Some(0.0),
                _ => None,
            });
            Arc::new(values.collect::<Float64Array>())
        }
        ColumnType::Bool => {
            let values = states.iter().map(|state| match state {
                Accumulator::Any(any) => Some(*any),
                state => exact(state).map(|value| value != 0),
            });
            Arc::new(values.collect::<BooleanArray>())
        }
        ColumnType::Text => {
            let values = states.iter().map(|state| match state {
                Accumulator::FirstText(first) => Some(first.as_ref().map_or("", |(_, text)| &**text)),
                Accumulator::Extreme { best: Some(Cell::Text(text)), .. } => Some(&**text),
                _ => None,
            });
            Arc::new(values.collect::<StringArray>())
        }
        ColumnType::List(item) if **item == ColumnType::Text => {
            let mut lists =
                ListBuilder::new(StringBuilder::new()).with_field(Field::new("item", DataType::Utf8, false));
            for state in &states {
                let Accumulator::Texts(texts) = state else { return Err(misfit()) };
                texts.iter().for_each(|text| lists.values().append_value(text));
                lists.append(true);
            }
            Arc::new(lists.finish())
        }
        ColumnType::List(_) | ColumnType::Map(_) | ColumnType::Comments => return Err(misfit()),
    })
}
