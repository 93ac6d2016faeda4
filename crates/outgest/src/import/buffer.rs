//! A window over a stream of bytes that grows only as far as one row needs.

use std::io::{self, ErrorKind, Read};

/// Bytes read at once, and room that is never given back.
const ROOM_BYTES: usize = 1024 * 1024;

/// Bytes read but not yet taken.
pub(super) struct Buffer {
    reader: Box<dyn Read + Send>,
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

impl Buffer {
    /// A window at the start of the stream.
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, bytes: vec![0; ROOM_BYTES], from: 0, to: 0 }
    }

    /// What was read and not taken.
    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[self.from..self.to]
    }

    /// Reads more; false at the end of the stream.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        if self.to == self.bytes.len() {
            self.make_room();
        }
        loop {
            match self.reader.read(&mut self.bytes[self.to..]) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.to += count;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> &[u8] {
        let start = self.from;
        self.from += count;
        &self.bytes[start..self.from]
    }

    fn make_room(&mut self) {
        self.bytes.copy_within(self.from..self.to, 0);
        self.to -= self.from;
        self.from = 0;
        // After a large row the room shrinks again, so that one row does not set the memory of the rest.
        let len = if self.to > self.bytes.len() / 2 { self.bytes.len() * 2 } else { ROOM_BYTES.max(self.to * 2) };
        self.bytes.resize(len, 0);
        self.bytes.shrink_to(len);
    }
}
