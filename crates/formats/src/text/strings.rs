//! Text cells as JSON strings and as CSV cells.

use std::ops::Range;

use super::scan::{self, Escape, Escapes, JsonSpecial, Quote, QuoteOrEscape};
use super::unicode::escape_at;

/// Where JSON is written to: on its own, or into a CSV cell, which doubles every quote.
pub(crate) trait Quoting {
    /// A quote.
    const QUOTE: &'static [u8];
    /// What stands for the characters of a JSON string that it cannot hold as they are.
    const ESCAPES: &'static Escapes;

    /// Writes JSON as it is spelt.
    fn write_spelt(json: &[u8], out: &mut Vec<u8>);
}

/// JSON on its own.
pub(crate) struct Bare;

/// JSON within a CSV cell.
pub(crate) struct InCsv;

impl Quoting for Bare {
    const QUOTE: &'static [u8] = b"\"";
    const ESCAPES: &'static Escapes = {
        static ESCAPES: Escapes = json_escapes(b"\\\"");
        &ESCAPES
    };

    fn write_spelt(json: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(json);
    }
}

impl Quoting for InCsv {
    const QUOTE: &'static [u8] = b"\"\"";
    const ESCAPES: &'static Escapes = {
        static ESCAPES: Escapes = json_escapes(b"\\\"\"");
        &ESCAPES
    };

    fn write_spelt(json: &[u8], out: &mut Vec<u8>) {
        write_csv_text(json, 0..json.len(), false, out);
    }
}

/// Those of `JSON.stringify`, with this one for the quote.
const fn json_escapes(quote: &[u8]) -> Escapes {
    let mut escapes = plain();
    let mut byte = 0;
    while byte < b' ' {
        let digits = b"0123456789abcdef";
        let [high, low] = [digits[(byte >> 4) as usize], digits[(byte & 0xf) as usize]];
        escapes[byte as usize] = Escape::of(&[b'\\', b'u', b'0', b'0', high, low]);
        byte += 1;
    }
    escapes[0x08] = Escape::of(b"\\b");
    escapes[b'\t' as usize] = Escape::of(b"\\t");
    escapes[b'\n' as usize] = Escape::of(b"\\n");
    escapes[0x0c] = Escape::of(b"\\f");
    escapes[b'\r' as usize] = Escape::of(b"\\r");
    escapes[b'\\' as usize] = Escape::of(b"\\\\");
    escapes[b'"' as usize] = Escape::of(quote);
    escapes
}

/// What stands for the characters of a CSV cell.
static CSV_ESCAPES: Escapes = {
    let mut escapes = plain();
    escapes[b'"' as usize] = Escape::of(b"\"\"");
    escapes
};

/// Every byte stands for itself.
const fn plain() -> Escapes {
    let mut escapes = [Escape::of(b""); 256];
    let mut byte = 0;
    while byte < escapes.len() {
        escapes[byte] = Escape::of(&[byte as u8]);
        byte += 1;
    }
    escapes
}

/// Writes `values[range]` as `JSON.stringify` prints a string, decoding `\uXXXX` first on request.
#[inline]
pub(crate) fn write_json_string<Q: Quoting>(values: &[u8], range: Range<usize>, decode: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(Q::QUOTE);
    if decode {
        let decoded = decoded(values, range.clone());
        scan::copy::<JsonSpecial>(values, range, Q::ESCAPES, out, decoded);
    } else {
        scan::copy::<JsonSpecial>(values, range, Q::ESCAPES, out, |_| None);
    }
    out.extend_from_slice(Q::QUOTE);
}

/// Writes `values[range]` as the inside of a quoted CSV cell, decoding `\uXXXX` on request.
#[inline]
pub(crate) fn write_csv_text(values: &[u8], range: Range<usize>, decode: bool, out: &mut Vec<u8>) {
    if decode {
        let decoded = decoded(values, range.clone());
        scan::copy::<QuoteOrEscape>(values, range, &CSV_ESCAPES, out, decoded);
    } else {
        scan::copy::<Quote>(values, range, &CSV_ESCAPES, out, |_| None);
    }
}

/// Looks for the character of the escape that a backslash in `values[range]` begins.
#[inline(always)]
fn decoded(values: &[u8], range: Range<usize>) -> impl Fn(usize) -> Option<(char, usize)> {
    move |at| escape_at(&values[range.clone()], at - range.start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json<Q: Quoting>(text: &str, decode: bool) -> String {
        let mut out = Vec::new();
        write_json_string::<Q>(text.as_bytes(), 0..text.len(), decode, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn csv(text: &str, decode: bool) -> String {
        let mut out = Vec::new();
        write_csv_text(text.as_bytes(), 0..text.len(), decode, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_are_those_of_json_stringify() {
        assert_eq!(json::<Bare>("\u{8}\u{c}\n\r\t\"\\", false), r#""\b\f\n\r\t\"\\""#);
        assert_eq!(json::<Bare>("\0\u{1f}\u{b}", false), r#""\u0000\u001f\u000b""#);
        assert_eq!(json::<Bare>("a/b<c>\u{7f}\u{2028}é", false), "\"a/b<c>\u{7f}\u{2028}é\"");
    }

    /// What a cell becomes that lies between others.
    fn between(before: &str, text: &str, after: &str) -> (String, String) {
        let values = [before, text, after].concat();
        let range = before.len()..before.len() + text.len();
        let (mut json, mut csv) = (Vec::new(), Vec::new());
        write_json_string::<Bare>(values.as_bytes(), range.clone(), true, &mut json);
        write_csv_text(values.as_bytes(), range, true, &mut csv);
        (String::from_utf8(json).unwrap(), String::from_utf8(csv).unwrap())
    }

    #[test]
    fn an_escape_begins_and_ends_in_its_cell() {
        for (before, text, after, decoded) in [
            // A backslash of the cell before escapes nothing here.
            (r"x\", r"\u4f60", "", "你"),
            ("", r"\\u4f60", "", r"\\u4f60"),
            // What follows is another cell's.
            ("", r"\", "u4f60", r"\"),
            ("", r"\u4f", "60", r"\u4f"),
            ("", r"\ud83d", r"\ude00", r"\ud83d"),
            ("", r"\ud83d\ude0", "0", r"\ud83d\ude0"),
        ] {
            // Wherever in a block it stands.
            for shift in 0..130 {
                let padding = "a".repeat(shift);
                let (json, csv) = between(before, &format!("{padding}{text}"), after);
                assert_eq!(csv, format!("{padding}{decoded}"), "{before} {text} {after}");
                let read: String = serde_json::from_str(&json).unwrap();
                assert_eq!(read, csv);
            }
        }
    }

    proptest! {
        #[test]
        fn decoding_while_writing_equals_decoding_before(text in r#"([\\"a]|\\u[0-9a-f]{4}|\\ud83d\\ude00|\PC){0,60}"#) {
            let decoded = crate::text::decode(&text);
            prop_assert_eq!(json::<Bare>(&text, true), json::<Bare>(&decoded, false));
            prop_assert_eq!(csv(&text, true), csv(&decoded, false));
        }

        #[test]
        fn json_in_csv_doubles_every_quote(text in ".*") {
            prop_assert_eq!(json::<InCsv>(&text, false), json::<Bare>(&text, false).replace('"', "\"\""));
        }

        #[test]
        fn strings_parse_back(text in "(?s).*") {
            let read: String = serde_json::from_str(&json::<Bare>(&text, false)).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
