//! The same rows in the embedded store and in a real ClickHouse: the same requests make the same bytes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::need_clickhouse;
use super::requests::{Ask, Requests, combinations, combinations_of};
use super::sample::Sample;
use crate::servers::clickhouse::ClickHouse;
use crate::support::{Bench, soak};

/// Live events: more than a large request must return, with some to spare for filters.
const EVENTS: &str = "14000";
/// Rows beyond which a request is large.
const LARGE_ROWS: u64 = 10_000;
/// Requests in a full test run and in a soak run. Every fifth is large.
const REQUESTS: usize = 60;
const SOAK_REQUESTS: usize = 400;
/// Smaller requests that are tried to tell a failing one in its shortest form.
const SHRINKS_MAX: usize = 60;

/// Both stores with the same rows.
struct Stores {
    bench: Bench,
    source: String,
}

/// How an export ended: rows and bytes, or what was said instead.
#[derive(Clone, PartialEq)]
struct Answer {
    rows: u64,
    bytes: Vec<u8>,
    refusal: Option<String>,
}

impl Stores {
    /// Versions, moved starts, deletions, late rows, scores, comments, unicode; another project that must not
    /// be seen.
    fn fill(server: &ClickHouse, database: &str) -> Self {
        let bench = Bench::new();
        let (source, plain) = (server.url("default", database, "comments=own"), server.url("default", database, ""));
        let projects = [("p", "5", EVENTS), ("q", "9", "400")];
        for (project, seed, events) in projects {
            let generate = [
                "generate",
                "--project",
                project,
                "--seed",
                seed,
                "--events",
                events,
                "--updates",
                "0.1",
                "--deletions",
                "0.03",
                "--late",
                "0.05",
            ];
            bench.ok(generate);
            // The comments of both lie in the bench's metadata store, from the first of the two.
            bench.ok(generate.iter().copied().chain(["--source", &plain]));
        }
        Self { bench, source }
    }

    fn answer(&self, ask: &Ask, name: &str, source: &[&str]) -> Answer {
        let arguments = ask.arguments();
        let arguments = arguments.iter().map(String::as_str);
        let options = ["export", "--overwrite", "--allow-empty", "--json", "-o", name];
        let ended = self.bench.run(options.into_iter().chain(source.iter().copied()).chain(arguments));
        if ended.code != 0 {
            return Answer { rows: 0, bytes: Vec::new(), refusal: Some(ended.stderr) };
        }
        let receipt: Value = serde_json::from_str(&ended.stdout).unwrap();
        let bytes = std::fs::read(self.bench.file(name)).unwrap();
        Answer { rows: receipt["rows"].as_u64().unwrap(), bytes, refusal: None }
    }

    fn lake(&self, ask: &Ask) -> Answer {
        self.answer(ask, "lake", &[])
    }

    fn clickhouse(&self, ask: &Ask) -> Answer {
        self.answer(ask, "clickhouse", &["--source", &self.source])
    }

    fn differ(&self, ask: &Ask) -> bool {
        self.lake(ask) != self.clickhouse(ask)
    }

    /// The request in its shortest form that still fails.
    fn shrink(&self, ask: Ask) -> Ask {
        let mut smallest = ask;
        let mut left = SHRINKS_MAX;
        'shrinking: loop {
            for smaller in smallest.smaller() {
                if left == 0 {
                    return smallest;
                }
                left -= 1;
                if self.differ(&smaller) {
                    smallest = smaller;
                    continue 'shrinking;
                }
            }
            return smallest;
        }
    }

    /// What differs, as a person can repeat it.
    fn told(&self, ask: &Ask) -> String {
        let (lake, clickhouse) = (self.lake(ask), self.clickhouse(ask));
        let data = format!("--data {}", self.bench.file("data").display());
        format!(
            "{}\n{}\n  {}\n  {}\n",
            ask.command(&data),
            ask.command(&data).replace(" export ", &format!(" export --source '{}' ", self.source)),
            lake.told(&clickhouse),
            clickhouse.told(&lake),
        )
    }
}

