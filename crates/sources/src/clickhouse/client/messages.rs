//! Cuts a stream of bytes into the messages of an Arrow stream.
//!
//! Bytes arrive in chunks that know nothing of messages. The body of a message is collected in one
//! aligned buffer of its exact size, which the arrays then share: every byte is copied once, on its way
//! from the socket's buffer. What a message means is left to `decode`.

use arrow_buffer::{Buffer, MutableBuffer};
use bytes::{Buf, Bytes};

/// First four bytes of every message.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Continuation and length of the metadata.
const PREFIX_BYTES: usize = 8;
/// Metadata names buffers, not rows: a few kilobytes for the widest table.
const METADATA_BYTES_MAX: usize = 16 << 20;
/// A block of rows. Slices are planned for a hundredth of it; a length beyond is no length.
const BODY_BYTES_MAX: u64 = 4 << 30;

/// One message, complete.
#[derive(Debug)]
pub(super) struct Message {
    /// Prefix and metadata.
    pub(super) head: Buffer,
    /// Buffers of arrays; empty for a schema.
    pub(super) body: Buffer,
}

/// The bytes are not those of an Arrow stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotArrow(pub(super) &'static str);

/// Collects messages.
#[derive(Debug)]
pub(super) struct Messages {
    state: State,
}

#[derive(Debug)]
enum State {
    /// Continuation and length, as far as they came.
    Prefix(Vec<u8>),
    /// Prefix and metadata, as far as they came, and their length together.
    Head(MutableBuffer, usize),
    /// Head, and the body as far as it came, with its length.
    Body(Buffer, MutableBuffer, usize),
    /// The end marker has come.
    Ended,
}

impl Messages {
    pub(super) fn new() -> Self {
        Self { state: State::Prefix(Vec::with_capacity(PREFIX_BYTES)) }
    }

    /// Whether the end marker has come.
    pub(super) fn ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes bytes from the front of `chunk` until a message is complete or the chunk is used up.
    pub(super) fn next(&mut self, chunk: &mut Bytes) -> Result<Option<Message>, NotArrow> {
        while !chunk.is_empty() {
            match &mut self.state {
                State::Prefix(prefix) => {
                    let missing = (PREFIX_BYTES - prefix.len()).min(chunk.len());
                    prefix.extend_from_slice(&chunk.split_to(missing));
                    if !CONTINUATION.starts_with(&prefix[..prefix.len().min(4)]) {
                        return Err(NotArrow("a message does not begin as one"));
                    }
                    if let Some(length) = prefix.get(4..8) {
                        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
                        self.state = match length {
                            0 => State::Ended,
                            length if length > METADATA_BYTES_MAX => return Err(NotArrow("a message has no end")),
                            length => {
                                let mut head = MutableBuffer::with_capacity(PREFIX_BYTES + length);
                                head.extend_from_slice(prefix);
                                State::Head(head, PREFIX_BYTES + length)
                            }
                        };
                    }
                }
                State::Head(head, length) => {
                    take(head, *length, chunk);
                    if head.len() == *length {
                        let head: Buffer = std::mem::take(head).into();
                        let length = body_length(&head[PREFIX_BYTES..])?;
                        if length == 0 {
                            self.state = State::Prefix(Vec::with_capacity(PREFIX_BYTES));
                            return Ok(Some(Message { head, body: Buffer::default() }));
                        }
                        self.state = State::Body(head, MutableBuffer::with_capacity(length), length);
                    }
                }
                State::Body(head, body, length) => {
                    take(body, *length, chunk);
                    if body.len() == *length {
                        let message = Message { head: head.clone(), body: std::mem::take(body).into() };
                        self.state = State::Prefix(Vec::with_capacity(PREFIX_BYTES));
                        return Ok(Some(message));
                    }
                }
                State::Ended => return Err(NotArrow("something follows the end")),
            }
        }
        Ok(None)
    }
}

/// Moves bytes until `buffer` has `length` of them.
fn take(buffer: &mut MutableBuffer, length: usize, chunk: &mut Bytes) {
    let missing = (length - buffer.len()).min(chunk.len());
    buffer.extend_from_slice(&chunk[..missing]);
    chunk.advance(missing);
}

fn body_length(metadata: &[u8]) -> Result<usize, NotArrow> {
    let message = arrow_ipc::root_as_message(metadata).map_err(|_| NotArrow("a message cannot be understood"))?;
    let length = u64::try_from(message.bodyLength()).ok().filter(|length| *length <= BODY_BYTES_MAX);
    length.map(|length| length as usize).ok_or(NotArrow("a message has an impossible length"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, RecordBatch};
    use arrow_ipc::writer::StreamWriter;
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn stream() -> Vec<u8> {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let mut writer = StreamWriter::try_new(Vec::new(), &schema).unwrap();
        for size in [3, 0, 5_000] {
            let column = Int64Array::from_iter_values(0..size);
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(column)]).unwrap()).unwrap();
        }
        writer.into_inner().unwrap()
    }

    fn cut(bytes: &[u8], size: usize) -> Result<(usize, bool), NotArrow> {
        let mut messages = Messages::new();
        let mut found = 0;
        for part in bytes.chunks(size) {
            let mut chunk = Bytes::copy_from_slice(part);
            while !chunk.is_empty() {
                found += usize::from(messages.next(&mut chunk)?.is_some());
            }
        }
        Ok((found, messages.ended()))
    }

    #[test]
    fn messages_are_whole_however_the_bytes_are_cut() {
        let bytes = stream();
        for size in [1, 3, 7, 8, 64, 1_000, bytes.len()] {
            assert_eq!(cut(&bytes, size), Ok((4, true)), "chunks of {size}");
        }
    }

    #[test]
    fn text_in_place_of_a_message_is_noticed_at_its_first_byte() {
        let mut bytes = stream();
        bytes.truncate(bytes.len() - PREFIX_BYTES);
        assert_eq!(cut(&bytes, 100), Ok((4, false)));
        bytes.push(b'C');
        assert_eq!(cut(&bytes, 100), Err(NotArrow("a message does not begin as one")));
    }

    #[test]
    fn nothing_may_follow_the_end() {
        let mut bytes = stream();
        bytes.extend_from_slice(b"\r\n__exception__");
        assert_eq!(cut(&bytes, 100), Err(NotArrow("something follows the end")));
    }
}
