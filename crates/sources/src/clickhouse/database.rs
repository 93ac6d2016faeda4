//! What a database holds of the tables that are read: asked once, when the source is connected.
//!
//! Each table that is there becomes a [`Place`]; what is missing is told here, too.

use std::collections::HashMap;
use std::fmt;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use model::{Fault, FaultKind, PhysicalTable, ProjectId, Relation, Serves, Stop, StoredColumn, StoredTable, TableSpec};
use tokio::sync::OnceCell;

use super::client::Client;
use super::place::{Other, Place};
use super::query::Query;
use super::sql::{arrays_of_texts, identifier, quoted};
use super::storage::Storage;

/// One look at columns and tables of the current database; who may not read a table does not see it.
const PROBE: &str = "SELECT c.table AS table, c.name AS name, c.type AS type, t.engine AS engine, \
    t.sorting_key AS sorting_key FROM system.columns AS c LEFT JOIN system.tables AS t \
    ON t.database = c.database AND t.name = c.table \
    WHERE c.database = currentDatabase() AND c.table IN {names:Array(String)} ORDER BY c.table, c.position";

/// What a stored version takes on average, of the tables that know it: those that others make up tell nothing, nor do
/// those that are empty. A question of its own, so that a server that does not know the answer is read all the same.
const SIZES: &str = "SELECT name, toUInt64(ifNull(total_bytes_uncompressed / nullIf(total_rows, 0), 0)) AS row_bytes \
    FROM system.tables WHERE database = currentDatabase() AND name IN {names:Array(String)}";

/// The tables that were found.
#[derive(Debug)]
pub(super) struct Database {
    name: String,
    places: Vec<Place>,
    /// Tables with rows that are not read, because those of a newer layout are.
    passed_over: Vec<Place>,
    /// What was looked for, for faults.
    wanted: Vec<PhysicalTable>,
}

/// A column that the database lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaDifference {
    /// The table in the database, or those of which none has it.
    pub table: String,
    /// The column that is missing there.
    pub column: &'static str,
    /// What is made of it.
    pub stored: &'static str,
    /// Whether nothing can be read without it; otherwise it reads as null, or as empty where it has no null.
    pub required: bool,
}

impl Database {
    /// Looks at the tables, those of the layout that the options name. Nothing is required yet: a table may be missing that nobody reads.
    pub(super) async fn look(client: &Client, wanted: Vec<PhysicalTable>) -> Result<Self, Fault> {
        let mut wanted = wanted;
        if let Some(layout) = client.options().layout {
            wanted.retain(|table| table.layout.split(' ').any(|one| one == layout));
        }
        let names = arrays_of_texts(wanted.iter().map(|table| table.name))?.remove(0);
        let parameters = vec![("names".to_owned(), names)];
        let query = Query { text: PROBE.to_owned(), parameters: parameters.clone(), purpose: "the list of tables" };
        let rows = client.rows(query, &Stop::new()).await?;
        let row_bytes = row_bytes(client, parameters).await;
        let mut found: HashMap<String, Found> = HashMap::new();
        for row in 0..rows.num_rows() {
            let [table, name, kind, engine, sorting_key] =
                ["table", "name", "type", "engine", "sorting_key"].map(|column| text(&rows, column, row));
            let entry = found.entry(table).or_insert_with(|| Found { engine, sorting_key, types: HashMap::new() });
            entry.types.insert(name, kind);
        }
        let options = client.options();
        let from = |table: &str| match &options.cluster {
            Some(cluster) => {
                let [cluster, database] = [cluster, &options.database].map(|name| quoted(name));
                format!("cluster({cluster}, {database}, {})", quoted(table))
            }
            None => identifier(table),
        };
        let sorting_key = |table: &str| {
            let own = found.get(table).map(|found| found.sorting_key.as_str()).filter(|key| !key.is_empty());
            let known = wanted.iter().find(|physical| physical.name == table).map(|physical| physical.sorting_key);
            own.or(known).unwrap_or_default().to_owned()
        };
        let places = wanted.iter().enumerate().filter_map(|(number, physical)| {
            let table = found.get(physical.name)?;
            let storage = Storage::of(&table.engine);
            Some(Place {
                physical: physical.clone(),
                number,
                types: table.types.clone(),
                sorting_key: sorting_key(physical.name),
                from: from(physical.name),
                joined: physical.joined.and_then(|joined| {
                    let columns = found.get(joined.name)?.types.keys().cloned().collect();
                    Some(Other { from: from(joined.name), sorting_key: sorting_key(joined.name), columns })
                }),
                storage: if options.cluster.is_some() { storage.through_cluster() } else { storage },
                row_bytes: row_bytes.get(physical.name).copied(),
                counts_blocks: OnceCell::new(),
            })
        });
        let mut database =
            Self { name: options.to_string(), places: places.collect(), passed_over: Vec::new(), wanted };
        database.choose(client).await?;
        Ok(database)
    }

