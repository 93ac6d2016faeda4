//! Rows as JSON objects, and the formats that are nothing else: JSON and JSONL.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use model::{
    BlockEncoder, Compression, Encoder, EncoderState, Fault, Format, FormatDescriptor, FormatOptions, RowScanner,
};

use super::cells::quoted;
use super::file::check_columns;
use super::{Bare, Cells, Frame, Rows, TextBlocks, TextRules};
use crate::options::Honoured;

/// A format of one JSON object per row: what stands around the objects is all that it says.
pub(crate) struct ObjectFormat {
    pub(crate) descriptor: FormatDescriptor,
    /// In front of the first object.
    pub(crate) head: &'static [u8],
    /// Between two objects.
    pub(crate) between: &'static [u8],
    /// Behind every object.
    pub(crate) after: &'static [u8],
    /// Behind the last object.
    pub(crate) tail: &'static [u8],
    /// The whole file where there is no row.
    pub(crate) empty: &'static [u8],
    /// Starts to read such a file.
    pub(crate) scanner: StartScanner,
}

/// Starts to read a compressed file with these columns.
type StartScanner = fn(Compression, &[&str]) -> Result<Box<dyn RowScanner>, Fault>;

/// There is no byte order mark: RFC 8259 forbids writers to begin a JSON text with one.
const HONOURED: Honoured = Honoured {
    compression: true,
    parse_payloads: true,
    bom: false,
    csv_header_always: false,
    neutralise_formulas: false,
};

impl ObjectFormat {
    fn frame(&self, options: &FormatOptions) -> Result<Frame, Fault> {
        HONOURED.check(self.descriptor.name, options)?;
        Ok(Frame {
            head: self.head.to_vec(),
            between: self.between,
            tail: self.tail,
            empty: self.empty.to_vec(),
            compression: options.compression,
        })
    }
}

impl Format for ObjectFormat {
    fn descriptor(&self) -> &FormatDescriptor {
        &self.descriptor
    }

    fn block_encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Arc<dyn BlockEncoder>, Fault> {
        let frame = self.frame(options)?;
        let rows = Objects::new(schema, TextRules::of(options), self.between, self.after);
        Ok(Arc::new(TextBlocks::new(schema, rows, &frame)?))
    }

    fn start(
        &self,
        _schema: &SchemaRef,
        options: &FormatOptions,
        resume: Option<&EncoderState>,
    ) -> Result<Box<dyn Encoder>, Fault> {
        self.frame(options)?.start(resume)
    }

    fn scanner(&self, options: &FormatOptions, columns: &[&str]) -> Result<Box<dyn RowScanner>, Fault> {
        (self.scanner)(options.compression, columns)
    }
}

/// Writes each row as a compact object between `before` and `after`.
struct Objects {
    schema: SchemaRef,
    rules: TextRules,
    /// What precedes each value: `{"id":`, `,"traceId":`, …
    names: Vec<Vec<u8>>,
    before: &'static [u8],
    after: &'static [u8],
}

impl Objects {
    /// Objects of this schema.
    fn new(schema: &SchemaRef, rules: TextRules, before: &'static [u8], after: &'static [u8]) -> Self {
        let name = |(index, name): (usize, &String)| {
            let mut text = if index == 0 { b"{".to_vec() } else { b",".to_vec() };
            text.extend(quoted::<Bare>(name));
            text.push(b':');
            text
        };
        let names = schema.fields().iter().map(|field| field.name()).enumerate().map(name).collect();
        Self { schema: SchemaRef::clone(schema), rules, names, before, after }
    }

    /// Names and cells of the columns.
    fn columns<'a>(&'a self, batch: &'a RecordBatch) -> Result<Vec<(&'a [u8], Cells<'a>)>, Fault> {
        check_columns(&self.schema, batch)?;
        let columns = self.schema.fields().iter().zip(batch.columns()).zip(&self.names);
        columns.map(|((field, array), name)| Ok((&name[..], Cells::bind::<Bare>(field, array, self.rules)?))).collect()
    }
}

impl Rows for Objects {
    fn size_hint(&self, batch: &RecordBatch) -> Result<usize, Fault> {
        let rows = batch.num_rows();
        let columns = self.columns(batch)?;
        let cells = columns.iter().map(|(name, cells)| name.len() * rows + cells.size_hint(0..rows));
        Ok(cells.sum::<usize>() + 4 * rows)
    }

    fn append(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut columns = self.columns(batch)?;
        for row in 0..batch.num_rows() {
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
