//! Decoding of `\uXXXX` that users' text holds literally (promise 4).
//!
//! An escape is replaced where an odd number of backslashes ends in front of its `u` and the code
//! point is U+0080 or above; surrogate pairs are joined, lone surrogates stay. JSON text inside a
//! cell therefore keeps its meaning: nothing below U+0080 is touched, so no quote, backslash or
//! line end can appear, and an escaped backslash is never mistaken for the start of an escape.

use std::borrow::Cow;

use memchr::memmem;

/// The character of the escape that the backslash at `at` begins, and for how many bytes behind the backslash it
/// stands; `None` where nothing is to be decoded.
#[inline]
pub(crate) fn escape_at(text: &[u8], at: usize) -> Option<(char, usize)> {
    // Most backslashes begin something else.
    if text.get(at + 1) != Some(&b'u') {
        return None;
    }
    let backslashes = text[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
    // Behind an odd number of them it is escaped itself.
    if backslashes % 2 == 1 { None } else { escaped(&text[at + 1..]) }
}

/// The character of an escape whose backslash precedes `text`, and how much of `text` it takes.
fn escaped(text: &[u8]) -> Option<(char, usize)> {
    let unit = unit(text)?;
    if let Some(character) = char::from_u32(unit.into()) {
        return (unit >= 0x80).then_some((character, 5));
    }
    let low = match text.get(5) {
        Some(b'\\') => self::unit(&text[6..])?,
        _ => return None,
    };
    let pair = char::decode_utf16([unit, low]).next()?.ok()?;
    Some((pair, 11))
}

/// The UTF-16 unit of `uXXXX`.
fn unit(text: &[u8]) -> Option<u16> {
    let [b'u', digits @ ..] = text.first_chunk::<5>()? else { return None };
    let mut unit = 0;
    for digit in digits {
        unit = unit << 4 | char::from(*digit).to_digit(16)? as u16;
    }
    Some(unit)
}

/// The text with its escapes decoded; borrowed where there is none.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    let (mut out, mut kept) = (String::new(), 0);
    for at in memmem::find_iter(text.as_bytes(), b"\\u") {
        if at >= kept
            && let Some((character, taken)) = escape_at(text.as_bytes(), at)
        {
            out.push_str(&text[kept..at]);
            out.push(character);
            kept = at + 1 + taken;
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decodes_exactly_what_the_promise_names() {
        for (text, expected) in [
            (r"\u4f60\u597d", "你好"),
            (r"x\u00e9y", "xéy"),
            (r"\u00E9", "é"),
            (r"\ud83d\ude00", "😀"),
            (r"\u0080", "\u{80}"),
            // Below U+0080: a quote, a line end or a letter stays as it is written.
            (r"\u0022", r"\u0022"),
            (r"\u000a\u0041\u007f", r"\u000a\u0041\u007f"),
            // An even number of backslashes escapes itself.
            (r"\\u3042", r"\\u3042"),
            (r"\\\u3042", r"\\あ"),
            // Lone surrogates.
            (r"\ud83d", r"\ud83d"),
            (r"\ude00 x", r"\ude00 x"),
            (r"\ud83d\u4f60", r"\ud83d你"),
            (r"\ud83d\ud83d\ude00", r"\ud83d😀"),
            (r"\ud83d\\ude00", r"\ud83d\\ude00"),
            // Not an escape.
            (r"\u12", r"\u12"),
            (r"\u12G4", r"\u12G4"),
            (r"\u+123", r"\u+123"),
            (r"\U00e9", r"\U00e9"),
            (r"c:\users\", r"c:\users\"),
            // What was decoded is not looked at again.
            (r"\u005cu00e9", r"\u005cu00e9"),
        ] {
            assert_eq!(decode(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn json_inside_text_keeps_its_value(value in ".{0,30}", escaped in any::<bool>()) {
            // As a JSON writer prints it that escapes everything beyond ASCII.
            let mut text = serde_json::to_string(&value).unwrap();
            if escaped {
                let units = text.encode_utf16();
                text = units
                    .map(|unit| if unit < 0x80 { char::from(unit as u8).to_string() } else { format!("\\u{unit:04x}") })
                    .collect();
            }
            let read: String = serde_json::from_str(&decode(&text)).unwrap();
            prop_assert_eq!(read, value);
        }

        #[test]
        fn text_without_escapes_is_untouched(text in "[^\\\\]*") {
            prop_assert_eq!(decode(&text), text.as_str());
        }
    }
}
