//! Tables as analytics products see them: each column is a property of the events made of its rows.
//!
//! The order and names of the columns are those of Langfuse's events. A property that depends on the
//! tracing product's address (`langfuse_url`) is not here: the links enrichment adds it. Filters and
//! searches are those of the table that the rows come from. Generations are a table here only: events of
//! that type.

mod generations;
mod observations;
mod property;
mod scores;
mod traces;

use std::sync::Arc;

use model::{Dialect, EventKind, Expr, ProjectId, TableSpec};

use self::property::Properties;

/// What the events of one delivery are made of.
#[derive(Clone, Debug)]
pub struct EventTable {
    /// The table, whose columns are the properties.
    pub table: Arc<TableSpec>,
    /// What its events tell of.
    pub kind: EventKind,
    /// Rows that become events; all where `None`.
    pub keep: Option<Expr>,
}

/// Facts that all events of a delivery repeat.
#[derive(Clone, Debug)]
pub struct EventFacts {
    /// Project whose rows they are.
    pub project: ProjectId,
    /// Its name for people, where it is known.
    pub project_name: Option<String>,
    /// How properties are named and what they hold.
    pub dialect: Dialect,
}

/// Names of the tables that become events, sorted.
pub const EVENT_TABLES: [&str; 4] = ["events", "generations", "scores", "traces"];

/// The table of this name as an analytics product sees it; `None` where rows of none become events.
pub fn event_table(name: &str, facts: &EventFacts) -> Option<EventTable> {
    let properties = Properties::new(facts);
    match name {
        "events" => Some(observations::table(&properties)),
        "generations" => Some(generations::table(&properties)),
        "scores" => Some(scores::table(&properties)),
        "traces" => Some(traces::table(&properties)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
