//! One look at the versions of a table: which of them are outranked.
//!
//! It takes memory of the server for a number per row and is divided where that would be much, where it meets a limit,
//! and where it answers with more than is taken at once. All versions of a row are in the same share of it.

use std::collections::HashSet;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt8Type, UInt64Type};
use model::{Fault, FaultKind, ProjectId, Stop, StoredTable};

use super::{Dead, Version};
use crate::clickhouse::client::Client;
use crate::clickhouse::limits::halvings;
use crate::clickhouse::place::Place;
use crate::clickhouse::query::Query;
use crate::clickhouse::sql::{Parameters, escaped, micros_of};

/// Rows whose keys are looked at together: about 50 bytes each on the server.
const ROWS_TOGETHER: u64 = 4_000_000;
/// Fewer than are looked through in no time, by one query, whether or not any is outranked.
const FEW_ROWS: u64 = 100_000;
/// How often a share of the keys is divided where it meets a limit. Each share reads the keys of all rows.
const DIVISIONS_MAX: u32 = 8;
/// Rows with more than one version that are named by their numbers. More are looked for again by the query that asks
/// about them, which takes as long as it took to find them.
const NUMBERS_MAX: usize = 20_000;
/// Of these numbers so many have up to 105 kB.
const NUMBERS_IN_A_LIST: usize = 5_000;
/// Outranked versions of a table that are held: 32 MiB. Each query that leaves them out names them, which takes up to
/// twice as much; of several times as many the text alone would be longer than a server reads. An answer for a share of
/// the keys has no more versions either, outranked or not.
const VERSIONS_MAX: usize = (32 << 20) / size_of::<Version>();

/// A look at a table.
pub(in crate::clickhouse) struct Look<'a> {
    pub(in crate::clickhouse) client: &'a Client,
    pub(in crate::clickhouse) place: &'a Place,
    pub(in crate::clickhouse) stored: &'a StoredTable,
    pub(in crate::clickhouse) project: &'a ProjectId,
    /// Which versions are looked at, where that is not all of them.
    pub(in crate::clickhouse) scope: Option<Scope>,
    pub(in crate::clickhouse) parameters: Parameters,
}

/// Some versions of a table.
pub(in crate::clickhouse) struct Scope {
    /// Which, by a condition on the table's own columns.
    pub(in crate::clickhouse) condition: String,
    /// Selects about as many rows for less, where the condition takes long to look at.
    pub(in crate::clickhouse) counted: Option<String>,
    /// Versions that outrank all others, by a condition on the table's own columns.
    pub(in crate::clickhouse) first: Option<String>,
}

/// What is asked of the versions of rows.
struct Question<T> {
    /// Selects it of `{versions}`: for each version that the table keeps its row `k`, `version`, `newest` and `time`.
    text: &'static str,
    read: fn(&RecordBatch) -> Option<Vec<T>>,
    /// Which versions are outranked by what was answered, where these are left out already.
    outranked: fn(&Dead, Vec<T>) -> Vec<Version>,
}

/// Which of them are outranked.
const OUTRANKED: Question<Version> = Question {
    text: "SELECT time, version FROM (SELECT time, version, newest, max(newest) OVER (PARTITION BY k) AS best \
           FROM ({versions})) WHERE newest < best",
    read: read_outranked,
    outranked: |_, versions| versions,
};

/// Which of them are beside others of their row: all, since merges may have forgotten the order of those that are alike,
/// and which of them are left out already the server is not told.
const BESIDE: Question<Beside> = Question {
    text: "SELECT of_row, time, version, is_first, place FROM \
           (SELECT hex(sipHash128(k)) AS of_row, time, version, is_first, count() OVER (PARTITION BY k) AS versions, \
           row_number() OVER (PARTITION BY k, is_first ORDER BY newest DESC) AS place FROM \
           (SELECT *, tupleElement(newest, 1) AS is_first FROM ({versions}))) \
           WHERE versions > 1",
    read: read_beside,
    outranked: Dead::outranked_beside,
};

/// A version of which another is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Beside {
    row: u128,
    time: i64,
    version: u128,
    /// Whether it outranks all that are not.
    is_first: bool,
    /// How many of the row are newer, counted from 1 among those that are first and among the others.
    place: u64,
}

/// Outranked versions as they are found, share by share of the keys.
struct Found<'a> {
    left_out: &'a Dead,
    versions: Vec<Version>,
    /// How many may be held, of these and of those that are left out already; no whole answer has more versions.
    versions_max: usize,
}

/// What has become of an answer for a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// What is outranked in it has been found.
    Whole,
    /// Nothing of it: it was cut off, and so may be a row.
    CutOff,
    /// More is outranked than may be held.
    TooMany,
}

