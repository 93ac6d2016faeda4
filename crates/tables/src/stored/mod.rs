//! The tables as stores keep them: physical names, types and defaults of events and scores.
//!
//! Names are those of the ClickHouse tables `events_full` and `scores`, so that rows move between
//! the stores as they are. Columns that ClickHouse computes (`total_cost`, `input_length`, …) are
//! not stored and not listed.

mod clickhouse;
mod clickhouse_v3;
mod events;
mod scores;

use std::sync::{Arc, LazyLock};

use model::{ColumnType, StoredColumn, StoredTable};

pub use clickhouse::clickhouse_tables;

/// Events: one row per observation.
pub fn stored_events() -> Arc<StoredTable> {
    static EVENTS: LazyLock<Arc<StoredTable>> = LazyLock::new(|| Arc::new(events::table()));
    Arc::clone(&EVENTS)
}

/// Scores.
pub fn stored_scores() -> Arc<StoredTable> {
    static SCORES: LazyLock<Arc<StoredTable>> = LazyLock::new(|| Arc::new(scores::table()));
    Arc::clone(&SCORES)
}

/// A column that an imported row may lack; it then has the type's zero value.
fn plain(name: &'static str, kind: ColumnType) -> StoredColumn {
    StoredColumn { name, kind, nullable: false, required: false, default: "" }
}

fn text(name: &'static str) -> StoredColumn {
    plain(name, ColumnType::Text)
}

fn text_or(name: &'static str, default: &'static str) -> StoredColumn {
    StoredColumn { default, ..text(name) }
}

fn nullable(name: &'static str, kind: ColumnType) -> StoredColumn {
    StoredColumn { nullable: true, ..plain(name, kind) }
}

fn required(name: &'static str, kind: ColumnType) -> StoredColumn {
    StoredColumn { required: true, ..plain(name, kind) }
}

/// A timestamp that an imported row without it takes from the time of its import.
fn imported_at(name: &'static str) -> StoredColumn {
    StoredColumn { default: StoredColumn::IMPORT_TIME, ..plain(name, ColumnType::Timestamp) }
}
