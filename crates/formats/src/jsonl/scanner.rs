//! Finds the objects of a JSONL file.

use memchr::memchr;
use model::{Fault, ScannedRows};

use crate::text::{FindRows, found_object};

/// A JSONL file that is being read.
pub(super) struct Lines {
    columns: Vec<String>,
    /// The line that has begun.
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|column| (*column).to_owned()).collect(), line: Vec::new() }
    }
}

impl FindRows for Lines {
    fn push(&mut self, mut text: &[u8], found: &mut ScannedRows) -> Result<(), Fault> {
        while let Some(end) = memchr(b'\n', text) {
            self.line.extend_from_slice(&text[..end]);
            found_object(&self.line, &self.columns, found)?;
            self.line.clear();
            text = &text[end + 1..];
        }
        self.line.extend_from_slice(text);
        Ok(())
    }

    fn finish(self, _found: &mut ScannedRows) -> Result<(), Fault> {
        match self.line.is_empty() {
            true => Ok(()),
            false => Err(Fault::corrupt("the last line has no end")),
        }
    }
}
