//! Imports and compactions that are killed again and again leave a store that is whole and holds what an
//! undisturbed one holds.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::support::{Bench, Ended, soak};

/// Events of one import.
const EVENTS: &str = "300";

/// What is said of a data directory before the first import got as far as a store.
const NO_STORE: &str = "there is no store in";

/// How many imports there are at least, how often each command is killed at most before it may end, and kills in all.
struct Plan {
    imports: usize,
    tries: usize,
    kills_min: usize,
}

impl Plan {
    /// Where too many commands end before they are killed there are more imports, up to so many.
    fn imports_max(&self) -> usize {
        4 * self.imports
    }
}

#[test]
fn soak_a_store_whose_writers_are_killed_stays_whole() {
    let plan = if soak() {
        Plan { imports: 60, tries: 4, kills_min: 120 }
    } else {
        Plan { imports: 5, tries: 2, kills_min: 4 }
    };
    let mut trial = Trial::new(plan.tries);
    let mut import = 0;
    while import < plan.imports || (trial.kills() < plan.kills_min && import < plan.imports_max()) {
        trial.import(import);
        if import % 2 == 1 {
            trial.compact(import);
        }
        import += 1;
    }
    trial.assert_same_exports("after all imports");
    let Trial { imports, compactions, .. } = &trial;
    println!("of {import} imports {imports}; of compactions {compactions}");
    assert!(trial.kills() >= plan.kills_min, "too few kills to tell: {imports}; of compactions {compactions}");
    trial.assert_nothing_is_left_of_the_dead();
    trial.assert_same_exports("after cleaning up");
}

/// A store whose writers are killed, and one that gets the same imports undisturbed.
struct Trial {
    bench: Bench,
    undisturbed: Bench,
    tries: usize,
    imports: Killer,
    compactions: Killer,
}

impl Trial {
    fn new(tries: usize) -> Self {
        let (imports, compactions) = (Killer::new(23), Killer::new(24));
        Self { bench: Bench::new(), undisturbed: Bench::new(), tries, imports, compactions }
    }

    fn kills(&self) -> usize {
        self.imports.killed + self.compactions.killed
    }

    /// Imports the next file into both stores, into one of them with imports that are killed before.
    fn import(&mut self, import: usize) {
        let path = self.generate(import);
        let arguments = ["import", &path];
        let usual = time_of(&self.undisturbed, &arguments);
        let (before, after) = (ids(&self.bench), ids(&self.undisturbed));
        for _ in 0..self.tries {
            if self.imports.ends(&self.bench, &arguments, usual) {
                break;
            }
            // An import is one commit: its rows are there, or none of them is.
            let now = ids(&self.bench);
            let (of_none, of_all) = (difference(&now, &before), difference(&now, &after));
            assert!(now == before || now == after, "a killed import {import}: {of_none}, or {of_all}");
            assert_undamaged(&self.bench);
        }
        self.bench.ok(arguments);
        assert_ids(&self.bench, &after, &format!("after import {import}"));
    }

    /// A file of events: the same stretch of time and some of the same traces each time, so that files overlap and
    /// rows are superseded.
    fn generate(&self, import: usize) -> String {
        let file = format!("events-{import}.jsonl");
        let seed = (import % 7).to_string();
        let generate = ["generate", "--project", "p", "--events", EVENTS, "--end", "2026-08-01", "--updates", "0.2"];
        self.bench.ok(generate.iter().copied().chain(["--seed", &seed, "-o", &file]));
        self.bench.file(&file).to_str().unwrap().to_owned()
    }

    /// Compacts the one store with compactions that are killed.
    fn compact(&mut self, import: usize) {
        let usual = self.usual_of_compaction();
        let expected = ids(&self.undisturbed);
        for _ in 0..self.tries {
            if self.compactions.ends(&self.bench, &["data", "compact"], usual) {
                break;
            }
            assert_ids(&self.bench, &expected, &format!("after a killed compaction behind import {import}"));
            assert_undamaged(&self.bench);
        }
    }

    /// How long a compaction takes, by one of a copy of the store. It is not the undisturbed one that is compacted:
    /// where compactions lost rows, both stores would lose the same.
    fn usual_of_compaction(&self) -> Duration {
        let copy = Bench::new();
        self.bench.ok(["data", "backup", copy.file("data").to_str().unwrap()]);
        time_of(&copy, &["data", "compact"])
    }

    /// Both stores export the same bytes.
    #[track_caller]
    fn assert_same_exports(&self, when: &str) {
        let all = ["--project", "p", "--columns", "all"];
        let (found, expected) = (self.bench.export("all.jsonl", &all), self.undisturbed.export("all.jsonl", &all));
        let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        let (lines, expected_lines) = (found.lines().count(), expected.lines().count());
        assert!(found == expected, "{when}: {lines} lines in place of {expected_lines}, first {differs:?}");
    }

