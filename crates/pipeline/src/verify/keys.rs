//! Compares the keys in the files with those the source has now, each difference by its name.
//!
//! Keys are compared as hashes, in rounds of bounded size: first those of the files, then the source
//! is passed by and takes away what it has; what is left was exported and is not in the source's
//! window, and is looked for outside of it.

use std::collections::HashMap;

use arrow_array::RecordBatch;
use model::{
    DeletedRows, Expr, Fault, KeyDigest, Manifest, Micros, ReadRequest, Relation, RowCount, TableSpec, Window,
};

use super::file::{self, Files, RowTexts};
use super::source::{Ingested, Place, Scope, Stored};
use super::{Difference, RowName, VerifyReport};
use crate::key::Keys;

/// Keys looked at in one round: about 100 MB of hashes.
const KEYS_PER_ROUND: u64 = 2_000_000;

/// The columns of the files that hold the key of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeyColumns {
    id: String,
    /// `None` where rows of the table have no trace.
    trace_id: Option<String>,
    version: Option<String>,
}

/// One round: the keys of the files whose hash falls into it.
struct Round {
    number: u64,
    rounds: u64,
    scope: Scope,
    has_trace: bool,
    has_version: bool,
    exported: HashMap<u64, Exported>,
    found: VerifyReport,
}

/// An exported key that the source has not shown yet.
#[derive(Clone, Copy)]
struct Exported {
    /// `None` where the files do not tell.
    version: Option<Micros>,
    seen: bool,
}

impl KeyColumns {
    /// The columns of the manifest that hold the table's key as it is stored, `altered` ones apart; `None` where
    /// one is missing.
    pub(super) fn of(manifest: &Manifest, table: &TableSpec, altered: &[String]) -> Option<Self> {
        let as_stored =
            |name: &String| !altered.contains(name) && manifest.columns.iter().any(|column| column.name == *name);
        let named = |physical: &str| {
            let stored_as_is = |expr: &Expr| match expr {
                Expr::Column(name) => **name == *physical,
                Expr::NullIfEmpty(inner) => matches!(&**inner, Expr::Column(name) if **name == *physical),
                _ => false,
            };
            let names = table.columns.iter().filter(|column| stored_as_is(&column.expr)).map(|column| &column.name);
            names.into_iter().find(|name| as_stored(name)).cloned()
        };
        let trace_id = match table.order.trace_id {
            Some(physical) => Some(named(physical)?),
            None => None,
        };
        Some(Self { id: named(table.order.id)?, trace_id, version: named(table.stored().version) })
    }

    /// In the order in which rows are scanned.
    pub(super) fn names(&self) -> Vec<&str> {
        [Some(&self.id), self.trace_id.as_ref(), self.version.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }
}

/// Adds every difference between the keys of the files and those of the source to `report`.
pub(super) async fn compare(
    manifest: &Manifest,
    columns: &KeyColumns,
    scope: &Scope,
    stored: &Stored,
    files: &Files<'_>,
    report: &mut VerifyReport,
) -> Result<(), Fault> {
    let rounds = manifest.rows.get().div_ceil(KEYS_PER_ROUND).max(1);
    for number in 0..rounds {
        let mut round = Round {
            number,
            rounds,
            scope: scope.clone(),
            has_trace: columns.trace_id.is_some(),
            has_version: columns.version.is_some(),
            exported: HashMap::new(),
            found: VerifyReport::default(),
        };
        for receipt in &manifest.files {
            round = file::scan(receipt, files, &columns.names(), round, Round::add_exported).await?;
        }
        round = stored.fold(stored.request(), round, Round::take_stored).await?;
        round.exported.retain(|_, exported| !exported.seen);
        if !round.exported.is_empty() {
            // Outside of the window and the filter: what was changed since belongs to a later window, and so
            // does its deletion.
            let deleted = match stored.against.request.table.relation {
                Relation::Stored(_) => DeletedRows::Included,
                Relation::Grouped(_) => DeletedRows::LeftOut,
            };
            let anywhere = ReadRequest { filter: None, window: Window::default(), deleted, ..stored.request() };
            round = stored.fold(anywhere, round, Round::take_from_anywhere).await?;
            round.exported.retain(|_, exported| !exported.seen);
        }
        if !round.exported.is_empty() {
            for receipt in &manifest.files {
                round = file::scan(receipt, files, &columns.names(), round, Round::name_gone).await?;
            }
        }
        report.merge(round.found);
    }
    Ok(())
}

impl Round {
    fn add_exported(mut self, rows: Vec<RowTexts>) -> Result<Self, Fault> {
        for row in &rows {
            let (name, version) = self.exported_row(row);
            let Some(hash) = self.hash(&name.trace_id, &name.id) else { continue };
            if self.exported.insert(hash, Exported { version, seen: false }).is_some() {
                self.found.add(Difference::RowTwice(name));
            }
        }
        Ok(self)
    }

