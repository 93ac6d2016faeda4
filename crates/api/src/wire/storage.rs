//! Imports and what is stored.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::instant;

/// How rows are imported.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// `events`, `scores`, `comments` or `models`; told from the first row where not given.
    pub(crate) table: Option<String>,
}

/// What an import did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Imported {
    /// Rows that were read; all of them are stored.
    read: u64,
    /// Rows by table.
    stored: Vec<StoredRows>,
    /// What rows carried and stored tables cannot take.
    ignored: Vec<IgnoredColumn>,
}

/// Rows of one table.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredRows {
    /// Table.
    table: String,
    /// Rows.
    rows: u64,
}

/// A column that is not stored.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IgnoredColumn {
    /// Column.
    column: String,
    /// Why.
    why: String,
    /// Rows that had a value in it.
    values: u64,
}

impl From<model::Ingested> for Imported {
    fn from(ingested: model::Ingested) -> Self {
        let ignored = |ignored: model::IngestIgnored| IgnoredColumn {
            column: ignored.column,
            why: ignored.why.to_owned(),
            values: ignored.values.get(),
        };
        Self {
            read: ingested.read.get(),
            stored: ingested.stored.into_iter().map(|(table, rows)| StoredRows { table, rows: rows.get() }).collect(),
            ignored: ingested.ignored.into_iter().map(ignored).collect(),
        }
    }
}

/// What is stored of a project.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Storage {
    /// By table.
    tables: Vec<TableStorage>,
    /// What to know about the figures, where they are not exact or not all there.
    #[schema(required)]
    note: Option<String>,
}

/// What is stored in a table.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TableStorage {
    /// Stored table.
    table: String,
    /// Rows that a reader sees.
    rows: u64,
    /// Stored rows, superseded versions included.
    #[schema(required)]
    rows_stored: Option<u64>,
    /// Size where it is stored.
    #[schema(required)]
    bytes: Option<u64>,
    /// Data files.
    #[schema(required)]
    files: Option<u64>,
    /// Start time of the oldest row.
    #[schema(required, format = DateTime)]
    oldest: Option<String>,
    /// Start time of the newest row.
    #[schema(required, format = DateTime)]
    newest: Option<String>,
}

impl From<model::StoredOfProject> for Storage {
    fn from(stored: model::StoredOfProject) -> Self {
        let table = |table: model::TableStorage| TableStorage {
            table: table.table,
            rows: table.rows.get(),
            rows_stored: table.rows_stored.map(|rows| rows.get()),
            bytes: table.bytes.map(|bytes| bytes.get()),
            files: table.files,
            oldest: table.oldest.map(instant),
            newest: table.newest.map(instant),
        };
        Self { tables: stored.tables.into_iter().map(table).collect(), note: stored.note }
    }
}
