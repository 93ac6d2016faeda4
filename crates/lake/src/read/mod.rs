//! Reading live rows of a stored table, slice by slice in their total order.
//!
//! A prepared [`scan::Scan`] knows the row groups of a project by their footers ([`files`]) and cuts
//! them into slices ([`plan`]). A slice is read by narrowing every row group that meets it to the
//! wanted rows ([`fragment`]): live, in range, in the window, passing the [`filter`]; cheap columns
//! are decoded first and payload last, for the rows that are left. Row groups that overlap in time
//! are merged ([`slice`]). Every step works on one row group at a time, which bounds memory.
//!
//! It does not decide which rows live, and never writes.

mod files;
mod filter;
mod fragment;
mod keys;
mod open;
mod plan;
mod position;
mod projection;
mod reading;
mod rows;
mod scan;
pub mod sizes;
mod slice;
mod stream;
mod tally;

use std::sync::Arc;

use model::{Fault, FaultKind, ProjectId, ReadRequest, Reading, Relation, Snapshot, Stop};

use crate::file::TableSnapshot;
use crate::grouped::GroupedReading;
use crate::lake::Lake;
use crate::scores::Scores;

pub(crate) use files::ProjectFiles;
pub(crate) use filter::{Answers, Filter, Step, score_column};
pub(crate) use fragment::too_large;
pub(crate) use keys::{Keys, key_columns};
pub(crate) use open::OpenFile;
pub(crate) use projection::{Projection, read_schema, tally_schema};
pub(crate) use rows::{Rows, batch};
pub(crate) use sizes::{bytes_of, rows_within, trimmed};
pub(crate) use stream::{Batches, blocking, stream};

/// The stored table that scores come from.
const SCORES: &str = "scores";

impl Lake {
    /// Prepares a request over this store: the newest state, or the one that `request.snapshot` names.
    pub async fn reading(&self, request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
        let lake = self.clone();
        blocking(move |stop| prepare(&lake, &request, stop)).await
    }

    /// Whether a state that an earlier reading looked at can be read again: of this very store, with all its files.
    pub async fn keeps(&self, snapshot: &Snapshot) -> Result<bool, Fault> {
        let (lake, snapshot) = (self.clone(), snapshot.clone());
        blocking(move |_| keeps(&lake, &snapshot)).await
    }

    /// Whether any version of any row of the project is stored in a table.
    pub async fn has_project(&self, project: &ProjectId, table: &'static str) -> Result<bool, Fault> {
        let (lake, project) = (self.clone(), project.clone());
        blocking(move |_| Ok(!lake.snapshot(table)?.of_project(&project).is_empty())).await
    }
}

fn keeps(lake: &Lake, snapshot: &Snapshot) -> Result<bool, Fault> {
    let Ok(versions) = Versions::parse(snapshot, lake) else { return Ok(false) };
    for (table, version) in &versions.tables {
        match lake.read_snapshot(table, Some(*version)) {
            Ok(_) => {}
            Err(fault) if fault.kind() == FaultKind::NotFound => return Ok(false),
            Err(fault) => return Err(fault),
        }
    }
    Ok(true)
}

fn prepare(lake: &Lake, request: &ReadRequest, stop: &Stop) -> Result<Arc<dyn Reading>, Fault> {
    request.check()?;
    let table = request.table.stored().name;
    let wanted = request.snapshot.as_ref().map(|snapshot| Versions::parse(snapshot, lake)).transpose()?;
    let at = |table: &str| -> Result<TableSnapshot, Fault> {
        lake.read_snapshot(table, wanted.as_ref().map(|versions| versions.of(table)).transpose()?)
    };
    let rows = at(table)?;
    let scores = if lake.tables().any(|table| table.name == SCORES) { Some(at(SCORES)?) } else { None };
    let others = request.table.attached.as_ref().map(|attached| at(attached.groups.over.name)).transpose()?;
    let read = [Some(&rows), scores.as_ref(), others.as_ref()];
    let snapshot = Versions::of_tables(lake, read.into_iter().flatten())?.to_snapshot();

    let open = |table| ProjectFiles::open(lake, table, &request.project, stop);
    let scores = Scores::new(request.project.clone(), request.scores_since, scores.map(open).transpose()?)?;
    let scores = Arc::new(scores);
    let files = open(rows)?;
    Ok(match &request.table.relation {
        Relation::Stored(_) => {
            let scan = scan::Scan::prepare(lake, request, files, others.map(open).transpose()?, scores, stop)?;
            Arc::new(reading::StoredReading::new(scan, snapshot))
        }
        Relation::Grouped(grouped) => {
            Arc::new(GroupedReading::prepare(lake, request, grouped, files, scores, snapshot, stop)?)
        }
    })
}

/// The versions of the tables that a reading looks at, and the store whose they are: `<id>/events=12,scores=3`.
struct Versions {
    store: String,
    tables: Vec<(String, u64)>,
}

impl Versions {
    /// Every table once.
    fn of_tables<'a>(lake: &Lake, read: impl Iterator<Item = &'a TableSnapshot>) -> Result<Self, Fault> {
        let mut tables: Vec<(String, u64)> = Vec::new();
        for snapshot in read {
            if !tables.iter().any(|(name, _)| name == snapshot.table.name) {
                tables.push((snapshot.table.name.to_owned(), snapshot.version));
            }
        }
        Ok(Self { store: lake.id()?, tables })
    }

    /// Those of this store; the versions of another one are other rows.
    fn parse(snapshot: &Snapshot, lake: &Lake) -> Result<Self, Fault> {
        let version = |part: &str| -> Option<(String, u64)> {
            let (table, version) = part.split_once('=')?;
            Some((table.to_owned(), version.parse().ok()?))
        };
        let (store, versions) = snapshot.0.split_once('/').ok_or_else(|| no_snapshot(&snapshot.0))?;
        if store != lake.id()? {
            return Err(no_snapshot(&snapshot.0));
        }
        let tables: Option<Vec<_>> = versions.split(',').map(version).collect();
        tables.map(|tables| Self { store: store.to_owned(), tables }).ok_or_else(|| no_snapshot(&snapshot.0))
    }

    fn of(&self, table: &str) -> Result<u64, Fault> {
        let known = self.tables.iter().find(|(name, _)| name == table).map(|(_, version)| *version);
        known.ok_or_else(|| no_snapshot(table))
    }

    fn to_snapshot(&self) -> Snapshot {
        let parts: Vec<String> = self.tables.iter().map(|(table, version)| format!("{table}={version}")).collect();
        Snapshot(format!("{}/{}", self.store, parts.join(",")))
    }
}

fn no_snapshot(name: &str) -> Fault {
    Fault::new(FaultKind::NotFound, format!("the store has no snapshot {name:?}"))
        .hint("start the export anew instead of resuming it")
}
