//! What is wrong with a row, and where the row stands.

use std::fmt;

use model::Fault;

use super::Advice;

/// Characters of a bad value that a message shows.
const VALUE_CHARS_MAX: usize = 80;

/// Where a row stands in its file, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In files of lines.
    Line(u64),
    /// In a JSON array: which element, and the line it begins on.
    Element(u64, u64),
    /// In files without lines.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Element(row, line) => write!(f, "row {row} (line {line})"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// What an import that fails has stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// Not a row.
    Nothing,
    /// The rows of its earlier commits.
    EarlierCommits,
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing was stored",
            Self::EarlierCommits => "what was committed before is stored",
        })
    }
}

/// What is wrong with a row.
#[derive(Debug)]
pub(super) struct Problem {
    /// Column, where it is one column's fault.
    pub(super) column: Option<String>,
    /// Its value, clipped.
    pub(super) value: Option<String>,
    /// What is wrong.
    pub(super) why: String,
    /// What to do.
    pub(super) hint: Option<String>,
    /// Whether the row belongs to another project than the import.
    is_foreign: bool,
}

impl Problem {
    /// The row as a whole is bad.
    pub(super) fn of_row(why: impl Into<String>) -> Self {
        Self { column: None, value: None, why: why.into(), hint: None, is_foreign: false }
    }

    /// The row names the project `given`, the import is one of `project`.
    pub(super) fn of_foreign_row(column: &str, given: &str, project: &str) -> Self {
        let why = format!("the row belongs to another project than {}", clip(project));
        Self { is_foreign: true, ..Self::of_column(column, why).value(given) }
    }

    /// A column is bad.
    pub(super) fn of_column(column: &str, why: impl Into<String>) -> Self {
        Self { column: Some(clip(column)), ..Self::of_row(why) }
    }

    /// Adds the value.
    pub(super) fn value(mut self, value: &str) -> Self {
        self.value = Some(clip(value));
        self
    }

    /// Adds what to do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The failure of an import that takes no bad rows; `stored` says what of it is stored.
    pub(super) fn into_fault(self, file: &str, place: Place, stored: Stored, advice: Advice) -> Fault {
        let usual = if self.is_foreign { advice.other_project } else { advice.bad_row };
        let hint = self.hint.as_deref().unwrap_or(usual);
        Fault::bad_request(format!("{file} {place}: {self}")).hint(format!("{hint}; {stored}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.column, &self.value) {
            (Some(column), Some(value)) => write!(f, "column {column}: {} ({value})", self.why),
            (Some(column), None) => write!(f, "column {column}: {}", self.why),
            (None, _) => f.write_str(&self.why),
        }
    }
}

/// The start of a text from a file, safe to print: control characters are replaced.
pub(super) fn clip(text: &str) -> String {
    let printable = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    let mut clipped: String = text.chars().take(VALUE_CHARS_MAX).map(printable).collect();
    if text.chars().nth(VALUE_CHARS_MAX).is_some() {
        clipped.push('…');
    }
    clipped
}
