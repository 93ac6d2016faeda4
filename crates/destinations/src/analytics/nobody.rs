//! User ids that mean nobody: what a client sends when it does not know.

/// Whether an id is one of `nobody`, which are in lower case, in any case and whatever space is around it.
pub(crate) fn means_nobody(user: &str, nobody: &[&str]) -> bool {
    // What ECMAScript trims: the byte order mark, but not the next-line character.
    let trimmed = user.trim_matches(|c: char| (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}');
    match trimmed.is_ascii() {
        true => nobody.iter().any(|nobody| trimmed.eq_ignore_ascii_case(nobody)),
        false => nobody.contains(&trimmed.to_lowercase().as_str()),
    }
}
