//! Versions that a table keeps although a newer one of the same row exists.
//!
//! `FINAL` leaves one version for each value of a table's sorting key. A row is identified by less than
//! that: events are also sorted by their start, scores by their name, so a version with another start
//! does not replace the one before. One look at the key columns finds the rows of which more than one
//! version is left, which are few; what is outranked of them is kept here and left out of every read.
//!
//! The look takes memory for a number per row and is divided where that would be much, and where it meets a limit.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use model::{Fault, ProjectId, Stop, StoredTable};

use super::client::Client;
use super::limits::halvings;
use super::place::Place;
use super::query::Query;
use super::sql::{Parameters, escaped, micros_of};

/// Rows whose keys are looked at together: about 50 bytes each on the server.
const ROWS_TOGETHER: u64 = 4_000_000;
/// Fewer than are looked through in no time, by one query, whether or not any is outranked.
const FEW_ROWS: u64 = 100_000;
/// How often a share of the keys is divided where it meets a limit. Each share reads the keys of all rows.
const DIVISIONS_MAX: u32 = 8;
/// Versions that are named in one value, which the server takes up to 128 KiB of.
const VERSIONS_IN_A_LIST: usize = 3_000;

/// Outranked versions of a table's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dead {
    /// Start of the row in microseconds, and which version it is, ascending.
    versions: Vec<(i64, u128)>,
}

/// How a query knows the versions of a table.
pub(super) struct Known {
    /// The version as text, the same for those that replace each other.
    pub(super) instance: String,
    /// Its start in microseconds, where that is the same for those that replace each other.
    pub(super) start: Option<String>,
}

/// A look at a table.
pub(super) struct Look<'a> {
    pub(super) client: &'a Client,
    pub(super) place: &'a Place,
    pub(super) stored: &'a StoredTable,
    pub(super) project: &'a ProjectId,
    /// Which versions are looked at, where that is not all of them.
    pub(super) scope: Option<Scope>,
    pub(super) parameters: Parameters,
}

/// Some versions of a table.
pub(super) struct Scope {
    /// Which, by a condition on the table's own columns.
    pub(super) condition: String,
    /// Selects about as many rows for less, where the condition takes long to look at.
    pub(super) counted: Option<String>,
    /// Versions that outrank all others, by a condition on the table's own columns.
    pub(super) first: Option<String>,
}

impl Dead {
    /// These and others.
    pub(super) fn and(&self, others: Self) -> Self {
        let mut versions = others.versions;
        versions.extend_from_slice(&self.versions);
        versions.sort_unstable();
        versions.dedup();
        Self { versions }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Whether one of them starts then, in microseconds.
    pub(super) fn starts_at(&self, start: i64) -> bool {
        let first = self.versions.partition_point(|(time, _)| *time < start);
        self.versions.get(first).is_some_and(|(time, _)| *time == start)
    }

    /// The condition that leaves them out where the rows start in `from <= t <= to`, and the values it
    /// needs; nothing where there are none.
    pub(super) fn left_out(
        &self,
        Known { instance, start }: Known,
        prefix: &str,
        (from, to): (i64, i64),
    ) -> (String, Vec<(String, String)>) {
        let first = self.versions.partition_point(|(time, _)| *time < from);
        let last = self.versions.partition_point(|(time, _)| *time <= to);
        let (mut condition, mut values) = (String::new(), Vec::new());
        for (place, versions) in self.versions[first..last.max(first)].chunks(VERSIONS_IN_A_LIST).enumerate() {
            let name = format!("{prefix}{place}");
            let outranked = format!("{instance} IN {{{name}:Array(String)}}");
            condition += &match &start {
                // Nothing is hashed but the few rows that start together with one of these.
                Some(start) => format!(" AND NOT ({start} IN {{{name}_starts:Array(Int64)}} AND {outranked})"),
                None => format!(" AND NOT {outranked}"),
            };
            if start.is_some() {
                let starts: Vec<String> = versions.iter().map(|(time, _)| time.to_string()).collect();
                values.push((format!("{name}_starts"), format!("[{}]", starts.join(","))));
            }
            let texts: Vec<String> = versions.iter().map(|(_, version)| format!("'{version:032X}'")).collect();
            values.push((name, format!("[{}]", texts.join(","))));
        }
        (condition, values)
    }
}

impl Look<'_> {
    /// Finds the outranked versions.
    pub(super) async fn dead(self, stop: &Stop) -> Result<Dead, Fault> {
        let rows = self.rows_counted(stop).await?;
        self.dead_of_rows(rows, stop).await
    }

