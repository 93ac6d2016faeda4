//! A table of a database: which columns it has and of which types, what it is sorted by, and how it is named in
//! a query.
//!
//! Types are brought to those of the stored table here, so that nothing else has to know that a column is
//! LowCardinality, of another precision or missing.

use std::collections::{BTreeSet, HashMap};

use model::{ColumnType, Fault, FaultKind, PhysicalTable, ProjectId, Stop, StoredColumn, StoredTable};
use tokio::sync::OnceCell;

use super::client::Client;
use super::database::is_required;
use super::dead::Known;
use super::query::Query;
use super::sql::{escaped, identifier, is_composite, micros_of, null, quoted, type_name, zero};
use super::storage::Storage;

/// A table of the database that holds the rows of a stored table.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) physical: PhysicalTable,
    /// Tells it from the other places of the database.
    pub(super) number: usize,
    /// Types by column.
    pub(super) types: HashMap<String, String>,
    pub(super) sorting_key: String,
    pub(super) from: String,
    /// The table that its rows take columns from, where that is there.
    pub(super) joined: Option<Other>,
    pub(super) storage: Storage,
    /// Bytes of a stored version on average, with all its columns, where the table tells. Of a cluster it is the table
    /// of the server that is asked.
    pub(super) row_bytes: Option<u64>,
    pub(super) counts_blocks: OnceCell<bool>,
}

/// A table that rows of another take columns from.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) from: String,
    pub(super) sorting_key: String,
    /// Its columns.
    pub(super) columns: BTreeSet<String>,
}

/// A column of the database that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lacking {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
}

/// Columns that a joined table has besides its id, whatever is taken from it.
const OF_JOINED: [&str; 4] = ["project_id", "event_ts", "updated_at", "is_deleted"];

