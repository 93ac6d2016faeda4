//! Reads one file back and compares it with its receipt.

use bytes::Bytes;
use futures_util::StreamExt;
use model::{ByteCount, Destination, Fault, FaultKind, FileReceipt, Format, FormatOptions, RowScanner, ScannedRows};

use super::{Difference, VerifyReport};
use crate::hash::Hash;
use crate::retry::{Attempts, Retrying};
use crate::task::Task;

/// The asked texts of a row; `None` for null.
pub(super) type RowTexts = Vec<Option<String>>;

/// The files of a run, and how their rows are read back.
pub(super) struct Files<'a> {
    pub(super) destination: &'a dyn Destination,
    pub(super) format: &'a dyn Format,
    /// What they were written with.
    pub(super) options: &'a FormatOptions,
}

/// What is known of a file while it is read.
struct ReadBack {
    bytes: ByteCount,
    hash: Hash,
    /// `None` once the file has ended.
    scanner: Option<Box<dyn RowScanner>>,
    rows: ScannedRows,
    /// The first thing that made no sense: nothing behind it is looked at, but all of it is hashed.
    broken: Option<String>,
}

/// Adds everything that is wrong with a file to `report`.
pub(super) async fn compare(
    receipt: &FileReceipt,
    files: &Files<'_>,
    retrying: &Retrying,
    report: &mut VerifyReport,
) -> Result<(), Fault> {
    let (file, format) = (receipt.key.clone(), files.format.descriptor().name);
    if receipt.format != format {
        let why = format!("the manifest calls it {}, its query {format}", receipt.format);
        report.differences.push(Difference::Unreadable { file, why });
        return Ok(());
    }
    let mut attempts = Attempts::default();
    let read = loop {
        match read_back(receipt, files).await {
            Ok(read) => break read,
            Err(fault) if fault.kind() == FaultKind::NotFound => {
                report.differences.push(Difference::Missing(file));
                return Ok(());
            }
            Err(fault) => retrying.wait("reading a file back", &mut attempts, fault).await?,
        }
    };
    let sha256 = read.hash.finish();
    report.files_read += 1;
    report.rows_in_files += read.rows.rows;
    if read.bytes != receipt.head.bytes {
        report.differences.push(Difference::Size { file: file.clone(), stated: receipt.head.bytes, found: read.bytes });
    }
    if sha256 != receipt.sha256 {
        let stated = receipt.sha256.clone();
        report.differences.push(Difference::Content { file: file.clone(), stated, found: sha256 });
    }
    match read.broken {
        Some(why) => report.differences.push(Difference::Unreadable { file, why }),
        None if read.rows.rows != receipt.rows => {
            report.differences.push(Difference::Rows { file, stated: receipt.rows, found: read.rows.rows });
        }
        None => {}
    }
    Ok(())
}

async fn read_back(receipt: &FileReceipt, files: &Files<'_>) -> Result<ReadBack, Fault> {
    let mut read = ReadBack {
        bytes: ByteCount::ZERO,
        hash: Hash::default(),
        scanner: Some(files.scanner(receipt, &[])?),
        rows: ScannedRows::default(),
        broken: None,
    };
    let mut chunks = files.destination.read(&receipt.key).await?;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        read = Task::blocking("reading a file back", move || read.with(&chunk)).join().await?;
    }
    Task::blocking("reading a file back", move || read.finished()).join().await
}

impl Files<'_> {
    /// Whether rows can be read back with these columns.
    pub(super) fn hold(&self, columns: &[&str]) -> bool {
        self.format.scanner(self.options, columns).is_ok()
    }

    /// The receipt of each file says how it is compressed.
    fn scanner(&self, receipt: &FileReceipt, columns: &[&str]) -> Result<Box<dyn RowScanner>, Fault> {
        let options = FormatOptions { compression: receipt.compression.parse()?, ..self.options.clone() };
        self.format.scanner(&options, columns)
    }
}

impl ReadBack {
    fn with(mut self, chunk: &Bytes) -> Self {
        self.bytes += ByteCount::from(chunk.len());
        self.hash.update(chunk);
        if let (Some(scanner), None) = (&mut self.scanner, &self.broken) {
            self.broken = scanner.push(chunk, &mut self.rows).err().map(|fault| fault.to_string());
        }
        self
    }

    fn finished(mut self) -> Self {
        if let (Some(scanner), None) = (self.scanner.take(), &self.broken) {
            self.broken = scanner.finish(&mut self.rows).err().map(|fault| fault.to_string());
        }
        self
    }
}

/// Gives `step` the texts of `columns` of every row of a file, in order.
pub(super) async fn scan<S: Send + 'static>(
    receipt: &FileReceipt,
    files: &Files<'_>,
    columns: &[&str],
    mut state: S,
    step: fn(S, Vec<RowTexts>) -> Result<S, Fault>,
) -> Result<S, Fault> {
    let mut scanner = files.scanner(receipt, columns)?;
    let (size, mut pushed) = (receipt.head.bytes.get(), 0);
    while let Some(stretch) = scanner.next_stretch(size, pushed)? {
        let whole = stretch == (0..size);
        let end = pushed + (stretch.end - stretch.start);
        let mut chunks = match whole {
            true => files.destination.read(&receipt.key).await?,
            false => files.destination.read_range(&receipt.key, stretch).await?,
        };
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            pushed += chunk.len() as u64;
            let work = move || {
                let mut rows = ScannedRows::default();
                scanner.push(&chunk, &mut rows)?;
                Ok::<_, Fault>((scanner, step(state, rows.texts)?))
            };
            (scanner, state) = Task::blocking("reading keys of a file", work).join().await??;
        }
        if pushed < end {
            // The file is shorter than its receipt says; what its rows are has been told.
            break;
        }
    }
    let work = move || {
        let mut rows = ScannedRows::default();
        scanner.finish(&mut rows)?;
        step(state, rows.texts)
    };
    Task::blocking("reading keys of a file", work).join().await?
}