impl Found<'_> {
    fn keep<T>(&mut self, question: &Question<T>, answered: Vec<T>) -> Kept {
        let is_cut_off = answered.len() > self.versions_max;
        // One version of a row outranks another whether or not there are more of it, ...
        let outranked = (question.outranked)(self.left_out, answered);
        if self.left_out.versions.len() + self.versions.len() + outranked.len() > self.versions_max {
            return Kept::TooMany;
        }
        // ... but which others are outranked only all of them tell.
        if is_cut_off {
            return Kept::CutOff;
        }
        self.versions.extend(outranked);
        Kept::Whole
    }
}

impl Dead {
    /// Of versions that are beside others those that are outranked, where these here are left out already.
    fn outranked_beside(&self, mut beside: Vec<Beside>) -> Vec<Version> {
        let asked: HashSet<u128> = beside.iter().map(|beside| beside.version).collect();
        let versions = self.versions.iter().map(|(_, version)| *version);
        let left_out: HashSet<u128> = versions.filter(|version| asked.contains(version)).collect();
        beside.retain(|beside| !left_out.contains(&beside.version));
        beside.sort_unstable_by_key(|beside| (beside.row, !beside.is_first, beside.place));
        // The first of each row stays.
        let outranked = beside.windows(2).filter(|pair| pair[0].row == pair[1].row);
        outranked.map(|pair| (pair[1].time, pair[1].version)).collect()
    }
}

