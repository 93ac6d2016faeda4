//! The sorted keys of a data file, in a small file beside it.
//!
//! `_keys/<data file>.keys`: magic and version (8 bytes), number of entries (u64), entries sorted by
//! hash (16 bytes of hash, 8 of rank, 4 of row number whose top bit marks a deletion), XXH3-64 over
//! all of it. Little endian. It holds nothing the data file does not, so it is never synced and a
//! missing or damaged one is made again.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use model::Fault;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::disk;

/// The key of one stored row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// Hash of the row's key.
    pub hash: u128,
    /// Rank among the row's versions.
    pub version: i64,
    /// Number of the row, from the first of the file.
    pub row: u32,
    /// Whether the version marks a deletion.
    pub deleted: bool,
}

const MAGIC: [u8; 8] = *b"OGKEYS\0\x01";
const HEADER_BYTES: usize = 16;
const ENTRY_BYTES: usize = 28;
const CHECKSUM_BYTES: usize = 8;
const DELETED: u32 = 1 << 31;

/// Rows a data file can have: what an entry can number.
pub(crate) const ROWS_MAX: u64 = DELETED as u64;

/// The entries in the form of the file. Sorts them.
pub(crate) fn encode(entries: &mut [Entry]) -> Vec<u8> {
    entries.sort_unstable();
    let mut bytes = Vec::with_capacity(HEADER_BYTES + entries.len() * ENTRY_BYTES + CHECKSUM_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    for entry in entries {
        bytes.extend_from_slice(&entry.hash.to_le_bytes());
        bytes.extend_from_slice(&entry.version.to_le_bytes());
        let mark = if entry.deleted { DELETED } else { 0 };
        bytes.extend_from_slice(&(entry.row | mark).to_le_bytes());
    }
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    bytes
}

/// Why entries cannot be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The file is missing or contradicts itself or its data file: making it again helps.
    Damaged,
    /// Reading failed for another reason.
    Fault(Fault),
}

/// Reads entries in order. The checksum is proven when the last entry has been read.
pub(crate) struct EntryReader {
    input: Input,
    digest: Xxh3,
    buffer: Vec<u8>,
    position: usize,
    left: u64,
    rows: u64,
    last: Option<u128>,
}

enum Input {
    /// Opened for every stroke: a project may have more files than a process may have open.
    File {
        path: PathBuf,
        position: u64,
    },
    Memory {
        bytes: Vec<u8>,
        position: usize,
    },
}

impl EntryReader {
    /// Opens the keys of a data file of `rows` rows, holding at most about `buffer_bytes` of them.
    pub(crate) fn open(path: &Path, rows: u64, buffer_bytes: usize) -> Result<Self, Unreadable> {
        Self::start(Input::File { path: path.to_owned(), position: 0 }, rows, buffer_bytes)
    }

    /// Reads keys that could not be stored.
    pub(crate) fn of_bytes(bytes: Vec<u8>, rows: u64, buffer_bytes: usize) -> Result<Self, Unreadable> {
        Self::start(Input::Memory { bytes, position: 0 }, rows, buffer_bytes)
    }

    fn start(input: Input, rows: u64, buffer_bytes: usize) -> Result<Self, Unreadable> {
        let entries = (buffer_bytes / ENTRY_BYTES).max(1);
        let mut reader = Self {
            input,
            digest: Xxh3::new(),
            buffer: Vec::with_capacity(entries * ENTRY_BYTES),
            position: 0,
            left: 0,
            rows,
            last: None,
        };
        let mut header = [0; HEADER_BYTES];
        reader.read_exact(&mut header)?;
        reader.digest.update(&header);
        let (magic, count) = header.split_at(MAGIC.len());
        reader.left = u64::from_le_bytes(count.try_into().expect("the header ends with eight bytes"));
        if magic != MAGIC || reader.left != rows {
            return Err(Unreadable::Damaged);
        }
        Ok(reader)
    }

    /// The next entry; `None` after the last, once the checksum has been found right.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Unreadable> {
        if self.position == self.buffer.len() {
            if self.left == 0 {
                return self.end().map(|()| None);
            }
            self.fill()?;
        }
        let bytes = &self.buffer[self.position..self.position + ENTRY_BYTES];
        let mark = u32::from_le_bytes(bytes[24..28].try_into().expect("four bytes"));
        let entry = Entry {
            hash: u128::from_le_bytes(bytes[..16].try_into().expect("sixteen bytes")),
            version: i64::from_le_bytes(bytes[16..24].try_into().expect("eight bytes")),
            row: mark & !DELETED,
            deleted: mark & DELETED != 0,
        };
        // A damaged entry must neither break the order of the merge nor point outside of the file
        // before the checksum tells.
        if u64::from(entry.row) >= self.rows || self.last.is_some_and(|last| last >= entry.hash) {
            return Err(Unreadable::Damaged);
        }
        self.last = Some(entry.hash);
        self.position += ENTRY_BYTES;
        Ok(Some(entry))
    }

    fn fill(&mut self) -> Result<(), Unreadable> {
        let room = (self.buffer.capacity() / ENTRY_BYTES) as u64;
        let count = self.left.min(room);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(count as usize * ENTRY_BYTES, 0);
        let read = self.read_exact(&mut buffer);
        self.buffer = buffer;
        read?;
        self.digest.update(&self.buffer);
        self.left -= count;
        self.position = 0;
        Ok(())
    }

    fn end(&mut self) -> Result<(), Unreadable> {
        let mut checksum = [0; CHECKSUM_BYTES];
        self.read_exact(&mut checksum)?;
        if u64::from_le_bytes(checksum) == self.digest.digest() { Ok(()) } else { Err(Unreadable::Damaged) }
    }

    fn read_exact(&mut self, target: &mut [u8]) -> Result<(), Unreadable> {
        match &mut self.input {
            Input::File { path, position } => {
                let read = File::open(&*path).and_then(|mut file| {
                    file.seek(SeekFrom::Start(*position))?;
                    file.read_exact(target)
                });
                *position += target.len() as u64;
                read.map_err(|cause| match cause.kind() {
                    // A file that is missing or ends early is damaged like any other.
                    io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => Unreadable::Damaged,
                    _ => Unreadable::Fault(disk::fault("read", path, cause)),
                })
            }
            Input::Memory { bytes, position } => {
                let end = *position + target.len();
                target.copy_from_slice(bytes.get(*position..end).ok_or(Unreadable::Damaged)?);
                *position = end;
                Ok(())
            }
        }
    }
}
