//! Rows as JSON objects, for JSON and JSONL.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use model::Fault;

use super::cells::quoted;
use super::file::check_columns;
use super::{Bare, Cells, Rows, TextRules};

/// Writes each row as a compact object between `before` and `after`.
pub(crate) struct Objects {
    schema: SchemaRef,
    rules: TextRules,
    /// What precedes each value: `{"id":`, `,"traceId":`, …
    names: Vec<Vec<u8>>,
    before: &'static [u8],
    after: &'static [u8],
}

impl Objects {
    /// Objects of this schema.
    pub(crate) fn new(schema: &SchemaRef, rules: TextRules, before: &'static [u8], after: &'static [u8]) -> Self {
        let name = |(index, name): (usize, &String)| {
            let mut text = if index == 0 { b"{".to_vec() } else { b",".to_vec() };
            text.extend(quoted::<Bare>(name));
            text.push(b':');
            text
        };
        let names = schema.fields().iter().map(|field| field.name()).enumerate().map(name).collect();
        Self { schema: SchemaRef::clone(schema), rules, names, before, after }
    }
}

impl Rows for Objects {
    fn append(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), Fault> {
        check_columns(&self.schema, batch)?;
        let mut columns = Vec::with_capacity(self.names.len());
        for ((field, array), name) in self.schema.fields().iter().zip(batch.columns()).zip(&self.names) {
            columns.push((name.as_slice(), Cells::bind::<Bare>(field, array, self.rules)?));
        }
        let rows = batch.num_rows();
        let hint: usize = columns.iter().map(|(name, cells)| name.len() * rows + cells.size_hint(0..rows)).sum();
        out.reserve(hint + 4 * rows);
        for row in 0..rows {
            out.extend_from_slice(self.before);
            for (name, cells) in &mut columns {
                out.extend_from_slice(name);
                cells.write_json::<Bare>(row, out);
            }
            out.extend_from_slice(if columns.is_empty() { b"{}" } else { b"}" });
            out.extend_from_slice(self.after);
        }
        Ok(())
    }
}
