//! One input of an import: a file or a stream, opened, unpacked and recognised.
//!
//! A file that was cut off between two rows, members or frames looks whole. It is noticed where something says
//! how long it should be: the manifest beside an exported file, and the members of our gzip files ([`super::gzip`]).
//! Other files say it nowhere.

use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use model::{Fault, FaultKind, Manifest};

use super::buffer::Buffer;
use super::format::{Format, Packing, detect, packing};
use super::gzip::Members;

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
                refuse_shortened(&path, &file, &name)?;
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

/// Fails where a manifest beside an exported file says that it was longer.
fn refuse_shortened(path: &Path, file: &File, name: &str) -> Result<(), Fault> {
    let mut manifest = path.as_os_str().to_owned();
    manifest.push(".manifest.json");
    // Most files have no manifest, and what cannot be read as one says nothing.
    let Ok(text) = std::fs::read(manifest) else { return Ok(()) };
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&text) else { return Ok(()) };
    let named = |key: &str| path.file_name().is_some_and(|name| name == key);
    let Some(stated) = manifest.files.iter().find(|file| named(file.key.last_segment())) else { return Ok(()) };
    let found = file.metadata().map_err(|error| read_fault(name, error))?.len();
    if found >= stated.head.bytes.get() {
        return Ok(());
    }
    let stated = stated.head.bytes;
    Err(Fault::corrupt(format!("cannot read {name}: it has {found} bytes and had {stated} when it was exported"))
        .hint("get it once more; where it was shortened on purpose, move the manifest beside it away"))
}

fn open_file(path: &Path, name: &str) -> Result<File, Fault> {
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
        Packing::Gzip => Box::new(Members::new(io::BufReader::new(reader))),
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
