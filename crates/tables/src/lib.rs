//! What can be exported: one folder per table, each a list of columns and filters as data.
//!
//! A table is a [`TableSpec`]: columns as expressions over stored columns, what can be filtered and
//! searched, and the columns that order its rows. Sources compile it, so nothing here knows how or
//! where rows are stored beyond the names and types in [`stored`]. [`scheduled`] has the layouts of exports
//! that happen by themselves.

pub mod analytics;
mod build;
mod events;
mod observations;
mod restore;
pub mod scheduled;
mod scores;
mod sessions;
pub mod stored;
mod traces;

use std::sync::{Arc, LazyLock};

use model::{StoredTable, TableSpec};

pub use restore::{Restored, restored};
pub use stored::{clickhouse_tables, stored_events, stored_scores};

/// Every exportable table, by name.
pub fn all() -> &'static [Arc<TableSpec>] {
    static ALL: LazyLock<[Arc<TableSpec>; 5]> = LazyLock::new(|| {
        [events::table(), observations::table(), scores::table(), sessions::table(), traces::table()].map(Arc::new)
    });
    ALL.as_slice()
}

/// The table of this name.
pub fn find(name: &str) -> Option<Arc<TableSpec>> {
    all().iter().find(|table| table.name.as_str() == name).map(Arc::clone)
}

/// The tables that a store keeps: events and scores.
pub fn stored() -> [Arc<StoredTable>; 2] {
    [stored_events(), stored_scores()]
}

#[cfg(test)]
mod tests;
