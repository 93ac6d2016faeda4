//! Sorts and writes full buffers on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use arrow_select::interleave::interleave_record_batch;
use model::{Fault, ProjectId, StoredTable};

use super::buffer::{Buffer, ProjectRows};
use super::{FileWriter, Staging};
use crate::physical::to_physical;

/// Rows and cell bytes that are gathered into one batch on the way to a file: enough to make the
/// work per batch small, little beside a buffer.
pub(crate) const CHUNK_ROWS: usize = 4_096;
pub(crate) const CHUNK_BYTES: u64 = 1 << 20;

/// Writes buffers into a staging area, in the caller's thread or beside it.
#[derive(Debug)]
pub(super) struct Worker {
    table: Arc<StoredTable>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// No buffer was full yet: small appends need no thread.
    Idle(Staging),
    /// The thread ends when the sender is dropped. The channel holds nothing, so that a full buffer
    /// waits with its owner until the thread is free: two buffers in all.
    Running { sender: SyncSender<Buffer>, thread: JoinHandle<Result<Staging, Fault>> },
    /// It failed, or is being taken apart.
    Ended,
}

impl Worker {
    pub(super) fn new(table: Arc<StoredTable>, staging: Staging) -> Self {
        Self { table, state: State::Idle(staging) }
    }

    /// Hands a buffer to the thread, waiting until it is done with the one before.
    pub(super) fn write_beside(&mut self, buffer: Buffer) -> Result<(), Fault> {
        self.start()?;
        let State::Running { sender, .. } = &self.state else { return Err(ended()) };
        if sender.send(buffer).is_ok() {
            return Ok(());
        }
        // The thread has gone, which it only does with a fault.
        Err(self.join().err().unwrap_or_else(ended))
    }

    /// Writes the last buffer and returns all files.
    pub(super) fn finish(mut self, last: Buffer) -> Result<Staging, Fault> {
        let mut staging = self.join()?;
        write(&self.table, &mut staging, &last)?;
        Ok(staging)
    }

    fn start(&mut self) -> Result<(), Fault> {
        let staging = match std::mem::replace(&mut self.state, State::Ended) {
            State::Idle(staging) => staging,
            running => {
                self.state = running;
                return Ok(());
            }
        };
        let (sender, receiver) = sync_channel(0);
        let table = Arc::clone(&self.table);
        let thread = Builder::new()
            .name("lake-append".to_owned())
            .spawn(move || write_all(&table, staging, &receiver))
            .map_err(|cause| Fault::new(model::FaultKind::Unavailable, "cannot start a thread").because(cause))?;
        self.state = State::Running { sender, thread };
        Ok(())
    }

    fn join(&mut self) -> Result<Staging, Fault> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Idle(staging) => Ok(staging),
            State::Running { sender, thread } => {
                drop(sender);
                thread.join().map_err(|_| Fault::bug("writing rows to the store panicked"))?
            }
            State::Ended => Err(ended()),
        }
    }
}

#[cfg(test)]
impl Worker {
    /// Ends like a killed process does: nothing is removed, and its lock is free.
    pub(super) fn crash(&mut self) {
        self.join().unwrap().abandon();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Waits for the thread, whose staging area then removes its files.
        drop(self.join());
    }
}

fn ended() -> Fault {
    Fault::bug("rows were appended after appending had failed")
}

fn write_all(table: &StoredTable, mut staging: Staging, buffers: &Receiver<Buffer>) -> Result<Staging, Fault> {
    while let Ok(buffer) = buffers.recv() {
        write(table, &mut staging, &buffer)?;
    }
    Ok(staging)
}

/// Writes one file per project of the buffer.
fn write(table: &StoredTable, staging: &mut Staging, buffer: &Buffer) -> Result<(), Fault> {
    if buffer.is_empty() {
        return Ok(());
    }
    for rows in buffer.sorted(table)? {
        let file = write_project(table, staging, buffer, &rows)?;
        staging.add(file);
    }
    Ok(())
}

fn write_project(
    table: &StoredTable,
    staging: &mut Staging,
    buffer: &Buffer,
    rows: &ProjectRows<'_>,
) -> Result<crate::DataFile, Fault> {
    let name = staging.next_name();
    let mut writer = FileWriter::create(table, staging.table_directory(), name, ProjectId::new(rows.project));
    let sources: Vec<_> = buffer.batches.iter().collect();
    let mut left = rows.rows.as_slice();
    while !left.is_empty() {
        let mut bytes = 0;
        let mut count = 0;
        while count < left.len() && count < CHUNK_ROWS && (count == 0 || bytes < CHUNK_BYTES) {
            let (batch, row) = left[count];
            bytes += buffer.sizes[batch][row];
            count += 1;
        }
        let (chunk, rest) = left.split_at(count);
        let gathered = interleave_record_batch(&sources, chunk)
            .map_err(|cause| Fault::bug("cannot gather rows of a buffer").because(cause))?;
        writer.write(&to_physical(&gathered)?, bytes)?;
        left = rest;
    }
    writer.finish()
}
