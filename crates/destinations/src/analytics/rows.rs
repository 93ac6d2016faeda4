//! The columns of a batch as the properties of its events.
//!
//! Every column is a property of its name, in order, but for the sessions of the receivers, which are
//! inputs. What a receiver puts around the properties is made of a few columns that are known by name.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::SchemaRef;
use model::{Dialect, Fault, FieldRole, Micros, TimestampStyle, event_column, field};

use super::cells::Cells;
use super::instant::Form;

pub(crate) use super::cells::write_string;

/// The columns of the batches of one delivery.
pub(crate) struct Layout {
    schema: SchemaRef,
    properties: Vec<Property>,
    dialect: Dialect,
}

struct Property {
    column: usize,
    /// `,"name":`
    start: Box<[u8]>,
    /// Left out where it is null.
    if_known: bool,
}

impl Layout {
    /// Fails for a column that cannot be a property, and where a column is missing that every event needs.
    pub(crate) fn new(schema: &SchemaRef, dialect: Dialect) -> Result<Self, Fault> {
        let inputs = [event_column::POSTHOG_SESSION, event_column::MIXPANEL_SESSION];
        let columns = schema.fields().iter().enumerate();
        let properties =
            columns.filter(|(_, field)| !inputs.contains(&field.name().as_str())).map(|(column, field)| {
                let mut start = vec![b','];
                write_string(field.name(), &mut start);
                start.push(b':');
                let if_known = field::role(field) == FieldRole::IfKnown;
                Property { column, start: start.into(), if_known }
            });
        let layout = Self { schema: Arc::clone(schema), properties: properties.collect(), dialect };
        layout.bind(&RecordBatch::new_empty(Arc::clone(schema)))?;
        Ok(layout)
    }

    /// How the instant of an event is printed where it is not a property: in UTC, with the digits that the
    /// property has.
    pub(crate) fn instant_form(&self) -> Form {
        let style = self.schema.field_with_name(event_column::TIMESTAMP).map(field::timestamp_style);
        match (self.dialect, style) {
            (Dialect::Langfuse, Ok(TimestampStyle::SqlMillis | TimestampStyle::IsoMillis)) => Form::Rfc3339Millis,
            _ => Form::Rfc3339,
        }
    }

    /// Takes a batch apart.
    pub(crate) fn bind<'a>(&'a self, batch: &'a RecordBatch) -> Result<Rows<'a>, Fault> {
        let utc = self.dialect == Dialect::Event;
        let cells = self.properties.iter().map(|property| {
            let (field, array) = (self.schema.field(property.column), batch.column(property.column));
            Ok((property, Cells::bind(field, array, utc)?))
        });
        let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let missing = |name: &str| Fault::bug(format!("events have no column {name:?}"));
        let timestamps = batch.column_by_name(event_column::TIMESTAMP);
        let timestamps = timestamps.and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        Ok(Rows {
            cells: cells.collect::<Result<_, Fault>>()?,
            ids: text(event_column::ID).ok_or_else(|| missing(event_column::ID))?,
            timestamps: timestamps.ok_or_else(|| missing(event_column::TIMESTAMP))?,
            users: text(event_column::USER),
            user_links: text(event_column::USER_LINK),
            sessions: text(event_column::SESSION),
            posthog_sessions: text(event_column::POSTHOG_SESSION),
            mixpanel_sessions: text(event_column::MIXPANEL_SESSION),
        })
    }
}

/// A batch, taken apart.
pub(crate) struct Rows<'a> {
    cells: Vec<(&'a Property, Cells<'a>)>,
    ids: &'a StringArray,
    timestamps: &'a TimestampMicrosecondArray,
    users: Option<&'a StringArray>,
    user_links: Option<&'a StringArray>,
    sessions: Option<&'a StringArray>,
    posthog_sessions: Option<&'a StringArray>,
    mixpanel_sessions: Option<&'a StringArray>,
}

impl<'a> Rows<'a> {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn id(&self, row: usize) -> &'a str {
        self.ids.value(row)
    }

    pub(crate) fn instant(&self, row: usize) -> Micros {
        Micros(self.timestamps.value(row))
    }

    /// Who did it; `None` where nobody is known.
    pub(crate) fn user(&self, row: usize) -> Option<&'a str> {
        known(self.users, row)
    }

    pub(crate) fn user_link(&self, row: usize) -> Option<&'a str> {
        known(self.user_links, row)
    }

    pub(crate) fn session(&self, row: usize) -> Option<&'a str> {
        known(self.sessions, row)
    }

    /// As it is stored: an empty one is not the same as none.
    pub(crate) fn posthog_session(&self, row: usize) -> Option<&'a str> {
        self.posthog_sessions.filter(|column| column.is_valid(row)).map(|column| column.value(row))
    }

    pub(crate) fn mixpanel_session(&self, row: usize) -> Option<&'a str> {
        known(self.mixpanel_sessions, row)
    }

    /// Appends `,"name":value` for each property.
    pub(crate) fn write_properties(&mut self, row: usize, out: &mut Vec<u8>) {
        for (property, cells) in &mut self.cells {
            if property.if_known && cells.is_null(row) {
                continue;
            }
            out.extend_from_slice(&property.start);
            cells.write(row, out);
        }
    }
}

fn known(column: Option<&StringArray>, row: usize) -> Option<&str> {
    let column = column.filter(|column| column.is_valid(row))?;
    Some(column.value(row)).filter(|text| !text.is_empty())
}
