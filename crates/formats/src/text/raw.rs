//! Text that is JSON already: written as a value rather than as a string.
//!
//! Numbers and names stay as they are spelt; white space between tokens is left out, so a row
//! stays one line. Text that is not JSON is written as a string, never dropped.

use serde::de::IgnoredAny;

use super::strings::{Quoting, write_json_string};

/// Writes the JSON text `text`. With `decode`, `\uXXXX` within its string values is decoded as it is
/// in every other text, that is after JSON's own escapes.
pub(crate) fn write_raw<Q: Quoting>(text: &str, decode: bool, out: &mut Vec<u8>) {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return write_json_string::<Q>(text.as_bytes(), 0..text.len(), decode, out);
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = string_end(bytes, at);
                let is_name = bytes[end..].trim_ascii_start().starts_with(b":");
                write_token::<Q>(&text[at..end], decode && !is_name, out);
                at = end;
            }
            b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
}

/// Index behind the string that starts at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at..]) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    // Not reached in valid JSON.
    bytes.len()
}

fn write_token<Q: Quoting>(token: &str, decode: bool, out: &mut Vec<u8>) {
    if decode
        && memchr::memmem::find(token.as_bytes(), b"\\u").is_some()
        // A lone surrogate has no value as text: such a string stays as it is spelt.
        && let Ok(value) = serde_json::from_str::<String>(token)
    {
        return write_json_string::<Q>(value.as_bytes(), 0..value.len(), true, out);
    }
    Q::write_spelt(token.as_bytes(), out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::text::{Bare, InCsv};

    fn raw<Q: Quoting>(text: &str, decode: bool) -> String {
        let mut out = Vec::new();
        write_raw::<Q>(text, decode, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn white_space_goes_and_spelling_stays() {
        let text = " {\"a\" : [1.0, 1e400,\t\"x \\/ \\u0041 \\\\\" ],\r\n \"a\": { } } ";
        assert_eq!(raw::<Bare>(text, false), r#"{"a":[1.0,1e400,"x \/ \u0041 \\"],"a":{}}"#);
        assert_eq!(raw::<InCsv>("[\"a\\\"b\"]", false), r#"[""a\""b""]"#);
    }

    #[test]
    fn text_that_is_not_json_becomes_a_string() {
        for text in ["", "hello", "{\"a\":1", "[1] [2]", "NaN", "'a'", "\"line\nend\""] {
            let read: String = serde_json::from_str(&raw::<Bare>(text, false)).unwrap();
            assert_eq!(read, text);
        }
    }

    #[test]
    fn decoding_reaches_values_but_not_names() {
        assert_eq!(raw::<Bare>(r#"{"\u00e9":"\u00e9 \\u00e9 \u0022"}"#, true), r#"{"\u00e9":"é é \""}"#);
        assert_eq!(raw::<Bare>(r#"["\ud83d","\\ud83d"]"#, true), r#"["\ud83d","\\ud83d"]"#);
        assert_eq!(raw::<Bare>(r#"["\u00e9"]"#, false), r#"["\u00e9"]"#);
    }

    #[test]
    fn depth_is_no_limit() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(raw::<Bare>(&deep, true), deep);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_value_survives_on_one_line(value in any_json()) {
            let written = raw::<Bare>(&serde_json::to_string_pretty(&value).unwrap(), false);
            prop_assert_eq!(&written, &serde_json::to_string(&value).unwrap());
            prop_assert_eq!(raw::<InCsv>(&written, false), written.replace('"', "\"\""));
        }
    }
}