    /// What the dead left goes when it is old enough to be nobody's.
    fn assert_nothing_is_left_of_the_dead(&self) {
        age(&self.bench.file("data/lake"));
        // The first one keeps what it has replaced itself, and the second one replaces nothing.
        for _ in 0..2 {
            let mut compact = self.bench.command(["data", "compact"]);
            let ended = Ended::of(compact.env("OUTGEST_RETENTION_REPLACED_FILES", "1ms").output().unwrap());
            assert_eq!(ended.code, 0, "{}", ended.stderr);
        }
        let events = self.bench.file("data/lake/events");
        let info: Value = serde_json::from_str(&self.bench.ok(["data", "info", "--json"])).unwrap();
        let known = &info["store"]["tables"][0];
        assert_eq!(known["name"], "events", "{info}");
        let files: Vec<String> = names(&events).into_iter().filter(|name| name.ends_with(".parquet")).collect();
        assert_eq!(Value::from(files.len()), known["projects"][0]["files"], "{files:?} are there, of {known}");
        assert_eq!(names(&events.join("_pending")), BTreeSet::new());
        let log = names(&events.join("_delta_log"));
        assert!(!log.iter().any(|name| name.starts_with(".writing")), "{log:?}");
    }
}

/// Kills commands of one kind at random moments of the time that they usually take.
struct Killer {
    random: SmallRng,
    /// Share of that time which moments are drawn from.
    share: f64,
    killed: usize,
    ended: usize,
}

impl Killer {
    fn new(seed: u64) -> Self {
        Self { random: SmallRng::seed_from_u64(seed), share: 1.0, killed: 0, ended: 0 }
    }

    /// Whether a command ended by itself before a random moment; else it was killed then.
    ///
    /// While a machine is busy, what is usual may come out far too long. So the share is halved with each command
    /// that ends and doubled again with each that is killed: about half of them are, however wrong that is.
    fn ends(&mut self, bench: &Bench, arguments: &[&str], usual: Duration) -> bool {
        let moment: f64 = self.random.random_range(0.05..0.9);
        let patience = usual.mul_f64(self.share * moment);
        let mut running = bench.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + patience;
        let ended_before = loop {
            if running.try_wait().unwrap().is_some() {
                break true;
            }
            if Instant::now() >= deadline {
                running.kill().unwrap();
                break false;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let ended = Ended::of(running.wait_with_output().unwrap());
        // It may have ended just before it was killed. One that a signal ended before that has crashed.
        let killed = !ended_before && ended.code == -1;
        assert!(
            killed || ended.code == 0,
            "{arguments:?} ended with {} within {patience:?} of {usual:?}: {}",
            ended.code,
            ended.stderr
        );
        if killed {
            self.killed += 1;
            self.share = (self.share * 2.0).min(1.0);
        } else {
            self.ended += 1;
            self.share /= 2.0;
        }
        !killed
    }
}

impl std::fmt::Display for Killer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { killed, ended, share, .. } = self;
        write!(f, "{killed} were killed and {ended} ended before, the share is {share} at last")
    }
}

/// How long a command takes that nobody disturbs.
#[track_caller]
fn time_of(bench: &Bench, arguments: &[&str]) -> Duration {
    let started = Instant::now();
    bench.ok(arguments);
    started.elapsed()
}

/// Keys of all rows that a reader sees; none where there is no store yet.
fn ids(bench: &Bench) -> BTreeSet<String> {
    let export = ["export", "--project", "p", "--columns", "id,traceId,eventTs", "--allow-empty", "--overwrite", "-o"];
    let ended = bench.run(export.iter().copied().chain(["ids.csv"]));
    match ended.code {
        0 => bench.read("ids.csv").lines().skip(1).map(str::to_owned).collect(),
        _ => {
            assert!(ended.stderr.contains(NO_STORE), "{}", ended.stderr);
            BTreeSet::new()
        }
    }
}

/// A reader sees the rows of these keys.
#[track_caller]
fn assert_ids(bench: &Bench, expected: &BTreeSet<String>, when: &str) {
    let found = ids(bench);
    assert!(found == *expected, "{when}: {}", difference(&found, expected));
}

/// How rows differ from those that are expected, in numbers and by the first few.
fn difference(found: &BTreeSet<String>, expected: &BTreeSet<String>) -> String {
    let (more, less) = (found - expected, expected - found);
    let first = |rows: &BTreeSet<String>| rows.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
    let (first_more, first_less) = (first(&more), first(&less));
    format!("{} rows too many ({first_more}) and {} too few ({first_less})", more.len(), less.len())
}

/// Every file of the store is as it was written; there is none yet where the first import was killed early.
#[track_caller]
fn assert_undamaged(bench: &Bench) {
    let ended = bench.run(["data", "check"]);
    assert!(ended.code == 0 || ended.stderr.contains(NO_STORE), "{}{}", ended.stdout, ended.stderr);
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Makes every file below a folder two hours old.
fn age(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            age(&path);
        } else {
            let then = SystemTime::now() - Duration::from_secs(7_200);
            std::fs::File::open(&path).unwrap().set_modified(then).unwrap();
        }
    }
}
