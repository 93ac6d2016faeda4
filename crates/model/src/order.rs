//! The total order of exported rows: start time descending, then trace id, then id.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::Micros;

/// The position of a row in the total order (promise 3). `a < b` means `a` is exported first.
///
/// A key with empty ids precedes every row of its instant, so time boundaries are keys too.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// Start time of the row.
    pub time: Micros,
    /// Trace the row belongs to; empty where the table has none.
    pub trace_id: Box<str>,
    /// Id of the row within its trace.
    pub id: Box<str>,
}

impl OrderKey {
    /// The position before every row that starts at `time`, and after every row that starts later.
    pub fn at(time: Micros) -> Self {
        Self { time, trace_id: "".into(), id: "".into() }
    }

    /// The smallest key after this one.
    pub fn successor(&self) -> Self {
        Self { time: self.time, trace_id: self.trace_id.clone(), id: format!("{}\0", self.id).into() }
    }
}

impl Ord for OrderKey {
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .time
            .cmp(&self.time)
            .then_with(|| self.trace_id.as_bytes().cmp(other.trace_id.as_bytes()))
            .then_with(|| self.id.as_bytes().cmp(other.id.as_bytes()))
    }
}

impl PartialOrd for OrderKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The rows with `from <= key < to` in the total order; either end may be open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// First position inside.
    pub from: Option<OrderKey>,
    /// First position after.
    pub to: Option<OrderKey>,
}

impl KeyRange {
    /// Every row.
    pub const ALL: Self = Self { from: None, to: None };

    /// The rows that start in `from <= t < to`.
    pub fn of_times(from: Option<Micros>, to: Option<Micros>) -> Self {
        let before = |time: Micros| OrderKey::at(Micros(time.0.saturating_sub(1)));
        Self { from: to.map(before), to: from.map(before) }
    }

    /// Whether `key` lies inside.
    pub fn contains(&self, key: &OrderKey) -> bool {
        self.from.as_ref().is_none_or(|from| from <= key) && self.to.as_ref().is_none_or(|to| key < to)
    }

    /// The part of this range that follows `key`; `None` where nothing is left.
    pub fn after(&self, key: &OrderKey) -> Option<Self> {
        let next = key.successor();
        let from = match &self.from {
            Some(from) if *from > next => from.clone(),
            _ => next,
        };
        match &self.to {
            Some(to) if *to <= from => None,
            to => Some(Self { from: Some(from), to: to.clone() }),
        }
    }

    /// The rows that are in both ranges; `None` where there can be none.
    pub fn and(&self, other: &Self) -> Option<Self> {
        let from = self.from.iter().chain(&other.from).max().cloned();
        let to = self.to.iter().chain(&other.to).min().cloned();
        match (&from, &to) {
            (Some(from), Some(to)) if from >= to => None,
            _ => Some(Self { from, to }),
        }
    }

    /// The start times that rows of this range can have, `from <= t < to`, unbounded where open.
    pub fn times(&self) -> (Option<Micros>, Option<Micros>) {
        // A range that ends before the first row of an instant excludes that instant.
        let lowest = self.to.as_ref().map(|to| {
            if to.trace_id.is_empty() && to.id.is_empty() { Micros(to.time.0.saturating_add(1)) } else { to.time }
        });
        let after_highest = self.from.as_ref().map(|from| Micros(from.time.0.saturating_add(1)));
        (lowest, after_highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(time: i64, trace_id: &str, id: &str) -> OrderKey {
        OrderKey { time: Micros(time), trace_id: trace_id.into(), id: id.into() }
    }

    #[test]
    fn later_rows_come_first_then_ids_ascend() {
        let mut keys = vec![key(1, "b", "a"), key(2, "z", "z"), key(1, "a", "b"), key(1, "a", "a")];
        keys.sort();
        assert_eq!(keys, [key(2, "z", "z"), key(1, "a", "a"), key(1, "a", "b"), key(1, "b", "a")]);
    }

    #[test]
    fn time_ranges_are_half_open() {
        let range = KeyRange::of_times(Some(Micros(10)), Some(Micros(20)));
        assert!(!range.contains(&key(20, "", "")) && !range.contains(&key(9, "z", "z")));
        assert!(range.contains(&key(19, "", "")) && range.contains(&key(10, "z", "z")));
        assert_eq!(range.times(), (Some(Micros(10)), Some(Micros(20))));
    }

    #[test]
    fn two_ranges_meet_in_what_both_hold() {
        let range = |from: Option<i64>, to: Option<i64>| KeyRange {
            from: from.map(|time| key(time, "", "")),
            to: to.map(|time| key(time, "", "")),
        };
        // Later times come first.
        assert_eq!(range(Some(9), Some(5)).and(&range(Some(7), None)), Some(range(Some(7), Some(5))));
        assert_eq!(range(None, Some(5)).and(&KeyRange::ALL), Some(range(None, Some(5))));
        assert_eq!(range(Some(9), Some(7)).and(&range(Some(7), Some(5))), None);
    }

    #[test]
    fn the_rest_after_a_key_excludes_it() {
        let rest = KeyRange::ALL.after(&key(5, "t", "s")).unwrap();
        assert!(
            !rest.contains(&key(5, "t", "s")) && rest.contains(&key(5, "t", "s2")) && rest.contains(&key(4, "", ""))
        );
        let small = KeyRange { from: None, to: Some(key(5, "t", "s")) };
        assert_eq!(small.after(&key(5, "t", "s")), None);
    }
}
