//! Values that only one reader understands, as JSON text.

use model::Fault;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The text of a value.
pub(super) fn to_text(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::bug("cannot write a value as JSON").because(error))
}

/// The value of a text. `what` names it for whoever has to look at the row.
pub(super) fn of_text<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| {
        Fault::corrupt(format!("cannot read {what} in the metadata store"))
            .hint("another version of outgest may have written it")
            .because(error)
    })
}

/// The value of a text that may be absent.
pub(super) fn of_text_or_none<T: DeserializeOwned>(what: &str, text: Option<&str>) -> Result<Option<T>, Fault> {
    text.map(|text| of_text(what, text)).transpose()
}

/// A count of the model in a column of the database, which knows no unsigned numbers.
pub(super) fn count_to_column(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count as it was stored; what was damaged below zero counts as none.
pub(super) fn count_of_column(column: i64) -> u64 {
    u64::try_from(column).unwrap_or_default()
}
