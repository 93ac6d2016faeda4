//! Rows of a place that are told by the value of a column, and all versions of these rows.
//!
//! A condition that is looked at before `FINAL` must hold for all or for none of the versions that replace each other;
//! one that finds outranked versions must hold for all of a row. Both are made of a column that is part of the row's
//! key and of what the table is sorted by.

use model::{Fault, StoredTable};

use super::place::Place;

/// The rows of a place that have one of some values in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Met {
    /// The column, as the table has it.
    pub(super) column: String,
    /// Selects the values.
    pub(super) values: String,
}

impl Met {
    /// The rows of a place whose stored column has one of the values that this selects.
    pub(super) fn of(place: &Place, column: &str, values: &str) -> Result<Self, Fault> {
        Ok(Self { column: place.required(column)?, values: values.to_owned() })
    }

    /// The condition that a version is one of these.
    pub(super) fn condition(&self, place: &Place) -> String {
        format!("{} {} ({})", self.column, place.within(), self.values)
    }

    /// The condition for every version of a row of which any is one of these; `None` where the table has no column
    /// that tells.
    pub(super) fn whole_rows(&self, place: &Place, stored: &StoredTable) -> Result<Option<String>, Fault> {
        let condition = self.condition(place);
        if place.key(stored)?.contains(&self.column) && place.is_fixed(&self.column) {
            return Ok(Some(condition));
        }
        place.whole_rows(stored, &condition)
    }

    /// What has the server read these rows alone.
    pub(super) fn before(&self, place: &Place, stored: &StoredTable) -> Result<String, Fault> {
        let whole_rows = self.whole_rows(place, stored)?;
        Ok(whole_rows.map(|condition| format!(" PREWHERE {condition}")).unwrap_or_default())
    }
}
