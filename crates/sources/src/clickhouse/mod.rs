//! ClickHouse as a source: the tables of a Langfuse deployment, read over HTTP.
//!
//! A request becomes SQL ([`compile`], [`sql`]) that is sent for one slice of the total order after the
//! other ([`plan`], [`slice`]). Which version of a row is the newest is decided by the server, with
//! `FINAL` and what [`dead`] finds; reading never writes and needs a user who may do no more than read.
//!
//! [`doctor`] looks at a server without reading it, and [`write`] stores made-up rows.
//!
//! It knows the physical tables as data that is handed in, and no exportable table.

mod candidates;
mod changes;
pub(crate) mod client;
mod columns;
mod compile;
mod database;
mod dead;
mod deleted;
mod doctor;
mod few;
mod group;
mod limits;
mod live;
mod met;
mod near;
mod options;
mod place;
mod plan;
pub(crate) mod query;
mod reading;
mod scores;
mod slice;
mod sql;
mod storage;
mod surroundings;
mod tally;
mod versions;
mod write;

#[cfg(test)]
pub(crate) mod engine;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use model::{
    Fault, PhysicalTable, ProjectId, ReadRequest, Reading, Source, SourceCapabilities, StoredTable, TableSpec,
};

pub use database::SchemaDifference;
pub use doctor::{Finding, Verdict, examine, version};
pub use options::{ClickHouseOptions, CommentsFrom, descriptor};
pub use write::ClickHouseWriter;

use client::Client;
use database::Database;
use reading::ClickHouseReading;

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

    /// The same connection with another look at the tables: a deployment may have moved to another layout, or have
    /// new columns.
    pub async fn looking_again(&self, tables: Vec<PhysicalTable>) -> Result<Self, Fault> {
        let database = Arc::new(Database::look(&self.client, tables).await?);
        Ok(Self { client: self.client.clone(), database })
    }

    /// The columns of a stored table that the database lacks.
    pub fn differences(&self, stored: &StoredTable) -> Vec<SchemaDifference> {
        self.database.differences(stored)
    }

    /// The table of the database that rows of a stored table are read from.
    #[cfg(test)]
    pub(crate) fn physical_table(&self, stored: &StoredTable) -> Result<&'static str, Fault> {
        Ok(self.database.place(stored.name)?.physical.name)
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
        for place in self.database.places_of(table)? {
            if place.holds_rows_of(project, table.stored(), &self.client).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn shared_by(&self, processes: usize) {
        self.client.shared_by(processes);
    }
}