impl Look<'_> {
    /// Finds the outranked versions.
    pub(in crate::clickhouse) async fn dead(self, stop: &Stop) -> Result<Dead, Fault> {
        let rows = self.rows_counted(stop).await?;
        self.asked(&OUTRANKED, &Dead::default(), rows, stop).await
    }

    /// Finds those that are outranked beside others that are left out already, where any rows are counted; else there
    /// are none. What is left out is not named to the server, to which it may be much.
    pub(in crate::clickhouse) async fn dead_beside(self, left_out: &Dead, stop: &Stop) -> Result<Dead, Fault> {
        match self.rows_counted(stop).await? {
            0 => Ok(Dead::default()),
            rows => self.asked(&BESIDE, left_out, rows, stop).await,
        }
    }

    async fn rows_counted(&self, stop: &Stop) -> Result<u64, Fault> {
        let counted = match self.scope.as_ref().and_then(|scope| scope.counted.as_ref()) {
            Some(counted) => format!("SELECT count() AS n FROM ({counted})"),
            None => format!("SELECT count() AS n FROM {}", self.rows()?),
        };
        self.count(&counted, None, stop).await
    }

    /// Asks about so many rows, about a share of their keys at a time.
    async fn asked<T>(&self, question: &Question<T>, left_out: &Dead, rows: u64, stop: &Stop) -> Result<Dead, Fault> {
        // What is counted for less may be none of them.
        let shares = rows.div_ceil(ROWS_TOGETHER).max(1);
        let mut is_few = rows < FEW_ROWS;
        let mut found = Found { left_out, versions: Vec::new(), versions_max: VERSIONS_MAX };
        let mut left: Vec<_> = (0..shares).map(|share| (Share { share, shares }, 0)).collect();
        while let Some((share, divided)) = left.pop() {
            let (fault, divisions_max) = match self.asked_of(question, share, is_few, stop).await {
                Ok(answered) => match found.keep(question, answered) {
                    Kept::Whole => continue,
                    Kept::CutOff => (self.too_many(), DIVISIONS_MAX),
                    // Nothing that is divided would be fewer.
                    Kept::TooMany => (self.too_many(), 0),
                },
                Err(fault) => {
                    let divisions_max = halvings(&fault).min(DIVISIONS_MAX);
                    (fault, divisions_max)
                }
            };
            if divided >= divisions_max {
                return Err(fault);
            }
            tracing::debug!(fault = %fault, "a look at versions is divided");
            // What was counted for less was much more.
            is_few = false;
            left.extend(share.halves().map(|half| (half, divided + 1)));
        }
        let mut versions = found.versions;
        versions.sort_unstable();
        Ok(Dead { versions })
    }

    async fn asked_of<T>(
        &self,
        question: &Question<T>,
        share: Share,
        is_few: bool,
        stop: &Stop,
    ) -> Result<Vec<T>, Fault> {
        let key = self.key_number()?;
        if is_few {
            return self.answer(question, &share.condition(&key), Vec::new(), share, stop).await;
        }
        // Most tables have none, and others few: to find that out takes less.
        let moved = self.moved(share)?;
        let few = self.query(format!("{moved} LIMIT {}", NUMBERS_MAX + 1), Some(share));
        let few = self.client.rows(few, stop).await?;
        let few = few.column(0).as_primitive_opt::<UInt64Type>().map(|numbers| numbers.values());
        let few = few.ok_or_else(|| Fault::corrupt("the server's numbers of rows cannot be read"))?;
        if few.is_empty() {
            return Ok(Vec::new());
        }
        if few.len() > NUMBERS_MAX {
            let among = format!(" AND {key} {} ({moved})", self.place.within());
            return self.answer(question, &among, Vec::new(), share, stop).await;
        }
        let (conditions, values): (Vec<_>, Vec<_>) = few
            .chunks(NUMBERS_IN_A_LIST)
            .enumerate()
            .map(|(place, numbers)| {
                let (name, numbers) = (format!("moved{place}"), numbers.iter().map(u64::to_string));
                let list = format!("[{}]", numbers.collect::<Vec<_>>().join(","));
                (format!("{key} IN {{{name}:Array(UInt64)}}"), (name, list))
            })
            .unzip();
        self.answer(question, &format!(" AND ({})", conditions.join(" OR ")), values, share, stop).await
    }

    /// A limit of ours and not of the server.
    fn too_many(&self) -> Fault {
        let table = self.place.physical.name;
        let message = format!("table {table} has more than {VERSIONS_MAX} versions of rows of which it keeps several");
        Fault::new(FaultKind::Configuration, message).hint(
            "each of them has to be left out of every query: delete old versions of rows that were stored again with \
             another time",
        )
    }

    /// The rows that are looked at.
    fn rows(&self) -> Result<String, Fault> {
        let project = self.place.required(self.stored.key[0])?;
        let scope = self.scope.as_ref().map(|scope| format!(" AND ({})", scope.condition)).unwrap_or_default();
        Ok(format!("{} AS t WHERE {project} = {{project:String}}{scope}", self.place.from()))
    }

    fn key_number(&self) -> Result<String, Fault> {
        Ok(format!("cityHash64({})", self.place.key(self.stored)?.join(", ")))
    }

    /// Numbers of the keys of which the table keeps more than one version for good.
    fn moved(&self, share: Share) -> Result<String, Fault> {
        let (key, instance) = (self.key_number()?, self.place.instance_number());
        Ok(format!(
            "SELECT {key} AS k FROM {}{} GROUP BY k HAVING min({instance}) != max({instance})",
            self.rows()?,
            share.condition(&key)
        ))
    }

    /// What is asked of the versions of the rows that meet one more condition, which needs these values.
    async fn answer<T>(
        &self,
        question: &Question<T>,
        among: &str,
        values: Vec<(String, String)>,
        share: Share,
        stop: &Stop,
    ) -> Result<Vec<T>, Fault> {
        let (stored, place) = (self.stored, self.place);
        let mut rank = place.rank(stored, self.client).await?;
        if let Some(first) = self.scope.as_ref().and_then(|scope| scope.first.as_ref()) {
            // Before the others in its parentheses.
            rank.insert_str(1, &format!("{first}, "));
        }
        let (key, instance) = (place.key(stored)?.join(", "), place.instance(stored)?);
        let time = place.required(stored.time)?;
        let versions = format!(
            "SELECT tuple({key}) AS k, {instance} AS version, max({rank}) AS newest, {} AS time FROM {}{among} \
             GROUP BY k, version",
            micros_of(&format!("argMax({time}, {rank})")),
            self.rows()?,
        );
        let text = format!("{} LIMIT {}", question.text.replace("{versions}", &versions), VERSIONS_MAX + 1);
        let mut query = self.query(text, Some(share));
        query.parameters.extend(values);
        let rows = self.client.rows(query, stop).await?;
        if rows.num_rows() == 0 {
            return Ok(Vec::new());
        }
        (question.read)(&rows).ok_or_else(|| Fault::corrupt("the server's list of outranked versions cannot be read"))
    }

    async fn count(&self, text: &str, share: Option<Share>, stop: &Stop) -> Result<u64, Fault> {
        let rows = self.client.rows(self.query(text.to_owned(), share), stop).await?;
        let count = rows.column(0).as_primitive_opt::<UInt64Type>().filter(|column| column.len() == 1);
        count.map(|column| column.value(0)).ok_or_else(|| Fault::corrupt("the server's count cannot be read"))
    }

    fn query(&self, text: String, share: Option<Share>) -> Query {
        let mut parameters = self.parameters.clone().into_values();
        parameters.push(("project".into(), escaped(self.project.as_str())));
        if let Some(Share { share, shares }) = share {
            parameters.extend([("share".into(), share.to_string()), ("shares".into(), shares.to_string())]);
        }
        Query { text, parameters, purpose: "the versions of rows" }
    }
}

/// A share of the keys.
#[derive(Clone, Copy)]
struct Share {
    share: u64,
    shares: u64,
}

impl Share {
    fn condition(self, key: &str) -> String {
        if self.shares == 1 { String::new() } else { format!(" AND {key} % {{shares:UInt64}} = {{share:UInt64}}") }
    }

