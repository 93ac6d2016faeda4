//! The tables and columns of a deployment beside those that exports read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{ByteCount, ColumnType, Fault, PhysicalTable, RowCount, Serves, Stop, StoredColumn, StoredTable};

use super::{Finding, query, texts};
use crate::clickhouse::client::Client;
use crate::clickhouse::database::{Database, is_required};
use crate::clickhouse::options::ClickHouseOptions;
use crate::clickhouse::place::Place;
use crate::clickhouse::sql::{arrays_of_texts, escaped, identifier};

/// Tables with their engines and sizes.
const TABLES: &str = "SELECT name, engine, ifNull(toString(total_rows), '') AS rows, \
    ifNull(toString(total_bytes), '') AS bytes FROM system.tables \
    WHERE database = {database:String} AND name IN {names:Array(String)} ORDER BY name";

/// What was found of the tables.
pub(super) struct Schema<'a> {
    stored: &'a [Arc<StoredTable>],
    known: &'a [PhysicalTable],
    /// What is read.
    database: Database,
    /// Engine and size of each table of the server.
    described: BTreeMap<String, String>,
}

impl<'a> Schema<'a> {
    /// Asks the server, which shows a user only what the user may see. `known` is every place that rows of the
    /// stored tables may be in.
    pub(super) async fn read(
        client: &Client,
        stored: &'a [Arc<StoredTable>],
        known: &'a [PhysicalTable],
    ) -> Result<Self, Fault> {
        let database = Database::look(client, known.to_vec()).await?;
        let joined = known.iter().filter_map(|place| Some(place.joined?.name));
        let names: BTreeSet<&str> = known.iter().map(|place| place.name).chain(joined).collect();
        let names = arrays_of_texts(names)?.remove(0);
        let values = [("database", escaped(&client.options().database)), ("names", names)];
        let answer = client.rows(query(TABLES, "the list of tables", &values), &Stop::new()).await?;
        let (engines, rows, bytes) = (texts(&answer, "engine"), texts(&answer, "rows"), texts(&answer, "bytes"));
        let described = texts(&answer, "name").into_iter().enumerate().map(|(row, name)| {
            let mut text = engines[row].to_owned();
            if let Ok(rows) = rows[row].parse() {
                text.push_str(&format!(", {} stored rows", RowCount(rows).human()));
            }
            if let Ok(bytes) = bytes[row].parse() {
                text.push_str(&format!(", {}", ByteCount(bytes).human()));
            }
            (name.to_owned(), text)
        });
        Ok(Self { stored, known, database, described: described.collect() })
    }

    /// The tables that a stored table is read from, each once.
    fn places(&self, table: &StoredTable) -> Vec<&Place> {
        let mut places: Vec<&Place> = Vec::new();
        for place in self.database.places().iter().filter(|place| place.physical.stored == table.name) {
            if !places.iter().any(|known| known.physical.name == place.physical.name) {
                places.push(place);
            }
        }
        places
    }

    /// The tables that are read of which there are replicas with a log and a queue; those of ClickHouse Cloud have none.
    pub(super) fn replicated(&self) -> Vec<&'static str> {
        let places = self.stored.iter().flat_map(|table| self.places(table));
        let read = places.flat_map(|place| [Some(place.physical.name), place.physical.joined.map(|other| other.name)]);
        let is_replicated = |name: &&str| self.described.get(*name).is_some_and(|text| text.starts_with("Replicated"));
        let names: BTreeSet<&str> = read.flatten().filter(is_replicated).collect();
        names.into_iter().collect()
    }

    /// What is there and what differs.
    pub(super) fn findings(&self, options: &ClickHouseOptions) -> Vec<Finding> {
        let mut findings = Vec::new();
        for table in self.stored {
            let places = self.places(table);
            if places.is_empty() {
                findings.push(self.missing(table, options));
            }
            for place in places {
                let name = place.physical.name;
                let described = self.described.get(name).map(String::as_str).unwrap_or_default();
                findings
                    .push(Finding::ok("table", format!("{name} (Langfuse {}), {described}", place.physical.layout)));
                if place.physical.serves != Serves::Groups {
                    findings.extend(differences(place, table));
                }
            }
        }
        findings
    }

    /// No table is there that rows of this one could be read from.
    fn missing(&self, table: &StoredTable, options: &ClickHouseOptions) -> Finding {
        let mut names: Vec<&str> =
            self.known.iter().filter(|place| place.stored == table.name).map(|place| place.name).collect();
        names.dedup();
        let ClickHouseOptions { database, user, .. } = options;
        Finding::failed(
            "table",
            format!(
                "database {database:?} has no table {} to read {} from, or the user may not see it",
                names.join(" or "),
                table.name
            ),
            format!(
                "correct the database in the address, or GRANT SELECT ON {database}.{} TO {user}",
                names.first().copied().unwrap_or("*")
            ),
        )
    }

    /// Whether every column that is read may be, found out by reading none of its rows.
    pub(super) async fn rights(&self, client: &Client) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut allowed = BTreeSet::new();
        for table in self.stored {
            for place in self.places(table) {
                let physical = &place.physical;
                let columns: Vec<String> = columns_read(place, table).map(identifier).collect();
                let mut asked = vec![(physical.name, columns.join(", "))];
                asked.extend(physical.joined.map(|joined| (joined.name, identifier(joined.id))));
                for (name, columns) in asked {
                    let text = format!("SELECT {columns} FROM {} WHERE 0", identifier(name));
                    match client.rows(query(&text, "rows", &[]), &Stop::new()).await {
                        Ok(_) => drop(allowed.insert(name)),
                        Err(fault) => findings.push(Finding::of_fault("rights", &fault)),
                    }
                }
            }
        }
        if !allowed.is_empty() {
            let allowed: Vec<&str> = allowed.into_iter().collect();
            findings.insert(0, Finding::ok("rights", format!("SELECT on {}", allowed.join(", "))));
        }
        findings
    }
}

