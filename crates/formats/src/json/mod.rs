//! One JSON array of compact objects, without line ends: `[{…},{…}]`; `[]` where there is no row.

mod scanner;

use model::{FormatDescriptor, UnicodeRule};

use crate::text::{ObjectFormat, TextScanner};

/// A JSON array.
pub(crate) static JSON: ObjectFormat = ObjectFormat {
    descriptor: FormatDescriptor {
        name: "json",
        doc: "one JSON array with an object per row",
        extension: "json",
        content_type: "application/json; charset=utf-8",
        compressible: true,
        stretches_per_block: 1,
        unicode_default: UnicodeRule::Decode,
    },
    head: b"[",
    between: b",",
    after: b"",
    tail: b"]",
    empty: b"[]",
    scanner: |compression, columns| TextScanner::start(compression, scanner::Elements::new(columns)),
};

#[cfg(test)]
mod tests {
    use model::FormatOptions;

    use super::*;
    use crate::sample::{encode, payload_batch};

    #[test]
    fn blocks_join_into_one_array() {
        let [a, b] = ["x", "y"].map(|text| payload_batch(&[text]));
        let options = FormatOptions::default();

        assert_eq!(
            encode(&JSON, &options, &[std::slice::from_ref(&a), &[b.clone(), a.clone()]]),
            br#"[{"input":"x"},{"input":"y"},{"input":"x"}]"#
        );
        assert_eq!(encode(&JSON, &options, &[&[b.slice(0, 0)]]), b"[]");
    }

    #[test]
    fn payloads_are_parsed_on_request_only() {
        let batch = payload_batch(&["{\"a\": 1}", "not json"]);
        let parsed = FormatOptions { parse_payloads: true, ..FormatOptions::default() };

        assert_eq!(
            encode(&JSON, &FormatOptions::default(), &[std::slice::from_ref(&batch)]),
            br#"[{"input":"{\"a\": 1}"},{"input":"not json"}]"#
        );
        assert_eq!(encode(&JSON, &parsed, &[&[batch]]), br#"[{"input":{"a":1}},{"input":"not json"}]"#);
    }
}