    fn halves(self) -> [Self; 2] {
        [self.share, self.share + self.shares].map(|share| Self { share, shares: 2 * self.shares })
    }
}

fn read_outranked(rows: &RecordBatch) -> Option<Vec<Version>> {
    let times = rows.column_by_name("time")?.as_primitive_opt::<Int64Type>()?;
    let versions = rows.column_by_name("version")?.as_string_opt::<i32>()?;
    times.values().iter().zip(versions).map(|(time, version)| Some((*time, number(version?)?))).collect()
}

fn read_beside(rows: &RecordBatch) -> Option<Vec<Beside>> {
    let text = |name: &str| rows.column_by_name(name)?.as_string_opt::<i32>();
    let times = rows.column_by_name("time")?.as_primitive_opt::<Int64Type>()?;
    let places = rows.column_by_name("place")?.as_primitive_opt::<UInt64Type>()?;
    let is_first = rows.column_by_name("is_first")?.as_primitive_opt::<UInt8Type>()?;
    let (of_rows, versions) = (text("of_row")?, text("version")?);
    let beside = |row: usize| {
        Some(Beside {
            row: number(of_rows.value(row))?,
            time: times.value(row),
            version: number(versions.value(row))?,
            is_first: is_first.value(row) != 0,
            place: places.value(row),
        })
    };
    (0..rows.num_rows()).map(beside).collect()
}

/// A number as the server prints it in digits of 16.
fn number(text: &str) -> Option<u128> {
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A version that starts when its number says.
    fn beside(row: u128, version: u128, is_first: bool, place: u64) -> Beside {
        Beside { row, time: version as i64, version, is_first, place }
    }

    #[test]
    fn of_versions_beside_others_one_of_each_row_stays() {
        let left_out = Dead { versions: vec![(11, 11), (20, 20), (31, 31)] };
        let found = vec![
            // The one that was there before stays, although the other two are told as newer.
            beside(1, 13, false, 1),
            beside(1, 11, true, 1),
            beside(1, 12, true, 2),
            // Of a row that is new the newest one stays, ...
            beside(2, 22, false, 2),
            beside(2, 23, false, 1),
            // ... and where the one that was there before was replaced in its place, and what it outranks is there.
            beside(3, 31, true, 1),
            beside(3, 32, false, 1),
        ];
        assert_eq!(left_out.outranked_beside(found), [(13, 13), (22, 22)]);
    }

    #[test]
    fn versions_that_stay_count_for_none_of_those_that_are_held() {
        let left_out = Dead { versions: vec![(11, 11)] };
        let mut found = Found { left_out: &left_out, versions: Vec::new(), versions_max: 4 };
        let mut keep = |answered: &[(u128, u128)]| {
            // The newest version of a row has the lowest number.
            let answered = answered.iter().map(|(row, version)| beside(*row, *version, false, *version as u64));
            (found.keep(&BESIDE, answered.collect()), found.versions.len())
        };
        assert_eq!(keep(&[(1, 10), (1, 11), (2, 20), (2, 21)]), (Kept::Whole, 1), "two stay, one is left out already");
        let cut_off = [(3, 30), (3, 31), (4, 40), (5, 50), (6, 60)];
        assert_eq!(keep(&cut_off), (Kept::CutOff, 1), "not all of the last row may have come");
        assert_eq!(keep(&[(3, 30), (3, 31), (4, 40), (4, 41)]), (Kept::Whole, 3), "with the other one it is full");
        assert_eq!(keep(&[(5, 50), (6, 60)]), (Kept::Whole, 3));
        assert_eq!(keep(&[(5, 50), (5, 51)]), (Kept::TooMany, 3));

        let mut found = Found { left_out: &Dead::default(), versions: Vec::new(), versions_max: 4 };
        let answered = |count: u128| (0..count).map(|version| (0, version)).collect::<Vec<Version>>();
        assert_eq!(found.keep(&OUTRANKED, answered(4)), Kept::Whole);
        assert_eq!(found.keep(&OUTRANKED, answered(1)), Kept::TooMany);
        // Where each is outranked no division leaves fewer of them.
        let mut found = Found { versions: Vec::new(), ..found };
        assert_eq!(found.keep(&OUTRANKED, answered(5)), Kept::TooMany);
    }

    #[test]
    fn halves_of_a_share_have_its_keys_each_once() {
        let share = Share { share: 1, shares: 3 };
        let keys = |share: Share| (0..60_u64).filter(move |key| key % share.shares == share.share);
        let mut of_halves: Vec<u64> = share.halves().into_iter().flat_map(keys).collect();
        of_halves.sort_unstable();
        assert_eq!(of_halves, keys(share).collect::<Vec<_>>());
    }
}
