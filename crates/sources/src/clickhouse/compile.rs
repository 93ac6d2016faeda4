//! A request as the text of its queries, made once and sent for every slice with other values.
//!
//! ```text
//! SELECT <requested columns>, <key columns>
//! FROM (<live rows> [UNION ALL <deleted rows>] [LEFT JOIN <groups>] | <deleted rows> [LEFT JOIN <groups>] | <groups>)
//! WHERE <range> AND <filter> ORDER BY <key>
//! ```
//!
//! The range of a slice is in the values `lo`, `hi` (which rows can be in it, by the table's own order)
//! and `from_…`, `to_…` (exactly). What is outranked is put in place of marks when a query is sent.

use std::cell::RefCell;
use std::collections::BTreeSet;

use model::{
    Aggregate, Attached, ColumnSpec, ColumnType, Cursor, DeletedRows, End, Expr, Fault, Grouped, ReadRequest, Relation,
    StoredTable, TracePosition,
};

use super::candidates::Candidates;
use super::database::Database;
use super::deleted::{Deleted, are_all};
use super::group::{FOUND, GROUP, Groups, INGESTED, VERSION, attached_term, grouped_term, made_of};
use super::live::{DEAD_IN_SLICE, Live, around_slice, column_name, stored_term};
use super::met::Met;
use super::place::Place;
use super::sql::{Parameters, Printer, Term, either_absent, is_composite, joined};
use super::surroundings::{Around, LookedThrough};
use super::versions::{Counted, counted, earliest, of_slice, rows_where, text_of, times, union};

/// The position of a row against the range of the slice.
const IN_RANGE: &str = "(k_micros < {from_time:Int64} OR (k_micros = {from_time:Int64} AND \
    (k_trace, k_id) >= ({from_trace:String}, {from_id:String}))) AND (k_micros > {to_time:Int64} OR \
    (k_micros = {to_time:Int64} AND (k_trace, k_id) < ({to_trace:String}, {to_id:String})))";
/// How rows are ordered within a slice.
const ORDER: &str = "ORDER BY k_micros DESC, k_trace, k_id";

/// A request, compiled.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    /// How each requested column is made of columns of the answer; the key columns follow those.
    pub(super) outputs: Vec<Output>,
    columns: Vec<String>,
    keys: String,
    from: String,
    /// Whether a row passes the filter.
    filter: String,
    /// Bytes of a row's values.
    row_bytes: String,
    /// Selects the traces of a slice.
    pub(super) traces: String,
    /// Names of the columns that the request asks for, stored and others.
    pub(super) reads: BTreeSet<String>,
    /// Names of the stored columns that groups are made of, the rows themselves or those that rows take columns from.
    pub(super) reads_of_groups: BTreeSet<String>,
    /// Values of every query.
    pub(super) parameters: Vec<(String, String)>,
    /// Places of which outranked versions are left out wherever they start.
    pub(super) looked_through: LookedThrough,
    /// Which versions rows can be made of, where rows are stored as such.
    pub(super) candidates: Option<Candidates>,
    /// What has the server read those of a slice alone.
    pub(super) before: String,
    /// What leaves the newest deletion of each row of them, where those are rows.
    pub(super) newest_deletions: Option<String>,
    /// What slices are planned from.
    pub(super) counted: Counted,
}

/// How a requested column is made of columns of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// The next column, or, where it may be null and ClickHouse has no null of its type, with the column
    /// behind it saying so.
    Plain { marked: bool },
    /// A map of the next two columns, keys and values, and of a mark likewise.
    Zipped { marked: bool },
    /// Comments, which no source knows.
    Comments,
}

impl Compiled {
    /// Compiles a request; whatever cannot be honoured is a fault.
    pub(super) fn new(request: &ReadRequest, database: &Database) -> Result<Self, Fault> {
        let looked_through = RefCell::new(LookedThrough::new());
        let compiler = Compiler { request, database, looked_through: &looked_through };
        let mut compiled = match &request.table.relation {
            Relation::Stored(stored) => compiler.stored(stored)?,
            Relation::Grouped(grouped) => compiler.grouped(grouped)?,
        };
        compiled.reads = compiler.names_read(request.table.stored());
        compiled.looked_through = looked_through.into_inner();
        Ok(compiled)
    }

