//! Filters as a line of text: `type = "GENERATION" and totalCost > 0.01 and metadata.region = "eu"`.
//!
//! ```text
//! filter     = all { "or" all }
//! all        = one { "and" one }
//! one        = "not" one | "(" filter ")" | condition
//! condition  = column ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
//!            | column ( "contains" | "does not contain" ) text
//!            | column ( "starts with" | "ends with" | "matches" ) text
//!            | column [ "not" ] "in" "(" value { "," value } ")"
//!            | column "is" [ "not" ] "null"
//! column     = name [ "." key ]            either part may be quoted
//! value      = text | number | "true" | "false"
//! ```
//!
//! Texts stand in single or double quotes with JSON's escapes. The column decides which wire type a
//! condition becomes; `metadata.region` and `scores.accuracy` look under a key. `!=` is the
//! complement of `=`, so it also selects rows without a value.

mod condition;
mod lexer;
mod parser;

use super::wire::{NESTING_MAX, WireFilter};
use crate::{FieldProblem, TableSpec};

/// The name of the field in problems.
const FIELD: &str = "where";

/// Reads a line of text into the same tree that JSON gives.
pub fn parse_where(table: &TableSpec, line: &str) -> Result<WireFilter, Vec<FieldProblem>> {
    let tokens = lexer::tokens(line).map_err(|problem| vec![problem])?;
    let filter = parser::parse(table, &tokens)?;
    if filter.nests_within(NESTING_MAX) { Ok(filter) } else { Err(vec![too_deep()]) }
}

fn too_deep() -> FieldProblem {
    FieldProblem::new(FIELD, format!("conditions are nested more than {NESTING_MAX} levels deep"))
}

/// A problem at a character, counted from 1.
fn problem_at(position: usize, message: impl std::fmt::Display) -> FieldProblem {
    FieldProblem::new(FIELD, format!("at character {position}: {message}"))
}
