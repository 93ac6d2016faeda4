//! A format of one line per row.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use model::*;

/// A line per row, `{` before the first and `}` behind the last block, `;` between blocks.
pub(crate) struct Lines {
    stateful: bool,
    descriptor: FormatDescriptor,
}

pub(crate) static LINES: LazyLock<Lines> = LazyLock::new(|| lines(true));
pub(crate) static STATELESS_LINES: LazyLock<Lines> = LazyLock::new(|| lines(false));

fn lines(stateful: bool) -> Lines {
    let descriptor = FormatDescriptor {
        name: "lines",
        doc: "a line per row",
        extension: "txt",
        content_type: "text/plain",
        compressible: false,
        stretches_per_block: 2,
        unicode_default: UnicodeRule::Keep,
    };
    Lines { stateful, descriptor }
}

struct LinesEncoder {
    stateful: bool,
    blocks: u64,
}

impl Format for Lines {
    fn descriptor(&self) -> &FormatDescriptor {
        &self.descriptor
    }

    fn block_encoder(&self, _: &SchemaRef, _: &FormatOptions) -> Result<Arc<dyn BlockEncoder>, Fault> {
        Ok(Arc::new(LinesBlocks))
    }

    fn start(
        &self,
        _: &SchemaRef,
        _: &FormatOptions,
        resume: Option<&EncoderState>,
    ) -> Result<Box<dyn Encoder>, Fault> {
        let blocks = resume.map_or(0, |state| state.0.as_u64().unwrap());
        Ok(Box::new(LinesEncoder { stateful: self.stateful, blocks }))
    }

    fn scanner(&self, _: &FormatOptions, columns: &[&str]) -> Result<Box<dyn RowScanner>, Fault> {
        Ok(Box::new(LinesScanner { columns: columns.len(), line: String::new() }))
    }
}

struct LinesBlocks;

impl BlockEncoder for LinesBlocks {
    fn encode(&self, rows: &[RecordBatch]) -> Result<EncodedBlock, Fault> {
        let mut lines = String::new();
        let mut count = 0;
        for batch in rows {
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().map(|column| column.as_string::<i32>());
                let cells: Vec<&str> =
                    cells.map(|texts| if texts.is_null(row) { "NULL" } else { texts.value(row) }).collect();
                lines += &format!("{}\n", cells.join(","));
                count += 1;
            }
        }
        Ok(EncodedBlock { rows: RowCount(count), bytes: ByteCount::from(lines.len()), payload: Box::new(lines) })
    }
}

impl Encoder for LinesEncoder {
    fn append(&mut self, block: EncodedBlock) -> Result<Bytes, Fault> {
        let lines = block.payload.downcast::<String>().unwrap();
        self.blocks += 1;
        Ok(Bytes::from(format!("{}{lines}", if self.blocks == 1 { "{\n" } else { ";\n" })))
    }

    fn state(&self) -> Option<EncoderState> {
        self.stateful.then(|| EncoderState(self.blocks.into()))
    }

    fn finish(self: Box<Self>) -> Result<Bytes, Fault> {
        Ok(Bytes::from_static(if self.blocks == 0 { b"{}\n" } else { b"}\n" }))
    }
}

struct LinesScanner {
    /// The first so many cells of a line are asked for.
    columns: usize,
    line: String,
}

impl RowScanner for LinesScanner {
    fn push(&mut self, bytes: &[u8], found: &mut ScannedRows) -> Result<(), Fault> {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(char::from(*byte));
                continue;
            }
            let line = std::mem::take(&mut self.line);
            match line.as_str() {
                "{" | "{}" | "}" | ";" => continue,
                other if !other.contains(',') => return Err(Fault::corrupt(format!("{other:?} is not a row"))),
                _ => found.rows += RowCount(1),
            }
            if self.columns > 0 {
                found.texts.push(line.split(',').take(self.columns).map(|cell| Some(cell.to_owned())).collect());
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>, _found: &mut ScannedRows) -> Result<(), Fault> {
        Ok(())
    }
}
