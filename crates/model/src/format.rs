//! How rows become bytes: blocks are pure and parallel, framing is sequential and resumable.

use std::any::Any;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ByteCount, EncoderState, Fault, RowCount};

/// A file format.
///
/// Bytes depend on the row sequence and the options alone (promise 3): the pipeline cuts blocks at
/// canonical points, so an encoder may end compression members and row groups with every block.
pub trait Format: Send + Sync {
    /// How it introduces itself.
    fn descriptor(&self) -> &FormatDescriptor;

    /// Encodes blocks of this schema, on any core, in any order. Options it cannot honour are a fault.
    fn block_encoder(&self, schema: &SchemaRef, options: &FormatOptions) -> Result<Arc<dyn BlockEncoder>, Fault>;

    /// Starts a file, or continues one whose blocks up to `resume` are durable.
    fn start(
        &self,
        schema: &SchemaRef,
        options: &FormatOptions,
        resume: Option<&EncoderState>,
    ) -> Result<Box<dyn Encoder>, Fault>;

    /// Reads a finished file that was written with these options back, for verification. Each row becomes the texts
    /// of `columns`, in that order, without the signs that make them safe for spreadsheets; with no columns rows are
    /// only counted.
    fn scanner(&self, _options: &FormatOptions, _columns: &[&str]) -> Result<Box<dyn RowScanner>, Fault> {
        Err(Fault::bad_request(format!("files of format {} cannot be read back", self.descriptor().name)))
    }
}

/// Reads the rows of one file as its bytes arrive. Bytes that no encoder of the format can have
/// written are a corrupt fault.
///
/// A scanner without columns takes a whole file in order. One with columns is asked before each stretch.
pub trait RowScanner: Send {
    /// The stretch that it takes next, in order and to its last byte, of a file of `size` bytes of which `pushed`
    /// were pushed; `None` where it needs nothing more. A format whose rows do not follow each other reads no
    /// more of a file than where the columns are.
    fn next_stretch(&mut self, size: u64, pushed: u64) -> Result<Option<Range<u64>>, Fault> {
        Ok((pushed < size).then_some(pushed..size))
    }

    /// Takes the next bytes; `found` gets every row that they complete.
    fn push(&mut self, bytes: &[u8], found: &mut ScannedRows) -> Result<(), Fault>;

    /// Ends the file.
    fn finish(self: Box<Self>, found: &mut ScannedRows) -> Result<(), Fault>;
}

/// Rows read back from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScannedRows {
    /// Rows so far.
    pub rows: RowCount,
    /// The asked texts of the rows that were not taken yet; `None` for null. Empty where no column was asked for.
    pub texts: Vec<Vec<Option<String>>>,
}

/// What options, file names, the API and the UI need to know of a format.
#[derive(Clone, Debug, Serialize)]
pub struct FormatDescriptor {
    /// `csv`, `json`, `jsonl`, `parquet`.
    pub name: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// File name extension without dot.
    pub extension: &'static str,
    /// Media type with charset.
    pub content_type: &'static str,
    /// Whether whole files may be compressed with gzip or zstd; formats that compress inside say no.
    pub compressible: bool,
    /// Number of canonical stretches (8,192 rows or 4 MiB each) that make one block.
    pub stretches_per_block: usize,
    /// What `unicode` is when the user does not say.
    pub unicode_default: UnicodeRule,
}

/// The part of encoding that is pure.
pub trait BlockEncoder: Send + Sync {
    /// Encodes the rows of one block, given as adjacent batches; compression is included.
    fn encode(&self, rows: &[RecordBatch]) -> Result<EncodedBlock, Fault>;
}

/// A block, encoded.
pub struct EncodedBlock {
    /// Rows in it.
    pub rows: RowCount,
    /// Bytes it occupies in memory.
    pub bytes: ByteCount,
    /// What the same format's [`Encoder`] understands.
    pub payload: Box<dyn Any + Send>,
}

/// The part of encoding that knows what came before: header, separators, footer.
pub trait Encoder: Send {
    /// Bytes that this block adds to the file.
    fn append(&mut self, block: EncodedBlock) -> Result<Bytes, Fault>;

    /// What a successor needs to continue after the blocks so far; `None` where the format can only
    /// start a file again.
    fn state(&self) -> Option<EncoderState>;

    /// Bytes that end the file. A file without blocks is a valid empty file.
    fn finish(self: Box<Self>) -> Result<Bytes, Fault>;
}

/// How rows are written, for every format. A format refuses what it cannot honour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FormatOptions {
    /// Whole-file compression of text formats.
    pub compression: Compression,
    /// Starts text files with a UTF-8 byte order mark, for spreadsheets.
    pub bom: bool,
    /// Writes the CSV header even where there is no row.
    pub csv_header_always: bool,
    /// Prefixes CSV cells that a spreadsheet would run as a formula (`= + - @`, tab, carriage return) with `'`,
    /// and those that look as if they had been: it can be taken away again.
    pub neutralise_formulas: bool,
    /// Writes input and output as JSON values instead of text where they are valid JSON.
    pub parse_payloads: bool,
    /// What becomes of `\uXXXX` in text.
    pub unicode: UnicodeRule,
}

impl Default for FormatOptions {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            bom: false,
            csv_header_always: false,
            neutralise_formulas: false,
            parse_payloads: false,
            unicode: UnicodeRule::Keep,
        }
    }
}

/// What becomes of `\uXXXX` in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnicodeRule {
    /// Text is written byte for byte.
    Keep,
    /// Escapes of code points from U+0080 on that an odd number of backslashes precedes are replaced;
    /// surrogate pairs are joined, lone surrogates kept.
    Decode,
}

/// Whole-file compression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// RFC 1952, one member per block.
    Gzip,
    /// RFC 8878, one frame per block.
    Zstd,
}

impl Compression {
    /// Every value, for help texts and tests.
    pub const ALL: [Self; 3] = [Self::None, Self::Gzip, Self::Zstd];

    /// The name in options and manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// What it adds to a file name, dot included.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstd => ".zst",
        }
    }
}

impl FromStr for Compression {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::ALL
            .into_iter()
            .find(|compression| compression.as_str() == text)
            .ok_or_else(|| Fault::bad_request(format!("unknown compression {text:?}")).hint("use none, gzip or zstd"))
    }
}
