//! Elements of a JSON array that is larger than memory.

use std::io;

use super::buffer::Buffer;
use super::lines::{HEAD_BYTES, RawRow};
use super::problem::Place;

/// Cuts `[…, …]` into its elements, whatever line ends it has.
pub(super) struct Elements {
    buffer: Buffer,
    row_bytes_max: usize,
    element: u64,
    line: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before `[`.
    Start,
    /// Before an element, or right after `[` the end.
    Inside,
    /// Inside an element that was too long.
    Skipping(Nesting),
    /// After `]`.
    Closed,
}

/// What stands where an element should.
pub(super) enum Element<'a> {
    /// An element.
    Row(RawRow<'a>),
    /// The array ended, and the stream with it.
    End,
    /// The text is no JSON array; what is wrong, and where.
    Broken(&'static str, Place),
}

impl Elements {
    /// The elements of a stream.
    pub(super) fn new(buffer: Buffer, row_bytes_max: usize) -> Self {
        Self { buffer, row_bytes_max, element: 0, line: 1, state: State::Start }
    }

    /// The next element.
    pub(super) fn next(&mut self) -> io::Result<Element<'_>> {
        if self.state == State::Start {
            match self.next_byte()? {
                Some(b'[') => self.pass(1),
                _ => return Ok(Element::Broken("expected a JSON array", self.place())),
            }
            self.state = State::Inside;
            if self.next_byte()? == Some(b']') {
                self.pass(1);
                self.state = State::Closed;
            }
        }
        if let State::Skipping(nesting) = self.state
            && !self.skip(nesting)?
        {
            return Ok(Element::Broken("the file ends inside this row", self.place()));
        }
        if self.state == State::Closed {
            return Ok(match self.next_byte()? {
                None => Element::End,
                Some(_) => Element::Broken("something follows the end of the JSON array", self.place()),
            });
        }
        self.element += 1;
        if self.next_byte()?.is_none() {
            return Ok(Element::Broken("the file ends before the end of the JSON array", self.place()));
        }
        self.cut()
    }

    /// Cuts the element at the front, with the delimiter after it.
    fn cut(&mut self) -> io::Result<Element<'_>> {
        let place = self.place();
        let mut nesting = Nesting::default();
        let mut searched = 0;
        loop {
            let unread = self.buffer.unread();
            let end = nesting.end(&unread[searched..]).map(|end| searched + end);
            searched = unread.len();
            if let Some(end) = end {
                self.state = if unread[end] == b']' { State::Closed } else { State::Inside };
                self.line += newlines(&unread[..end]);
                let taken = &self.buffer.take(end + 1)[..end];
                if taken.iter().all(u8::is_ascii_whitespace) {
                    return Ok(Element::Broken("a value is missing before , or ]", place));
                }
                let too_long = end > self.row_bytes_max;
                let bytes = if too_long { &taken[..HEAD_BYTES.min(end)] } else { taken };
                return Ok(Element::Row(RawRow { place, bytes, too_long }));
            }
            if searched > self.row_bytes_max {
                self.state = State::Skipping(nesting);
                self.line += newlines(self.buffer.unread());
                let taken = self.buffer.take(searched);
                return Ok(Element::Row(RawRow { place, bytes: &taken[..HEAD_BYTES.min(searched)], too_long: true }));
            }
            if !self.buffer.fill()? {
                return Ok(Element::Broken("the file ends inside this row", place));
            }
        }
    }

    /// Passes over the rest of an element, holding none of it; false where the stream ends first.
    fn skip(&mut self, mut nesting: Nesting) -> io::Result<bool> {
        loop {
            let unread = self.buffer.unread();
            if let Some(end) = nesting.end(unread) {
                self.state = if unread[end] == b']' { State::Closed } else { State::Inside };
                self.pass(end + 1);
                return Ok(true);
            }
            self.pass(self.buffer.unread().len());
            if !self.buffer.fill()? {
                return Ok(false);
            }
        }
    }

    /// The next byte that is no white space, which is passed over.
    fn next_byte(&mut self) -> io::Result<Option<u8>> {
        loop {
            let unread = self.buffer.unread();
            let blank = unread.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let byte = unread.get(blank).copied();
            self.pass(blank);
            if byte.is_some() || !self.buffer.fill()? {
                return Ok(byte);
            }
        }
    }

    fn pass(&mut self, count: usize) {
        self.line += newlines(self.buffer.take(count));
    }

    fn place(&self) -> Place {
        Place::Element(self.element, self.line)
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// How deep a scan stands inside a JSON value.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Where the value ends: at the first `,` or `]` outside of it. Brackets are only counted; whether
    /// they match is the parser's matter.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                if std::mem::take(&mut self.escaped) {
                    at += 1;
                    continue;
                }
                at += memchr::memchr2(b'"', b'\\', &bytes[at..])?;
                self.escaped = bytes[at] == b'\\';
                self.in_string = self.escaped;
            } else {
                match bytes[at] {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b',' | b']' if self.depth == 0 => return Some(at),
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
            }
            at += 1;
        }
        None
    }
}
