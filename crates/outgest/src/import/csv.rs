//! Rows of CSV with a header, as our exports and Langfuse's write it. An empty cell is null.

use std::cell::Cell as Counter;
use std::io::{self, Read};
use std::rc::Rc;

use csv::ByteRecord;
use model::Fault;

use super::buffer::Buffer;
use super::filler::{Filler, Look};
use super::input::read_fault;
use super::layout::{Meaning, Target};
use super::problem::{Place, Problem, clip};
use super::report::IgnoredNames;
use crate::rows::{Cell, JsonText, Values};

/// A file of CSV, being read.
pub(super) struct CsvRows {
    name: String,
    reader: csv::Reader<Watched>,
    watch: Rc<Watch>,
    record: ByteRecord,
    header: Vec<String>,
}

impl CsvRows {
    /// Reads the header; there is none in an empty file, which is an empty export.
    pub(super) fn new(name: String, buffer: Buffer, row_bytes_max: u64) -> Result<Self, Fault> {
        let watch = Rc::new(Watch { row_bytes_max, row_bytes: Counter::new(0), at: Counter::new(At::CellStart) });
        let watched = Watched { buffer, watch: Rc::clone(&watch) };
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(watched);
        let mut rows = Self { name, reader, watch, record: ByteRecord::new(), header: Vec::new() };
        if rows.advance()? {
            for (index, cell) in rows.record.iter().enumerate() {
                let column = std::str::from_utf8(cell).map_err(|_| {
                    Fault::bad_request(format!("{}: column {} of the header is no UTF-8", rows.name, index + 1))
                        .hint("save the file as UTF-8")
                })?;
                if rows.header.iter().any(|known| known == column) {
                    let column = clip(column);
                    return Err(Fault::bad_request(format!("{}: the header has column {column} twice", rows.name))
                        .hint("remove one of the two columns"));
                }
                rows.header.push(column.to_owned());
            }
        }
        Ok(rows)
    }

    /// Column names.
    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    /// Reads the next record; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, Fault> {
        self.watch.row_bytes.set(0);
        let read = self.reader.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) if self.watch.is_over() => {
                let limit = self.watch.row_bytes_max;
                let line = self.reader.position().line();
                Fault::bad_request(format!("{} line {line}: the row is longer than {limit} bytes", self.name))
                    .hint("see that quotes are closed")
                    .because(error)
            }
            csv::ErrorKind::Io(error) => read_fault(&self.name, error),
            kind => Fault::bug(format!("cannot read {}", self.name))
                .because(csv::Error::from(io::Error::other(format!("{kind:?}")))),
        })?;
        if !read && self.watch.at.get() == At::Quoted {
            return Err(Fault::corrupt(format!("{}: the file ends inside a quoted cell", self.name))
                .hint("the file is cut off, or a quote is not closed"));
        }
        Ok(read)
    }

    /// Where the record stands.
    pub(super) fn place(&self) -> Place {
        Place::Line(self.record.position().map_or(0, csv::Position::line))
    }

    /// The record as CSV.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let written = writer.write_byte_record(&self.record);
        written.ok().and_then(|()| writer.into_inner().ok()).unwrap_or_default()
    }

    /// Fills and ends one row.
    pub(super) fn row(
        &self,
        meanings: &[Meaning],
        filler: &mut Filler,
        ignored: &mut IgnoredNames,
    ) -> Result<(), Problem> {
        filler.begin(meanings.iter().any(|meaning| meaning.exported));
        let filled = self.fill(meanings, filler);
        filler.end(filled, ignored)
    }

    fn fill(&self, meanings: &[Meaning], filler: &mut Filler) -> Result<(), Problem> {
        if self.record.len() != self.header.len() {
            let (cells, columns) = (self.record.len(), self.header.len());
            return Err(Problem::of_row(format!("the row has {cells} cells, the header {columns}")));
        }
        for ((name, meaning), cell) in self.header.iter().zip(meanings).zip(&self.record) {
            let text = std::str::from_utf8(cell).map_err(|error| {
                Problem::of_column(name, format!("invalid UTF-8 at byte {} of the cell", error.valid_up_to() + 1))
            })?;
            let look = Look::of(&Cell::Text(text));
            let filled = filler.fill(name, *meaning, look, |values, _| push(values, text));
            filled.map_err(|problem| match meaning.target {
                Target::Stored { .. } | Target::Pairs { .. } => problem.value(text),
                _ => problem,
            })?;
        }
        Ok(())
    }
}

/// A cell: text as it stands, lists and maps as JSON, everything else by its type.
fn push(values: &mut Values, text: &str) -> Result<crate::rows::Filled, String> {
    let cell = match values {
        _ if text.is_empty() => Cell::Null,
        Values::List { .. } | Values::Map { .. } => Cell::Json(text),
        // Langfuse prints a date in JSON quotes.
        Values::Time(_) if text.starts_with('"') => Cell::Json(text),
        _ => Cell::Text(text),
    };
    values.push(cell, JsonText::Refused)
}

/// What is known of the bytes that passed.
struct Watch {
    row_bytes_max: u64,
    /// Bytes read since the last record ended; a buffer's worth of them may belong to later records.
    row_bytes: Counter<u64>,
    /// Where the bytes that passed end: the CSV reader itself takes the end of the file for the end of a cell.
    at: Counter<At>,
}

/// A place in CSV text. Quotes mean something at the start of a cell and within a quoted one only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    CellStart,
    Unquoted,
    Quoted,
    /// Behind a quote in a quoted cell: the first of two, or the end of the cell.
    Quote,
}

impl At {
    /// The place behind these bytes.
    fn after(self, bytes: &[u8]) -> Self {
        let mut at = self;
        let mut rest = bytes;
        while let Some((byte, tail)) = rest.split_first() {
            rest = tail;
            at = match (at, byte) {
                (Self::CellStart | Self::Quote, b'"') => Self::Quoted,
                (Self::Quoted, b'"') => Self::Quote,
                (Self::Quoted, _) => {
                    // Long texts are passed at once.
                    rest = &rest[memchr::memchr(b'"', rest).unwrap_or(rest.len())..];
                    Self::Quoted
                }
                (_, b',' | b'\n' | b'\r') => Self::CellStart,
                _ => Self::Unquoted,
            };
        }
        at
    }
}

impl Watch {
    fn is_over(&self) -> bool {
        self.row_bytes.get() > self.row_bytes_max
    }
}

/// Passes bytes on and ends a row that is too long.
struct Watched {
    buffer: Buffer,
    watch: Rc<Watch>,
}

impl Read for Watched {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.watch.is_over() {
            return Err(io::Error::other("the row is too long"));
        }
        if self.buffer.unread().is_empty() && !self.buffer.fill()? {
            return Ok(0);
        }
        let count = self.buffer.unread().len().min(into.len());
        let bytes = self.buffer.take(count);
        into[..count].copy_from_slice(bytes);
        self.watch.row_bytes.set(self.watch.row_bytes.get() + count as u64);
        self.watch.at.set(self.watch.at.get().after(bytes));
        Ok(count)
    }
}
