//! Rows into the tables of a deployment: sample data, for comparisons and benchmarks.
//!
//! It stores what it is given and nothing else: no table is made, nothing is changed or removed. Exports
//! never come here.

use std::fmt;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use bytes::Bytes;
use model::{Fault, PhysicalTable};

use super::client::Client;
use super::options::ClickHouseOptions;
use super::sql::identifier;

/// What an insert needs whatever the user's profile says: it is done when it is answered, and every version
/// of a row is stored, as if they had come one by one.
const SETTINGS: &[(&str, &str)] =
    &[("async_insert", "0"), ("optimize_on_insert", "0"), ("max_partitions_per_insert_block", "0")];

/// Stores rows on a server.
#[derive(Clone, Debug)]
pub struct ClickHouseWriter {
    client: Client,
}

impl ClickHouseWriter {
    /// Nothing is sent yet.
    pub fn connect(options: ClickHouseOptions) -> Result<Self, Fault> {
        Ok(Self { client: Client::new(options)? })
    }

    /// Stores rows in a table with one insert, which the server cuts by month. The table must have the columns
    /// of the rows, under their names.
    pub async fn store(&self, table: &PhysicalTable, batches: &[RecordBatch]) -> Result<(), Fault> {
        let Some(first) = batches.first() else { return Ok(()) };
        let schema = first.schema();
        let columns: Vec<String> = schema.fields().iter().map(|field| identifier(field.name())).collect();
        let columns = columns.join(", ");
        let statement = format!("INSERT INTO {} ({columns}) FORMAT ArrowStream", identifier(table.name));
        let encoded = StreamWriter::try_new(Vec::new(), &schema).and_then(|mut stream| {
            batches.iter().try_for_each(|batch| stream.write(batch))?;
            stream.into_inner()
        });
        let encoded = encoded.map_err(|error| Fault::bug("cannot write rows as an Arrow stream").because(error))?;
        self.client.put(&statement, Bytes::from(encoded), SETTINGS).await
    }
}

/// The server's address without secrets.
impl fmt::Display for ClickHouseWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.options().fmt(f)
    }
}
