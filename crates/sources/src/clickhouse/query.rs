//! One query for the server: its text, and the values it refers to.
//!
//! Text comes from table specs and from us, values come from users: they travel beside the text and
//! are bound by the server, so no value can become part of the text.

/// A query and its bound values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// One statement without a `FORMAT` clause. `{name:Type}` stands for a bound value.
    pub text: String,
    /// Name and value of each parameter, a value below 128 KiB, which is the server's bound. Text is in
    /// the escaped text form of ClickHouse (as in TSV); an array is in the form of its literal, where a
    /// quote or a backslash inside an item is escaped once.
    pub parameters: Vec<(String, String)>,
    /// What the query is for, in one or two words: for `log_comment`, logs and faults.
    pub purpose: &'static str,
}