    /// The rows of a range in order. Ends with an exception where one is above `row_bytes_max`.
    pub(super) fn read(&self) -> String {
        let columns: String = self.columns.iter().map(|column| format!("{column}, ")).collect();
        // Only rows that come are measured: `if` looks no further where the first does not hold.
        format!(
            "SELECT {columns}{} FROM {} WHERE {IN_RANGE} AND {filter} AND \
             if({IN_RANGE} AND {filter}, throwIf({} > {{row_bytes_max:UInt64}}) = 0, 0) {ORDER}",
            self.keys,
            self.from,
            self.row_bytes,
            filter = self.filter,
        )
    }

    /// The requested columns and the time of the rows of a range, in any order.
    pub(super) fn tally(&self) -> String {
        let columns: String = self.columns.iter().map(|column| format!("{column}, ")).collect();
        // The other key columns say whether a row is in the range; they are not sent.
        format!(
            "SELECT * EXCEPT (k_trace, k_id, k_version, k_cursor, k_ingested) FROM \
             (SELECT {columns}{} FROM {} WHERE {IN_RANGE} AND {})",
            self.keys, self.from, self.filter,
        )
    }

    /// Id and bytes of the first row of a range that is above `row_bytes_max`.
    pub(super) fn oversized(&self) -> String {
        format!(
            "SELECT {} AS row_bytes, {} FROM {} WHERE {IN_RANGE} AND {} AND row_bytes > {{row_bytes_max:UInt64}} \
             {ORDER} LIMIT 1",
            self.row_bytes, self.keys, self.from, self.filter,
        )
    }

    /// The position in the middle of a range's rows, as time in microseconds, trace and id; how many
    /// rows stand before it is in the value `before`.
    pub(super) fn middle(&self) -> String {
        format!("SELECT {} FROM {} WHERE {IN_RANGE} {ORDER} LIMIT 1 OFFSET {{before:UInt64}}", self.keys, self.from)
    }

    /// The positions of so many rows at an end of a range, from that end on; how many is in the value `few`.
    pub(super) fn positions_at(&self, end: End) -> String {
        let order = match end {
            End::First => ORDER,
            End::Last => "ORDER BY k_micros, k_trace DESC, k_id DESC",
        };
        format!("SELECT k_micros, k_trace, k_id FROM ({}) {order} LIMIT {{few:UInt64}}", self.positions())
    }

    /// The positions of the rows of a range, in any order.
    pub(super) fn positions(&self) -> String {
        format!("SELECT {} FROM {} WHERE {IN_RANGE} AND {}", self.keys, self.from, self.filter)
    }

    /// How many rows a range has, whatever the filter.
    pub(super) fn count(&self) -> String {
        format!("SELECT count() AS n FROM (SELECT {} FROM {} WHERE {IN_RANGE})", self.keys, self.from)
    }
}

struct Compiler<'a> {
    request: &'a ReadRequest,
    database: &'a Database,
    looked_through: &'a RefCell<LookedThrough>,
}

/// What differs between the relations that rows come from.
struct Rows {
    time: String,
    trace: String,
    id: String,
    version: String,
    cursor: String,
    ingested: String,
    from: String,
    sized: Vec<String>,
    counted: Counted,
}

