//! One compact JSON object per line, `\n` behind every line; zero bytes where there is no row.
//!
//! There is no byte order mark: a line has to be a JSON text, which must not begin with one.

mod scanner;

use std::sync::Arc;

use arrow_schema::SchemaRef;
use model::{
    BlockEncoder, Compression, Encoder, EncoderState, Fault, Format, FormatDescriptor, FormatOptions, RowScanner,
    UnicodeRule,
};

use crate::options::Honoured;
use crate::text::{Frame, Objects, TextBlocks, TextRules, TextScanner};

/// JSON lines.
pub(crate) struct Jsonl;

const DESCRIPTOR: FormatDescriptor = FormatDescriptor {
    name: "jsonl",
    doc: "one JSON object per line",
    extension: "jsonl",
    content_type: "application/x-ndjson; charset=utf-8",
    compressible: true,
    stretches_per_block: 1,
    unicode_default: UnicodeRule::Decode,
};

const HONOURED: Honoured = Honoured {
    compression: true,
    parse_payloads: true,
    bom: false,
    csv_header_always: false,
    neutralise_formulas: false,
};

impl Format for Jsonl {
    fn descriptor(&self) -> &FormatDescriptor {
        &DESCRIPTOR
    }

    fn block_encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Arc<dyn BlockEncoder>, Fault> {
        let frame = frame(options)?;
        let rows = Objects::new(schema, TextRules::of(options), b"", b"\n");
        Ok(Arc::new(TextBlocks::new(schema, rows, &frame)?))
    }

    fn start(
        &self,
        _schema: &SchemaRef,
        options: &FormatOptions,
        resume: Option<&EncoderState>,
    ) -> Result<Box<dyn Encoder>, Fault> {
        frame(options)?.start(resume)
    }

    fn scanner(&self, compression: Compression, columns: &[&str]) -> Result<Box<dyn RowScanner>, Fault> {
        TextScanner::start(compression, scanner::Lines::new(columns))
    }
}

fn frame(options: &FormatOptions) -> Result<Frame, Fault> {
    HONOURED.check(DESCRIPTOR.name, options)?;
    Ok(Frame { head: Vec::new(), between: b"", tail: b"", empty: Vec::new(), compression: options.compression })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{encode, payload_batch};

    #[test]
    fn parsed_payloads_stay_on_their_line() {
        let batch = payload_batch(&["[\n1,\r\n\"a\\nb\"\n]", "line\nend"]);
        let options = FormatOptions { parse_payloads: true, ..FormatOptions::default() };

        assert_eq!(encode(&Jsonl, &options, &[&[batch]]), b"{\"input\":[1,\"a\\nb\"]}\n{\"input\":\"line\\nend\"}\n");
    }
}
