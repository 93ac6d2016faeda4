//! Rows whose newest version is a deletion, as a subquery beside that of the live ones.
//!
//! `FINAL` leaves them out before anything can look at them. So they are told by what it does not show: of the versions
//! that replace each other, one is a deletion, and `FINAL` leaves none that is live. Which of a row's versions is the
//! newest is decided by the table here as everywhere; what it does not replace is [`super::dead`]'s. Of two deletions
//! with one `event_ts` the one counts that says it was stored later, whichever was.
//!
//! A deletion that the server has forgotten (`OPTIMIZE … FINAL CLEANUP`) is no row.

use model::{Expr, Fault};

use super::candidates::conjuncts;
use super::live::{Live, around_slice, named};

/// Deleted rows, to be.
pub(super) struct Deleted {
    /// The subquery without its parentheses.
    pub(super) sql: String,
    /// The part of it without which it has every version that is a deletion, the newest one or not.
    pub(super) newest: String,
}

impl Deleted {
    /// Of the rows of a slice: with the columns of the live ones, under the same conditions.
    pub(super) fn beside(live: &Live<'_>) -> Result<Self, Fault> {
        let Live { place, stored, .. } = *live;
        let [project, deleted, version, ingested] =
            [stored.key[0], stored.deleted, stored.version, stored.ingested].map(|column| place.required(column));
        let (project, deleted, version, ingested) = (project?, deleted?, version?, ingested?);
        let (columns, instance, from) = (live.columns()?, place.instance_number(), place.from());
        let conditions: String = live.conditions.iter().map(|condition| format!(" AND {condition}")).collect();
        let read = columns.iter().map(|(expression, _)| expression).chain(&live.conditions);
        // Few rows are deleted: whatever else is read is found by them.
        let deletions = format!("{deleted} != 0{conditions}");
        let join = place.join(stored, read.map(String::as_str), Some(&deletions))?;
        let rows = place.instances(stored, &deletions)?;
        let before = if place.reads_before() { format!(" PREWHERE {rows}") } else { String::new() };
        let of_rows = format!("{project} = {{project:String}} AND {} AND {rows}", around_slice(place, stored)?);
        let newest = format!(
            " AND ({instance}, {version}, {ingested}) {} (SELECT kept, tupleElement(newest, 1), \
             tupleElement(newest, 2) FROM (SELECT {instance} AS kept, max(({version}, {ingested})) AS newest \
             FROM {from} AS t WHERE {deleted} != 0 AND {of_rows} GROUP BY kept)) \
             AND {instance} {} (SELECT {instance} FROM {from} AS t FINAL{before} WHERE {deleted} = 0 AND {of_rows})",
            place.within(),
            place.not_within(),
        );
        // Two versions of one instant may have been stored together.
        let sql = format!(
            "SELECT {} FROM {from} AS t{join} WHERE {project} = {{project:String}} AND {deletions}{}{newest} \
             LIMIT 1 BY {instance}",
            named(&columns),
            live.dead,
        );
        Ok(Self { sql, newest })
    }
}

/// Whether only deleted rows pass a filter.
pub(super) fn are_all(deleted: &str, filter: Option<&Expr>) -> bool {
    let is_deleted = Expr::IsTrue(Box::new(Expr::column(deleted)));
    filter.is_some_and(|filter| conjuncts(filter).contains(&&is_deleted))
}
