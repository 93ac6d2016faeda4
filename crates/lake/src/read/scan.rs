//! A request over a stored table, prepared: what is decoded, tested and produced for every row group.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::SchemaRef;
use model::{ByteCount, Cursor, Fault, ReadRequest, Window};
use roaring::RoaringBitmap;

use super::files::{ProjectFiles, RowGroup};
use super::filter::Filter;
use super::keys::{Keys, filled, key_columns};
use super::position;
use super::projection::{Projection, read_schema};
use super::rows::Rows;
use crate::scores::Scores;

/// A prepared request over live rows.
pub(crate) struct Scan {
    pub files: ProjectFiles,
    pub filter: Filter,
    /// For every place in the trace that the filter asks for, the matching rows of every file.
    pub positions: Vec<Vec<RoaringBitmap>>,
    pub projection: Projection,
    pub keys: KeyPlaces,
    pub window: Window,
    pub cursor: Cursor,
    pub scores: Arc<Scores>,
    /// The schema of produced batches.
    pub schema: SchemaRef,
    /// Places of the stored columns that requested columns are made of.
    pub payload: Vec<usize>,
    pub batch_bytes_max: ByteCount,
    pub row_bytes_max: ByteCount,
}

/// Where the columns behind the key columns stand in the stored table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyPlaces {
    pub time: usize,
    pub trace_id: Option<usize>,
    pub id: usize,
    pub version: usize,
    pub ingested: usize,
}

impl KeyPlaces {
    /// The columns that order rows.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut places: Vec<usize> = [Some(self.time), self.trace_id, Some(self.id)].into_iter().flatten().collect();
        places.sort_unstable();
        places
    }

    /// Every column behind a key column that a read with this cursor produces.
    pub(crate) fn all(&self) -> Vec<usize> {
        let mut places = self.order();
        places.extend([self.version, self.ingested]);
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The keys of rows that hold the columns of [`KeyPlaces::order`].
    pub(crate) fn of(&self, rows: &Rows) -> Result<Keys, Fault> {
        Keys::new(
            held(rows, self.time)?,
            self.trace_id.map(|place| held(rows, place)).transpose()?,
            held(rows, self.id)?,
        )
    }
}

fn held(rows: &Rows, place: usize) -> Result<&ArrayRef, Fault> {
    rows.held(place).ok_or_else(|| Fault::bug("a key column was not decoded"))
}

impl Scan {
    /// Compiles the request over the project's files and finds the rows at places in their traces.
    pub(crate) fn prepare(request: &ReadRequest, files: ProjectFiles, scores: Arc<Scores>) -> Result<Self, Fault> {
        let (table, order) = (Arc::clone(files.table()), request.table.order);
        let filter = match &request.filter {
            Some(filter) => Filter::prepare(filter, files.schema(), Some(&table))?,
            None => Filter::default(),
        };
        let projection = Projection::compile(&request.columns, files.schema())?;
        let payload = files.columns(projection.inputs().fields().iter().map(|field| field.name().as_str()))?;
        let keys = KeyPlaces {
            time: files.column(order.time)?,
            trace_id: order.trace_id.map(|name| files.column(name)).transpose()?,
            id: files.column(order.id)?,
            version: files.column(table.version)?,
            ingested: files.column(table.ingested)?,
        };
        let positions = position::find(&files, &keys, &filter.positions)?;
        Ok(Self {
            filter,
            positions,
            projection,
            keys,
            window: request.window,
            cursor: request.cursor,
            scores,
            schema: read_schema(&request.columns),
            payload,
            batch_bytes_max: request.batch_bytes_max,
            row_bytes_max: request.row_bytes_max,
            files,
        })
    }

    /// The decoded size of what a read of this row group produces, at most.
    pub(crate) fn group_bytes(&self, group: &RowGroup) -> Result<u64, Fault> {
        let mut places = self.keys.all();
        places.extend(&self.payload);
        places.sort_unstable();
        places.dedup();
        Ok(self.files.file(group.file)?.weight(group.group, places).bytes)
    }

    /// Whether rows of the group can lie in the window.
    pub(crate) fn meets_window(&self, group: &RowGroup) -> bool {
        let span = match self.cursor {
            Cursor::StartTime => group.time,
            Cursor::Ingested => group.ingested,
        };
        span.meets(self.window.from, self.window.to)
    }

    /// The key columns of rows that hold them all.
    pub(crate) fn key_columns(&self, rows: &Rows) -> Result<(Keys, Vec<ArrayRef>), Fault> {
        let keys = self.keys.of(rows)?;
        let cursor = match self.cursor {
            Cursor::StartTime => self.keys.time,
            Cursor::Ingested => self.keys.ingested,
        };
        let columns = key_columns(&keys, Arc::clone(held(rows, self.keys.version)?), Arc::clone(held(rows, cursor)?));
        Ok((keys, columns))
    }

    /// Trace ids and ids of rows that hold them, null trace ids as empty text.
    pub(crate) fn ids(&self, rows: &Rows) -> Result<(StringArray, StringArray), Fault> {
        let id = filled(held(rows, self.keys.id)?)?;
        let trace_id = match self.keys.trace_id {
            Some(place) => filled(held(rows, place)?)?,
            None => StringArray::from_iter_values(std::iter::repeat_n("", id.len())),
        };
        Ok((trace_id, id))
    }
}

impl Scan {
    /// The key of the first row of a row group, live or not.
    pub(crate) fn first_key(&self, group: &RowGroup) -> Result<model::OrderKey, Fault> {
        let mut rows = Rows::live(self.files.file(group.file)?, group, None);
        rows.retain(&arrow_buffer::BooleanBuffer::collect_bool(group.rows as usize, |row| row == 0));
        rows.hold(&self.keys.order())?;
        Ok(self.keys.of(&rows)?.get(0))
    }
}
