//! One JSON array of compact objects, without line ends: `[{…},{…}]`; `[]` where there is no row.
//!
//! There is no byte order mark: RFC 8259 forbids writers to add one.

mod scanner;

use std::sync::Arc;

use arrow_schema::SchemaRef;
use model::{
    BlockEncoder, Compression, Encoder, EncoderState, Fault, Format, FormatDescriptor, FormatOptions, RowScanner,
    UnicodeRule,
};

use crate::options::Honoured;
use crate::text::{Frame, Objects, TextBlocks, TextRules, TextScanner};

/// A JSON array.
pub(crate) struct Json;

const DESCRIPTOR: FormatDescriptor = FormatDescriptor {
    name: "json",
    doc: "one JSON array with an object per row",
    extension: "json",
    content_type: "application/json; charset=utf-8",
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

/// What separates two rows.
const SEPARATOR: &[u8] = b",";

impl Format for Json {
    fn descriptor(&self) -> &FormatDescriptor {
        &DESCRIPTOR
    }

    fn block_encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Arc<dyn BlockEncoder>, Fault> {
        let frame = frame(options)?;
        let rows = Objects::new(schema, TextRules::of(options), SEPARATOR, b"");
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
        TextScanner::start(compression, scanner::Elements::new(columns))
    }
}

fn frame(options: &FormatOptions) -> Result<Frame, Fault> {
    HONOURED.check(DESCRIPTOR.name, options)?;
    let [head, empty] = [b"[".to_vec(), b"[]".to_vec()];
    Ok(Frame { head, between: SEPARATOR, tail: b"]", empty, compression: options.compression })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{encode, payload_batch};

    #[test]
    fn blocks_join_into_one_array() {
        let [a, b] = ["x", "y"].map(|text| payload_batch(&[text]));
        let options = FormatOptions::default();

        assert_eq!(
            encode(&Json, &options, &[std::slice::from_ref(&a), &[b.clone(), a.clone()]]),
            br#"[{"input":"x"},{"input":"y"},{"input":"x"}]"#
        );
        assert_eq!(encode(&Json, &options, &[&[b.slice(0, 0)]]), b"[]");
    }

    #[test]
    fn payloads_are_parsed_on_request_only() {
        let batch = payload_batch(&["{\"a\": 1}", "not json"]);
        let parsed = FormatOptions { parse_payloads: true, ..FormatOptions::default() };

        assert_eq!(
            encode(&Json, &FormatOptions::default(), &[std::slice::from_ref(&batch)]),
            br#"[{"input":"{\"a\": 1}"},{"input":"not json"}]"#
        );
        assert_eq!(encode(&Json, &parsed, &[&[batch]]), br#"[{"input":{"a":1}},{"input":"not json"}]"#);
    }
}