impl Compiler<'_> {
    fn stored(&self, stored: &StoredTable) -> Result<Compiled, Fault> {
        let request = self.request;
        let place = self.database.place(stored.name)?;
        let order = request.table.order;
        if order.time != stored.time {
            return Err(Fault::bug(format!("rows of table {} are ordered by another time", request.table.name)));
        }
        let cursor = match request.cursor {
            Cursor::StartTime => stored.time,
            Cursor::Ingested => stored.ingested,
        };
        let asked = self.names_read(stored);
        let attached = request.table.attached.as_ref();
        let wanted: BTreeSet<&str> = attached
            .iter()
            .flat_map(|attached| &attached.groups.columns)
            .map(|column| column.name)
            .filter(|name| asked.contains(*name))
            .collect();
        let special = [stored.time, stored.version, cursor, order.id].into_iter().chain(order.trace_id);
        let joined_on = attached.filter(|_| !wanted.is_empty());
        let reads_of_groups = joined_on.map(|attached| made_of(&attached.groups, &wanted)).unwrap_or_default();
        let special: BTreeSet<&str> = special.chain(joined_on.map(|attached| attached.on)).collect();
        let sized: BTreeSet<&str> = stored
            .columns
            .iter()
            .map(|column| column.name)
            .filter(|name| asked.contains(*name) || special.contains(name))
            .collect();
        let needed: BTreeSet<&str> = sized.iter().copied().chain([stored.ingested]).collect();
        let mut parameters = Parameters::of_request();
        let ingested = self.ingested_in_window(place, stored, &mut parameters)?;
        let conditions = [Some(around_slice(place, stored)?), ingested.clone()].into_iter().flatten().collect();
        let candidates = Candidates::of(place, stored, request.filter.as_ref(), ingested, &mut parameters)?;
        let alone = request.deleted == DeletedRows::Included && are_all(stored.deleted, request.filter.as_ref());
        let mut counted_where = candidates.in_slice(place, stored)?;
        if alone {
            // Whatever else is told of a version before it is read.
            counted_where += &format!(" AND {} != 0", place.required(stored.deleted)?);
        }
        let (columns, dead) = (needed.clone(), DEAD_IN_SLICE.to_owned());
        let live = Live { place, stored, columns, met: None, conditions, dead };
        let deleted = match request.deleted {
            DeletedRows::LeftOut => None,
            DeletedRows::Included => Some(Deleted::beside(&live)?),
        };
        let mut from = match &deleted {
            None => format!("({}) AS m", live.sql()?),
            Some(deleted) if alone => format!("({}) AS m", deleted.sql),
            Some(deleted) => format!("({} UNION ALL {}) AS m", live.sql()?, deleted.sql),
        };
        if let Some(attached) = joined_on {
            from.push_str(&self.join(place, stored, attached, wanted, &mut parameters)?);
        }
        let text_or_empty = |name: &str| match stored.column(name).is_some_and(|column| column.nullable) {
            true => format!("ifNull({}, '')", column_name(name)),
            false => column_name(name),
        };
        let rows = Rows {
            time: column_name(stored.time),
            trace: order.trace_id.map_or_else(|| "''".to_owned(), text_or_empty),
            id: column_name(order.id),
            version: column_name(stored.version),
            cursor: column_name(cursor),
            ingested: column_name(stored.ingested),
            from,
            sized: sized.iter().map(|name| column_name(name)).collect(),
            counted: Counted {
                rows: "count()".to_owned(),
                from: format!(
                    "({})",
                    counted(
                        place,
                        stored,
                        &format!(
                            "{} AS trace, {} AS id",
                            text_of(place, order.trace_id)?,
                            text_of(place, Some(order.id))?
                        ),
                        &counted_where,
                        &|name| sized.contains(name)
                    )?
                ),
                has_keys: true,
                times: times(&[place], stored)?,
                earliest: earliest(stored, cursor, &[(place, counted_where.clone())])?,
            },
        };
        let names = |name: &str| {
            stored_term(stored, name).or_else(|| attached.and_then(|attached| attached_term(&attached.groups, name)))
        };
        let around = Around {
            request,
            database: self.database,
            looked_through: self.looked_through,
            trace: rows.trace.clone(),
            id: Some(rows.id.clone()),
            in_slice: rows_where(place, stored, order.trace_id.unwrap_or(order.id), &counted_where)?,
        };
        let compiled = self.finish(rows, &names, &around, parameters)?;
        let before = candidates.before(place, stored)?;
        let newest_deletions = deleted.map(|deleted| deleted.newest);
        Ok(Compiled { before, newest_deletions, candidates: Some(candidates), reads_of_groups, ..compiled })
    }

    fn grouped(&self, grouped: &Grouped) -> Result<Compiled, Fault> {
        let request = self.request;
        let stored = &*grouped.over;
        let order = request.table.order;
        let starts = grouped.column(order.time).map(|column| &column.aggregate);
        if !matches!(starts, Some(Aggregate::Min(Expr::Column(name))) if **name == *stored.time) {
            return Err(Fault::bug(format!("groups of table {} are ordered by another time", request.table.name)));
        }
        let asked = self.names_read(stored);
        let is_wanted =
            |name: &str| asked.contains(name) || name == order.time || name == order.id || Some(name) == order.trace_id;
        let wanted: BTreeSet<&str> =
            grouped.columns.iter().map(|column| column.name).filter(|name| is_wanted(name)).collect();
        let mut parameters = Parameters::of_request();
        let places = self.database.places_of_groups(stored.name)?;
        let in_slice = union(&places, |place| of_slice(place, stored, grouped.by))?;
        // Groups of which a row was stored in the window, and the rows of the window.
        let (mut touched, mut in_window) = (Vec::new(), Vec::new());
        for place in &places {
            let ingested = self.ingested_in_window(place, stored, &mut parameters)?;
            let of_place = [Some(super::live::in_slice(place, stored)?), ingested.clone()];
            in_window.push((*place, joined("AND", "1", of_place.into_iter().flatten())));
            touched.extend(ingested.map(|ingested| rows_where(place, stored, grouped.by, &ingested)).transpose()?);
        }
        let cursor = match request.cursor {
            Cursor::StartTime => stored.time,
            Cursor::Ingested => stored.ingested,
        };
        let touched = (!touched.is_empty()).then(|| touched.join(" UNION ALL "));
        let reads = made_of(grouped, &wanted);
        let (mut members, mut counts) = (Vec::new(), Vec::new());
        for place in &places {
            let (by, within) = (place.required(grouped.by)?, place.within());
            let touched = touched.as_ref().map(|touched| format!("{by} {within} ({touched})"));
            let in_slice_itself = super::live::in_slice(place, stored)?;
            let counted_where = [Some(in_slice_itself), touched.clone()].into_iter().flatten();
            counts.push(counted(
                place,
                stored,
                &format!("{by} AS g"),
                &counted_where.collect::<Vec<_>>().join(" AND "),
                &|name| reads.contains(name),
            )?);
            let met = Met::of(place, grouped.by, &in_slice)?;
            self.look_through(place, &met);
            members.push((*place, met, touched));
        }
        let groups = Groups { grouped, wanted: wanted.clone(), members };
        let group_column =
            |name: &str| grouped_term(grouped, name).ok_or_else(|| Fault::bug(format!("groups have no column {name}")));
        let time = group_column(order.time)?.sql;
        let sized = wanted.iter().map(|name| group_column(name).map(|term| term.sql)).collect::<Result<_, _>>()?;
        let rows = Rows {
            cursor: if request.cursor == Cursor::Ingested { INGESTED.to_owned() } else { time.clone() },
            time,
            trace: order.trace_id.map(group_column).transpose()?.map_or_else(|| "''".to_owned(), |term| term.sql),
            id: group_column(order.id)?.sql,
            version: VERSION.to_owned(),
            ingested: INGESTED.to_owned(),
            from: format!("({}) AS m", groups.sql(&mut parameters)?),
            sized,
            counted: Counted {
                rows: "uniqExact(g)".to_owned(),
                from: format!("({})", counts.join(" UNION ALL ")),
                has_keys: false,
                times: times(&places, stored)?,
                earliest: earliest(stored, cursor, &in_window)?,
            },
        };
        let names = |name: &str| grouped_term(grouped, name);
        let around = Around {
            request,
            database: self.database,
            looked_through: self.looked_through,
            trace: rows.id.clone(),
            id: None,
            in_slice,
        };
        Ok(Compiled { reads_of_groups: reads, ..self.finish(rows, &names, &around, parameters)? })
    }

    /// The parts of the queries that do not depend on where rows come from.
    fn finish(
        &self,
        rows: Rows,
        names: &dyn Fn(&str) -> Option<Term>,
        around: &Around,
        mut parameters: Parameters,
    ) -> Result<Compiled, Fault> {
        let mut printer = Printer { names, parameters: &mut parameters, surroundings: Some(around) };
        let mut filters = Vec::new();
        if let Some(filter) = &self.request.filter {
            filters.push(printer.predicate(filter)?);
        }
        if matches!(self.request.table.relation, Relation::Grouped(_)) && self.request.cursor == Cursor::Ingested {
            let window = self.request.window;
            let bounds = [(">=", window.from), ("<", window.to)];
            for (operator, bound) in bounds.into_iter().filter_map(|(operator, bound)| Some((operator, bound?))) {
                filters.push(format!("{} {operator} {}", rows.cursor, printer.parameters.instant(bound)));
            }
        }
        let (mut outputs, mut columns) = (Vec::new(), Vec::new());
        for column in &self.request.columns {
            outputs.push(output(column, &mut printer, &mut columns)?);
        }
        let columns = columns.into_iter().enumerate().map(|(place, sql)| format!("{sql} AS o{place}")).collect();
        let keys = format!(
            "toUnixTimestamp64Micro({}) AS k_micros, {} AS k_trace, {} AS k_id, {} AS k_version, {} AS k_cursor, \
             toUnixTimestamp64Micro({}) AS k_ingested",
            rows.time, rows.trace, rows.id, rows.version, rows.cursor, rows.ingested
        );
        Ok(Compiled {
            outputs,
            columns,
            keys,
            from: rows.from,
            filter: joined("AND", "1", filters.into_iter()),
            row_bytes: format!("byteSize({})", rows.sized.join(", ")),
            traces: around.in_slice.clone(),
            reads: BTreeSet::new(),
            reads_of_groups: BTreeSet::new(),
            parameters: parameters.into_values(),
            looked_through: LookedThrough::new(),
            candidates: None,
            before: String::new(),
            newest_deletions: None,
            counted: rows.counted,
        })
    }

    /// Names of all columns that the request reads, stored and others.
    fn names_read(&self, stored: &StoredTable) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut read = |expr: &Expr| {
            expr.for_each_column(&mut |name| {
                names.insert(name.to_owned());
            });
        };
        let columns = self.request.columns.iter().filter(|column| column.kind != ColumnType::Comments);
        columns.map(|column| &column.expr).chain(&self.request.filter).for_each(&mut read);
        let root = Expr::InTracePosition(TracePosition::Root);
        if self.request.filter.as_ref().is_some_and(|filter| filter.any(&|expr| *expr == root)) {
            stored.root().iter().for_each(&mut read);
        }
        names
    }

    /// For a window of ingestion the condition that a row lies in it, on the table's own columns. Windows
    /// of start times need none: they are ranges of the order.
    fn ingested_in_window(
        &self,
        place: &Place,
        stored: &StoredTable,
        parameters: &mut Parameters,
    ) -> Result<Option<String>, Fault> {
        let window = self.request.window;
        if self.request.cursor != Cursor::Ingested || window.is_unbounded() {
            return Ok(None);
        }
        let ingested = place.required(stored.ingested)?;
        let bounds = [(">=", window.from), ("<", window.to)];
        let bounds = bounds.into_iter().filter_map(|(operator, bound)| Some((operator, bound?)));
        let bounds = bounds.map(|(operator, bound)| format!("{ingested} {operator} {}", parameters.instant(bound)));
        Ok(Some(joined("AND", "1", bounds)))
    }

    fn look_through(&self, place: &Place, met: &Met) {
        self.looked_through.borrow_mut().entry(place.number).or_default().push(met.clone());
    }

    /// The groups that rows take columns from.
    fn join(
        &self,
        place: &Place,
        stored: &StoredTable,
        attached: &Attached,
        wanted: BTreeSet<&str>,
        parameters: &mut Parameters,
    ) -> Result<String, Fault> {
        let grouped = &attached.groups;
        let named = of_slice(place, stored, attached.on)?;
        let mut members = Vec::new();
        for place in self.database.places_of_groups(grouped.over.name)? {
            let met = Met::of(place, grouped.by, &named)?;
            self.look_through(place, &met);
            members.push((place, met, None));
        }
        let groups = Groups { grouped, wanted, members };
        Ok(format!(
            " {} (SELECT *, 1 AS {FOUND} FROM ({})) AS j ON j.{GROUP} = m.{}",
            place.left_join(),
            groups.sql(parameters)?,
            column_name(attached.on),
        ))
    }
}

/// Prints a requested column as one or several columns of the answer.
fn output(column: &ColumnSpec, printer: &mut Printer, columns: &mut Vec<String>) -> Result<Output, Fault> {
    if column.kind == ColumnType::Comments {
        return Ok(Output::Comments);
    }
    if let Expr::ZipMap { names, values } = &column.expr {
        // Two lists become a map here without a copy.
        let (names, values) = (printer.value(names)?, printer.value(values)?);
        columns.extend([names.sql, values.sql]);
        let absent = either_absent(names.absent.as_deref(), values.absent.as_deref());
        let marked = absent.is_some();
        columns.extend(absent);
        return Ok(Output::Zipped { marked });
    }
    let Term { sql, absent, kind } = printer.value_as(&column.expr, Some(&column.kind))?;
    columns.push(sql);
    let marked = is_composite(&kind) && absent.is_some();
    columns.extend(absent.filter(|_| marked));
    Ok(Output::Plain { marked })
}
