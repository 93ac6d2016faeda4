//! Columns that rows of another table take from groups, looked up by the texts that those rows name.
//!
//! In a large project only groups that a row of the read can name are kept; in others all are, for the next
//! read. Their rows are decoded when asked for, a bounded number of groups at a time.

use std::collections::{HashMap, HashSet};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray, UInt32Array, new_null_array};
use arrow_select::concat::concat;
use arrow_select::take::take;
use model::{Attached, Fault, ReadRequest, Stop};
use xxhash_rust::xxh3::xxh3_128;

use super::fold::Folding;
use super::gather::held;
use super::index::GroupIndex;
use crate::lake::Lake;
use crate::read::{ProjectFiles, Rows};

/// The groups that rows of a read name, and which of their columns are wanted.
pub(crate) struct AttachedGroups {
    folding: Folding,
    /// Places of the wanted columns among those of the groups.
    wanted: Vec<usize>,
}

impl AttachedGroups {
    /// Finds the groups that rows of the request in `rows` name; `wanted` are names of their columns.
    pub(crate) fn prepare(
        lake: &Lake,
        request: &ReadRequest,
        attached: &Attached,
        wanted: &[&str],
        rows: &ProjectFiles,
        groups: ProjectFiles,
        stop: &Stop,
    ) -> Result<Self, Fault> {
        let of_rows = || named(request, attached, rows, stop);
        let index = GroupIndex::named(lake, &attached.groups, &groups, of_rows, stop)?;
        let columns = attached.groups.columns.iter().enumerate();
        Ok(Self {
            wanted: columns.filter(|(_, column)| wanted.contains(&column.name)).map(|(place, _)| place).collect(),
            folding: Folding::prepare(&attached.groups, &|name| wanted.contains(&name), groups, index)?,
        })
    }

    /// The wanted columns, in the order of the groups' columns, for rows that name these groups.
    pub(crate) fn columns(&self, named: &ArrayRef, stop: &Stop) -> Result<Vec<ArrayRef>, Fault> {
        let texts = texts(named)?;
        let of_rows: Vec<Option<usize>> = texts.iter().map(|text| self.folding.index.find(text?)).collect();
        // In the order of their rows, so that few steps meet the same row group of the other table.
        let mut groups: Vec<usize> = of_rows.iter().flatten().copied().collect();
        groups.sort_unstable_by_key(|group| self.folding.index.rows(*group)[0]);
        groups.dedup();
        let mut pieces: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.wanted.len()];
        let mut left = &groups[..];
        while !left.is_empty() {
            let (now, later) = left.split_at(self.folding.fits(left.iter().copied()));
            let folded = self.folding.fold(now, stop)?;
            for (pieces, place) in pieces.iter_mut().zip(&self.wanted) {
                let column = folded.columns[*place].as_ref();
                pieces.push(column.cloned().ok_or_else(|| Fault::bug("an attached column was not made"))?);
            }
            left = later;
        }
        let places: HashMap<usize, u32> = groups.iter().copied().zip(0..).collect();
        let places: UInt32Array = of_rows.iter().map(|group| group.map(|group| places[&group])).collect();
        let failed = |cause| Fault::bug("cannot gather attached columns").because(cause);
        self.wanted
            .iter()
            .zip(pieces)
            .map(|(place, pieces)| {
                if pieces.is_empty() {
                    return Ok(new_null_array(&self.folding.columns[*place].kind.to_arrow(), of_rows.len()));
                }
                let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| &**piece).collect();
                take(&concat(&pieces).map_err(failed)?, &places, None).map_err(failed)
            })
            .collect()
    }
}

/// Hashes of the texts that live rows of the request name, by row groups that meet its window.
fn named(
    request: &ReadRequest,
    attached: &Attached,
    files: &ProjectFiles,
    stop: &Stop,
) -> Result<HashSet<u128>, Fault> {
    let on = files.column(attached.on)?;
    let mut named = HashSet::new();
    for group in files.groups() {
        stop.check()?;
        if !group.meets(request.cursor, request.window) {
            continue;
        }
        let mut rows = Rows::live(files.file(group.file)?, group, files.dead(group.file));
        if rows.count() > 0 {
            rows.hold(&[on])?;
            named.extend(texts(held(&rows, on)?)?.iter().flatten().map(|text| xxh3_128(text.as_bytes())));
        }
    }
    Ok(named)
}

fn texts(array: &ArrayRef) -> Result<&StringArray, Fault> {
    array.as_string_opt::<i32>().ok_or_else(|| Fault::bug("a column that names groups holds no text"))
}
