//! The file of bad rows: one JSON object per row, with what is wrong and the row as it was read.
//!
//! It belongs to the rows that were stored: of an import that committed nothing it is removed, whatever made
//! it fail, so that the import can be repeated as it was.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use model::{Fault, FaultKind};
use serde::Serialize;

use super::problem::{Place, Problem};

/// Bad rows being written.
pub(super) struct Rejects {
    path: PathBuf,
    file: BufWriter<File>,
    /// Whether a commit that was made relies on what was written.
    kept: bool,
}

/// One bad row. `row` is its text; `row_hex` its bytes where they are no text.
#[derive(Serialize)]
struct Reject<'a> {
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row_number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<&'a str>,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row_hex: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    row_clipped: bool,
}

/// A bad row as it was read.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    /// Its bytes.
    pub(super) bytes: &'a [u8],
    /// Whether they are only its beginning.
    pub(super) clipped: bool,
}

impl Rejects {
    /// Creates the file; one that exists is kept, because it may hold rows nobody has replayed yet.
    pub(super) fn create(path: &Path) -> Result<Self, Fault> {
        let file = File::create_new(path).map_err(|error| {
            let name = path.display();
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    Fault::new(FaultKind::Conflict, format!("the rejects file {name} exists"))
                        .hint("name another file, or move it away")
                }
                _ => Fault::new(FaultKind::Configuration, format!("cannot create the rejects file {name}: {error}"))
                    .hint("name a file in a folder that can be written"),
            }
            .because(error)
        })?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), kept: false })
    }

    /// Writes one bad row.
    pub(super) fn write(&mut self, file: &str, place: Place, problem: &Problem, raw: Raw<'_>) -> Result<(), Fault> {
        let (line, row_number) = match place {
            Place::Line(line) => (Some(line), None),
            Place::Element(row, line) => (Some(line), Some(row)),
            Place::Row(row) => (None, Some(row)),
        };
        let text = std::str::from_utf8(raw.bytes).ok();
        let hex = || raw.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let reject = Reject {
            file,
            line,
            row_number,
            column: problem.column.as_deref(),
            reason: problem.to_string(),
            row: text,
            row_hex: text.is_none().then(hex),
            row_clipped: raw.clipped,
        };
        serde_json::to_writer(&mut self.file, &reject).map_err(|error| self.fault(error.into()))?;
        self.file.write_all(b"\n").map_err(|error| self.fault(error))
    }

    /// Makes what was written durable, for a commit that follows.
    pub(super) fn sync(&mut self) -> Result<(), Fault> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(|error| self.fault(error))
    }

    /// Rows were committed: the file stays.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }

    fn fault(&self, error: std::io::Error) -> Fault {
        Fault::new(FaultKind::Configuration, format!("cannot write the rejects file {}: {error}", self.path.display()))
            .hint("see that its disk has room")
            .because(error)
    }
}

impl Drop for Rejects {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(cause = %error, file = %self.path.display(), "cannot remove the rejects file");
        }
    }
}
