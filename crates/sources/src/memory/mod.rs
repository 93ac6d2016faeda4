//! Rows in memory: the reference that other sources are compared with, and the source of tests.
//!
//! A [`MemorySource`] holds stored versions as plain values and answers a request in the most direct
//! way: newest version of every key, window, filter, order, one step after the other over all rows.
//! What it returns is meant to be believed by reading it, so it is neither fast nor small: [`value`]
//! and [`evaluate`] say what an expression means, [`rows`] which rows exist, [`group`] what grouped
//! tables and attached columns are made of, [`scores`] what score filters see.

pub(crate) mod columnar;
mod evaluate;
mod group;
mod json;
mod position;
mod reading;
mod rows;
mod scores;
#[cfg(test)]
mod tests;
pub(crate) mod value;

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use model::{
    Fault, FaultKind, KindDescriptor, ProjectId, ReadRequest, Reading, Snapshot, Source, SourceCapabilities,
    StoredTable, TableSpec,
};

pub use json::{batch_from_json, stored_schema};

use reading::MemoryReading;
use rows::StoredRows;
use scores::{MemoryScores, SCORES};

/// Rows of a slice unless the test says otherwise: small, so that even little data has several slices.
const SLICE_ROWS: usize = 64;

/// Stored versions of rows, held in memory and never changed.
#[derive(Debug)]
pub struct MemorySource {
    tables: Vec<Arc<StoredRows>>,
    slice_rows: usize,
}

impl MemorySource {
    /// Holds batches of the stored schema, in the order they were stored.
    pub fn new(tables: Vec<(Arc<StoredTable>, Vec<RecordBatch>)>) -> Result<Self, Fault> {
        let tables = tables.into_iter().map(|(table, batches)| StoredRows::new(table, &batches).map(Arc::new));
        Ok(Self { tables: tables.collect::<Result<_, _>>()?, slice_rows: SLICE_ROWS })
    }

    /// Holds rows written as JSON objects with physical column names.
    pub fn from_json(tables: Vec<(Arc<StoredTable>, Vec<serde_json::Value>)>) -> Result<Self, Fault> {
        let batches = tables.into_iter().map(|(table, rows)| {
            let batch = batch_from_json(&table, &rows)?;
            Ok((table, vec![batch]))
        });
        Self::new(batches.collect::<Result<_, Fault>>()?)
    }

    /// Cuts plans into slices of so many rows.
    ///
    /// # Panics
    /// Panics where `rows` is zero.
    pub fn with_slice_rows(mut self, rows: usize) -> Self {
        assert!(rows > 0, "a slice has at least one row");
        self.slice_rows = rows;
        self
    }

    fn stored(&self, table: &StoredTable) -> Result<&Arc<StoredRows>, Fault> {
        self.named(table.name).ok_or_else(|| {
            Fault::new(FaultKind::NotFound, format!("nothing is stored for table {} in {self}", table.name))
        })
    }

    fn named(&self, name: &str) -> Option<&Arc<StoredRows>> {
        self.tables.iter().find(|rows| rows.table.name == name)
    }

    /// Rows are never changed, so their number names the state.
    fn snapshot(&self) -> Snapshot {
        Snapshot(format!("memory:{}", self.tables.iter().map(|rows| rows.len()).sum::<usize>()))
    }
}

impl fmt::Display for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows in memory")
    }
}

#[async_trait]
impl Source for MemorySource {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities { snapshots: true }
    }

    async fn prepare(&self, request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
        let snapshot = self.snapshot();
        if let Some(wanted) = request.snapshot.as_ref().filter(|wanted| **wanted != snapshot) {
            return Err(Fault::new(FaultKind::NotFound, format!("snapshot {} is not in {self}", wanted.0)));
        }
        let stored = self.stored(request.table.stored())?;
        let attached =
            request.table.attached.as_ref().map(|attached| self.stored(&attached.groups.over)).transpose()?;
        let attached = attached.map(|rows| &**rows);
        let scores = Arc::new(MemoryScores::new(self.named(SCORES).map(Arc::clone)));
        Ok(Arc::new(MemoryReading::prepare(request, stored, attached, scores, snapshot, self.slice_rows)?))
    }

    async fn has_project(&self, project: &ProjectId, table: &TableSpec) -> Result<bool, Fault> {
        Ok(self.stored(table.stored())?.has_project(project))
    }
}

/// How the kind introduces itself. No URL selects it: its rows are handed over by a program.
pub fn descriptor() -> KindDescriptor {
    KindDescriptor {
        name: "memory",
        title: "Rows in memory",
        doc: "Rows that a program hands over. The reference for other sources, used by tests.",
        schemes: &[],
        options: serde_json::json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        secrets: &[],
    }
}
