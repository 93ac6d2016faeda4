//! Versions that a table keeps although a newer one of the same row exists.
//!
//! `FINAL` leaves one version for each value of a table's sorting key. A row is identified by less than
//! that: events are also sorted by their start, scores by their name, so a version with another start
//! does not replace the one before. One look at the key columns (`look`) finds the rows of which more than one
//! version is left, which are few; what is outranked of them is kept here and left out of every read.

mod look;

pub(super) use look::{Look, Scope};

/// Versions that are named in one value, which the server takes up to 128 KiB of.
const VERSIONS_IN_A_LIST: usize = 3_000;

/// Outranked versions of a table's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dead {
    /// Ascending.
    versions: Vec<Version>,
}

/// Start of a row in microseconds, and which version of it that is.
type Version = (i64, u128);

/// How a query knows the versions of a table.
pub(super) struct Known {
    /// The version as text, the same for those that replace each other.
    pub(super) instance: String,
    /// Its start in microseconds, where that is the same for those that replace each other.
    pub(super) start: Option<String>,
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

    const TIME: i64 = 1_700_000_000_000_000;
}