    /// The same where any rows are counted; else there are none.
    pub(super) async fn dead_of_any(self, stop: &Stop) -> Result<Dead, Fault> {
        match self.rows_counted(stop).await? {
            0 => Ok(Dead::default()),
            rows => self.dead_of_rows(rows, stop).await,
        }
    }

    async fn rows_counted(&self, stop: &Stop) -> Result<u64, Fault> {
        let counted = match self.scope.as_ref().and_then(|scope| scope.counted.as_ref()) {
            Some(counted) => format!("SELECT count() AS n FROM ({counted})"),
            None => format!("SELECT count() AS n FROM {}", self.rows()),
        };
        self.count(&counted, None, stop).await
    }

    async fn dead_of_rows(&self, rows: u64, stop: &Stop) -> Result<Dead, Fault> {
        // What is counted for less may be none of them.
        let parts = rows.div_ceil(ROWS_TOGETHER).max(1);
        let is_few = rows < FEW_ROWS;
        let mut dead = Dead::default();
        let mut left: Vec<_> = (0..parts).map(|part| (Part { part, parts }, 0)).collect();
        while let Some((part, divided)) = left.pop() {
            match self.dead_of(part, is_few, stop).await {
                Ok(versions) => dead.versions.extend(versions),
                Err(fault) if divided < halvings(&fault).min(DIVISIONS_MAX) => {
                    tracing::debug!(fault = %fault, "a look at versions is divided");
                    left.extend(part.halves().map(|half| (half, divided + 1)));
                }
                Err(fault) => return Err(fault),
            }
        }
        dead.versions.sort_unstable();
        Ok(dead)
    }

    async fn dead_of(&self, part: Part, is_few: bool, stop: &Stop) -> Result<Vec<(i64, u128)>, Fault> {
        if is_few {
            return self.outranked(&part.condition(&self.key_number()?), part, stop).await;
        }
        // Most tables have none, which takes less to find out.
        let moved = self.moved(part)?;
        if self.count(&format!("SELECT count() AS n FROM ({moved})"), Some(part), stop).await? == 0 {
            return Ok(Vec::new());
        }
        let among = format!(" AND {} {} ({moved})", self.key_number()?, self.place.within());
        self.outranked(&among, part, stop).await
    }

    /// The rows that are looked at.
    fn rows(&self) -> String {
        let project = self.place.raw(self.stored.key[0]).unwrap_or_default();
        let scope = self.scope.as_ref().map(|scope| format!(" AND ({})", scope.condition)).unwrap_or_default();
        format!("{} AS t WHERE {project} = {{project:String}}{scope}", self.place.from())
    }

    fn key_number(&self) -> Result<String, Fault> {
        Ok(format!("cityHash64({})", self.place.key(self.stored)?.join(", ")))
    }

    /// Numbers of the keys of which the table keeps more than one version for good.
    fn moved(&self, part: Part) -> Result<String, Fault> {
        let (key, instance) = (self.key_number()?, self.place.instance_number());
        Ok(format!(
            "SELECT {key} AS k FROM {}{} GROUP BY k HAVING min({instance}) != max({instance})",
            self.rows(),
            part.condition(&key)
        ))
    }

    /// The outranked versions of the rows that meet one more condition.
    async fn outranked(&self, among: &str, part: Part, stop: &Stop) -> Result<Vec<(i64, u128)>, Fault> {
        let (stored, place) = (self.stored, self.place);
        let mut rank = place.rank(stored, self.client).await?;
        if let Some(first) = self.scope.as_ref().and_then(|scope| scope.first.as_ref()) {
            // Before the others in its parentheses.
            rank.insert_str(1, &format!("{first}, "));
        }
        let (key, instance) = (place.key(stored)?.join(", "), place.instance(stored)?);
        let time = place.required(stored.time)?;
        let text = format!(
            "SELECT time, version FROM (SELECT tuple({key}) AS k, {instance} AS version, max({rank}) AS newest, \
             {} AS time, max(newest) OVER (PARTITION BY k) AS best FROM {}{among} GROUP BY k, version) \
             WHERE newest < best",
            micros_of(&format!("argMax({time}, {rank})")),
            self.rows(),
        );
        let rows = self.client.rows(self.query(text, Some(part)), stop).await?;
        read(&rows).ok_or_else(|| Fault::corrupt("the server's list of outranked versions cannot be read"))
    }

