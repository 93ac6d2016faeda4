//! Finds the records of a CSV file. Line ends inside quotes belong to a cell.

use model::{Fault, RowCount, ScannedRows};

use super::rows::as_given;
use crate::text::FindRows;

/// A CSV file that is being read.
pub(super) struct Records {
    columns: Vec<String>,
    /// Whether formulas were neutralised.
    neutralised: bool,
    /// Where the wanted columns stand, once the header is read, and how many columns there are.
    header: Option<(Vec<usize>, usize)>,
    cells: Vec<Vec<u8>>,
    place: Place,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    LineStart,
    CellStart,
    InQuotes,
    /// Behind a quote that ends the cell or is the first of two.
    AfterQuote,
}

impl Records {
    pub(super) fn new(columns: &[&str], neutralised: bool) -> Self {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Self { columns, neutralised, header: None, cells: Vec::new(), place: Place::LineStart }
    }

    fn wanted(&self, index: usize) -> bool {
        self.header.as_ref().is_none_or(|(wanted, _)| wanted.contains(&index))
    }

    fn end_record(&mut self, found: &mut ScannedRows) -> Result<(), Fault> {
        let cells = std::mem::take(&mut self.cells);
        let neutralised = self.neutralised;
        let text = |cell: &Vec<u8>| {
            let cell = if neutralised { as_given(cell) } else { cell.as_slice() };
            String::from_utf8_lossy(cell).into_owned()
        };
        let Some((wanted, width)) = &self.header else {
            let names: Vec<String> = cells.iter().map(text).collect();
            let position = |column: &String| names.iter().position(|name| name == column);
            let wanted: Option<Vec<usize>> = self.columns.iter().map(position).collect();
            let wanted = wanted.ok_or_else(|| Fault::corrupt("the header lacks a column of the manifest"))?;
            self.header = Some((wanted, names.len()));
            return Ok(());
        };
        found.rows += RowCount(1);
        if cells.len() != *width {
            let (row, cells) = (found.rows, cells.len());
            return Err(Fault::corrupt(format!("row {row} has {cells} cells, the header has {width}")));
        }
        if !wanted.is_empty() {
            // An empty cell is null: CSV has no other.
            let texts = wanted.iter().map(|index| Some(text(&cells[*index])).filter(|text| !text.is_empty()));
            found.texts.push(texts.collect());
        }
        Ok(())
    }
}

impl FindRows for Records {
    fn push(&mut self, text: &[u8], found: &mut ScannedRows) -> Result<(), Fault> {
        const BOM: &[u8] = b"\xef\xbb\xbf";
        for byte in text.iter().copied() {
            self.place = match (self.place, byte) {
                // A byte order mark stands in front of the header only.
                (Place::LineStart, byte) if self.header.is_none() && BOM.contains(&byte) => Place::LineStart,
                (Place::LineStart | Place::CellStart, b'"') => {
                    self.cells.push(Vec::new());
                    Place::InQuotes
                }
                (Place::InQuotes, b'"') => Place::AfterQuote,
                (Place::InQuotes, byte) | (Place::AfterQuote, byte @ b'"') => {
                    let cell = self.cells.len() - 1;
                    if self.wanted(cell) {
                        self.cells[cell].push(byte);
                    }
                    Place::InQuotes
                }
                (Place::AfterQuote, b',') => Place::CellStart,
                (Place::AfterQuote | Place::LineStart, b'\n') => {
                    self.end_record(found)?;
                    Place::LineStart
                }
                (_, byte) => {
                    let at = found.rows;
                    return Err(Fault::corrupt(format!("byte {byte:#04x} behind row {at} stands outside of quotes")));
                }
            };
        }
        Ok(())
    }

    fn finish(self, _found: &mut ScannedRows) -> Result<(), Fault> {
        match self.place {
            Place::LineStart => Ok(()),
            _ => Err(Fault::corrupt("the last record has no end")),
        }
    }
}
