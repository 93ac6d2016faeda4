//! The tables and columns of a deployment beside those that exports read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{ByteCount, ColumnType, Fault, PhysicalTable, RowCount, Serves, Stop, StoredColumn, StoredTable};

use super::{Finding, query, texts};
use crate::clickhouse::client::Client;
use crate::clickhouse::database::{Database, is_required};
use crate::clickhouse::options::ClickHouseOptions;
use crate::clickhouse::place::{Lacking, Place};
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
                findings.extend(differences(place, table));
                if let Some(joined) = place.joined_that_is_missing() {
                    let ClickHouseOptions { database, user, .. } = options;
                    findings.push(Finding::failed(
                        "table",
                        format!(
                            "database {database:?} has no table {joined} to read the traces of {name} from, or the user \
                             may not see it"
                        ),
                        format!("GRANT SELECT ON {database}.{joined} TO {user}"),
                    ));
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
                let (own, of_joined) = place.columns_read(table);
                let mut asked = vec![(place.physical.name, place.from(), own)];
                if let Some((joined, other)) = place.physical.joined.zip(place.joined.as_ref()) {
                    asked.push((joined.name, &other.from, of_joined));
                }
                for (name, from, columns) in asked {
                    let columns: Vec<String> = columns.into_iter().map(identifier).collect();
                    let text = format!("SELECT {} FROM {from} WHERE 0", columns.join(", "));
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

/// Columns that are missing, or of a type that cannot be read as the one that is expected.
fn differences(place: &Place, table: &StoredTable) -> Vec<Finding> {
    let name = place.physical.name;
    // A table that is read for groups alone has some of the columns, which those are is known of the ones that are
    // called otherwise there.
    let is_all = place.physical.serves != Serves::Groups;
    let is_expected = |column: &&StoredColumn| is_all || place.is_mapped(column) || is_required(table, column);
    let expected: Vec<&StoredColumn> = table.columns.iter().filter(is_expected).collect();
    let missing = |needed: bool| -> Vec<String> {
        let lacking = expected.iter().filter(|column| is_required(table, column) == needed);
        let lacking = lacking.filter_map(|column| place.lacking(column));
        // That of a table that is not there is told of the table.
        let lacking = lacking.filter(|lacking| lacking.table == name || place.joined.is_some());
        let told = lacking.map(|Lacking { table, column }| match table == name {
            true => column.to_owned(),
            false => format!("{table}.{column}"),
        });
        told.collect()
    };
    let mut findings = Vec::new();
    let mut needed = missing(true);
    let of_joined = place.physical.joined.zip(place.lacking_of_joined());
    needed.extend(of_joined.map(|(joined, column)| format!("{}.{column}", joined.name)));
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
    for column in expected.iter().filter(|column| !place.is_mapped(column)) {
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
        findings.push(Finding::ok("columns", format!("{name} has all {} that are read", expected.len())));
    }
    findings
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
