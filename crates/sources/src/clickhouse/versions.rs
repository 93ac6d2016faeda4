//! Stored versions, whichever, selected by cheap columns: to plan slices, and to name the traces, groups
//! and scores that a slice meets. Which of them live is not asked here.

use model::{Fault, StoredTable};

use super::live::in_slice;
use super::place::Place;
use super::sql::micros_of;

/// About what a value takes in a column that holds no payloads.
const NARROW_COLUMN_BYTES: u64 = 24;
/// What a row with payloads is taken for where neither it nor its table tells a size.
const UNKNOWN_ROW_BYTES: u64 = 4096;
/// No row is taken for more where only its table tells, which has the rows of all projects: huge ones of another
/// would make slices of a few small ones, and a table that is sorted by the day is read for each slice.
const AVERAGE_BYTES_MAX: u64 = 64 << 10;

/// The stored versions that are counted to plan slices, without a look at payloads.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// Which versions, behind `FROM`: `m` is their start in microseconds, `b` about how many bytes they
    /// take of those that are read.
    pub(super) from: String,
    /// At most so many rows come of them.
    pub(super) rows: String,
    /// Whether they have `trace` and `id`: the order of rows that start together is known before they are
    /// read.
    pub(super) has_keys: bool,
    /// Selects when the first and the last of them start, in microseconds, or of more versions than are counted.
    pub(super) times: String,
    /// Selects how many there are, and the earliest time of them on the cursor, in microseconds; likewise.
    pub(super) earliest: String,
}

/// A column's values in rows that start in the slice, whichever version.
pub(super) fn of_slice(place: &Place, stored: &StoredTable, column: &str) -> Result<String, Fault> {
    rows_where(place, stored, column, &in_slice(place, stored)?)
}

pub(super) fn rows_where(place: &Place, stored: &StoredTable, column: &str, condition: &str) -> Result<String, Fault> {
    let (column, project) = (place.required(column)?, place.required(stored.key[0])?);
    let join = place.join(stored, [column.as_str()].into_iter(), None)?;
    let from = place.from();
    Ok(format!("SELECT {column} FROM {from} AS t{join} WHERE {project} = {{project:String}} AND {condition}"))
}

/// The same of several places, together.
pub(super) fn union(places: &[&Place], select: impl Fn(&Place) -> Result<String, Fault>) -> Result<String, Fault> {
    let selects = places.iter().map(|place| select(place)).collect::<Result<Vec<_>, _>>()?;
    Ok(selects.join(" UNION ALL "))
}

/// The first and the last start, in microseconds, of all versions of these places that start in the slice.
pub(super) fn times(places: &[&Place], stored: &StoredTable) -> Result<String, Fault> {
    let starts = union(places, |place| {
        let (time, project) = (place.required(stored.time)?, place.required(stored.key[0])?);
        let (from, in_slice) = (place.from(), in_slice(place, stored)?);
        let start = micros_of(&time);
        Ok(format!("SELECT {start} AS start FROM {from} AS t WHERE {project} = {{project:String}} AND {in_slice}"))
    })?;
    Ok(format!("SELECT min(start) AS first, max(start) AS last FROM ({starts})"))
}

/// How many versions meet the condition of their place, and the earliest value of a column of times among them, in
/// microseconds.
pub(super) fn earliest(stored: &StoredTable, column: &str, versions: &[(&Place, String)]) -> Result<String, Fault> {
    let mut times = Vec::with_capacity(versions.len());
    for (place, condition) in versions {
        let (time, project, from) = (place.required(column)?, place.required(stored.key[0])?, place.from());
        let join = place.join(stored, [time.as_str()].into_iter(), None)?;
        let micros = micros_of(&time);
        times.push(format!(
            "SELECT {micros} AS micros FROM {from} AS t{join} WHERE {project} = {{project:String}} AND {condition}"
        ));
    }
    Ok(format!("SELECT count() AS n, min(micros) AS first FROM ({})", times.join(" UNION ALL ")))
}

/// The versions of a place that slices are planned from: start, bytes, and what else is wanted of them.
pub(super) fn counted(
    place: &Place,
    stored: &StoredTable,
    also: &str,
    condition: &str,
    is_read: &dyn Fn(&str) -> bool,
) -> Result<String, Fault> {
    let physical = &place.physical;
    let time = stored.column(stored.time).ok_or_else(|| Fault::bug("a stored table has no column of its time"))?;
    let project = place.required(stored.key[0])?;
    let reads_payload = physical.payloads.iter().any(|name| is_read(name));
    let narrow = NARROW_COLUMN_BYTES * stored.columns.iter().filter(|column| is_read(column.name)).count() as u64;
    let size = physical.row_bytes.and_then(|column| place.raw(column));
    let average = place.row_bytes.unwrap_or(UNKNOWN_ROW_BYTES).min(AVERAGE_BYTES_MAX).max(narrow);
    let bytes = match (reads_payload, size) {
        (false, _) => format!("toUInt64({narrow})"),
        // Rows that were stored without a size say 0.
        (true, Some(size)) => {
            format!("if({size} = 0, toUInt64({average}), greatest(toUInt64({size}), toUInt64({narrow})))")
        }
        (true, None) => format!("toUInt64({average})"),
    };
    let join = place.join(stored, [also].into_iter(), None)?;
    let (time, from) = (place.value(stored, time)?, place.from());
    Ok(format!(
        "SELECT toUnixTimestamp64Micro({time}) AS m, {bytes} AS b, {also} FROM {from} AS t{join} \
         WHERE {project} = {{project:String}} AND {condition}"
    ))
}

/// A column that orders rows as the table has it, never null; empty text where there is none.
pub(super) fn text_of(place: &Place, column: Option<&str>) -> Result<String, Fault> {
    Ok(match column {
        Some(column) => format!("ifNull({}, '')", place.required(column)?),
        None => "''".to_owned(),
    })
}
