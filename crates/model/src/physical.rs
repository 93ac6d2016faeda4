//! How a ClickHouse keeps a stored table, as data: names and expressions, nothing that connects.

/// The place of a stored table's rows in a database that other software fills.
///
/// A deployment may keep the same rows in another layout; that is one more value of this type, or
/// several where the rows come from several tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhysicalTable {
    /// The stored table whose rows it holds, by [`StoredTable::name`](crate::StoredTable::name).
    pub stored: &'static str,
    /// Which tables belong together: `v4`, `v3`.
    pub layout: &'static str,
    /// What it is read for.
    pub serves: Serves,
    /// Its name in the database.
    pub name: &'static str,
    /// Columns that are not kept under their stored name: the stored name, and an expression over the
    /// table's own columns, which are written `t.name`, and over those of `joined`, written `j.name`.
    pub columns: &'static [(&'static str, &'static str)],
    /// Another table that the rows take columns from.
    pub joined: Option<Joined>,
    /// The expressions that it is sorted by, of which a key may have several values. Used where the
    /// server does not tell (views over other servers' tables).
    pub sorting_key: &'static str,
    /// Column that holds the size of a row in bytes, where there is one.
    pub row_bytes: Option<&'static str>,
    /// Stored columns whose values make up most of that size.
    pub payloads: &'static [&'static str],
}

/// What a physical table is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// All of it.
    Everything,
    /// Tables with a row for each of its rows.
    Rows,
    /// Tables of groups, together with every other table of the layout that serves them.
    Groups,
}

/// A table whose newest rows others take columns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its name in the database. It has columns `project_id`, `event_ts`, `updated_at` and `is_deleted`.
    pub name: &'static str,
    /// The expression over the other table that names its row.
    pub by: &'static str,
    /// Its column with that name.
    pub id: &'static str,
}
