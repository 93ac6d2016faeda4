//! The filter language: wire form, text form, and their compilation into [`crate::Expr`].
//!
//! A request carries a list of [`WireFilter`]s that must all hold. They come from JSON
//! ([`WireFilter::from_json`]) or from a line of text ([`parse_where`]); [`compile`] checks them
//! against a table and turns them into one predicate, [`compile_search`] does the same for a search.
//! Every problem is reported with the path of the field, and nothing is ever ignored.
//!
//! It does not evaluate anything: sources do.

mod compile;
mod number;
mod predicate;
mod read;
mod search;
mod text;
mod tokens;
mod wire;

pub use compile::compile;
pub use search::{SearchType, compile_search};
pub use text::{parse_where, parse_wheres};
pub use tokens::{TOKENS_MAX, query_tokens, tokens};
pub use wire::{Condition, NESTING_MAX, OptionsOp, StringOp, Test, WireFilter};

#[cfg(test)]
mod tests;