impl Place {
    /// The table in a query, to be called `t`.
    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// What joins the table that columns are taken from, where one of these expressions needs it: the rows
    /// that `among`, a condition on the table's own rows, leaves.
    pub(super) fn join<'e>(
        &self,
        stored: &StoredTable,
        mut expressions: impl Iterator<Item = &'e str>,
        among: Option<&str>,
    ) -> Result<String, Fault> {
        let Some((joined, other)) = self.physical.joined.as_ref().zip(self.joined.as_ref()) else {
            return Ok(String::new());
        };
        if !expressions.any(|expression| expression.contains("j.")) {
            return Ok(String::new());
        }
        if let Some(column) = self.lacking_of_joined() {
            return Err(no_column(joined.name, column));
        }
        let project = self.required(stored.key[0])?;
        let (Other { from, sorting_key, .. }, id) = (other, joined.id);
        let among = among.map(|among| {
            format!(
                " AND u.{id} {} (SELECT {} FROM {} AS t WHERE {project} = {{project:String}} AND {among})",
                self.within(),
                joined.by,
                self.from
            )
        });
        let among = format!("u.project_id = {{project:String}}{}", among.unwrap_or_default());
        // `FINAL` leaves one version for each value of the sorting key, which holds more than the id: of a row that
        // moved to another day each would join.
        let version = format!("cityHash64({sorting_key})");
        let outranked = format!(
            "SELECT joined_id, joined_version FROM (SELECT u.{id} AS joined_id, {version} AS joined_version, \
             max((u.event_ts, u.updated_at, {version})) AS newest, max(newest) OVER (PARTITION BY joined_id) AS best \
             FROM {from} AS u WHERE {among} GROUP BY joined_id, joined_version) WHERE newest < best"
        );
        Ok(format!(
            " {} (SELECT * FROM {from} AS u FINAL WHERE {among} AND u.is_deleted = 0 \
             AND (u.{id}, {version}) {} ({outranked})) AS j ON j.{id} = {}",
            self.left_join(),
            self.not_within(),
            joined.by
        ))
    }

    pub(super) async fn holds_rows(&self, client: &Client) -> Result<bool, Fault> {
        let text = format!("SELECT 1 AS one FROM {} AS t LIMIT 1", self.from);
        let query = Query { text, parameters: Vec::new(), purpose: "the layout" };
        Ok(client.rows(query, &Stop::new()).await?.num_rows() > 0)
    }

    /// Whether any version of any row of the project is there.
    pub(super) async fn holds_rows_of(
        &self,
        project: &ProjectId,
        stored: &StoredTable,
        client: &Client,
    ) -> Result<bool, Fault> {
        let column = self.required(stored.key[0])?;
        let query = Query {
            text: format!("SELECT 1 AS one FROM {} AS t WHERE {column} = {{project:String}} LIMIT 1", self.from),
            parameters: vec![("project".to_owned(), escaped(project.as_str()))],
            purpose: "the project",
        };
        Ok(client.rows(query, &Stop::new()).await?.num_rows() > 0)
    }

    /// The type of a column, where it is one of the table's own.
    fn actual(&self, column: &str) -> Option<&String> {
        let mapped = self.physical.columns.iter().find(|(name, _)| *name == column);
        let own = mapped.map_or(Some(column), |(_, expression)| expression.strip_prefix("t."))?;
        self.types.get(own)
    }

    /// `IN`, or what it must be where the list comes from a table on several servers.
    pub(super) fn within(&self) -> &'static str {
        if self.storage.is_spread { "GLOBAL IN" } else { "IN" }
    }

    /// `NOT IN`, likewise.
    pub(super) fn not_within(&self) -> &'static str {
        if self.storage.is_spread { "GLOBAL NOT IN" } else { "NOT IN" }
    }

    /// `LEFT JOIN`, likewise.
    pub(super) fn left_join(&self) -> &'static str {
        if self.storage.is_spread { "GLOBAL LEFT JOIN" } else { "LEFT JOIN" }
    }

    /// The type of a column of the table, under the name it has there.
    pub(super) fn type_of(&self, column: &str) -> Option<&str> {
        self.types.get(column).map(String::as_str)
    }

    /// What stands for a column that is not kept under its own name.
    fn mapped(&self, column: &str) -> Option<&'static str> {
        self.physical.columns.iter().find(|(name, _)| *name == column).map(|(_, expression)| *expression)
    }

    /// A column as the table has it, `None` where it has not.
    pub(super) fn raw(&self, column: &str) -> Option<String> {
        match self.mapped(column) {
            Some(expression) => named(expression).all(|named| self.has(named)).then(|| expression.to_owned()),
            None => self.types.contains_key(column).then(|| format!("t.{}", identifier(column))),
        }
    }

    fn has(&self, named: Named) -> bool {
        match named {
            Named::Own(column) => self.types.contains_key(column),
            Named::OfJoined(column) => self.joined.as_ref().is_some_and(|joined| joined.columns.contains(column)),
        }
    }

    /// What the database lacks of a column that is missing, by the names that it has there.
    pub(super) fn lacking(&self, column: &StoredColumn) -> Option<Lacking> {
        let own = Lacking { table: self.physical.name, column: column.name };
        let Some(expression) = self.mapped(column.name) else {
            return (!self.types.contains_key(column.name)).then_some(own);
        };
        let lacking = named(expression).find(|named| !self.has(*named))?;
        Some(match (lacking, self.physical.joined) {
            (Named::OfJoined(column), Some(joined)) => Lacking { table: joined.name, column },
            (Named::Own(column) | Named::OfJoined(column), _) => Lacking { column, ..own },
        })
    }

    /// Whether a column is not kept under its own name.
    pub(super) fn is_mapped(&self, column: &StoredColumn) -> bool {
        self.mapped(column.name).is_some()
    }

    /// Columns that are read to make those of a stored table: its own, and those of the joined table.
    pub(super) fn columns_read(&self, stored: &StoredTable) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let (mut own, mut of_joined) = (BTreeSet::new(), BTreeSet::new());
        for column in &stored.columns {
            match self.mapped(column.name) {
                None => drop(own.insert(column.name)),
                Some(expression) => named(expression).for_each(|named| match named {
                    Named::Own(column) => drop(own.insert(column)),
                    Named::OfJoined(column) => drop(of_joined.insert(column)),
                }),
            }
        }
        own.retain(|column| self.types.contains_key(*column));
        if let Some((joined, other)) = self.physical.joined.as_ref().zip(self.joined.as_ref()) {
            of_joined.extend(OF_JOINED.into_iter().chain([joined.id]));
            of_joined.retain(|column| other.columns.contains(*column));
        }
        (own, of_joined)
    }

    /// A column that the joined table must have and lacks.
    pub(super) fn lacking_of_joined(&self) -> Option<&'static str> {
        let (joined, other) = self.physical.joined.as_ref().zip(self.joined.as_ref())?;
        [joined.id].into_iter().chain(OF_JOINED).find(|column| !other.columns.contains(*column))
    }

    /// The table that is joined and not there.
    pub(super) fn joined_that_is_missing(&self) -> Option<&'static str> {
        self.physical.joined.filter(|_| self.joined.is_none()).map(|joined| joined.name)
    }

    /// A column that nothing can be read without, as the table has it.
    pub(super) fn required(&self, column: &str) -> Result<String, Fault> {
        self.raw(column).ok_or_else(|| {
            let lacking = self.mapped(column).and_then(|expression| named(expression).find(|named| !self.has(*named)));
            let column = match lacking {
                Some(Named::Own(column) | Named::OfJoined(column)) => column,
                None => column,
            };
            no_column(self.physical.name, column)
        })
    }

    /// A stored column as a value of its type; where the table lacks it null, or what stands for nothing.
    pub(super) fn value(&self, stored: &StoredTable, column: &StoredColumn) -> Result<String, Fault> {
        if is_required(stored, column) {
            self.required(column.name)?;
        }
        let is_of_joined = self.mapped(column.name).is_some_and(|expression| expression.contains("j."));
        if let Some(joined) = self.joined_that_is_missing().filter(|_| is_of_joined) {
            let name = self.physical.name;
            let message =
                format!("no table {joined} to read {} of {name} from, or the user may not read it", column.name);
            return Err(Fault::new(FaultKind::NotFound, message)
                .hint(format!("grant the user SELECT on {joined}, or leave the column out")));
        }
        let Some(raw) = self.raw(column.name) else {
            return Ok(match column {
                StoredColumn { nullable: true, kind, .. } => null(kind).sql,
                StoredColumn { kind: ColumnType::Text, default, .. } => quoted(default),
                StoredColumn { kind, .. } => zero(kind),
            });
        };
        Ok(match self.actual(column.name) {
            Some(actual) => as_kind(&raw, actual, column),
            None => raw,
        })
    }

    /// Whether versions of a row that start on the same day replace each other. Days are those of the column's zone, or
    /// else of the server's.
    pub(super) fn is_sorted_by_day(&self, time: &str) -> bool {
        let Some(name) = time.strip_prefix("t.") else { return false };
        self.sorting_key.contains(&format!("toDate({})", name.trim_matches('`')))
    }

    /// Whether conditions can be looked at before a row is read: of a table of this server, and no view of others.
    pub(super) fn reads_before(&self) -> bool {
        self.storage.is_table && !self.storage.is_spread
    }

    /// Whether conditions can be looked at before a row is read, whatever is asked of it.
    pub(super) fn looks_before(&self) -> bool {
        self.reads_before() && self.joined.is_none()
    }

    /// Whether versions that replace each other have the same value in a column, as the table has it: the table is
    /// sorted by it, or by a hash of it.
    pub(super) fn is_fixed(&self, column: &str) -> bool {
        let Some(name) = column.strip_prefix("t.").map(|name| name.trim_matches('`')) else { return false };
        self.sorting_key.split(", ").any(|key| key == name || key == format!("xxHash32({name})"))
    }

    /// The condition for every version of a row of which any meets a condition, the same for all versions that
    /// replace each other; `None` where the table has no column that tells.
    pub(super) fn whole_rows(&self, stored: &StoredTable, condition: &str) -> Result<Option<String>, Fault> {
        let Some(told_by) = self.key(stored)?.into_iter().rev().find(|column| self.is_fixed(column)) else {
            return Ok(None);
        };
        let (project, join) = (self.required(stored.key[0])?, self.join(stored, [condition].into_iter(), None)?);
        Ok(Some(format!(
            "{told_by} {} (SELECT {told_by} FROM {} AS t{join} WHERE {project} = {{project:String}} AND {condition})",
            self.within(),
            self.from
        )))
    }

    /// The condition for the versions that replace one that meets a condition, or are replaced by it, and for no
    /// others: found by the primary key.
    pub(super) fn instances(&self, stored: &StoredTable, condition: &str) -> Result<String, Fault> {
        let (project, join) = (self.required(stored.key[0])?, self.join(stored, [condition].into_iter(), None)?);
        let (key, within, from) = (&self.sorting_key, self.within(), self.from());
        Ok(format!(
            "({key}) {within} (SELECT {key} FROM {from} AS t{join} WHERE {project} = {{project:String}} AND {condition})"
        ))
    }

    /// Text that is the same for two versions of a row exactly where the table itself keeps one of them.
    pub(super) fn instance(&self, stored: &StoredTable) -> Result<String, Fault> {
        let key = self.key(stored)?.join(", ");
        Ok(format!("hex(sipHash128({key}, {}))", self.sorting_key))
    }

    /// How a query tells the versions that the table keeps.
    pub(super) fn known(&self, stored: &StoredTable) -> Result<Known, Fault> {
        let (instance, time) = (self.instance(stored)?, self.required(stored.time)?);
        let start = micros_of(&time);
        Ok(Known { instance, start: self.is_fixed(&time).then_some(start) })
    }

    /// The same as a number, for quick comparison.
    pub(super) fn instance_number(&self) -> String {
        format!("cityHash64({})", self.sorting_key)
    }

    /// The columns of a row's key but the project.
    pub(super) fn key(&self, stored: &StoredTable) -> Result<Vec<String>, Fault> {
        stored.key.iter().skip(1).map(|column| self.required(column)).collect()
    }

    /// What ranks the versions of a row: the greatest of these is the newest one. The table knows the
    /// order of its inserts, unless it is a view of other tables; then, and for what one insert stored, or
    /// what merges have forgotten, the time of storing stands for it. It comes first where the order is known
    /// within a partition alone, since versions of a row lie in several.
    pub(super) async fn rank(&self, stored: &StoredTable, client: &Client) -> Result<String, Fault> {
        let [version, ingested] = [self.required(stored.version)?, self.required(stored.ingested)?];
        let counts = self.counts_blocks.get_or_try_init(|| self.probe_blocks(client)).await?;
        let block = if *counts { "t._block_number" } else { "0" };
        let (first, second) =
            if self.storage.orders_inserts() { (block, ingested.as_str()) } else { (ingested.as_str(), block) };
        Ok(format!("({version}, {first}, {second}, {})", self.instance_number()))
    }

    async fn probe_blocks(&self, client: &Client) -> Result<bool, Fault> {
        if self.storage.is_spread {
            // Every server counts for itself.
            return Ok(false);
        }
        let text = format!("SELECT t._block_number AS number FROM {} AS t WHERE 0", self.from);
        let query = Query { text, parameters: Vec::new(), purpose: "the order of inserts" };
        match client.rows(query, &Stop::new()).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.kind() == FaultKind::Configuration => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

/// A column that an expression names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Own(&'static str),
    OfJoined(&'static str),
}

/// The columns that an expression names.
fn named(expression: &'static str) -> impl Iterator<Item = Named> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
    words.filter_map(|word| match word.split_once('.')? {
        ("t", column) => Some(Named::Own(column)),
        ("j", column) => Some(Named::OfJoined(column)),
        _ => None,
    })
}

fn no_column(table: &str, column: &str) -> Fault {
    Fault::new(FaultKind::Configuration, format!("table {table} has no column {column}"))
        .hint("outgest doctor tells which columns of this server differ from those that are read")
}

/// A column of type `actual` as a value of the stored column's type.
fn as_kind(raw: &str, actual: &str, column: &StoredColumn) -> String {
    let plain = without(actual, "LowCardinality(");
    let is_nullable = plain.starts_with("Nullable(");
    let plain = without(plain, "Nullable(");
    let wanted = type_name(&column.kind);
    let cast = |kind: &str| match is_nullable {
        true => format!("CAST({raw} AS Nullable({kind}))"),
        false => format!("CAST({raw} AS {kind})"),
    };
    let value = match &column.kind {
        ColumnType::Timestamp if plain.starts_with("DateTime64(6") => raw.to_owned(),
        ColumnType::Timestamp => format!("toDateTime64({raw}, 6, 'UTC')"),
        ColumnType::Bool if plain != "Bool" => cast("Bool"),
        ColumnType::Int64 | ColumnType::UInt64 if plain != wanted => {
            let kind = if is_nullable { format!("Nullable({wanted})") } else { wanted };
            format!("accurateCast({raw}, {})", quoted(&kind))
        }
        // Keys and items of few values are texts like any other.
        _ if plain.replace("LowCardinality(String)", "String") == wanted => raw.to_owned(),
        ColumnType::Text => format!("toString({raw})"),
        kind if is_composite(kind) => format!("CAST({raw} AS {wanted})"),
        _ => cast(&wanted),
    };
    match is_nullable && !column.nullable {
        true => format!("ifNull({value}, {})", zero(&column.kind)),
        false => value,
    }
}

/// What a type wraps, or the type itself.
fn without<'a>(kind: &'a str, wrapper: &str) -> &'a str {
    kind.strip_prefix(wrapper).and_then(|rest| rest.strip_suffix(')')).unwrap_or(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: ColumnType, nullable: bool) -> StoredColumn {
        StoredColumn { name: "c", kind, nullable, required: false, default: "" }
    }

    #[test]
    fn an_expression_names_columns_of_its_table_and_of_the_joined_one() {
        let found: Vec<Named> = named("ifNull(t.parent_id, concat('t-', j.name, ''))").collect();
        assert_eq!(found, [Named::Own("parent_id"), Named::OfJoined("name")]);
        assert_eq!(named("''").count() + named("CAST(1.5 AS String)").count(), 0);
    }

    #[test]
    fn columns_of_another_type_are_brought_to_their_own() {
        let usage = ColumnType::Map(Box::new(ColumnType::UInt64));
        for (actual, kind, nullable, expected) in [
            ("String", ColumnType::Text, false, "t.c"),
            ("LowCardinality(String)", ColumnType::Text, false, "t.c"),
            ("LowCardinality(Nullable(String))", ColumnType::Text, true, "t.c"),
            ("Map(LowCardinality(String), UInt64)", usage, false, "t.c"),
            ("DateTime64(3)", ColumnType::Timestamp, false, "toDateTime64(t.c, 6, 'UTC')"),
            ("DateTime64(6, 'UTC')", ColumnType::Timestamp, false, "t.c"),
            ("Nullable(UInt16)", ColumnType::Int64, true, "accurateCast(t.c, 'Nullable(Int64)')"),
            ("UInt8", ColumnType::Bool, false, "CAST(t.c AS Bool)"),
            ("Nullable(String)", ColumnType::Text, false, "ifNull(t.c, defaultValueOfTypeName('String'))"),
            ("Decimal(18, 12)", ColumnType::COST, false, "t.c"),
            ("Enum8('A' = 1)", ColumnType::Text, false, "toString(t.c)"),
        ] {
            assert_eq!(as_kind("t.c", actual, &column(kind, nullable)), expected, "{actual}");
        }
    }
}
