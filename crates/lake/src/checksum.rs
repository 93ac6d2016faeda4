//! SHA-256 of data files: made while they are written, compared whenever they are copied or rewritten.
//!
//! An export does not look at it, because it reads parts of files and a checksum wants the whole. A byte
//! that changed inside a page and still decodes is found by [`Lake::check`](crate::Lake::check) and by
//! backups, and before a compaction could give the damage a checksum of its own.

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

use model::Fault;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::disk;
use crate::file::{DataFile, TableSnapshot};

/// The SHA-256 of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum([u8; 32]);

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Checksum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Checksum {
    /// Reads what `Display` prints.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// Passes bytes on and keeps their checksum.
#[derive(Debug)]
pub(crate) struct Hashing<W> {
    inner: W,
    digest: Sha256,
}

impl<W> Hashing<W> {
    /// Nothing has been passed on yet.
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, digest: Sha256::new() }
    }

    /// What the bytes went to, and their checksum.
    pub(crate) fn finish(self) -> (W, Checksum) {
        (self.inner, Checksum(self.digest.finalize().into()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Bytes that are read at once: little memory, few calls.
const STROKE_BYTES: usize = 1 << 20;

impl TableSnapshot {
    /// Reads a whole data file and compares it with the log: its size, and its checksum where the log
    /// has one. False where it has none, which is so for files that were written before checksums were.
    pub(crate) fn prove(&self, file: &DataFile) -> Result<bool, Fault> {
        self.copy_proven(file, &self.path(file), &mut io::sink())
    }

    /// Copies a data file to `into`, which is called `name`, comparing it with the log on the way as
    /// [`prove`](Self::prove) does. What was copied before a difference was found is the caller's to remove.
    pub(crate) fn copy_proven(&self, file: &DataFile, name: &Path, into: &mut dyn Write) -> Result<bool, Fault> {
        let mut from = self.open(file)?;
        let mut hashing = Hashing::new(into);
        let mut stroke = vec![0; STROKE_BYTES];
        loop {
            let read = from.read(&mut stroke).map_err(|cause| disk::fault("read", &self.path(file), cause))?;
            if read == 0 {
                break;
            }
            hashing.write_all(&stroke[..read]).map_err(|cause| disk::fault("write", name, cause))?;
        }
        let (_, found) = hashing.finish();
        match file.checksum {
            Some(expected) if expected != found => Err(Fault::corrupt(format!(
                "cannot trust store file {}: its SHA-256 is {found} where the log says {expected}",
                self.path(file).display()
            ))
            .hint("restore the store from a backup")),
            known => Ok(known.is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_the_usual_text_and_reads_back() {
        let mut hashing = Hashing::new(Vec::new());
        hashing.write_all(b"abc").unwrap();
        let (written, checksum) = hashing.finish();
        assert_eq!(written, b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(checksum.to_string(), text);
        assert_eq!(Checksum::parse(text), Some(checksum));
        for wrong in ["", "ba78", &text.replace('b', "g"), &format!("{text}00"), &"é".repeat(32)] {
            assert_eq!(Checksum::parse(wrong), None, "{wrong}");
        }
    }
}
