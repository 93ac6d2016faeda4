//! The same rows in the embedded store and in a real ClickHouse: the same requests make the same bytes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::ask::{Ask, shrunk};
use super::need_clickhouse;
use super::requests::{LARGE_ROWS, Requests, combinations, combinations_of};
use super::sample::Sample;
use crate::servers::clickhouse::ClickHouse;
use crate::support::{self, Bench, soak};

/// Projects with the seeds of their rows and the number of live events. Of the first there are more than a large
/// request must return, with some to spare for filters; the second must not be seen.
const PROJECTS: [[&str; 3]; 2] = [["p", "5", "14000"], ["q", "9", "400"]];
/// Versions, moved starts, deletions and late rows; scores that change, move, get another name or are deleted.
const TROUBLE: &[&str] = &[
    "--updates",
    "0.1",
    "--deletions",
    "0.03",
    "--late",
    "0.05",
    "--score-updates",
    "0.15",
    "--score-deletions",
    "0.05",
];
/// Tables of the server that hold them.
const TABLES: [&str; 2] = ["events_full", "scores"];
/// Where a failing request looks for a server when it is repeated, and in which database.
const AGAIN: (&str, &str) = ("127.0.0.1:8123", "again");
/// Requests in a full test run and in a soak run. Every fifth is large.
const REQUESTS: usize = 60;
const SOAK_REQUESTS: usize = 400;

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
    /// The same rows in both, unicode among them.
    fn fill(server: &ClickHouse, database: &str) -> Self {
        let bench = Bench::new();
        let (source, plain) = (server.url("default", database, "comments=own"), server.url("default", database, ""));
        for project in PROJECTS {
            let generate = generate(project);
            bench.ok(&generate);
            // The comments of both lie in the bench's metadata store, from the first of the two.
            bench.ok(generate.iter().chain(&["--source", plain.as_str()]));
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

    /// What differs, and the commands that show it once [`Stores::commands`] made both stores.
    fn told(&self, ask: &Ask) -> String {
        let (lake, clickhouse) = (self.lake(ask), self.clickhouse(ask));
        let data = self.data();
        let (server, database) = AGAIN;
        let source = format!("clickhouse://default@{server}/{database}?comments=own");
        format!(
            "{}\n{}\n  {}\n  {}\n",
            ask.command(&data, None),
            ask.command(&data, Some(&source)),
            lake.told(&clickhouse),
            clickhouse.told(&lake),
        )
    }

    /// The commands by which a person gets both stores: the embedded one is kept, the server ends with the test.
    fn commands(&self) -> String {
        let data = self.data();
        let folder = self.bench.path().display();
        let engine = concat!(env!("CARGO_MANIFEST_DIR"), "/../sources/engine");
        let python = support::python().map_or_else(|| "python3".to_owned(), |python| python.display().to_string());
        let (server, database) = AGAIN;
        let port = server.rsplit(':').next().unwrap_or_default();
        let source = format!("clickhouse://default@{server}/{database}");
        let command = |project, source: &str| format!("outgest --data {data} {}{source}", generate(project).join(" "));
        let run = |statement: &str| format!("echo '{statement}' | curl --data-binary @- http://{server}");
        let each = |start: &str, end: &str| TABLES.map(|table| run(&format!("{start} {database}.{table}{end}")));
        let mut lines = vec!["The embedded store is kept. It was filled by".to_owned()];
        lines.extend(PROJECTS.map(|project| command(project, "")));
        lines.push("The same rows get into a ClickHouse, whose engine is left running, by".to_owned());
        lines.push(format!("{python} {engine}/clickhouse.py --path {folder}/server --port {port}"));
        lines.push(run(&format!("CREATE DATABASE {database}")));
        lines.push(format!(
            "sed '/^--/d' {engine}/langfuse.sql | while IFS= read -r -d ';' statement; do \
             curl --data-binary \"$statement\" 'http://{server}/?database={database}'; done"
        ));
        lines.extend(each("SYSTEM STOP MERGES", ""));
        lines.extend(PROJECTS.map(|project| command(project, &format!(" --source '{source}'"))));
        lines.push("and what is merged there by".to_owned());
        lines.extend(each("SYSTEM START MERGES", ""));
        lines.extend(each("OPTIMIZE TABLE", " FINAL"));
        lines.join("\n")
    }

    fn data(&self) -> String {
        self.bench.file("data").display().to_string()
    }
}

/// The command that makes the rows of a project, without what says where they are stored.
fn generate([project, seed, events]: [&'static str; 3]) -> Vec<&'static str> {
    [&["generate", "--project", project, "--seed", seed, "--events", events][..], TROUBLE].concat()
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
/// either of both; without its further conditions where they leave too few.
fn enlarged(stores: &Stores, ask: Ask) -> (Ask, Answer) {
    let own = ask.filters[0].clone();
    let complement = json!({"type": "not", "filter": own});
    let either = json!({"type": "or", "filters": [own, complement]});
    let easier = Ask { search: None, since: None, until: None, ..ask.clone() };
    for ask in [&ask, &easier] {
        for filter in [&own, &complement, &either] {
            let ask = Ask { filters: vec![filter.clone()], ..ask.clone() };
            let answer = stores.lake(&ask);
            if answer.rows > LARGE_ROWS || answer.refusal.is_some() {
                return (ask, answer);
            }
        }
    }
    panic!("all rows are too few: {}", easier.command(&stores.data(), None));
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
    for table in TABLES {
        // Half of the requests see every version, the other half what merging leaves.
        server.run(&database, &format!("SYSTEM STOP MERGES {database}.{table}"));
    }
    let mut stores = Stores::fill(server, &database);
    let sample = Sample::of(&stores.bench);
    let wanted = combinations();
    let mut drawn = Requests::new(seed, &sample);
    let mut seen = Vec::new();
    let (mut failed, mut large, mut empty) = (Vec::new(), 0, 0);
    for number in 0..requests {
        if number == requests / 2 {
            for table in TABLES {
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
        assert_eq!(lake.refusal, None, "a request is not valid: {}", ask.command(&stores.data(), None));
        ask.filters.iter().for_each(|filter| combinations_of(filter, &mut seen));
        large += usize::from(lake.rows > LARGE_ROWS);
        empty += usize::from(lake.rows == 0);
        if stores.clickhouse(&ask) != lake {
            let merged = if number < requests / 2 { "Before merges" } else { "After merges" };
            failed.push(format!("{merged}:\n{}", stores.told(&shrunk(ask, &|ask| stores.differ(ask)))));
        }
    }
    println!("{requests} requests of seed {seed}: {large} with more than {LARGE_ROWS} rows, {empty} without a row");
    if !failed.is_empty() {
        stores.bench.keep();
        let (number, commands) = (failed.len(), stores.commands());
        panic!("{number} of {requests} requests differ. {commands}\n\n{}", failed.join("\n"));
    }
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
