//! Whole tokens of a text, as ClickHouse's `splitByNonAlpha` cuts them.

/// So many distinct tokens of a query are demanded; further ones are covered by the comparison of
/// the whole text. This is what Langfuse asks of its full-text index.
pub const TOKENS_MAX: usize = 64;

/// The runs of ASCII letters, ASCII digits and code points from U+0080 on.
pub fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric()).filter(|token| !token.is_empty())
}

/// The first distinct tokens of a query, ASCII-lower-cased, at most [`TOKENS_MAX`].
pub fn query_tokens(query: &str) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::new();
    for token in tokens(query) {
        if distinct.len() == TOKENS_MAX {
            break;
        }
        let token = token.to_ascii_lowercase();
        if !distinct.contains(&token) {
            distinct.push(token);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_runs_of_letters_digits_and_non_ascii() {
        assert_eq!(query_tokens("Hello World 50%_x hello"), ["hello", "world", "50", "x"]);
        assert_eq!(query_tokens("日本語-É1"), ["日本語", "É1"]);
        assert_eq!(query_tokens("... %"), [""; 0]);
    }

    #[test]
    fn a_query_demands_at_most_64_tokens() {
        let query = (0..100).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(query_tokens(&query).len(), TOKENS_MAX);
    }
}
