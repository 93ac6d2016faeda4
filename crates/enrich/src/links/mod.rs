//! Adds the addresses of the tracing product's pages to events: `langfuse_url` and `langfuse_user_url`.
//!
//! They depend on where that product is served, so without an address this step is left out and events have
//! no such properties. They follow what they are made of: a masked user id is linked as it was masked.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use model::{Enricher, Enrichment, EventKind, Fault, FieldRole, Lookups, ProjectId, ReadRequest, event_column, field};

/// Property with the address of the trace or observation.
const URL: &str = "langfuse_url";
const TRACE_ID: &str = "langfuse_trace_id";

/// Links to the pages of one project.
#[derive(Clone, Debug)]
pub struct Links {
    project_address: String,
    kind: EventKind,
}

impl Links {
    /// Links of events of this kind to the tracing product at `base_url`.
    pub fn new(base_url: &str, project: &ProjectId, kind: EventKind) -> Self {
        let mut project_address = format!("{}/project/", base_url.trim_end_matches('/'));
        push_escaped(project.as_str(), &mut project_address);
        Self { project_address, kind }
    }
}

#[async_trait]
impl Enrichment for Links {
    async fn prepare(
        &self,
        _request: &ReadRequest,
        input: &SchemaRef,
        _lookups: &Lookups,
    ) -> Result<Arc<dyn Enricher>, Fault> {
        let at = input.index_of(event_column::ID).map_err(|error| missing(event_column::ID).because(error))?;
        let mut fields: Vec<Arc<Field>> = input.fields().to_vec();
        let mut added = vec![event_column::USER_LINK];
        if self.kind != EventKind::Score {
            added.insert(0, URL);
        }
        for (index, name) in added.into_iter().enumerate() {
            let link = field::with_role(Field::new(name, DataType::Utf8, true), FieldRole::IfKnown);
            fields.insert(at + index, Arc::new(link));
        }
        let schema = Arc::new(Schema::new(fields));
        Ok(Arc::new(Linking { links: self.clone(), at, schema }))
    }
}

struct Linking {
    links: Links,
    /// Where the links are put.
    at: usize,
    schema: SchemaRef,
}

#[async_trait]
impl Enricher for Linking {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn apply(&self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        let text = |name: &str| {
            let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
            column.ok_or_else(|| missing(name))
        };
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns.insert(self.at, self.users(text(event_column::USER)?));
        let ids = text(event_column::ID)?;
        match self.links.kind {
            EventKind::Score => {}
            EventKind::Trace => columns.insert(self.at, self.pages(ids, None)),
            EventKind::Generation | EventKind::Observation => {
                columns.insert(self.at, self.pages(text(TRACE_ID)?, Some(ids)));
            }
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Fault::bug("cannot add links").because(error))
    }
}

impl Linking {
    fn users(&self, users: &StringArray) -> ArrayRef {
        self.build(users, |_, user, link| {
            link.push_str("/users/");
            push_escaped(user, link);
        })
    }

    /// Pages of traces, or of observations within them.
    fn pages(&self, traces: &StringArray, observations: Option<&StringArray>) -> ArrayRef {
        self.build(traces, |row, trace, link| {
            link.push_str("/traces/");
            push_escaped(trace, link);
            if let Some(observations) = observations {
                link.push_str("?observation=");
                push_escaped(observations.value(row), link);
            }
        })
    }

    /// A link for each row with an id; `write` gets the row, the id and the link as far as it is the same
    /// for all.
    fn build(&self, ids: &StringArray, write: impl Fn(usize, &str, &mut String)) -> ArrayRef {
        let start = &self.links.project_address;
        let mut links = StringBuilder::with_capacity(ids.len(), ids.len() * (start.len() + 80));
        let mut link = start.clone();
        for (row, id) in ids.iter().enumerate() {
            match id {
                Some(id) if !id.is_empty() => {
                    link.truncate(start.len());
                    write(row, id, &mut link);
                    links.append_value(&link);
                }
                _ => links.append_null(),
            }
        }
        Arc::new(links.finish())
    }
}

fn missing(name: &str) -> Fault {
    Fault::bug(format!("links are made of column {name:?}, which is not there"))
}

/// Appends a part of a path or query as ECMAScript's `encodeURIComponent` writes it.
fn push_escaped(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => {
                out.push(char::from(byte));
            }
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                let digit = |half: u8| char::from(DIGITS[usize::from(half)]);
                out.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(kind: EventKind, columns: &[(&str, &str)]) -> Vec<Option<String>> {
        let fields: Vec<Field> = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect();
        let arrays: Vec<ArrayRef> =
            columns.iter().map(|(_, value)| Arc::new(StringArray::from(vec![*value])) as ArrayRef).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        let links = Links::new("http://localhost:3000/", &ProjectId::new("p 1"), kind);
        let at = batch.schema().index_of(event_column::ID).unwrap();
        let linking = Linking { links, at, schema: batch.schema() };
        let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        let page = match kind {
            EventKind::Trace => linking.pages(&text(event_column::ID), None),
            _ => linking.pages(&text(TRACE_ID), Some(&text(event_column::ID))),
        };
        let user = linking.users(&text(event_column::USER));
        let value = |array: ArrayRef| array.as_string::<i32>().iter().next().unwrap().map(str::to_owned);
        vec![value(page), value(user)]
    }

    #[test]
    fn links_are_escaped_as_in_the_tracing_product() {
        let row = [(TRACE_ID, "a/b"), (event_column::ID, "c d"), (event_column::USER, "ü(1)!")];
        let project = "http://localhost:3000/project/p%201";
        assert_eq!(
            link(EventKind::Observation, &row),
            [Some(format!("{project}/traces/a%2Fb?observation=c%20d")), Some(format!("{project}/users/%C3%BC(1)!"))]
        );
        assert_eq!(link(EventKind::Trace, &row)[0], Some(format!("{project}/traces/c%20d")));
    }

    #[test]
    fn nobody_and_nothing_have_no_link() {
        let row = [(TRACE_ID, ""), (event_column::ID, "c"), (event_column::USER, "")];
        assert_eq!(link(EventKind::Generation, &row), [None, None]);
    }
}
