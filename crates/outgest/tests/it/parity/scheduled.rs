//! Files of windows beside those of Langfuse's scheduled exports of the same rows, which it writes in four manners.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ASCII, Cell, DIGITS, columns, golden, holds_all};

/// One manner in which Langfuse writes observations on a schedule, and what differs from ours in it.
struct Manner {
    vector: &'static str,
    /// The rule for escapes by which our texts are written that are compared with it.
    unicode: &'static str,
    /// Columns that our files alone have.
    only_ours: &'static [&'static str],
    /// Columns that stand behind all others there.
    last: &'static [&'static str],
    /// Whether durations are in milliseconds there.
    milliseconds: bool,
    cells: &'static [Cell],
}

const PRICES: &[&str] = &["input_price", "output_price", "total_price"];
const DURATIONS: &[&str] = &["latency", "time_to_first_token"];

/// What one path there writes and the other does not.
const PATHS: &str = "One layout: prices are always there";
const SECONDS: &str = "`latency` of events is in milliseconds for old integrations";
const ESCAPES: &str = "`unicode` says for every format whether escapes are decoded";
const KEYS: &str = "Metadata keys in reverse order, a repeated key once.";
const VERSIONS: &str = "Of an event whose start time changed any version is exported";

/// A row that is there in an older version, and its names there and here.
const OLDER: (&str, &str, &str) = ("ev-020", "old-version", "naïve 日本");

/// A number as it stands there, and the same one here: the shorter of two texts that say the same.
const SAME_NUMBER: (&str, &str) = ("0.000000000001", "1e-12");

const DECODED: &[Cell] = &[
    Cell { row: "ev-002", column: "input", ours: r"\\u0022q\\u0022", theirs: "\\\"q\\\"", said: ASCII },
    Cell { row: "ev-003", column: "cost_details", ours: "1000000.0", theirs: "1000000", said: DIGITS },
    Cell { row: "ev-003", column: "usage_details", ours: "9007199254740993", theirs: "9007199254740992", said: DIGITS },
];

const MANNERS: &[Manner] = &[
    Manner {
        vector: "blob_standard_enriched_nomodel",
        unicode: "decode",
        only_ours: &[],
        last: &[],
        milliseconds: false,
        cells: DECODED,
    },
    Manner {
        vector: "blob_standard_skipEnrichment",
        unicode: "decode",
        only_ours: PRICES,
        last: &[],
        milliseconds: false,
        cells: DECODED,
    },
    Manner {
        vector: "blob_standard_ms_legacy",
        unicode: "decode",
        only_ours: PRICES,
        last: &[],
        milliseconds: true,
        cells: DECODED,
    },
    Manner {
        vector: "blob_raw_passthrough",
        unicode: "keep",
        only_ours: PRICES,
        last: DURATIONS,
        milliseconds: false,
        cells: &[],
    },
];

/// The rules for escapes by which windows are to be written for the comparison.
pub const UNICODE_RULES: [&str; 2] = ["decode", "keep"];

#[test]
fn every_difference_of_scheduled_files_is_documented() {
    let document = include_str!("../../../../../docs/differences-from-langfuse.md");
    for said in DECODED.iter().map(|cell| cell.said).chain([PATHS, SECONDS, ESCAPES, KEYS, VERSIONS]) {
        assert!(document.contains(said), "docs/differences-from-langfuse.md does not say: {said}");
    }
}

/// Compares the rows of a window's file of observations, without `event_ts`, with every manner whose escapes are
/// written by this rule.
pub fn compare(unicode: &str, file: &str) {
    let manners: Vec<&Manner> = MANNERS.iter().filter(|manner| manner.unicode == unicode).collect();
    assert!(!manners.is_empty());
    for manner in manners {
        manner.compare(file);
    }
}

/// Rows by id, each with its text.
fn rows(file: &str) -> BTreeMap<String, (Value, &str)> {
    let row = |line| {
        let row: Value = serde_json::from_str(line).unwrap();
        (row["id"].as_str().unwrap().to_owned(), (row, line))
    };
    let rows: BTreeMap<_, _> = file.lines().map(row).collect();
    assert_eq!(rows.len(), file.lines().count(), "an id comes twice");
    rows
}

impl Manner {
    fn compare(&self, file: &str) {
        let vector = self.vector;
        let theirs = std::fs::read_to_string(golden(&format!("{vector}.jsonl"))).unwrap();
        let (ours, theirs) = (rows(file), rows(&theirs));
        assert!(ours.keys().eq(theirs.keys()), "{vector}: {:?} and {:?}", ours.keys(), theirs.keys());
        let (mut found, mut durations) = (BTreeSet::new(), 0);
        for (id, (our, line)) in &ours {
            let (their, their_line) = &theirs[id];
            assert_eq!(self.columns_there(our), columns(their), "{vector}: columns of {id}");
            if id == OLDER.0 {
                assert_eq!((&their["name"], &our["name"]), (&Value::from(OLDER.1), &Value::from(OLDER.2)), "{vector}");
                continue;
            }
            for (column, their_value) in their.as_object().unwrap() {
                let our_value = &our[column];
                if self.milliseconds && DURATIONS.contains(&column.as_str()) {
                    durations += usize::from(!our_value.is_null());
                    assert_eq!(milliseconds(our_value), their_value.as_i64(), "{vector}: {column} of {id}");
                    continue;
                }
                let repeats_keys = column == "metadata" && holds_all(line, their_value);
                if our_value == their_value || repeats_keys {
                    continue;
                }
                let Some(listed) = self.cells.iter().find(|cell| cell.row == id && cell.column == column) else {
                    panic!("{vector}: {column} of {id} differs: {our_value} and {their_value}");
                };
                assert!(our_value.to_string().contains(listed.ours), "{our_value}");
                assert!(their_value.to_string().contains(listed.theirs), "{their_value}");
                found.insert((listed.row, listed.column));
            }
            if self.unicode == "keep" {
                // Both have every digit, which a reader of JSON does not show.
                for map in ["usage_details", "cost_details"] {
                    let theirs = numbers(their_line, map).replace(SAME_NUMBER.0, SAME_NUMBER.1);
                    assert_eq!(numbers(line, map), theirs, "{vector}: {map} of {id}");
                }
            }
        }
        assert_eq!(found.len(), self.cells.len(), "{vector}: a listed difference does not occur any more");
        assert!(!self.milliseconds || durations > 0, "{vector}: no row has a duration");
    }

    /// Our columns as they would stand there.
    fn columns_there(&self, our: &Value) -> Vec<String> {
        let ours = columns(our);
        assert!(self.only_ours.iter().all(|only| ours.iter().any(|name| name == only)), "{ours:?}");
        let kept = ours.into_iter().filter(|name| !self.only_ours.contains(&name.as_str()));
        let (last, mut first): (Vec<String>, Vec<String>) = kept.partition(|name| self.last.contains(&name.as_str()));
        first.extend(last);
        first
    }
}

/// Seconds in milliseconds.
fn milliseconds(seconds: &Value) -> Option<i64> {
    seconds.as_f64().map(|seconds| (seconds * 1_000.0).round() as i64)
}

/// The text of a map of numbers in a line of JSON.
fn numbers<'a>(line: &'a str, map: &str) -> &'a str {
    let (_, rest) = line.split_once(&format!("\"{map}\":{{")).unwrap();
    rest.split_once('}').unwrap().0
}
