//! One row of JSON into the row under way.

use super::filler::Filler;
use super::problem::Problem;
use super::report::IgnoredNames;
use crate::rows::{Cell, Object, syntax_problem};

/// Fills and ends one row.
pub(super) fn row(bytes: &[u8], filler: &mut Filler, ignored: &mut IgnoredNames) -> Result<(), Problem> {
    filler.begin(false);
    let filled = fill(bytes, filler);
    filler.end(filled, ignored)
}

/// The names in a row, none where it is no JSON object.
pub(super) fn names(bytes: &[u8]) -> Vec<String> {
    object(bytes)
        .map(|Object(cells)| cells.into_iter().map(|(name, _)| name.into_owned()).collect())
        .unwrap_or_default()
}

fn fill(bytes: &[u8], filler: &mut Filler) -> Result<(), Problem> {
    let Object(cells) = object(bytes)?;
    for (position, (name, value)) in cells.iter().enumerate() {
        let meaning = filler.meaning(position, name);
        filler.cell(name, meaning, Cell::Json(value))?;
    }
    Ok(())
}

/// The object that a row is.
pub(super) fn object(bytes: &[u8]) -> Result<Object<'_>, Problem> {
    let text = text(bytes)?;
    serde_json::from_str(text).map_err(|error| {
        let problem = Problem::of_row(format!("no JSON object: {}", syntax_problem(&error)));
        match error.is_eof() {
            true => {
                problem.hint("the row is cut off, or its JSON is spread over several lines: write one row per line")
            }
            false => problem,
        }
    })
}

/// The row as text.
pub(super) fn text(bytes: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(bytes)
        .map_err(|error| Problem::of_row(format!("invalid UTF-8 at byte {}", error.valid_up_to() + 1)))
}