    /// Where a stored table has several layouts, keeps the first one that holds rows: the tables of a new
    /// one are there, and empty, before a deployment moves to it. Rows in any table of a layout count: version 3 has
    /// traces without observations.
    async fn choose(&mut self, client: &Client) -> Result<(), Fault> {
        let mut kept: Vec<Place> = Vec::new();
        let mut others_with_rows = Vec::new();
        let mut left = std::mem::take(&mut self.places);
        while let Some(first) = left.first() {
            let stored = first.physical.stored;
            let (of_table, others): (Vec<_>, Vec<_>) =
                left.into_iter().partition(|place| place.physical.stored == stored);
            left = others;
            let mut layouts: Vec<&str> = of_table.iter().map(|place| place.physical.layout).collect();
            layouts.dedup();
            let mut chosen = layouts[0];
            if layouts.len() > 1 {
                let mut with_rows = Vec::new();
                for place in &of_table {
                    let layout = place.physical.layout;
                    if !with_rows.contains(&layout) && place.holds_rows(client).await? {
                        with_rows.push(layout);
                    }
                }
                chosen = with_rows.first().copied().unwrap_or(chosen);
                others_with_rows.extend(with_rows.into_iter().filter(|layout| *layout != chosen));
            }
            for place in of_table {
                let layout = place.physical.layout;
                if layout == chosen {
                    kept.push(place);
                } else if others_with_rows.contains(&layout) {
                    self.passed_over.push(place);
                }
            }
        }
        self.places = kept;
        Ok(())
    }

    /// What an export of a table should say of the database: that it has rows of the project in a layout that is not
    /// read, once for each such layout.
    pub(super) async fn warnings(
        &self,
        client: &Client,
        project: &ProjectId,
        table: &TableSpec,
    ) -> Result<Vec<String>, Fault> {
        let stored = table.stored();
        let serves_others = match table.relation {
            Relation::Stored(_) => Serves::Groups,
            Relation::Grouped(_) => Serves::Rows,
        };
        let serves = |place: &&Place| place.physical.stored == stored.name && place.physical.serves != serves_others;
        let places: Vec<&Place> = self.passed_over.iter().filter(serves).collect();
        let (mut warnings, mut told) = (Vec::new(), Vec::new());
        for place in places {
            let PhysicalTable { name, layout, .. } = place.physical;
            if !told.contains(&layout) && place.holds_rows_of(project, stored, client).await? {
                told.push(layout);
                let read = self.place(stored.name)?.physical.name;
                warnings.push(format!(
                    "table {name} (Langfuse {layout}) has rows of this project too; only those of {read} were read. \
                     layout={layout} in the source's address reads {name}, another layout leaves this note out"
                ));
            }
        }
        Ok(warnings)
    }

    /// The places that the rows of a table are made of.
    pub(super) fn places_of(&self, table: &TableSpec) -> Result<Vec<&Place>, Fault> {
        let stored = table.stored().name;
        match table.relation {
            Relation::Stored(_) => Ok(vec![self.place(stored)?]),
            Relation::Grouped(_) => self.places_of_groups(stored),
        }
    }

    /// The places whose rows form the groups of a stored table. Without one of them groups would be others.
    pub(super) fn places_of_groups(&self, stored: &str) -> Result<Vec<&Place>, Fault> {
        let serves = |place: &&Place| place.physical.stored == stored && place.physical.serves != Serves::Rows;
        let places: Vec<&Place> = self.places.iter().filter(serves).collect();
        let Some(layout) = places.first().map(|place| place.physical.layout) else { return Err(self.missing(stored)) };
        let is_missing = |table: &&PhysicalTable| {
            let is_one = table.stored == stored && table.layout == layout && table.serves != Serves::Rows;
            is_one && !places.iter().any(|place| place.physical == **table)
        };
        match self.wanted.iter().find(is_missing) {
            Some(table) => Err(self.missing_among(stored, &[table.name])),
            None => Ok(places),
        }
    }

    /// Every place that rows are read from.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The place of this number.
    pub(super) fn numbered(&self, number: usize) -> Result<&Place, Fault> {
        let place = self.places.iter().find(|place| place.number == number);
        place.ok_or_else(|| Fault::bug("a table is read that the database has not"))
    }

    /// The place whose rows are those of a stored table.
    pub(super) fn place(&self, stored: &str) -> Result<&Place, Fault> {
        let serves = |place: &&Place| place.physical.stored == stored && place.physical.serves != Serves::Groups;
        self.places.iter().find(serves).ok_or_else(|| self.missing(stored))
    }

