//! Rows of some groups folded into the columns of the grouped relation.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, BooleanArray, StringArray};
use arrow_schema::DataType;
use model::{Aggregate, AggregateColumn, Expr, Fault, Grouped, Stop};

use super::aggregate::{Accumulator, Rank, RankOf, finish, input};
use super::fetch::RowStarts;
use super::gather::{held, hold};
use super::index::GroupIndex;
use crate::expr::Program;
use crate::read::ProjectFiles;

/// Groups folded at once, which bounds the accumulators; a single group may have any number of rows.
const GROUPS_MAX: usize = 2048;
/// Rows folded at once, unless one group has more.
const ROWS_MAX: usize = 32 * 1024;

/// Groups and how their rows become columns.
pub(crate) struct Folding {
    pub(super) files: ProjectFiles,
    pub(super) starts: RowStarts,
    pub(super) index: GroupIndex,
    pub(super) columns: Vec<AggregateColumn>,
    /// Which columns somebody asks for; the others are not made.
    needed: Vec<bool>,
    /// Inputs of the accumulators of needed columns.
    pub(super) inputs: Program,
    /// For every column the place of its input among the values of `inputs`.
    input_places: Vec<Option<usize>>,
    /// Whether a row is a root, where the table knows.
    root: Option<Program>,
    /// Places of the columns that rank rows within a group.
    time: usize,
    ids: Vec<usize>,
}

/// Folded groups.
pub(super) struct Folded {
    /// Columns of the relation; `None` where not needed, and for values of first rows.
    pub(super) columns: Vec<Option<ArrayRef>>,
    /// First row of every group.
    pub(super) firsts: Vec<u32>,
}

impl Folding {
    /// Compiles what the needed columns are made of.
    pub(super) fn prepare(
        grouped: &Grouped,
        needed: &dyn Fn(&str) -> bool,
        files: ProjectFiles,
        index: GroupIndex,
    ) -> Result<Self, Fault> {
        let columns = grouped.columns.clone();
        let needed: Vec<bool> = columns.iter().map(|column| needed(column.name)).collect();
        let mut inputs: Vec<(Expr, DataType)> = Vec::new();
        let input_places = columns
            .iter()
            .zip(&needed)
            .map(|(column, needed)| {
                let input = needed.then(|| input(&column.aggregate, &column.kind)).flatten()?;
                inputs.push(input);
                Some(inputs.len() - 1)
            })
            .collect();
        let inputs: Vec<(&Expr, DataType)> = inputs.iter().map(|(expr, kind)| (expr, kind.clone())).collect();
        let table = &grouped.over;
        Ok(Self {
            starts: RowStarts::of(&files),
            inputs: Program::values(&inputs, files.schema())?,
            input_places,
            root: table.root().map(|root| Program::predicate(&root, files.schema())).transpose()?,
            time: files.column(table.time)?,
            ids: table.ids().map(|id| files.column(id)).collect::<Result<_, _>>()?,
            needed,
            columns,
            index,
            files,
        })
    }

    /// How many of these groups, at least one, are folded together.
    pub(super) fn fits(&self, mut groups: impl Iterator<Item = usize>) -> usize {
        let (mut count, mut rows) = (0, 0);
        while count < GROUPS_MAX
            && let Some(group) = groups.next()
        {
            rows += self.index.rows(group).len();
            if count > 0 && rows > ROWS_MAX {
                break;
            }
            count += 1;
        }
        count
    }

    /// Folds the rows of these groups.
    pub(super) fn fold(&self, groups: &[usize], stop: &Stop) -> Result<Folded, Fault> {
        let mut members: Vec<(u32, u32)> = Vec::new();
        for (slot, group) in groups.iter().enumerate() {
            members.extend(self.index.rows(*group).iter().map(|row| (*row, slot as u32)));
        }
        members.sort_unstable();
        let rows: Vec<u32> = members.iter().map(|(row, _)| *row).collect();
        let mut states = States::new(self, groups.len());
        for (group, place, wanted) in self.starts.split(&self.files, &rows) {
            stop.check()?;
            let mut rows = self.starts.rows(&self.files, group, wanted)?;
            let inputs = self.inputs.evaluate(&hold(&mut rows, &self.inputs, &self.files)?)?;
            let roots = match &self.root {
                Some(root) => root.test(&hold(&mut rows, root, &self.files)?)?,
                None => BooleanArray::from(vec![false; rows.count()]),
            };
            rows.hold(&[self.time])?;
            rows.hold(&self.ids)?;
            let times = held(&rows, self.time)?.as_primitive::<TimestampMicrosecondType>();
            let ids = self.ids.iter().map(|id| Ok(held(&rows, *id)?.as_string::<i32>()));
            let ids: Vec<&StringArray> = ids.collect::<Result<_, Fault>>()?;
            for (row, &(number, slot)) in members[place..place + wanted.len()].iter().enumerate() {
                let rank = RankOf { root: roots.value(row), time: times.value(row), ids: &ids, row };
                states.add(self, slot as usize, number, &inputs, row, rank)?;
            }
        }
        states.finish(self, groups)
    }
}

/// Accumulators of some groups.
struct States {
    /// Per column, per group; empty for columns without accumulator.
    columns: Vec<Vec<Accumulator>>,
    firsts: Vec<Option<(Rank, u32)>>,
}

impl States {
    fn new(folding: &Folding, groups: usize) -> Self {
        let columns = folding.columns.iter().zip(&folding.needed).map(|(column, needed)| {
            let states = (0..groups).map_while(|_| if *needed { Accumulator::new(&column.aggregate) } else { None });
            states.collect()
        });
        Self { columns: columns.collect(), firsts: (0..groups).map(|_| None).collect() }
    }

    fn add(
        &mut self,
        folding: &Folding,
        slot: usize,
        number: u32,
        inputs: &[ArrayRef],
        row: usize,
        rank: RankOf<'_>,
    ) -> Result<(), Fault> {
        for (states, place) in self.columns.iter_mut().zip(&folding.input_places) {
            if let Some(state) = states.get_mut(slot) {
                state.add(place.map(|place| &inputs[place]), row, rank)?;
            }
        }
        let first = &mut self.firsts[slot];
        if first.as_ref().is_none_or(|(best, _)| rank.is_before(best)) {
            *first = Some((rank.into(), number));
        }
        Ok(())
    }

    fn finish(self, folding: &Folding, groups: &[usize]) -> Result<Folded, Fault> {
        let columns = folding
            .columns
            .iter()
            .zip(&self.columns)
            .zip(&folding.needed)
            .map(|((column, states), needed)| {
                Ok(match &column.aggregate {
                    _ if !needed => None,
                    Aggregate::First(_) => None,
                    Aggregate::Group => {
                        let texts = groups.iter().map(|group| folding.index.text(*group));
                        Some(Arc::new(StringArray::from_iter_values(texts)) as ArrayRef)
                    }
                    _ => Some(finish(&column.kind, states.iter())?),
                })
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        let firsts = self.firsts.into_iter().map(|first| first.map(|(_, row)| row));
        let firsts = firsts.collect::<Option<Vec<u32>>>().ok_or_else(|| Fault::bug("a group has no rows"))?;
        Ok(Folded { columns, firsts })
    }
}
