//! Rows of a file of lines.

use std::io;

use super::buffer::Buffer;
use super::problem::Place;

/// Bytes of a row that is too long which are kept to recognise it.
pub(super) const HEAD_BYTES: usize = 1024;

/// One row's bytes.
pub(super) struct RawRow<'a> {
    /// Where it stands.
    pub(super) place: Place,
    /// Its bytes; only the head where it is too long.
    pub(super) bytes: &'a [u8],
    /// Whether it is longer than a row may be.
    pub(super) too_long: bool,
}

/// Cuts a stream into lines. Blank lines are no rows.
pub(super) struct Lines {
    buffer: Buffer,
    row_bytes_max: usize,
    line: u64,
    /// The rest of a line that was too long is still to be passed over.
    skipping: bool,
}

impl Lines {
    /// The lines of a stream.
    pub(super) fn new(buffer: Buffer, row_bytes_max: usize) -> Self {
        Self { buffer, row_bytes_max, line: 0, skipping: false }
    }

    /// The next row; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<RawRow<'_>>> {
        self.skip()?;
        loop {
            let (len, newline) = self.line_end()?;
            if len + newline == 0 {
                return Ok(None);
            }
            self.line += 1;
            let too_long = len > self.row_bytes_max;
            self.skipping = too_long && newline == 0;
            if !too_long && self.buffer.unread()[..len].iter().all(u8::is_ascii_whitespace) {
                self.buffer.take(len + newline);
                continue;
            }
            let kept = if too_long { HEAD_BYTES.min(len) } else { len };
            let bytes = &self.buffer.take(len + newline)[..kept];
            return Ok(Some(RawRow { place: Place::Line(self.line), bytes, too_long }));
        }
    }

    /// Bytes of the line at the front, without and of its newline. A line that is too long ends where
    /// that is known; both are zero at the end of the stream.
    fn line_end(&mut self) -> io::Result<(usize, usize)> {
        let mut searched = 0;
        loop {
            let unread = self.buffer.unread();
            if let Some(place) = memchr::memchr(b'\n', &unread[searched..]) {
                return Ok((searched + place, 1));
            }
            searched = unread.len();
            if searched > self.row_bytes_max || !self.buffer.fill()? {
                return Ok((searched, 0));
            }
        }
    }

    /// Passes over the rest of a line that was too long, holding none of it.
    fn skip(&mut self) -> io::Result<()> {
        while self.skipping {
            let unread = self.buffer.unread();
            let newline = memchr::memchr(b'\n', unread);
            let passed = newline.map_or(unread.len(), |place| place + 1);
            self.buffer.take(passed);
            self.skipping = newline.is_none() && self.buffer.fill()?;
        }
        Ok(())
    }
}