    async fn count(&self, text: &str, part: Option<Part>, stop: &Stop) -> Result<u64, Fault> {
        let rows = self.client.rows(self.query(text.to_owned(), part), stop).await?;
        let count = rows.column(0).as_primitive_opt::<UInt64Type>().filter(|column| column.len() == 1);
        count.map(|column| column.value(0)).ok_or_else(|| Fault::corrupt("the server's count cannot be read"))
    }

    fn query(&self, text: String, part: Option<Part>) -> Query {
        let mut parameters = self.parameters.clone().into_values();
        parameters.push(("project".into(), escaped(self.project.as_str())));
        if let Some(part) = part {
            parameters.extend([("part".into(), part.part.to_string()), ("parts".into(), part.parts.to_string())]);
        }
        Query { text, parameters, purpose: "the versions of rows" }
    }
}

/// A share of the keys.
#[derive(Clone, Copy)]
struct Part {
    part: u64,
    parts: u64,
}

impl Part {
    fn condition(self, key: &str) -> String {
        if self.parts == 1 { String::new() } else { format!(" AND {key} % {{parts:UInt64}} = {{part:UInt64}}") }
    }

    fn halves(self) -> [Self; 2] {
        [self.part, self.part + self.parts].map(|part| Self { part, parts: 2 * self.parts })
    }
}

fn read(rows: &RecordBatch) -> Option<Vec<(i64, u128)>> {
    if rows.num_rows() == 0 {
        return Some(Vec::new());
    }
    let times = rows.column_by_name("time")?.as_primitive_opt::<Int64Type>()?;
    let versions = rows.column_by_name("version")?.as_string_opt::<i32>()?;
    times
        .values()
        .iter()
        .zip(versions)
        .map(|(time, version)| Some((*time, u128::from_str_radix(version?, 16).ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_starts_in_the_stretch_is_left_out() {
        let dead = Dead { versions: vec![(10, 1), (20, 0xab), (20, 3), (30, 4)] };
        let known = |start: Option<&str>| Known { instance: "hash".into(), start: start.map(str::to_owned) };
        let (condition, values) = dead.left_out(known(None), "d", (15, 20));
        assert_eq!(condition, " AND NOT hash IN {d0:Array(String)}");
        let texts = "['000000000000000000000000000000AB','00000000000000000000000000000003']";
        assert_eq!(values, [("d0".to_owned(), texts.to_owned())]);
        let (condition, values) = dead.left_out(known(Some("m")), "d", (15, 20));
        assert_eq!(condition, " AND NOT (m IN {d0_starts:Array(Int64)} AND hash IN {d0:Array(String)})");
        assert_eq!(values[0], ("d0_starts".to_owned(), "[20,20]".to_owned()));
        assert_eq!(dead.left_out(known(None), "d", (31, 40)), (String::new(), Vec::new()));
        assert_eq!([9, 10, 15, 20, 30, 31].map(|start| dead.starts_at(start)), [false, true, false, true, true, false]);
    }

    #[test]
    fn lists_are_no_longer_than_a_value_can_be() {
        let dead = Dead { versions: (0..7_000).map(|n| (TIME + n, n as u128)).collect() };
        let known = Known { instance: "hash".into(), start: Some("m".into()) };
        let (condition, values) = dead.left_out(known, "d", (0, i64::MAX));
        assert_eq!(condition.matches(" AND NOT (").count(), 3);
        assert!(values.len() == 6 && values.iter().all(|(_, list)| list.len() < 128 << 10));
    }

    #[test]
    fn halves_of_a_share_have_its_keys_each_once() {
        let share = Part { part: 1, parts: 3 };
        let keys = |share: Part| (0..60_u64).filter(move |key| key % share.parts == share.part);
        let mut of_halves: Vec<u64> = share.halves().into_iter().flat_map(keys).collect();
        of_halves.sort_unstable();
        assert_eq!(of_halves, keys(share).collect::<Vec<_>>());
    }

    const TIME: i64 = 1_700_000_000_000_000;
}