    fn take_stored(mut self, batch: &RecordBatch) -> Result<Self, Fault> {
        let (keys, ingested) = (Keys::of(batch)?, Ingested::of(batch));
        for row in 0..keys.len() {
            let place = self.scope.place(&keys, &ingested, row);
            if place == Place::Behind {
                continue;
            }
            let Some(hash) = self.hash(keys.trace_id(row), keys.id(row)) else { continue };
            let name = || stored_row(&keys, &ingested, row);
            match self.exported.get_mut(&hash) {
                Some(exported) => {
                    exported.seen = true;
                    match exported.version {
                        _ if place == Place::Since => self.found.rows_superseded += RowCount(1),
                        Some(version) if Some(version) != keys.version(row) => {
                            self.found.add(Difference::RowVersion(name()));
                        }
                        _ => {}
                    }
                }
                None if place == Place::Before => self.found.add(Difference::RowMissing(name())),
                None if self.scope.awaits_late_rows() => self.found.add(Difference::RowLate(name())),
                None => self.found.rows_since += RowCount(1),
            }
        }
        Ok(self)
    }

    fn take_from_anywhere(mut self, batch: &RecordBatch) -> Result<Self, Fault> {
        let (keys, ingested) = (Keys::of(batch)?, Ingested::of(batch));
        for row in 0..keys.len() {
            let Some(hash) = self.hash(keys.trace_id(row), keys.id(row)) else { continue };
            let Some(exported) = self.exported.get_mut(&hash) else { continue };
            // A version that the exported one outranks, elsewhere and left over, tells nothing.
            if exported.version.is_some() && keys.version(row) < exported.version {
                continue;
            }
            exported.seen = true;
            if ingested.since(row, self.scope.exported_at) {
                self.found.rows_superseded += RowCount(1);
            } else {
                self.found.add(Difference::RowExtra(stored_row(&keys, &ingested, row)));
            }
        }
        Ok(self)
    }

    fn name_gone(mut self, rows: Vec<RowTexts>) -> Result<Self, Fault> {
        for row in &rows {
            let (name, _) = self.exported_row(row);
            if let Some(hash) = self.hash(&name.trace_id, &name.id)
                && self.exported.remove(&hash).is_some()
            {
                self.found.add(Difference::RowGone(name));
            }
        }
        Ok(self)
    }

    fn exported_row(&self, texts: &[Option<String>]) -> (RowName, Option<Micros>) {
        let text = |index: usize| texts.get(index).cloned().flatten();
        let version = if self.has_version { text(1 + usize::from(self.has_trace)) } else { None };
        let trace_id = if self.has_trace { text(1) } else { None };
        let name = RowName { trace_id: trace_id.unwrap_or_default(), id: text(0).unwrap_or_default(), ingested: None };
        (name, version.and_then(|text| Micros::parse_text(&text)))
    }

    /// The hash of a key that belongs to this round.
    fn hash(&self, trace_id: &str, id: &str) -> Option<u64> {
        let hash = KeyDigest::hash(trace_id, id, None, &mut Vec::new());
        (hash % self.rounds == self.number).then_some(hash)
    }
}

pub(super) fn stored_row(keys: &Keys<'_>, ingested: &Ingested<'_>, row: usize) -> RowName {
    RowName { trace_id: keys.trace_id(row).to_owned(), id: keys.id(row).to_owned(), ingested: ingested.at(row) }
}