/// The stored columns that a table has under their own names.
fn columns_read<'a>(place: &'a Place, table: &'a StoredTable) -> impl Iterator<Item = &'static str> + 'a {
    let columns = table.columns.iter().filter(|column| is_kept(&place.physical, column));
    columns.map(|column| column.name).filter(|name| place.type_of(name).is_some())
}

/// Columns that are missing, or of a type that cannot be read as the one that is expected.
fn differences(place: &Place, table: &StoredTable) -> Vec<Finding> {
    let name = place.physical.name;
    let kept: Vec<&StoredColumn> = table.columns.iter().filter(|column| is_kept(&place.physical, column)).collect();
    let missing = |needed: bool| -> Vec<&str> {
        let columns = kept.iter().filter(|column| place.type_of(column.name).is_none());
        columns.filter(|column| is_required(table, column) == needed).map(|column| column.name).collect()
    };
    let mut findings = Vec::new();
    let needed = missing(true);
    if !needed.is_empty() {
        findings.push(Finding::failed(
            "columns",
            format!("{name} lacks {}, without which no row can be read", needed.join(", ")),
            "this is not a table of Langfuse, or one that is being migrated",
        ));
    }
    let optional = missing(false);
    if !optional.is_empty() {
        findings.push(Finding::note(
            "columns",
            format!("{name} lacks {}, which are exported as if they were empty", optional.join(", ")),
            "this version of Langfuse does not have them; nothing has to be done",
        ));
    }
    for column in &kept {
        let Some(found) = place.type_of(column.name) else { continue };
        if !can_be_read(&column.kind, found) {
            findings.push(Finding::failed(
                "columns",
                format!("{name}.{} is of type {found}, which is not the type that Langfuse gives it", column.name),
                "exports that read the column cannot work; leave it out with --columns",
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("columns", format!("{name} has all {} that are read", kept.len())));
    }
    findings
}

/// Whether a table has the column under its own name, and not as an expression over others.
fn is_kept(place: &PhysicalTable, column: &StoredColumn) -> bool {
    !place.columns.iter().any(|(name, _)| *name == column.name)
}

/// Whether a column of this type of the server has values of the kind.
fn can_be_read(kind: &ColumnType, found: &str) -> bool {
    let inner = ["Nullable(", "LowCardinality("].iter().find_map(|wrapper| found.strip_prefix(wrapper));
    if let Some(inner) = inner {
        return can_be_read(kind, inner);
    }
    let starts: &[&str] = match kind {
        ColumnType::Text => &["String", "FixedString", "Enum", "UUID"],
        ColumnType::Bool => &["Bool", "UInt8", "Int8"],
        ColumnType::Int64 | ColumnType::UInt64 => &["UInt", "Int"],
        ColumnType::Float64 => &["Float", "UInt", "Int", "Decimal"],
        ColumnType::Decimal { .. } => &["Decimal"],
        ColumnType::Timestamp => &["DateTime"],
        ColumnType::List(_) => &["Array("],
        ColumnType::Map(_) => &["Map("],
        ColumnType::Comments => &[],
    };
    starts.iter().any(|start| found.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_of_types_are_looked_through() {
        assert!(can_be_read(&ColumnType::Text, "LowCardinality(Nullable(String))"));
        assert!(can_be_read(&ColumnType::Timestamp, "Nullable(DateTime64(3, 'UTC'))"));
        assert!(can_be_read(&ColumnType::COST, "Decimal(18, 12)"));
        assert!(!can_be_read(&ColumnType::text_list(), "Map(String, String)"));
        assert!(!can_be_read(&ColumnType::Timestamp, "String"));
    }
}
