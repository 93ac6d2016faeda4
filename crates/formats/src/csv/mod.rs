//! CSV as Langfuse writes it: every cell quoted, `,` between cells, `\n` behind every line.
//!
//! Text is written as it is, null as an empty cell and everything else as compact JSON; the
//! comments column is JSON in several lines. The header stands in front of the first row: a file
//! without rows is empty unless the user asks for the header. A byte order mark belongs to the
//! header. Payloads are text in every case: `parse_payloads` has nothing left to do here, because
//! the cell of a JSON value is its JSON text.

mod rows;
mod scanner;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_schema::SchemaRef;
use model::{
    BlockEncoder, Encoder, EncoderState, Fault, Format, FormatDescriptor, FormatOptions, RowScanner, UnicodeRule,
};

use crate::options::Honoured;
use crate::text::{Frame, TextBlocks, TextScanner};
use rows::{Lines, write_header};

/// Comma-separated values.
pub(crate) struct Csv;

const DESCRIPTOR: FormatDescriptor = FormatDescriptor {
    name: "csv",
    doc: "comma-separated values with a header, every cell quoted",
    extension: "csv",
    content_type: "text/csv; charset=utf-8",
    compressible: true,
    stretches_per_block: 1,
    unicode_default: UnicodeRule::Decode,
};

const HONOURED: Honoured =
    Honoured { compression: true, bom: true, csv_header_always: true, neutralise_formulas: true, parse_payloads: true };

impl Format for Csv {
    fn descriptor(&self) -> &FormatDescriptor {
        &DESCRIPTOR
    }

    fn block_encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Arc<dyn BlockEncoder>, Fault> {
        let frame = frame(schema, options)?;
        Ok(Arc::new(TextBlocks::new(schema, Lines::new(schema, options), &frame)?))
    }

    fn start(
        &self,
        schema: &SchemaRef,
        options: &FormatOptions,
        resume: Option<&EncoderState>,
    ) -> Result<Box<dyn Encoder>, Fault> {
        frame(schema, options)?.start(resume)
    }

    fn scanner(&self, options: &FormatOptions, columns: &[&str]) -> Result<Box<dyn RowScanner>, Fault> {
        TextScanner::start(options.compression, scanner::Records::new(columns, options.neutralise_formulas))
    }
}

fn frame(schema: &SchemaRef, options: &FormatOptions) -> Result<Frame, Fault> {
    HONOURED.check(DESCRIPTOR.name, options)?;
    let mut head = Vec::new();
    if options.bom {
        head.extend_from_slice("\u{feff}".as_bytes());
    }
    write_header(schema, options.neutralise_formulas, &mut head);
    let empty = if options.csv_header_always { head.clone() } else { Vec::new() };
    Ok(Frame { head, between: b"", tail: b"", empty, compression: options.compression })
}
