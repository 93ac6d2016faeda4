//! The live rows of a stored table as a subquery, and the columns that expressions find in it.
//!
//! Everything else selects from it: rows of a slice, groups, scores, places in traces. Its columns are
//! named after the stored ones, so that expressions know nothing of the physical table.

use std::collections::BTreeSet;

use model::{Fault, Micros, StoredTable};

use super::met::Met;
use super::place::Place;
use super::sql::{Parameters, Term, compared, identifier};

/// Stands in the text of a query for what leaves out outranked versions of a table.
pub(super) const DEAD_IN_SLICE: &str = "/*outranked in the slice*/";

/// Stands where a further condition can be put that is looked at before anything else of the rows of a slice is read.
/// It must hold for all or for none of the versions that replace each other.
pub(super) const BEFORE_SLICE: &str = "/*before the slice*/";

/// Leaves one version for each value of the sorting key, of the rows of a slice.
pub(super) const FINAL_IN_SLICE: &str = "FINAL/*in the slice*/";

/// The same of the rows that groups are made of.
pub(super) const FINAL_OF_MEMBERS: &str = "FINAL/*of members*/";

/// Stands for what leaves out outranked versions of a place, whenever they start.
pub(super) fn dead_of(place: &Place) -> String {
    format!("/*outranked {}*/", place.number)
}

/// Stands where members of groups can be left out that start before the slice.
pub(super) fn members_since(place: &Place) -> String {
    format!("/*members of {} since the slice*/", place.number)
}

/// Stands where a further condition can be put on rows of a place that start in the slice.
pub(super) fn rows_of(place: &Place) -> String {
    format!("/*rows of {}*/", place.number)
}

/// A live-rows subquery to be.
pub(super) struct Live<'a> {
    pub(super) place: &'a Place,
    pub(super) stored: &'a StoredTable,
    /// Stored columns it has.
    pub(super) columns: BTreeSet<&'a str>,
    /// Which rows are meant, where that is told by one of their columns: no more than those is read whole.
    pub(super) met: Option<Met>,
    /// Conditions on live rows, over the table's own columns.
    pub(super) conditions: Vec<String>,
    /// What leaves out outranked versions.
    pub(super) dead: String,
}

impl Live<'_> {
    /// The subquery without its parentheses.
    pub(super) fn sql(&self) -> Result<String, Fault> {
        let columns = self.columns()?;
        let project = self.place.required(self.stored.key[0])?;
        let deleted = self.place.required(self.stored.deleted)?;
        let met = self.met.as_ref().map(|met| met.condition(self.place));
        let conditions: Vec<&String> = met.iter().chain(&self.conditions).collect();
        let read = columns.iter().map(|(expression, _)| expression).chain(conditions.iter().copied());
        let in_slice = in_slice(self.place, self.stored)?;
        let is_slice = self.dead == DEAD_IN_SLICE;
        let among = is_slice.then_some(in_slice.as_str());
        let join = self.place.join(self.stored, read.map(String::as_str), among)?;
        let conditions: String = conditions.iter().map(|condition| format!(" AND {condition}")).collect();
        let last = match is_slice {
            true => FINAL_IN_SLICE,
            false if self.dead.contains(&members_since(self.place)) => FINAL_OF_MEMBERS,
            false => "FINAL",
        };
        let before = match &self.met {
            _ if !self.place.reads_before() || !join.is_empty() => String::new(),
            // Versions that replace each other start together here: those beside the slice are not merged with it.
            _ if is_slice && self.place.is_fixed(&self.place.required(self.stored.time)?) => {
                format!(" PREWHERE {in_slice}{BEFORE_SLICE}")
            }
            _ if is_slice => format!(" PREWHERE 1{BEFORE_SLICE}"),
            Some(met) => met.before(self.place, self.stored)?,
            None => String::new(),
        };
        Ok(format!(
            "SELECT {} FROM {} AS t {last}{join}{before} WHERE {project} = {{project:String}} AND {deleted} = 0{conditions}{}",
            named(&columns),
            self.place.from(),
            self.dead,
        ))
    }

    /// The subquery of the rows alone that start at this instant or later. Versions that replace each other start on
    /// one day: those from before the instant are read too, so that no server leaves a newer one out of `FINAL` for its
    /// time. What is left is told by its number, from which no server tells what to leave out.
    pub(super) fn sql_since(mut self, since: Option<Micros>, parameters: &mut Parameters) -> Result<String, Fault> {
        let Some(since) = since else { return self.sql() };
        let (time, start) = (self.place.required(self.stored.time)?, column_name(self.stored.time));
        self.columns.insert(self.stored.time);
        self.conditions.push(parameters.compared(&time, ">=", Micros(since.0.saturating_sub(LONGEST_DAY))));
        let since = parameters.int(since.0);
        Ok(format!("SELECT * FROM ({}) WHERE toUnixTimestamp64Micro({start}) >= {since}", self.sql()?))
    }

    /// Its columns: what each is of the table, and its name.
    pub(super) fn columns(&self) -> Result<Vec<(String, String)>, Fault> {
        let column = |name: &&str| {
            let column = self.stored.column(name);
            let column =
                column.ok_or_else(|| Fault::bug(format!("table {} has no stored column {name}", self.stored.name)))?;
            Ok((self.place.value(self.stored, column)?, column_name(name)))
        };
        self.columns.iter().map(column).collect()
    }
}

