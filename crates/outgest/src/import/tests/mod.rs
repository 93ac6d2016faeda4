//! Imports into memory, of files made in the test or stored beside the crate.

mod bad;
mod exports;
mod golden;
mod property;
mod rows;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use arrow_array::RecordBatch;
use model::{Fault, Micros, ProjectId, StoredTable};
use serde_json::Value;

use super::*;
use crate::rows::jsonl_row;

/// 2026-08-01T12:00:00Z
const NOW: Micros = Micros(1_785_585_600_000_000);

/// What a sink was given.
#[derive(Default)]
struct Memory {
    batches: BTreeMap<&'static str, Vec<RecordBatch>>,
    comments: Vec<NewComment>,
    models: Vec<NewModel>,
    commits: usize,
    fail_at: Option<usize>,
    /// The commit that fails, counted from 0.
    fail_commit: Option<usize>,
}

impl Sink for Memory {
    fn rows(&mut self, table: &Arc<StoredTable>, batch: RecordBatch) -> Result<(), Fault> {
        let batches = self.batches.entry(table.name).or_default();
        if self.fail_at == Some(batches.len()) {
            return Err(Fault::corrupt("the disk is full"));
        }
        batches.push(batch);
        Ok(())
    }

    fn comments(&mut self, comments: Vec<NewComment>) -> Result<(), Fault> {
        self.comments.extend(comments);
        Ok(())
    }

    fn models(&mut self, models: Vec<NewModel>) -> Result<(), Fault> {
        self.models.extend(models);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Fault> {
        if self.fail_commit == Some(self.commits) {
            return Err(Fault::corrupt("the disk is full"));
        }
        self.commits += 1;
        Ok(())
    }
}

impl Memory {
    /// The rows of a table as JSON.
    fn rows(&self, table: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        for batch in self.batches.get(table).into_iter().flatten() {
            for row in 0..batch.num_rows() {
                let mut line = String::new();
                jsonl_row(batch, row, &mut line);
                rows.push(serde_json::from_str(&line).unwrap());
            }
        }
        rows
    }
}

fn importable() -> Vec<Importable> {
    let export = |name| tables::find(name).unwrap();
    tables::stored().into_iter().map(|stored| Importable { export: export(stored.name), stored }).collect()
}

fn options() -> Options {
    Options { project: Some(ProjectId::new("p")), ..Options::at(NOW) }
}

fn stream(name: &str, bytes: impl Into<Vec<u8>>) -> Input {
    Input::Stream { name: name.to_owned(), reader: Box::new(Cursor::new(bytes.into())) }
}

fn run(inputs: Vec<Input>, options: &Options) -> (Result<Report, Fault>, Memory) {
    let mut memory = Memory::default();
    let report = import(inputs, &importable(), options, &mut memory);
    (report, memory)
}

/// Imports one text that must be fine.
fn imported(name: &str, text: impl Into<Vec<u8>>) -> (Report, Memory) {
    let (report, memory) = run(vec![stream(name, text)], &options());
    (report.unwrap(), memory)
}

/// Imports one text that must fail; message and hint. Nothing may have been committed.
fn refused(name: &str, text: impl Into<Vec<u8>>) -> (String, String) {
    let (report, memory) = run(vec![stream(name, text)], &options());
    let fault = report.unwrap_err();
    assert_eq!(memory.commits, 0);
    (fault.public_message().to_owned(), fault.public_hint().unwrap_or_default().to_owned())
}

/// An event with the cells that must be there, and these.
fn event(span: &str, cells: &str) -> String {
    let comma = if cells.is_empty() { "" } else { "," };
    format!("{{\"trace_id\":\"t\",\"span_id\":\"{span}\",\"start_time\":\"2026-06-01 00:00:00.000000\"{comma}{cells}}}")
}
