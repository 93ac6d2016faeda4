//! A request over a stored table, prepared: what is decoded, tested and produced for every row group.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::{Field, Schema, SchemaRef};
use model::{ByteCount, Cursor, DeletedRows, Fault, ReadRequest, Stop, Window};
use roaring::RoaringBitmap;

use super::files::{ProjectFiles, RowGroup};
use super::filter::Filter;
use super::keys::{Keys, filled, key_columns};
use super::position;
use super::projection::{Projection, read_schema, tally_schema};
use super::rows::Rows;
use crate::grouped::AttachedGroups;
use crate::lake::Lake;
use crate::scores::Scores;

/// A prepared request over live rows.
pub(crate) struct Scan {
    pub files: ProjectFiles,
    pub filter: Filter,
    /// For every place in the trace that the filter asks for, the matching rows of every file.
    pub positions: Vec<Vec<RoaringBitmap>>,
    pub projection: Projection,
    /// Columns that rows take from groups of another table.
    pub attached: Option<AttachedColumns>,
    /// The stored columns, and the attached ones behind them.
    pub relation: SchemaRef,
    pub keys: KeyPlaces,
    pub window: Window,
    pub cursor: Cursor,
    pub scores: Arc<Scores>,
    /// The schema of produced batches.
    pub schema: SchemaRef,
    /// The schema of batches to be counted.
    pub tally_schema: SchemaRef,
    /// Places of the stored columns that requested columns are made of.
    pub payload: Vec<usize>,
    pub batch_bytes_max: ByteCount,
    pub row_bytes_max: ByteCount,
    pub deleted: DeletedRows,
}

/// What a scan takes from groups of another table.
pub(crate) struct AttachedColumns {
    groups: AttachedGroups,
    /// Place of the stored column that names the group.
    on: usize,
    /// Places of the wanted columns in the scan's relation.
    places: Vec<usize>,
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
    /// `others` are the files of the table that attached columns come from.
    pub(crate) fn prepare(
        lake: &Lake,
        request: &ReadRequest,
        files: ProjectFiles,
        others: Option<ProjectFiles>,
        scores: Arc<Scores>,
        stop: &Stop,
    ) -> Result<Self, Fault> {
        let (table, order) = (Arc::clone(files.table()), request.table.order);
        let relation = relation(request, files.schema());
        let is_attached = |name: &str| request.table.attached_column(name).is_some();
        let filter = match &request.filter {
            Some(filter) => Filter::prepare(filter, &relation, Some(&table), &is_attached)?,
            None => Filter::default(),
        };
        let projection = Projection::compile(&request.columns, &relation)?;
        let projected = || projection.inputs().fields().iter().map(|field| field.name().as_str());
        let payload = files.columns(projected().filter(|name| !is_attached(name)))?;
        let keys = KeyPlaces {
            time: files.column(order.time)?,
            trace_id: order.trace_id.map(|name| files.column(name)).transpose()?,
            id: files.column(order.id)?,
            version: files.column(table.version)?,
            ingested: files.column(table.ingested)?,
        };
        let positions = position::find(&files, &keys, &filter.positions, stop)?;
        let filtered = filter.steps().flat_map(|step| step.program.input_names());
        let wanted: Vec<&str> = projected().chain(filtered).filter(|name| is_attached(name)).collect();
        let attached = match (&request.table.attached, others) {
            (Some(attached), Some(others)) if !wanted.is_empty() => Some(AttachedColumns {
                on: files.column(attached.on)?,
                places: (files.schema().fields().len()..relation.fields().len())
                    .filter(|place| wanted.contains(&relation.field(*place).name().as_str()))
                    .collect(),
                groups: AttachedGroups::prepare(lake, request, attached, &wanted, &files, others, stop)?,
            }),
            _ => None,
        };
        Ok(Self {
            filter,
            positions,
            projection,
            attached,
            relation,
            keys,
            window: request.window,
            cursor: request.cursor,
            scores,
            schema: read_schema(&request.columns),
            tally_schema: tally_schema(&request.columns),
            payload,
            batch_bytes_max: request.batch_bytes_max,
            row_bytes_max: request.row_bytes_max,
            deleted: request.deleted,
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
        group.meets(self.cursor, self.window)
    }

    /// Makes rows hold the attached columns; does nothing where they do.
    pub(crate) fn attach(&self, rows: &mut Rows, stop: &Stop) -> Result<(), Fault> {
        let Some(attached) = &self.attached else { return Ok(()) };
        if rows.count() == 0 || rows.missing(&attached.places).is_empty() {
            return Ok(());
        }
        rows.hold(&[attached.on])?;
        let columns = attached.groups.columns(held(rows, attached.on)?, stop)?;
        attached.places.iter().zip(columns).for_each(|(place, column)| rows.adopt(*place, column));
        Ok(())
    }

    /// Places of the columns that requested columns are made of, attached ones last.
    pub(crate) fn projected(&self) -> impl Iterator<Item = usize> {
        let is_read = |place: &usize| self.projection.inputs().index_of(self.relation.field(*place).name()).is_ok();
        let attached = self.attached.iter().flat_map(|attached| attached.places.iter().copied());
        self.payload.iter().copied().chain(attached.filter(is_read))
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

/// The columns of the request's table: the stored ones, then the attached ones.
fn relation(request: &ReadRequest, stored: &SchemaRef) -> SchemaRef {
    let Some(attached) = &request.table.attached else { return Arc::clone(stored) };
    let attached = attached.groups.columns.iter();
    let attached = attached.map(|column| Arc::new(Field::new(column.name, column.kind.to_arrow(), true)));
    Arc::new(Schema::new(stored.fields().iter().map(Arc::clone).chain(attached).collect::<Vec<_>>()))
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
