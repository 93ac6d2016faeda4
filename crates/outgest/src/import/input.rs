//! One input of an import: a file or a stream, opened, unpacked and recognised.

use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::PathBuf;

use model::{Fault, FaultKind};

use super::buffer::Buffer;
use super::format::{Format, Packing, detect, packing};

/// Bytes looked at to recognise a file. A stream waits for so many, so they are few.
const HEAD_BYTES: u64 = 4 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Something rows are imported from.
pub enum Input {
    /// A file.
    File(PathBuf),
    /// A stream, such as the standard input.
    Stream {
        /// What messages call it.
        name: String,
        /// Its bytes.
        reader: Box<dyn Read + Send>,
    },
}

/// An input that was opened.
pub(super) enum Opened {
    /// Text in this format, without BOM.
    Text(Format, Buffer),
    /// A Parquet file.
    Parquet(File),
}

impl Input {
    /// The standard input.
    pub fn stdin() -> Self {
        Self::Stream { name: "stdin".to_owned(), reader: Box::new(io::stdin()) }
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stream { name, .. } => name.clone(),
        }
    }

    /// Opens, unpacks and recognises it.
    pub(super) fn open(self) -> Result<Opened, Fault> {
        let name = self.name();
        let cannot_read = |error| read_fault(&name, error);
        let (mut reader, file): (Box<dyn Read + Send>, _) = match self {
            Self::Stream { reader, .. } => (reader, None),
            Self::File(path) => {
                let file = open_file(&path, &name)?;
                let again = file.try_clone().map_err(cannot_read)?;
                (Box::new(file), Some(again))
            }
        };
        let head = peek(&mut reader).map_err(cannot_read)?;
        let packed = packing(&head);
        let whole = Cursor::new(head.clone()).chain(reader);
        let (head, mut reader): (Vec<u8>, Box<dyn Read + Send>) = match packed {
            None => (head, Box::new(whole)),
            Some(packing) => {
                let mut unpacked = unpack(packing, whole).map_err(cannot_read)?;
                let head = peek(&mut unpacked).map_err(cannot_read)?;
                (head.clone(), Box::new(Cursor::new(head).chain(unpacked)))
            }
        };
        let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&head);
        match (detect(&name, text)?, packed, file) {
            (Format::Parquet, None, Some(file)) => Ok(Opened::Parquet(file)),
            (Format::Parquet, _, _) => Err(Fault::bad_request(format!("cannot read Parquet from {name}"))
                .hint("Parquet is read from its end: give an uncompressed file, not a stream")),
            (format, _, _) => {
                let marked = (head.len() - text.len()) as u64;
                io::copy(&mut (&mut reader).take(marked), &mut io::sink()).map_err(cannot_read)?;
                Ok(Opened::Text(format, Buffer::new(reader)))
            }
        }
    }
}

fn open_file(path: &std::path::Path, name: &str) -> Result<File, Fault> {
    let file = File::open(path).map_err(|error| read_fault(name, error))?;
    if file.metadata().map_err(|error| read_fault(name, error))?.is_dir() {
        return Err(Fault::bad_request(format!("cannot import {name}: it is a directory")).hint("name the files in it"));
    }
    Ok(file)
}

fn peek(reader: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

fn unpack(packing: Packing, reader: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    Ok(match packing {
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(reader))),
        Packing::Zstd => Box::new(zstd::Decoder::new(reader)?),
    })
}

/// What a failure to read means.
pub(super) fn read_fault(name: &str, error: io::Error) -> Fault {
    const COPY: &str = "the file is cut off or damaged: get it once more from where it came from";
    let (kind, what, hint) = match error.kind() {
        ErrorKind::NotFound => (FaultKind::NotFound, "no such file", "name a file, or - for standard input"),
        ErrorKind::PermissionDenied => {
            (FaultKind::Configuration, "permission denied", "make the file readable for this user")
        }
        ErrorKind::UnexpectedEof => (FaultKind::Corrupt, "its compressed data ends too early", COPY),
        ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::Other => {
            (FaultKind::Corrupt, "its compressed data is damaged", COPY)
        }
        _ => (FaultKind::Unavailable, "reading failed", "see that its disk works, then import again"),
    };
    Fault::new(kind, format!("cannot read {name}: {what}")).hint(hint).because(error)
}