/// Columns as they are selected; a subquery has one at least.
pub(super) fn named(columns: &[(String, String)]) -> String {
    let columns: Vec<String> = columns.iter().map(|(expression, name)| format!("{expression} AS {name}")).collect();
    if columns.is_empty() { "1 AS one".to_owned() } else { columns.join(", ") }
}

/// What a stored column is called in a subquery. No table has such names, so none hides another.
pub(super) fn column_name(stored: &str) -> String {
    identifier(&format!("x_{stored}"))
}

/// A stored column of a subquery.
pub(super) fn stored_term(stored: &StoredTable, name: &str) -> Option<Term> {
    let column = stored.column(name)?;
    Some(Term::new(column_name(name), column.kind.clone()))
}

/// Condition for rows of the slice, on the table's own columns: it starts in `{lo} <= t <= {hi}`.
pub(super) fn in_slice(place: &Place, stored: &StoredTable) -> Result<String, Fault> {
    let time = place.required(stored.time)?;
    let (since, until) = (compared(&time, ">=", LO), compared(&time, "<=", HI));
    Ok(format!("{since} AND {until}{}", rows_of(place)))
}

/// The same for live rows, which may let other rows pass. Where a table is sorted by the day alone, versions
/// of a row start at any time of it: further than a day around, so that no server leaves a version out of `FINAL` for
/// its time. Such a table is not read in shorter stretches anyway.
pub(super) fn around_slice(place: &Place, stored: &StoredTable) -> Result<String, Fault> {
    let time = place.required(stored.time)?;
    if !place.is_sorted_by_day(&time) {
        return in_slice(place, stored);
    }
    let until = compared(&time, "<=", &format!("({HI} + {LONGEST_DAY})"));
    Ok(format!("{} AND {until}{}", since_day(&time), rows_of(place)))
}

/// Condition for live rows that do not start before the slice, which may let others pass, likewise.
pub(super) fn since_slice(place: &Place, stored: &StoredTable) -> Result<String, Fault> {
    let time = place.required(stored.time)?;
    Ok(match place.is_sorted_by_day(&time) {
        true => since_day(&time),
        false => compared(&time, ">=", LO),
    })
}

fn since_day(time: &str) -> String {
    compared(time, ">=", &format!("({LO} - {LONGEST_DAY})"))
}

/// The first and the last microsecond of a slice, in the text of a query.
const LO: &str = "{lo:Int64}";
const HI: &str = "{hi:Int64}";

/// Microseconds that no day is longer than, in whatever zone a server has: where clocks are put back it has 25 hours.
const LONGEST_DAY: i64 = 26 * 3_600 * Micros::PER_SECOND;
