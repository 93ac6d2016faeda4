//! Rows that wait to be written, and the order in which they are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, StringArray};
use model::{ByteCount, Fault, StoredTable};

use crate::RowOrder;
use crate::keys::KeyColumns;

/// Rows of one buffer at most, whatever their size: what sorting needs per row stays small beside the rows.
const ROWS_MAX: usize = 1 << 20;

/// Batches with the cell bytes of each of their rows.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    pub batches: Vec<RecordBatch>,
    pub sizes: Vec<Vec<u64>>,
    bytes: u64,
    rows: usize,
}

/// A row of a buffer: batch, then row in the batch.
pub(super) type Position = (usize, usize);

/// The rows of one project in the order of its files, each key once.
pub(super) struct ProjectRows<'a> {
    pub project: &'a str,
    pub rows: Vec<Position>,
}

impl Buffer {
    pub(super) fn push(&mut self, batch: RecordBatch, sizes: Vec<u64>) {
        self.bytes += sizes.iter().sum::<u64>();
        self.rows += batch.num_rows();
        self.batches.push(batch);
        self.sizes.push(sizes);
    }

    pub(super) fn is_full(&self, bytes_max: ByteCount) -> bool {
        self.bytes >= bytes_max.get() || self.rows >= ROWS_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Sorts the newest version of every row by project and total order.
    pub(super) fn sorted(&self, table: &StoredTable) -> Result<Vec<ProjectRows<'_>>, Fault> {
        let order = RowOrder::of(table);
        let mut columns = Vec::with_capacity(self.batches.len());
        for batch in &self.batches {
            let projects: &StringArray =
                batch
                    .column_by_name(table.key[0])
                    .and_then(|column| column.as_string_opt())
                    .ok_or_else(|| Fault::bug(format!("column {} of {} is no text", table.key[0], table.name)))?;
            columns.push((projects, order.values(batch)?));
        }
        let project_of = |(batch, row): Position| columns[batch].0.value(row);
        let place_of = |(batch, row): Position| columns[batch].1.at(row);
        let mut rows = self.newest_versions(table)?;
        rows.sort_unstable_by(|a, b| (project_of(*a), place_of(*a)).cmp(&(project_of(*b), place_of(*b))));
        let mut projects: Vec<ProjectRows<'_>> = Vec::new();
        for position in rows {
            let project = project_of(position);
            match projects.last_mut() {
                Some(last) if last.project == project => last.rows.push(position),
                _ => projects.push(ProjectRows { project, rows: vec![position] }),
            }
        }
        Ok(projects)
    }

    /// One position per key: the greatest rank, of equal ranks the later push.
    fn newest_versions(&self, table: &StoredTable) -> Result<Vec<Position>, Fault> {
        let mut newest: HashMap<u128, (i64, Position)> = HashMap::with_capacity(self.rows);
        let mut scratch = Vec::new();
        for (index, batch) in self.batches.iter().enumerate() {
            let columns = KeyColumns::of(batch, table)?;
            for row in 0..batch.num_rows() {
                let candidate = (columns.version(row), (index, row));
                match newest.entry(columns.hash(row, &mut scratch)) {
                    Entry::Vacant(free) => {
                        free.insert(candidate);
                    }
                    Entry::Occupied(mut taken) => {
                        if candidate.0 >= taken.get().0 {
                            taken.insert(candidate);
                        }
                    }
                }
            }
        }
        Ok(newest.into_values().map(|(_, position)| position).collect())
    }
}
