//! Gzip files that may have been cut off between two members.
//!
//! Members stand one after the other, and most files say nowhere how many there are: one that was cut off
//! between two of them cannot be told from a whole one. Exports of Outgest say in every member whether another
//! follows, in the extra field `OG`.

use std::io::{self, BufRead, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;

/// The extra field of a member behind which another one follows.
const MORE_FOLLOWS: &[u8] = b"OG\x01\x00\x00";

/// The text of all members.
pub(super) struct Members<R> {
    decoder: MultiGzDecoder<R>,
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { decoder: MultiGzDecoder::new(reader) }
    }
}

impl<R: BufRead> Read for Members<R> {
    /// Fails at the end of a file whose last member says that another follows.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            let last = self.decoder.header().and_then(|header| header.extra());
            if last.is_some_and(|extra| extra == MORE_FOLLOWS) {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the last gzip member says that another follows"));
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, GzBuilder};

    use super::*;

    fn member(text: &str, extra: Option<&[u8]>) -> Vec<u8> {
        let builder = extra.map_or_else(GzBuilder::new, |extra| GzBuilder::new().extra(extra));
        let mut encoder = builder.write(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(members: &[Vec<u8>]) -> io::Result<String> {
        let mut text = String::new();
        Members::new(&members.concat()[..]).read_to_string(&mut text).map(|_| text)
    }

    #[test]
    fn a_file_that_was_cut_off_between_members_is_noticed_where_members_say_so() {
        let (more, end) = (|text| member(text, Some(MORE_FOLLOWS)), member("", Some(b"OG\x01\x00\x01")));
        let foreign = member("x", None);
        assert_eq!(read(&[more("a"), more("b"), end.clone()]).unwrap(), "ab");
        for cut in [vec![more("a")], vec![more("a"), more("b")], vec![foreign.clone(), more("a")]] {
            assert_eq!(read(&cut).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
        // Files may be put one behind the other, ours and others.
        assert_eq!(read(&[more("a"), end.clone(), more("b"), end.clone(), foreign.clone()]).unwrap(), "abx");
        assert_eq!(read(&[foreign.clone(), member("y", Some(b"XX\x01\x00\x00")), foreign]).unwrap(), "xyx");
    }
}
