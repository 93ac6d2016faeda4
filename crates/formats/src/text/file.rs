//! Text files: rows as blocks, blocks between a head and a tail.

use std::any::Any;

use arrow_array::{RecordBatch, new_empty_array};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use model::{BlockEncoder, ByteCount, Compression, EncodedBlock, Encoder, EncoderState, Fault, RowCount};
use serde::{Deserialize, Serialize};

use crate::compression::{compress, compress_last, compress_whole};

/// Appends the rows of a batch as text.
pub(crate) trait Rows: Send + Sync {
    /// About how many bytes the rows take, but for what escapes add.
    fn size_hint(&self, batch: &RecordBatch) -> Result<usize, Fault>;

    /// Appends every row, each complete with what separates it from its neighbours.
    fn append(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), Fault>;
}

/// Encodes blocks of rows as text, compressed on request.
pub(crate) struct TextBlocks<R> {
    rows: R,
    compression: Compression,
    separator: usize,
}

impl<R: Rows> TextBlocks<R> {
    /// Blocks of `rows` for `frame`, tried on no rows at all, so that a column that cannot be written
    /// is a fault now.
    pub(crate) fn new(schema: &SchemaRef, rows: R, frame: &Frame) -> Result<Self, Fault> {
        let columns = schema.fields().iter().map(|field| new_empty_array(field.data_type())).collect();
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(0));
        let empty = RecordBatch::try_new_with_options(SchemaRef::clone(schema), columns, &options)
            .map_err(|error| Fault::bug("cannot build an empty batch of the schema").because(error))?;
        rows.append(&empty, &mut Vec::new())?;
        Ok(Self { rows, compression: frame.compression, separator: frame.between.len() })
    }
}

impl<R: Rows> BlockEncoder for TextBlocks<R> {
    fn encode(&self, rows: &[RecordBatch]) -> Result<EncodedBlock, Fault> {
        let hints = rows.iter().map(|batch| self.rows.size_hint(batch)).collect::<Result<Vec<_>, Fault>>()?;
        let hint: usize = hints.iter().sum();
        // All of it at once, and room for escapes: a buffer that grows is copied, or faults in every page anew.
        let mut bytes = Vec::with_capacity(hint + hint / 8);
        for batch in rows {
            self.rows.append(batch, &mut bytes)?;
        }
        let mut room = self.separator.min(bytes.len());
        if self.compression != Compression::None {
            bytes = compress(self.compression, &bytes[room..])?;
            room = 0;
        }
        Ok(EncodedBlock {
            rows: rows.iter().map(|batch| RowCount::from(batch.num_rows())).sum(),
            bytes: ByteCount::from(bytes.capacity()),
            payload: Box::new(TextBlock { bytes, room }),
        })
    }
}

/// The bytes of a block. The first `room` of them are the separator in front of its first row, or
/// whatever the file puts in its place.
struct TextBlock {
    bytes: Vec<u8>,
    room: usize,
}

/// What stands around the blocks of a file, as text.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// In front of the first block.
    pub(crate) head: Vec<u8>,
    /// In front of every other block: the separator that rows start with.
    pub(crate) between: &'static [u8],
    /// Behind the last block.
    pub(crate) tail: &'static [u8],
    /// The whole file where there is no row.
    pub(crate) empty: Vec<u8>,
    /// How all of it is compressed: every part is a gzip member or zstd frame of its own.
    pub(crate) compression: Compression,
}

impl Frame {
    /// Starts a file, or continues the one that `resume` describes.
    pub(crate) fn start(self, resume: Option<&EncoderState>) -> Result<Box<dyn Encoder>, Fault> {
        let progress = match resume {
            None => Progress { started: false },
            Some(state) => Progress::deserialize(&state.0).map_err(|error| {
                Fault::corrupt("cannot continue the file: the recorded state of its encoder is not one of ours")
                    .because(error)
            })?,
        };
        Ok(Box::new(TextEncoder { frame: self, progress }))
    }

    /// A part of the frame as it stands in the file.
    fn part(&self, text: &[u8]) -> Result<Vec<u8>, Fault> {
        if text.is_empty() { Ok(Vec::new()) } else { compress(self.compression, text) }
    }
}

/// How far a file has come.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Progress {
    /// Whether its head and a first row are written.
    started: bool,
}

struct TextEncoder {
    frame: Frame,
    progress: Progress,
}

impl Encoder for TextEncoder {
    fn append(&mut self, block: EncodedBlock) -> Result<Bytes, Fault> {
        if block.rows == RowCount::ZERO {
            return Ok(Bytes::new());
        }
        let payload: Box<dyn Any> = block.payload;
        let TextBlock { mut bytes, room } =
            *payload.downcast().map_err(|_| Fault::bug("a block reached the encoder of another format"))?;
        let before = if self.progress.started { self.frame.between } else { &self.frame.head };
        let before = self.frame.part(before)?;
        self.progress.started = true;
        match room.checked_sub(before.len()) {
            Some(start) => {
                bytes[start..room].copy_from_slice(&before);
                Ok(Bytes::from(bytes).slice(start..))
            }
            None => Ok([before.as_slice(), &bytes[room..]].concat().into()),
        }
    }

    fn state(&self) -> Option<EncoderState> {
        Some(EncoderState(serde_json::json!({ "started": self.progress.started })))
    }

    fn finish(self: Box<Self>) -> Result<Bytes, Fault> {
        let Frame { compression, tail, empty, .. } = &self.frame;
        let end =
            if self.progress.started { compress_last(*compression, tail) } else { compress_whole(*compression, empty) };
        end.map(Bytes::from)
    }
}

/// Refuses a batch whose columns are not those the encoder was made for.
pub(crate) fn check_columns(schema: &SchemaRef, batch: &RecordBatch) -> Result<(), Fault> {
    let found = batch.schema_ref().fields();
    let same = found.len() == schema.fields().len()
        && schema.fields().iter().zip(found).all(|(a, b)| a.data_type().equals_datatype(b.data_type()));
    if same { Ok(()) } else { Err(Fault::bug("a batch does not have the columns its encoder was made for")) }
}