impl Answer {
    /// Rows and the first line that the other answer does not have in its place.
    fn told(&self, other: &Self) -> String {
        if let Some(refusal) = &self.refusal {
            return refusal.clone();
        }
        let lines = self.bytes.split(|byte| *byte == b'\n');
        let mut others = other.bytes.split(|byte| *byte == b'\n');
        let differing = lines.into_iter().find(|line| others.next() != Some(*line)).unwrap_or_default();
        let line = String::from_utf8_lossy(&differing[..differing.len().min(1_500)]).into_owned();
        format!("{} rows, {} bytes; first difference: {line}", self.rows, self.bytes.len())
    }
}

/// The same request with a filter that leaves more than [`LARGE_ROWS`] rows: its own, its complement, or
/// either of both.
fn enlarged(stores: &Stores, ask: Ask) -> (Ask, Answer) {
    let own = ask.filters[0].clone();
    let complement = json!({"type": "not", "filter": own});
    let either = json!({"type": "or", "filters": [own, complement]});
    for filter in [own, complement, either] {
        let ask = Ask { filters: vec![filter], ..ask.clone() };
        let answer = stores.lake(&ask);
        if answer.rows > LARGE_ROWS {
            return (ask, answer);
        }
    }
    panic!("all rows are too few: {}", ask.command(""));
}

/// The same request, or one without its further conditions where together they leave no row, or its
/// complement where its filter leaves none.
fn eased(stores: &Stores, ask: Ask) -> (Ask, Answer) {
    let easier = Ask { search: None, since: None, until: None, ..ask.clone() };
    let complement = json!({"type": "not", "filter": {"type": "and", "filters": ask.filters}});
    let complement = Ask { filters: vec![complement], ..easier.clone() };
    for ask in [ask, easier] {
        let answer = stores.lake(&ask);
        if answer.rows > 0 || answer.refusal.is_some() {
            return (ask, answer);
        }
    }
    let answer = stores.lake(&complement);
    (complement, answer)
}

fn compare(seed: u64, requests: usize) {
    let server = need_clickhouse!();
    let database = server.deployment();
    for table in ["events_full", "scores"] {
        // Half of the requests see every version, the other half what merging leaves.
        server.run(&database, &format!("SYSTEM STOP MERGES {database}.{table}"));
    }
    let stores = Stores::fill(server, &database);
    let sample = Sample::of(&stores.bench);
    let wanted = combinations();
    let mut drawn = Requests::new(seed, &sample);
    let mut seen = Vec::new();
    let (mut failed, mut large, mut empty) = (Vec::new(), 0, 0);
    for number in 0..requests {
        if number == requests / 2 {
            for table in ["events_full", "scores"] {
                server.run(&database, &format!("SYSTEM START MERGES {database}.{table}"));
                server.run(&database, &format!("OPTIMIZE TABLE {table} FINAL"));
            }
        }
        let is_large = number % 5 == 0;
        let ask = drawn.draw(wanted[number % wanted.len()], is_large);
        let (ask, lake) = match is_large {
            true => enlarged(&stores, ask),
            // Some select nothing, which must be the same too.
            false if number % 6 == 1 => {
                let answer = stores.lake(&ask);
                (ask, answer)
            }
            false => eased(&stores, ask),
        };
        assert_eq!(lake.refusal, None, "a request is not valid: {}", ask.command(""));
        ask.filters.iter().for_each(|filter| combinations_of(filter, &mut seen));
        large += usize::from(lake.rows > LARGE_ROWS);
        empty += usize::from(lake.rows == 0);
        if stores.clickhouse(&ask) != lake {
            failed.push(stores.told(&stores.shrink(ask)));
        }
    }
    println!("{requests} requests of seed {seed}: {large} with more than {LARGE_ROWS} rows, {empty} without a row");
    assert!(failed.is_empty(), "{} of {requests} requests differ:\n{}", failed.len(), failed.join("\n"));
    let seen: BTreeSet<_> = seen.into_iter().collect();
    let missing: Vec<_> = wanted.into_iter().filter(|combination| !seen.contains(combination)).collect();
    assert!(missing.is_empty(), "no request had {missing:?}");
    assert!(large * 5 >= requests, "{large} of {requests} requests are large");
    assert!(empty * 4 < requests, "{empty} of {requests} requests select nothing");
}

#[test]
fn the_same_requests_make_the_same_bytes() {
    compare(1, REQUESTS);
}

#[test]
fn soak_many_requests_make_the_same_bytes() {
    if soak() {
        compare(2, SOAK_REQUESTS);
    }
}
