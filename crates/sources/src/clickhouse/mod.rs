//! ClickHouse as a source: the tables of a Langfuse deployment, read over HTTP.
//!
//! A request becomes SQL ([`compile`], [`sql`]) that is sent for one slice of the total order after the
//! other ([`plan`], [`slice`]). Which version of a row is the newest is decided by the server, with
//! `FINAL` and what [`dead`] finds; the source never writes and needs a user who may do no more than read.
//!
//! It knows the physical tables as data that is handed in, and no exportable table.

pub(crate) mod client;
mod columns;
mod compile;
mod database;
mod dead;
mod group;
mod live;
mod options;
mod plan;
pub(crate) mod query;
mod reading;
mod scores;
mod slice;
mod sql;
mod surroundings;
mod versions;

#[cfg(test)]
pub(crate) mod engine;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use async_trait::async_trait;
use model::{
    Fault, PhysicalTable, ProjectId, ReadRequest, Reading, Source, SourceCapabilities, Stop, StoredTable, TableSpec,
};

pub use client::Limit;
pub use database::SchemaDifference;
pub use options::{ClickHouseOptions, CommentsFrom, descriptor};

use client::Client;
use database::Database;
use query::Query;
use reading::ClickHouseReading;
use sql::escaped;

/// Reads from a ClickHouse database.
#[derive(Clone, Debug)]
pub struct ClickHouseSource {
    client: Client,
    database: Arc<Database>,
}

impl ClickHouseSource {
    /// Connects and looks once at the tables that the database has; `tables` are all places where rows
    /// may be, the preferred one of each stored table first.
    pub async fn connect(options: ClickHouseOptions, tables: Vec<PhysicalTable>) -> Result<Self, Fault> {
        let client = Client::new(options)?;
        let database = Arc::new(Database::look(&client, tables).await?);
        Ok(Self { client, database })
    }

    /// The options it was connected with.
    pub fn options(&self) -> &ClickHouseOptions {
        self.client.options()
    }

    /// What limits hold for queries, as far as the server lets us set them.
    pub async fn limits(&self) -> Result<Vec<Limit>, Fault> {
        self.client.limits().await
    }

    /// The table of the database that rows of a stored table are read from.
    pub fn physical_table(&self, stored: &StoredTable) -> Result<&'static str, Fault> {
        Ok(self.database.place(stored.name)?.physical.name)
    }

    /// The columns of a stored table that the database lacks.
    pub fn differences(&self, stored: &StoredTable) -> Vec<SchemaDifference> {
        self.database.differences(stored)
    }

    /// The server's version.
    pub async fn server_version(&self) -> Result<String, Fault> {
        let query =
            Query { text: "SELECT version() AS version".into(), parameters: Vec::new(), purpose: "the version" };
        let rows = self.client.rows(query, &Stop::new()).await?;
        let version = rows.column(0).as_string_opt::<i32>().and_then(|column| column.iter().next().flatten());
        version.map(str::to_owned).ok_or_else(|| Fault::corrupt("the server tells no version"))
    }

    /// Whether the server marks failures in the middle of an answer, so that their words can be told from
    /// rows. Those of servers before 25.11 are recognised too, by what is missing.
    pub async fn marks_failures(&self) -> Result<bool, Fault> {
        self.client.marks_failures().await
    }

    /// Whether the user may see how far queries have come.
    pub async fn sees_progress(&self) -> bool {
        self.client.sees_progress().await
    }

    /// Stores rows: `statement` is an `INSERT … FORMAT …` and `data` what follows it. For made-up data.
    pub async fn put(&self, statement: &str, data: bytes::Bytes) -> Result<(), Fault> {
        self.client.put(statement, data, &[]).await
    }
}

impl fmt::Display for ClickHouseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.database.fmt(f)
    }
}

#[async_trait]
impl Source for ClickHouseSource {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities { snapshots: false }
    }

    async fn prepare(&self, request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
        Ok(Arc::new(ClickHouseReading::new(request, &self.database, &self.client)?))
    }

    async fn has_project(&self, project: &ProjectId, table: &TableSpec) -> Result<bool, Fault> {
        let stored = table.stored();
        let place = self.database.place(stored.name)?;
        let column = place.required(stored.key[0])?;
        let query = Query {
            text: format!("SELECT 1 AS one FROM {} AS t WHERE {column} = {{project:String}} LIMIT 1", place.from()),
            parameters: vec![("project".to_owned(), escaped(project.as_str()))],
            purpose: "the project",
        };
        Ok(self.client.rows(query, &Stop::new()).await?.num_rows() > 0)
    }
}
