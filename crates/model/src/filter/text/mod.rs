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

/// The name of the field that lines stand in.
const FIELD: &str = "where";

/// Reads a line of text into the same tree that JSON gives.
///
/// `at` names the line in problems: `where[1]`. What is found in a condition later is a problem of the character that
/// the condition begins at: `where[1][12].value`.
pub fn parse_where(table: &TableSpec, line: &str, at: &str) -> Result<WireFilter, Vec<FieldProblem>> {
    let read = lexer::tokens(line).map_err(|problem| vec![problem]).and_then(|tokens| {
        let filter = parser::parse(table, &tokens, at)?;
        if filter.nests_within(NESTING_MAX) { Ok(filter) } else { Err(vec![too_deep()]) }
    });
    let of_line = |problem: FieldProblem| FieldProblem { field: at.to_owned(), ..problem };
    read.map_err(|problems| problems.into_iter().map(of_line).collect())
}

/// Reads lines that must all hold, named `where[0]` and so on. Lines that are wrong are left out, and told in
/// `problems`.
pub fn parse_wheres(table: &TableSpec, lines: &[String], problems: &mut Vec<FieldProblem>) -> Vec<WireFilter> {
    let mut filters = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        match parse_where(table, line, &format!("{FIELD}[{index}]")) {
            Ok(filter) => filters.push(filter),
            Err(found) => problems.extend(found),
        }
    }
    filters
}

fn too_deep() -> FieldProblem {
    FieldProblem::new(FIELD, format!("conditions are nested more than {NESTING_MAX} levels deep"))
}

/// A problem at a character, counted from 1.
fn problem_at(position: usize, message: impl std::fmt::Display) -> FieldProblem {
    FieldProblem::new(FIELD, format!("at character {position}: {message}"))
}
