//! Texts as their readers see them: JSON inside of a text often spells characters as `\uXXXX`.
//!
//! A pattern that looked at the escapes would miss `müller` in `m\u00fcller`, which whoever opens the file
//! reads as `müller`. The rule is that of `--unicode decode`: code points from U+0080 on behind an odd number
//! of backslashes, pairs joined, lone surrogates left alone, so that JSON stays JSON.

use std::borrow::Cow;

/// The text with its escapes decoded; borrowed where there is none.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let backslashes = rest[at..].bytes().take_while(|byte| *byte == b'\\').count();
        let behind = at + backslashes;
        let escaped = if backslashes % 2 == 1 { character(&rest[behind..]) } else { None };
        let end = match escaped {
            Some((character, length)) => {
                out.push_str(&rest[..behind - 1]);
                out.push(character);
                behind + length
            }
            None => {
                out.push_str(&rest[..behind]);
                behind
            }
        };
        rest = &rest[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that `uXXXX`, or `uXXXX\uXXXX`, at the start of `text` stands for, and the bytes it takes.
fn character(text: &str) -> Option<(char, usize)> {
    let first = unit(text)?;
    if let Some(character) = char::from_u32(first.into()) {
        return (first >= 0x80).then_some((character, 5));
    }
    let second = unit(text.get(5..)?.strip_prefix('\\')?)?;
    let pair = char::decode_utf16([first, second]).next()?.ok()?;
    Some((pair, 11))
}

/// The UTF-16 unit of `uXXXX`.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix('u')?.get(..4)?;
    if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) { u16::from_str_radix(digits, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_beyond_ascii_are_decoded_and_nothing_else() {
        for (text, expected) in [
            (r"m\u00fcller \u4F60", "müller 你"),
            (r"\ud83d\ude00 \ud83d\u00e9 \ude00", r"😀 \ud83dé \ude00"),
            (r"\\u00fc \\\u00fc", r"\\u00fc \\ü"),
            (r"\u0022 \u00g0 \u12 \u+123 c:\users\", r"\u0022 \u00g0 \u12 \u+123 c:\users\"),
            (r"\u12é", r"\u12é"),
        ] {
            assert_eq!(decoded(text), expected, "{text}");
        }
        assert!(matches!(decoded("müller"), Cow::Borrowed(_)));
    }
}
