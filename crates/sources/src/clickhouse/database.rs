//! What a database holds of the tables that are read: asked once, when the source is connected.
//!
//! Each table that is there becomes a [`Place`]; what is missing is told here, too.

use std::collections::HashMap;
use std::fmt;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use model::{Fault, FaultKind, PhysicalTable, ProjectId, Serves, Stop, StoredColumn, StoredTable};
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

/// A column that the database lacks or has in another type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaDifference {
    /// The table in the database.
    pub table: &'static str,
    /// The column that is missing.
    pub column: &'static str,
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
        let query =
            Query { text: PROBE.to_owned(), parameters: vec![("names".into(), names)], purpose: "the list of tables" };
        let rows = client.rows(query, &Stop::new()).await?;
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
            let found = found.get(physical.name)?;
            let storage = Storage::of(&found.engine);
            Some(Place {
                physical: physical.clone(),
                number,
                types: found.types.clone(),
                sorting_key: sorting_key(physical.name),
                from: from(physical.name),
                joined: physical
                    .joined
                    .map(|joined| Other { from: from(joined.name), sorting_key: sorting_key(joined.name) }),
                storage: if options.cluster.is_some() { storage.through_cluster() } else { storage },
                counts_blocks: OnceCell::new(),
            })
        });
        let mut database =
            Self { name: options.to_string(), places: places.collect(), passed_over: Vec::new(), wanted };
        database.choose(client).await?;
        Ok(database)
    }

    /// Where a stored table has several layouts, keeps the first one that holds rows: the tables of a new
    /// one are there, and empty, before a deployment moves to it.
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
                for place in of_table.iter().filter(|place| place.physical.serves != Serves::Groups) {
                    if place.holds_rows(client).await? {
                        with_rows.push(place.physical.layout);
                    }
                }
                chosen = with_rows.first().copied().unwrap_or(chosen);
                others_with_rows.extend(with_rows.into_iter().filter(|layout| *layout != chosen));
            }
            for place in of_table {
                let layout = place.physical.layout;
                if layout == chosen {
                    kept.push(place);
                } else if others_with_rows.contains(&layout) && place.physical.serves != Serves::Groups {
                    self.passed_over.push(place);
                }
            }
        }
        self.places = kept;
        Ok(())
    }

    /// What an export of a stored table should say of the database: rows of the project in a layout that is not
    /// read, and columns among `asked` that are not there.
    pub(super) async fn warnings(
        &self,
        client: &Client,
        project: &ProjectId,
        stored: &StoredTable,
        asked: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Vec<String>, Fault> {
        let mut warnings = Vec::new();
        for place in self.passed_over.iter().filter(|place| place.physical.stored == stored.name) {
            if place.holds_rows_of(project, stored, client).await? {
                let PhysicalTable { name, layout, .. } = place.physical;
                let read = self.place(stored.name)?.physical.name;
                warnings.push(format!(
                    "table {name} (Langfuse {layout}) has rows of this project too; only those of {read} were read. \
                     layout={layout} in the source's address reads {name}, another layout leaves this note out"
                ));
            }
        }
        let missing = self.differences(stored).into_iter().filter(|difference| asked(difference.column));
        let missing: Vec<&str> = missing.map(|difference| difference.column).collect();
        if !missing.is_empty() {
            let (name, columns) = (self.place(stored.name)?.physical.name, missing.join(", "));
            warnings.push(format!("table {name} does not have these columns, which read as empty: {columns}"));
        }
        Ok(warnings)
    }

    /// The places whose rows form the groups of a stored table.
    pub(super) fn places_of_groups(&self, stored: &str) -> Result<Vec<&Place>, Fault> {
        let serves = |place: &&Place| place.physical.stored == stored && place.physical.serves != Serves::Rows;
        let places: Vec<&Place> = self.places.iter().filter(serves).collect();
        if places.is_empty() { Err(self.missing(stored)) } else { Ok(places) }
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
        Fault::new(
            FaultKind::NotFound,
            format!("{self} has no table {} to read {stored} from, or the user may not read it", known.join(" or ")),
        )
        .hint("check the database in the address and the user's grants: SELECT on the table is enough")
    }

    /// The columns of a stored table that the database lacks.
    pub(super) fn differences(&self, stored: &StoredTable) -> Vec<SchemaDifference> {
        let Ok(place) = self.place(stored.name) else { return Vec::new() };
        let missing = stored.columns.iter().filter(|column| place.raw(column.name).is_none());
        missing
            .map(|column| SchemaDifference {
                table: place.physical.name,
                column: column.name,
                required: is_required(stored, column),
            })
            .collect()
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

struct Found {
    engine: String,
    sorting_key: String,
    types: HashMap<String, String>,
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
