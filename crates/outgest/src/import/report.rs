//! What an import did, in numbers that add up.

use std::collections::BTreeMap;
use std::fmt;

use model::{Fault, RowCount};
use serde::Serialize;

use crate::report::counted;

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows in the files.
    pub read: RowCount,
    /// Rows handed to the sink and committed, by table.
    pub stored: BTreeMap<String, RowCount>,
    /// Rows that were bad and written to the rejects.
    pub rejected: RowCount,
    /// Columns of the files that were left out, by name.
    pub ignored: Vec<IgnoredColumn>,
}

/// A column that a stored table cannot take back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IgnoredColumn {
    /// Its name in the file.
    pub name: String,
    /// Why it was left out.
    pub why: Ignored,
    /// Stored rows that had a value for it.
    pub values: RowCount,
}

/// Why a column was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ignored {
    /// It follows from stored columns.
    Derived,
    /// It shows scores, which are imported as scores.
    Score,
    /// It shows comments, which are imported as comments.
    Comments,
}

impl Ignored {
    /// The reason as the end of a sentence about the column.
    pub fn words(self) -> &'static str {
        match self {
            Self::Derived => "is derived from stored columns",
            Self::Score => "is a score column, not importable: import the scores",
            Self::Comments => "is not importable: import the comments",
        }
    }
}

impl Report {
    /// Fails where rows were lost: every row read was stored or rejected.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let stored: RowCount = self.stored.values().copied().sum();
        if stored + self.rejected == self.read {
            return Ok(());
        }
        let (read, rejected) = (self.read, self.rejected);
        Err(Fault::bug(format!("import read {read} rows, but stored {stored} and rejected {rejected}")))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read {}", self.read.counted())?;
        for (table, rows) in &self.stored {
            write!(f, ", stored {}", counted(rows.get(), table.trim_end_matches('s')))?;
        }
        write!(f, ", rejected {}", self.rejected.human())?;
        for column in &self.ignored {
            let (name, why) = (super::problem::clip(&column.name), column.why.words());
            write!(f, "\ncolumn {name} {why} ({})", counted(column.values.get(), "value"))?;
        }
        Ok(())
    }
}

/// Ignored columns being counted.
#[derive(Default)]
pub(super) struct IgnoredNames {
    names: BTreeMap<String, (Ignored, u64)>,
}

impl IgnoredNames {
    /// Counts the column in one more row.
    pub(super) fn count(&mut self, name: &str, why: Ignored, has_value: bool) {
        match self.names.get_mut(name) {
            Some((_, values)) => *values += u64::from(has_value),
            None => {
                self.names.insert(name.to_owned(), (why, u64::from(has_value)));
            }
        }
    }

    /// The columns by name.
    pub(super) fn into_columns(self) -> Vec<IgnoredColumn> {
        let column = |(name, (why, values))| IgnoredColumn { name, why, values: RowCount(values) };
        self.names.into_iter().map(column).collect()
    }
}
