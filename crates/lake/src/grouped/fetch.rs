//! Decodes columns of scattered rows, and gives them in the asked order.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_buffer::BooleanBufferBuilder;
use arrow_select::concat::concat;
use arrow_select::take::take;
use model::Fault;

use crate::read::{ProjectFiles, Rows};

/// Row numbers counted over all row groups, as stretches of one row group each.
pub(super) struct RowStarts(Vec<u32>);

impl RowStarts {
    /// Counts the rows of all row groups.
    pub(super) fn of(files: &ProjectFiles) -> Self {
        let mut next = 0;
        Self(
            files
                .groups()
                .iter()
                .map(|group| {
                    let start = next;
                    next += group.rows;
                    start
                })
                .collect(),
        )
    }

    /// The row group of a row.
    pub(super) fn group_of(&self, row: u32) -> usize {
        self.0.partition_point(|start| *start <= row) - 1
    }

    /// Ascending row numbers as (row group, its wanted rows), with the place of the first among `rows`.
    pub(super) fn split<'a>(&self, files: &ProjectFiles, rows: &'a [u32]) -> Vec<(usize, usize, &'a [u32])> {
        let mut parts = Vec::new();
        let mut place = 0;
        while place < rows.len() {
            let group = self.group_of(rows[place]);
            let end = self.0[group] + files.groups()[group].rows;
            let count = rows[place..].partition_point(|row| *row < end);
            parts.push((group, place, &rows[place..place + count]));
            place += count;
        }
        parts
    }

    /// These rows of a row group, nothing decoded yet.
    pub(super) fn rows(&self, files: &ProjectFiles, group: usize, wanted: &[u32]) -> Result<Rows, Fault> {
        let of = &files.groups()[group];
        let mut rows = Rows::live(files.file(of.file)?, of, None);
        let mut keep = BooleanBufferBuilder::new(of.rows as usize);
        keep.append_n(of.rows as usize, false);
        wanted.iter().for_each(|row| keep.set_bit((row - self.0[group]) as usize, true));
        rows.retain(&keep.finish());
        Ok(rows)
    }
}

/// The columns at `places` of these rows, in the order of `wanted`, which names no row twice.
pub(super) fn fetch(
    files: &ProjectFiles,
    starts: &RowStarts,
    wanted: &[u32],
    places: &[usize],
) -> Result<Vec<ArrayRef>, Fault> {
    let mut by_row: Vec<u32> = (0..wanted.len() as u32).collect();
    by_row.sort_unstable_by_key(|&place| wanted[place as usize]);
    let ascending: Vec<u32> = by_row.iter().map(|&place| wanted[place as usize]).collect();
    let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); places.len()];
    for (group, _, rows) in starts.split(files, &ascending) {
        let mut rows = starts.rows(files, group, rows)?;
        rows.hold(places)?;
        for (column, place) in parts.iter_mut().zip(places) {
            column.push(Arc::clone(super::gather::held(&rows, *place)?));
        }
    }
    // Where each wanted row stands among the ascending ones.
    let mut order = vec![0_u32; wanted.len()];
    by_row.iter().enumerate().for_each(|(ascending, &place)| order[place as usize] = ascending as u32);
    let in_order = order.is_sorted();
    let order = UInt32Array::from(order);
    let failed = |cause| Fault::corrupt("cannot gather the first rows of groups").because(cause);
    parts
        .into_iter()
        .map(|parts| {
            let together = match &parts[..] {
                [single] => Arc::clone(single),
                several => {
                    concat(&several.iter().map(|part| &**part as &dyn Array).collect::<Vec<_>>()).map_err(failed)?
                }
            };
            if in_order { Ok(together) } else { take(&together, &order, None).map_err(failed) }
        })
        .collect()
}
