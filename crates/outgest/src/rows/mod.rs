//! Stored rows being built: cells in, Arrow batches of a stored table out.
//!
//! [`Rows`] is what importing and generating share. A row is filled cell by cell, then either
//! closed, which gives every cell nobody filled its default, or undone as if it had never begun;
//! so a bad row leaves no trace in the batch. Values are exact: integers and decimals never pass
//! through a double. Printing a stored row as a line of JSON is here too, because it must be the
//! inverse.
//!
//! It knows nothing of files, nor of what a column means.

mod cell;
mod json;
mod number;
mod print;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{Field, Schema, SchemaRef};
use model::{Fault, Micros, StoredColumn, StoredTable};

pub use cell::{Cell, JsonText};
pub use json::{Object, syntax_problem};
pub use number::decimal;
pub use print::jsonl_row;
pub use values::Values;

/// Rows of a batch. Enough to amortise what a batch costs, small enough to pass through a queue.
pub const BATCH_ROWS: usize = 8_192;
/// Bytes after which a batch ends whatever its rows, so that large rows do not make huge batches.
pub const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// Rows of one stored table under construction.
pub struct Rows {
    table: Arc<StoredTable>,
    schema: SchemaRef,
    columns: Vec<Column>,
    index: HashMap<&'static str, usize>,
    rows: usize,
}

struct Column {
    values: Values,
    /// One flag per row where the column may be null.
    valid: Option<Vec<bool>>,
    /// Whether the row under way has the cell.
    filled: bool,
    default: &'static str,
}

/// The Arrow schema of a stored table.
pub fn schema_of(table: &StoredTable) -> SchemaRef {
    let fields = table.columns.iter().map(|column| Field::new(column.name, column.kind.to_arrow(), column.nullable));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

impl Rows {
    /// No rows yet.
    pub fn new(table: Arc<StoredTable>) -> Self {
        let columns = table
            .columns
            .iter()
            .map(|column| Column {
                values: Values::new(&column.kind),
                valid: column.nullable.then(Vec::new),
                filled: false,
                default: column.default,
            })
            .collect();
        let index = table.columns.iter().enumerate().map(|(place, column)| (column.name, place)).collect();
        Self { schema: schema_of(&table), table, columns, index, rows: 0 }
    }

    /// The table.
    pub fn table(&self) -> &Arc<StoredTable> {
        &self.table
    }

    /// Place of the column of this name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The text in the row under way, where the column is text and filled.
    pub fn text(&self, place: usize) -> Option<&str> {
        match &self.columns[place].values {
            Values::Text(texts) if texts.len() > self.rows => Some(texts.get(self.rows)),
            _ => None,
        }
    }

    /// Fills a cell of the row under way. Null leaves it to the default. A second value replaces the
    /// first. The error says why the value does not fit the column.
    pub fn set(&mut self, place: usize, cell: Cell<'_>, json: JsonText) -> Result<(), String> {
        self.fill(place, |values| values.push(cell, json))
    }

    /// Fills a cell through its buffer; `push` adds exactly one value or fails.
    pub fn fill(
        &mut self,
        place: usize,
        push: impl FnOnce(&mut Values) -> Result<Filled, String>,
    ) -> Result<(), String> {
        self.clear(place);
        let column = &mut self.columns[place];
        match push(&mut column.values)? {
            Filled::Null => column.values.truncate(self.rows),
            Filled::Value => {
                column.filled = true;
                if let Some(valid) = &mut column.valid {
                    valid.push(true);
                }
            }
        }
        Ok(())
    }

    /// Empties a cell of the row under way.
    pub fn clear(&mut self, place: usize) {
        let column = &mut self.columns[place];
        column.values.truncate(self.rows);
        column.filled = false;
        if let Some(valid) = &mut column.valid {
            valid.truncate(self.rows);
        }
    }

    /// The column that must have a value and lacks one in the row under way.
    pub fn missing(&self) -> Option<&'static str> {
        let stored = self.table.columns.iter().zip(&self.columns);
        stored.filter(|(stored, column)| stored.required && !column.filled).map(|(stored, _)| stored.name).next()
    }

    /// Ends the row under way: cells nobody filled get null, their default, or `now` where the
    /// column says when the row was stored.
    pub fn close(&mut self, now: Micros) {
        for column in &mut self.columns {
            if !column.filled {
                match &mut column.valid {
                    Some(valid) => {
                        column.values.push_zero();
                        valid.push(false);
                    }
                    None if column.default == StoredColumn::IMPORT_TIME => {
                        column.values.push(Cell::Time(now), JsonText::Refused).expect("only timestamps default to now");
                    }
                    None if column.default.is_empty() => column.values.push_zero(),
                    None => {
                        let default = Cell::Text(column.default);
                        column.values.push(default, JsonText::Refused).expect("a table's defaults fit their columns");
                    }
                }
            }
            column.filled = false;
        }
        self.rows += 1;
    }

    /// Forgets the row under way.
    pub fn undo(&mut self) {
        for place in 0..self.columns.len() {
            self.clear(place);
        }
    }

    /// Number of closed rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no closed row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of all values.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.values.bytes()).sum()
    }

    /// Whether a batch should end here.
    pub fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes() >= BATCH_BYTES
    }

    /// The closed rows; none are left.
    pub fn take(&mut self) -> Result<RecordBatch, Fault> {
        self.undo();
        let fields = self.schema.fields().iter().zip(&mut self.columns);
        let arrays: Vec<ArrayRef> = fields
            .map(|(field, column)| {
                let nulls = column.valid.as_mut().map(|valid| NullBuffer::from(std::mem::take(valid)));
                column.values.take(field.data_type(), nulls.filter(|nulls| nulls.null_count() > 0))
            })
            .collect();
        self.rows = 0;
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| Fault::bug(format!("rows of {} do not make a batch", self.table.name)).because(error))
    }
}

/// What [`Rows::fill`] was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// No value: the cell is left to its default.
    Null,
    /// One value.
    Value,
}

#[cfg(test)]
mod tests;
