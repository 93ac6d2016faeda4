//! Text comparison that ignores case, as a pattern.
//!
//! What counts as the same letter is decided here and not by the server, whose own functions differ
//! from version to version: two characters are the same where both become the same single character
//! in lower case. So every character of the text looked for becomes the class of its equals.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::LazyLock;

use model::TextOp;

/// Characters that become another one in lower case, by that one.
static UPPER: LazyLock<HashMap<char, Vec<char>>> = LazyLock::new(|| {
    let mut upper: HashMap<char, Vec<char>> = HashMap::new();
    for c in '\0'..=char::MAX {
        let lower = folded(c);
        if lower != c {
            upper.entry(lower).or_default().push(c);
        }
    }
    upper
});

/// Lower case of a character, where that is one character.
fn folded(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

/// A regular expression (RE2) that matches the texts which contain, start or end with `needle`,
/// whatever the case.
pub(super) fn pattern(op: TextOp, needle: &str) -> String {
    let mut pattern = String::new();
    if op == TextOp::StartsWith {
        pattern.push_str("\\A");
    }
    for c in needle.chars() {
        let lower = folded(c);
        match UPPER.get(&lower) {
            None => push(&mut pattern, lower),
            Some(upper) => {
                pattern.push('[');
                push(&mut pattern, lower);
                upper.iter().for_each(|&c| push(&mut pattern, c));
                pattern.push(']');
            }
        }
    }
    if op == TextOp::EndsWith {
        pattern.push_str("\\z");
    }
    pattern
}

fn push(pattern: &mut String, c: char) {
    if c.is_ascii_alphanumeric() || c == ' ' {
        pattern.push(c);
    } else {
        // Writing to a string cannot fail.
        write!(pattern, "\\x{{{:x}}}", u32::from(c)).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_stands_for_those_that_fold_to_the_same() {
        assert_eq!(pattern(TextOp::Contains, "k.1"), "[kK\\x{212a}]\\x{2e}1");
        assert_eq!(pattern(TextOp::StartsWith, "É"), "\\A[\\x{e9}\\x{c9}]");
        assert_eq!(pattern(TextOp::EndsWith, "İ_"), "\\x{130}\\x{5f}\\z");
    }
}