    fn missing(&self, stored: &str) -> Fault {
        let mut known: Vec<&str> = Vec::new();
        for table in self.wanted.iter().filter(|table| table.stored == stored) {
            if !known.contains(&table.name) {
                known.push(table.name);
            }
        }
        self.missing_among(stored, &known)
    }

    fn missing_among(&self, stored: &str, known: &[&str]) -> Fault {
        Fault::new(
            FaultKind::NotFound,
            format!("{self} has no table {} to read {stored} from, or the user may not read it", known.join(" or ")),
        )
        .hint("check the database in the address and the user's grants: SELECT on the table is enough")
    }

    /// The columns of a stored table that the database lacks.
    pub(super) fn differences(&self, stored: &StoredTable) -> Vec<SchemaDifference> {
        let Ok(place) = self.place(stored.name) else { return Vec::new() };
        let missing = stored.columns.iter().filter_map(|column| Some((column, place.lacking(column)?)));
        missing.map(|(column, lacking)| difference(stored, column, lacking.table, lacking.column)).collect()
    }

    /// The same of groups of its rows: what none of their tables has, and what one lacks that is called otherwise there.
    pub(super) fn differences_of_groups(&self, stored: &StoredTable) -> Vec<SchemaDifference> {
        let Ok(places) = self.places_of_groups(stored.name) else { return Vec::new() };
        let mut names: Vec<&str> = places.iter().map(|place| place.physical.name).collect();
        names.dedup();
        let mut of_root = Vec::new();
        stored.root().iter().for_each(|root| root.for_each_column(&mut |name| of_root.push(name.to_owned())));
        let mut differences = Vec::new();
        for column in &stored.columns {
            let lacking: Vec<_> = places.iter().filter_map(|place| Some((place, place.lacking(column)?))).collect();
            let called_otherwise = lacking.iter().find(|(place, _)| place.is_mapped(column));
            if let Some((_, lacking)) = called_otherwise {
                differences.push(difference(stored, column, lacking.table, lacking.column));
            } else if lacking.len() == places.len() && !of_root.iter().any(|name| name == column.name) {
                // What a root is known by differs between versions, and is told by what it is called there.
                differences.push(difference(stored, column, &names.join(" and "), column.name));
            }
        }
        differences
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What an export should say of columns that are not there, among those that are asked for by their stored names.
pub(super) fn warnings_of(differences: Vec<SchemaDifference>, asked: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut missing: Vec<(String, Vec<&str>)> = Vec::new();
    for difference in differences.into_iter().filter(|difference| asked(difference.stored)) {
        match missing.iter_mut().find(|(table, _)| *table == difference.table) {
            Some((_, columns)) => columns.push(difference.column),
            None => missing.push((difference.table, vec![difference.column])),
        }
    }
    let told = |(table, columns): (String, Vec<&str>)| {
        let lacks = if table.contains(' ') { format!("tables {table} do") } else { format!("table {table} does") };
        format!("{lacks} not have these columns, which read as empty: {}", columns.join(", "))
    };
    missing.into_iter().map(told).collect()
}

fn difference(stored: &StoredTable, column: &StoredColumn, table: &str, lacking: &'static str) -> SchemaDifference {
    let required = is_required(stored, column);
    SchemaDifference { table: table.to_owned(), column: lacking, stored: column.name, required }
}

struct Found {
    engine: String,
    sorting_key: String,
    types: HashMap<String, String>,
}

/// What [`SIZES`] tells, by table. It says how much is read at once and not what: whoever may not know it, or cannot,
/// reads by guesses.
async fn row_bytes(client: &Client, parameters: Vec<(String, String)>) -> HashMap<String, u64> {
    let query = Query { text: SIZES.to_owned(), parameters, purpose: "the sizes of tables" };
    let rows = match client.rows(query, &Stop::new()).await {
        Ok(rows) => rows,
        Err(fault) => {
            tracing::debug!(fault = %fault, "the sizes of tables are not known");
            return HashMap::new();
        }
    };
    let bytes = rows.column_by_name("row_bytes").and_then(|column| column.as_primitive_opt::<UInt64Type>());
    let Some(bytes) = bytes else { return HashMap::new() };
    let known = (0..rows.num_rows()).map(|row| (text(&rows, "name", row), bytes.value(row)));
    known.filter(|(_, bytes)| *bytes > 0).collect()
}

fn text(rows: &RecordBatch, column: &str, row: usize) -> String {
    let column = rows.column_by_name(column).and_then(|column| column.as_string_opt::<i32>());
    column.map(|column| column.value(row).to_owned()).unwrap_or_default()
}

/// Whether rows cannot be told apart, ordered or ranked without the column.
pub(super) fn is_required(stored: &StoredTable, column: &StoredColumn) -> bool {
    let special = [stored.time, stored.version, stored.deleted, stored.ingested];
    column.required || stored.key.contains(&column.name) || special.contains(&column.name)
}
