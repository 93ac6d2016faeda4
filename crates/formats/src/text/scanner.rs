//! Reads text files back: decompresses them and finds their rows.

use std::collections::BTreeMap;

use model::{Compression, Fault, RowCount, RowScanner, ScannedRows};
use serde_json::value::RawValue;

use crate::compression::Expander;

/// Finds rows in a text that arrives in pieces.
pub(crate) trait FindRows: Send {
    /// Takes the next piece.
    fn push(&mut self, text: &[u8], found: &mut ScannedRows) -> Result<(), Fault>;

    /// The text has ended; fails in the middle of a row.
    fn finish(self, found: &mut ScannedRows) -> Result<(), Fault>;
}

/// Reads a text file, compressed or not.
pub(crate) struct TextScanner<F> {
    expander: Expander,
    rows: F,
}

impl<F: FindRows + 'static> TextScanner<F> {
    /// Starts a file.
    pub(crate) fn start(compression: Compression, rows: F) -> Result<Box<dyn RowScanner>, Fault> {
        Ok(Box::new(Self { expander: Expander::new(compression)?, rows }))
    }
}

impl<F: FindRows> RowScanner for TextScanner<F> {
    fn push(&mut self, bytes: &[u8], found: &mut ScannedRows) -> Result<(), Fault> {
        let text = self.expander.push(bytes)?;
        self.rows.push(&text, found)
    }

    fn finish(mut self: Box<Self>, found: &mut ScannedRows) -> Result<(), Fault> {
        let text = self.expander.finish()?;
        self.rows.push(&text, found)?;
        self.rows.finish(found)
    }
}

/// Notes a row that is one JSON object.
pub(crate) fn found_object(object: &[u8], columns: &[String], found: &mut ScannedRows) -> Result<(), Fault> {
    let cells: BTreeMap<String, &RawValue> = serde_json::from_slice(object)
        .map_err(|error| Fault::corrupt(format!("row {} is not a JSON object", found.rows.get() + 1)).because(error))?;
    found.rows += RowCount(1);
    if !columns.is_empty() {
        let texts = columns.iter().map(|column| cells.get(column).and_then(|cell| text_of(cell.get())));
        found.texts.push(texts.collect());
    }
    Ok(())
}

/// Text as it is, null as nothing, everything else as JSON.
pub(crate) fn text_of(json: &str) -> Option<String> {
    match json {
        "null" => None,
        json if json.starts_with('"') => serde_json::from_str(json).ok(),
        json => Some(json.to_owned()),
    }
}
