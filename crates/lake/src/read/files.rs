//! The rows of one project in one snapshot of a stored table, as row groups that can be read.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use model::{Cursor, Fault, Micros, ProjectId, Stop, StoredTable, Window};
use parquet::file::statistics::Statistics;
use roaring::RoaringBitmap;

use super::open::{OpenFile, OpenFiles};
use crate::file::{DataFile, Span, TableSnapshot};
use crate::keys::{self, DeadRows};
use crate::lake::Lake;
use crate::physical;

/// One project's files of a table at one version, and which of their rows live.
#[derive(Debug)]
pub(crate) struct ProjectFiles {
    snapshot: TableSnapshot,
    project: ProjectId,
    files: Vec<Arc<DataFile>>,
    groups: Vec<RowGroup>,
    dead: Arc<DeadRows>,
    opened: OpenFiles,
    schema: SchemaRef,
}

/// A row group of a file, by what its footer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowGroup {
    /// Place of its file among the project's files.
    pub file: usize,
    /// Place within the file.
    pub group: usize,
    /// Number of its first row within the file.
    pub first_row: u32,
    /// Rows, dead ones included.
    pub rows: u32,
    /// Start times of its rows.
    pub time: Span,
    /// Times at which its versions were stored.
    pub ingested: Span,
}

impl RowGroup {
    /// The numbers of its rows within the file.
    pub(crate) fn row_numbers(&self) -> Range<u32> {
        self.first_row..self.first_row + self.rows
    }

    /// Whether its rows can lie in a window that is measured on this cursor.
    pub(crate) fn meets(&self, cursor: Cursor, window: Window) -> bool {
        self.span(cursor).meets(window.from, window.to)
    }

    /// The times of its rows on a cursor.
    fn span(&self, cursor: Cursor) -> Span {
        match cursor {
            Cursor::StartTime => self.time,
            Cursor::Ingested => self.ingested,
        }
    }
}

impl ProjectFiles {
    /// Opens the project's files of a snapshot and reads their footers.
    pub(crate) fn open(lake: &Lake, snapshot: TableSnapshot, project: &ProjectId, stop: &Stop) -> Result<Self, Fault> {
        let dead = lake.dead_rows(&snapshot, project, stop)?;
        let mut opened = Self {
            files: snapshot.of_project(project).to_vec(),
            project: project.clone(),
            groups: Vec::new(),
            dead,
            opened: OpenFiles::default(),
            schema: physical::logical_schema(&snapshot.table),
            snapshot,
        };
        let (time, ingested) = (opened.column(opened.table().time)?, opened.column(opened.table().ingested)?);
        for place in 0..opened.files.len() {
            stop.check()?;
            let known = &opened.files[place];
            let (whole_time, whole_ingested) = (known.time, known.ingested);
            let file = opened.file(place)?;
            let mut first_row = 0_u32;
            for (group, metadata) in file.footer().row_groups().iter().enumerate() {
                let rows = u32::try_from(metadata.num_rows())
                    .map_err(|cause| Fault::corrupt("a row group has an impossible number of rows").because(cause))?;
                let bounds = |column, whole| span(metadata.column(file.leaf(column)).statistics()).unwrap_or(whole);
                let (time, ingested) = (bounds(time, whole_time), bounds(ingested, whole_ingested));
                opened.groups.push(RowGroup { file: place, group, first_row, rows, time, ingested });
                first_row = first_row
                    .checked_add(rows)
                    .ok_or_else(|| Fault::corrupt("a file of the store has more than 2^32 rows"))?;
            }
        }
        Ok(opened)
    }

    /// The table.
    pub(crate) fn table(&self) -> &Arc<StoredTable> {
        &self.snapshot.table
    }

    /// The table's columns as readers know them.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Place of a column in the table.
    pub(crate) fn column(&self, name: &str) -> Result<usize, Fault> {
        self.schema
            .index_of(name)
            .map_err(|_| Fault::bug(format!("table {} has no stored column {name:?}", self.table().name)))
    }

    /// Places of several columns, ascending and each once.
    pub(crate) fn columns<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Vec<usize>, Fault> {
        let mut places = names.into_iter().map(|name| self.column(name)).collect::<Result<Vec<_>, Fault>>()?;
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// Stands for the set of files, in texts and caches.
    pub(crate) fn name(&self) -> PathBuf {
        keys::cache::path(&self.snapshot, &self.project)
    }

    /// Rows of all files, dead ones included.
    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// A time of a window that no row comes before, dead ones included; `None` where there are none.
    pub(crate) fn earliest(&self, cursor: Cursor, window: Window) -> Option<Micros> {
        let met = self.groups.iter().filter(|group| group.meets(cursor, window));
        let first = met.map(|group| group.span(cursor).min).min()?;
        Some(window.from.map_or(first, |from| from.max(first)))
    }

    /// Every row group, file by file.
    pub(crate) fn groups(&self) -> &[RowGroup] {
        &self.groups
    }

    /// Number of files.
    pub(crate) fn file_count(&self) -> usize {
        self.files.len()
    }

    /// Rows of a file, dead ones included.
    pub(crate) fn file_rows(&self, place: usize) -> u64 {
        self.files[place].rows
    }

    /// The file at this place.
    pub(crate) fn file(&self, place: usize) -> Result<Arc<OpenFile>, Fault> {
        self.opened.get(place, || OpenFile::open(&self.snapshot, &self.files[place], &self.schema))
    }

    /// The rows of a file that a newer version replaces: deletions are not among them.
    pub(crate) fn superseded(&self, place: usize) -> RoaringBitmap {
        self.dead.superseded_of(&self.files[place])
    }

    /// The rows of a file that do not live.
    pub(crate) fn dead(&self, place: usize) -> Option<&RoaringBitmap> {
        self.dead.of(&self.files[place])
    }
}

/// The bounds of a timestamp column, where they were written.
fn span(statistics: Option<&Statistics>) -> Option<Span> {
    match statistics {
        Some(Statistics::Int64(bounds)) => {
            Some(Span { min: Micros(*bounds.min_opt()?), max: Micros(*bounds.max_opt()?) })
        }
        _ => None,
    }
}
