//! Messages of an Arrow stream → record batches that share the messages' memory.
//!
//! Lengths and offsets are checked to lie within their buffers: the bytes come from another program. What it calls
//! bytes becomes text in `text`.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::{ArrowError, SchemaRef};

use super::messages::Message;
use super::text::{as_text, with_text};

/// The end marker: a message of no length.
const END: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// Decodes the messages of one stream in their order.
#[derive(Debug)]
pub(super) struct Decoder {
    decoder: StreamDecoder,
    /// The stream's schema with text as text; known behind the first message.
    schema: Option<SchemaRef>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { decoder: StreamDecoder::new(), schema: None }
    }

    /// The schema of the batches, once its message has come.
    pub(super) fn schema(&self) -> Option<&SchemaRef> {
        self.schema.as_ref()
    }

    /// The rows of a message; `None` for a message without rows.
    pub(super) fn decode(&mut self, message: Message) -> Result<Option<RecordBatch>, ArrowError> {
        let mut found = None;
        for mut part in [message.head, message.body] {
            while !part.is_empty() {
                // A message without a body is taken up with the one behind it; such a batch has no rows.
                found = self.decoder.decode(&mut part)?.or(found);
            }
        }
        self.note_schema();
        let Some(batch) = found.filter(|batch| batch.num_rows() > 0) else { return Ok(None) };
        match &self.schema {
            Some(schema) if batch.schema_ref() != schema => Ok(Some(as_text(batch, schema)?)),
            _ => Ok(Some(batch)),
        }
    }

    /// Ends the stream, whose end marker has come, and takes up a last message without a body.
    pub(super) fn finish(&mut self) -> Result<(), ArrowError> {
        let mut end = Buffer::from(END);
        while !end.is_empty() {
            self.decoder.decode(&mut end)?;
        }
        self.decoder.finish()?;
        self.note_schema();
        Ok(())
    }

    fn note_schema(&mut self) {
        if self.schema.is_none() {
            self.schema = self.decoder.schema().map(|schema| with_text(&schema));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, BinaryArray, Int64Array, ListArray, StringArray};
    use arrow_ipc::writer::StreamWriter;
    use arrow_schema::{DataType, Field};
    use bytes::Bytes;

    use super::*;
    use crate::clickhouse::client::messages::Messages;

    fn decoded(bytes: Vec<u8>) -> Result<(Vec<RecordBatch>, SchemaRef), ArrowError> {
        let (mut messages, mut decoder, mut batches) = (Messages::new(), Decoder::new(), Vec::new());
        let mut chunk = Bytes::from(bytes);
        while !chunk.is_empty() {
            if let Some(message) = messages.next(&mut chunk).unwrap() {
                batches.extend(decoder.decode(message)?);
            }
        }
        decoder.finish()?;
        Ok((batches, Arc::clone(decoder.schema().unwrap())))
    }

    fn written(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
        writer.write(&batch).unwrap();
        writer.write(&batch.slice(0, 0)).unwrap();
        writer.into_inner().unwrap()
    }

    #[test]
    fn batches_come_out_as_they_went_in() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
        let (batches, schema) = decoded(written(vec![("n", Arc::clone(&column))])).unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [3]);
        assert_eq!(batches[0].column(0), &column);
        assert_eq!(schema.field(0).name(), "n");
    }

    #[test]
    fn a_stream_without_rows_has_a_schema() {
        let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        let schema_alone = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap().into_inner().unwrap();
        let (batches, schema) = decoded(schema_alone).unwrap();
        assert_eq!((batches.len(), schema.field(0).name().as_str()), (0, "n"));
    }

    #[test]
    fn bytes_become_text() {
        let text: ArrayRef = Arc::new(BinaryArray::from(vec![Some("höhe".as_bytes()), None]));
        let lists: ArrayRef = Arc::new(ListArray::new(
            Arc::new(Field::new("item", DataType::Binary, true)),
            arrow_buffer::OffsetBuffer::from_lengths([2, 0]),
            Arc::new(BinaryArray::from_vec(vec![b"a", b"b"])),
            None,
        ));
        let (batches, schema) = decoded(written(vec![("text", text), ("lists", lists)])).unwrap();
        assert_eq!(schema.field(0).data_type(), &DataType::Utf8);
        assert_eq!(
            batches[0].column(0).as_ref(),
            &StringArray::from(vec![Some("höhe"), None]) as &dyn arrow_array::Array
        );
        let list = batches[0].column(1).as_any().downcast_ref::<ListArray>().unwrap();
        assert_eq!(list.value(0).as_ref(), &StringArray::from(vec!["a", "b"]) as &dyn arrow_array::Array);
    }

    #[test]
    fn text_that_is_not_utf8_is_an_error() {
        let bad: ArrayRef = Arc::new(BinaryArray::from_vec(vec![b"\xff\xfe"]));
        assert!(decoded(written(vec![("text", bad)])).is_err());
    }
}
