//! Text cells as JSON strings and as CSV cells.

use std::ops::Range;

use super::scan::{self, JsonSpecial, Quote, QuoteOrBackslash};
use super::unicode::{self, Run};

/// Where JSON is written to: on its own, or into a CSV cell, which doubles every quote.
pub(crate) trait Quoting {
    /// A quote.
    const QUOTE: &'static [u8];
    /// A quote within a JSON string.
    const ESCAPED_QUOTE: &'static [u8];
}

/// JSON on its own.
pub(crate) struct Bare;

/// JSON within a CSV cell.
pub(crate) struct InCsv;

impl Quoting for Bare {
    const QUOTE: &'static [u8] = b"\"";
    const ESCAPED_QUOTE: &'static [u8] = b"\\\"";
}

impl Quoting for InCsv {
    const QUOTE: &'static [u8] = b"\"\"";
    const ESCAPED_QUOTE: &'static [u8] = b"\\\"\"";
}

/// Writes `values[range]` as `JSON.stringify` prints a string, decoding `\uXXXX` first on request.
#[inline]
pub(crate) fn write_json_string<Q: Quoting>(values: &[u8], range: Range<usize>, decode: bool, out: &mut Vec<u8>) {
    let end = range.end;
    out.extend_from_slice(Q::QUOTE);
    scan::copy::<JsonSpecial>(values, range, out, |at, out| match values[at] {
        b'"' => {
            out.extend_from_slice(Q::ESCAPED_QUOTE);
            at + 1
        }
        b'\\' if decode => at + write_run(&values[at..end], b"\\\\", out),
        byte => {
            write_escape(byte, out);
            at + 1
        }
    });
    out.extend_from_slice(Q::QUOTE);
}

/// Writes `values[range]` as the inside of a quoted CSV cell.
#[inline]
pub(crate) fn write_csv_text(values: &[u8], range: Range<usize>, decode: bool, out: &mut Vec<u8>) {
    let end = range.end;
    let mut special = |at: usize, out: &mut Vec<u8>| match values[at] {
        b'"' => {
            out.extend_from_slice(b"\"\"");
            at + 1
        }
        _ => at + write_run(&values[at..end], b"\\", out),
    };
    if decode {
        scan::copy::<QuoteOrBackslash>(values, range, out, &mut special);
    } else {
        scan::copy::<Quote>(values, range, out, &mut special);
    }
}

/// Writes the run of backslashes that `text` starts with, each as `backslash`, and the character it
/// introduces. Returns what it took of `text`.
fn write_run(text: &[u8], backslash: &[u8], out: &mut Vec<u8>) -> usize {
    let Run { backslashes, decoded } = unicode::run(text);
    let kept = backslashes - usize::from(decoded.is_some());
    for _ in 0..kept {
        out.extend_from_slice(backslash);
    }
    let Some((character, length)) = decoded else { return backslashes };
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    backslashes + length
}

/// Writes the backslash or control character `byte` as JSON does.
fn write_escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digits = b"0123456789abcdef";
            let [high, low] = [byte >> 4, byte & 0xf].map(|digit| digits[usize::from(digit)]);
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
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

    proptest! {
        #[test]
        fn decoding_while_writing_equals_decoding_before(text in r#"([\\"a]|\\u[0-9a-f]{4}|\\ud83d\\ude00|\PC){0,24}"#) {
            let decoded = unicode::decode(&text);
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
