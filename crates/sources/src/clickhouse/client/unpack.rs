//! Undoes the compression of an answer on its way.
//!
//! Done here rather than by the HTTP client, so that what came before a break is not lost with it: the
//! server's own words stand at the very end.

use std::io;

use bytes::Bytes;
use zstd::stream::raw::{Decoder, Operation};

/// Room for one step; zstd's own recommendation for its output is 128 KiB.
const STEP_BYTES: usize = 128 << 10;

/// Turns received chunks into the answer's bytes.
pub(super) enum Unpack {
    /// They are the answer's bytes.
    Plain,
    /// One or several frames of zstd.
    Zstd(Box<Decoder<'static>>),
}

impl Unpack {
    /// What a `Content-Encoding` asks for; `None` for one that was not offered.
    pub(super) fn new(encoding: Option<&str>) -> Option<Self> {
        match encoding {
            None | Some("" | "identity") => Some(Self::Plain),
            Some("zstd") => Decoder::new().ok().map(|decoder| Self::Zstd(Box::new(decoder))),
            Some(_) => None,
        }
    }

    /// The answer's bytes in `chunk`; possibly none yet.
    pub(super) fn unpack(&mut self, chunk: Bytes) -> io::Result<Bytes> {
        let Self::Zstd(decoder) = self else { return Ok(chunk) };
        let mut unpacked = Vec::with_capacity(chunk.len() * 4);
        let mut read = 0;
        loop {
            let before = unpacked.len();
            unpacked.resize(before + STEP_BYTES, 0);
            let status = decoder.run_on_buffers(&chunk[read..], &mut unpacked[before..])?;
            read += status.bytes_read;
            unpacked.truncate(before + status.bytes_written);
            // A full step may have left more inside, even where all input was taken.
            if read == chunk.len() && status.bytes_written < STEP_BYTES {
                return Ok(unpacked.into());
            }
        }
    }
}

impl std::fmt::Debug for Unpack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Plain) { "Plain" } else { "Zstd" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_unpacked_however_they_are_cut() {
        let text: Vec<u8> = (0..600_000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        let mut packed = zstd::encode_all(&text[..1_000_000], 1).unwrap();
        packed.extend(zstd::encode_all(&text[1_000_000..], 1).unwrap());
        for size in [1_000, 100_000, packed.len()] {
            let mut unpack = Unpack::new(Some("zstd")).unwrap();
            let chunks = packed.chunks(size).map(|chunk| unpack.unpack(Bytes::copy_from_slice(chunk)).unwrap());
            assert_eq!(chunks.collect::<Vec<_>>().concat(), text);
        }
    }

    #[test]
    fn what_came_before_a_break_is_there() {
        let packed = zstd::encode_all(&vec![7_u8; 400_000][..], 1).unwrap();
        let mut unpack = Unpack::new(Some("zstd")).unwrap();
        let unpacked = unpack.unpack(Bytes::copy_from_slice(&packed[..packed.len() - 4])).unwrap();
        assert!(!unpacked.is_empty());
        assert!(unpack.unpack(Bytes::from_static(b"\0\0\0\0not zstd")).is_err());
        assert!(Unpack::new(Some("br")).is_none());
    }
}
