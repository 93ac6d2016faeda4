//! One compact JSON object per line, `\n` behind every line; zero bytes where there is no row.

mod scanner;

use model::{FormatDescriptor, UnicodeRule};

use crate::text::{ObjectFormat, TextScanner};

/// JSON lines.
pub(crate) static JSONL: ObjectFormat = ObjectFormat {
    descriptor: FormatDescriptor {
        name: "jsonl",
        doc: "one JSON object per line",
        extension: "jsonl",
        content_type: "application/x-ndjson; charset=utf-8",
        compressible: true,
        stretches_per_block: 1,
        unicode_default: UnicodeRule::Decode,
    },
    head: b"",
    between: b"",
    after: b"\n",
    tail: b"",
    empty: b"",
    scanner: |compression, columns| TextScanner::start(compression, scanner::Lines::new(columns)),
};

#[cfg(test)]
mod tests {
    use model::FormatOptions;

    use super::*;
    use crate::sample::{encode, payload_batch};

    #[test]
    fn parsed_payloads_stay_on_their_line() {
        let batch = payload_batch(&["[\n1,\r\n\"a\\nb\"\n]", "line\nend"]);
        let options = FormatOptions { parse_payloads: true, ..FormatOptions::default() };

        assert_eq!(encode(&JSONL, &options, &[&[batch]]), b"{\"input\":[1,\"a\\nb\"]}\n{\"input\":\"line\\nend\"}\n");
    }
}
