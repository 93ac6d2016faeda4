//! Imports and compactions that are killed again and again leave a store that is whole and holds what an
//! undisturbed one holds.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::support::{Bench, soak};

/// Events of one import.
const EVENTS: &str = "300";

/// How many imports there are, how often each command is killed at most before it may end, and kills in all.
struct Plan {
    imports: usize,
    tries: usize,
    kills_min: usize,
}

#[test]
fn soak_a_store_whose_writers_are_killed_stays_whole() {
    let plan = if soak() {
        Plan { imports: 60, tries: 4, kills_min: 120 }
    } else {
        Plan { imports: 5, tries: 2, kills_min: 4 }
    };
    let mut random = SmallRng::seed_from_u64(23);
    let (bench, undisturbed) = (Bench::new(), Bench::new());
    let mut killed = Killed::default();
    for import in 0..plan.imports {
        let file = format!("events-{import}.jsonl");
        // The same stretch of time and some of the same traces each time: files overlap, rows are superseded.
        let seed = (import % 7).to_string();
        let generate = ["generate", "--project", "p", "--events", EVENTS, "--end", "2026-08-01", "--updates", "0.2"];
        bench.ok(generate.iter().copied().chain(["--seed", &seed, "-o", &file]));
        let path = bench.file(&file).to_str().unwrap().to_owned();
        let started = Instant::now();
        undisturbed.ok(["import", &path]);
        let usual = started.elapsed();

        let (before, after) = (ids(&bench), ids(&undisturbed));
        for _ in 0..plan.tries {
            if ends(&bench, &["import", &path], usual, &mut random, &mut killed.imports) {
                break;
            }
            // An import is one commit: its rows are there, or none of them is.
            let now = ids(&bench);
            assert!(now == before || now == after, "import {import}: {} rows are there", now.len());
            bench.ok(["data", "check"]);
        }
        bench.ok(["import", &path]);
        assert_eq!(ids(&bench), after, "import {import}");
        for _ in 0..(import % 2) * plan.tries {
            if ends(&bench, &["data", "compact"], usual, &mut random, &mut killed.compactions) {
                break;
            }
            assert_eq!(ids(&bench), after, "a killed compaction changed what is there");
            bench.ok(["data", "check"]);
        }
    }
    let all = ["--project", "p", "--columns", "all"];
    assert!(bench.export("all.jsonl", &all) == undisturbed.export("all.jsonl", &all));
    println!("{} imports and {} compactions were killed", killed.imports, killed.compactions);
    assert!(killed.imports + killed.compactions >= plan.kills_min, "too few kills to tell");

    // When what the dead left is old enough to be nobody's, it goes.
    age(&bench.file("data/lake"));
    let keep_short = |arguments: [&str; 2]| {
        bench.command(arguments).env("OUTGEST_RETENTION_REPLACED_FILES", "1ms").output().unwrap().status.success()
    };
    assert!(keep_short(["data", "compact"]) && keep_short(["data", "compact"]));
    let events = bench.file("data/lake/events");
    let info: Value = serde_json::from_str(&bench.ok(["data", "info", "--json"])).unwrap();
    let known = &info["store"]["tables"][0];
    assert_eq!(known["name"], "events");
    assert_eq!(
        Value::from(names(&events).iter().filter(|name| name.ends_with(".parquet")).count()),
        known["projects"][0]["files"]
    );
    assert_eq!(names(&events.join("_pending")), BTreeSet::new());
    assert!(!names(&events.join("_delta_log")).iter().any(|name| name.starts_with(".writing")));
    assert!(bench.export("all.jsonl", &all) == undisturbed.export("all.jsonl", &all));
}

/// How many commands were killed.
#[derive(Default)]
struct Killed {
    imports: usize,
    compactions: usize,
}

/// Whether a command ended by itself before a random moment; else it was killed then.
fn ends(bench: &Bench, arguments: &[&str], usual: Duration, random: &mut SmallRng, killed: &mut usize) -> bool {
    let mut running = bench.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + usual.mul_f64(random.random_range(0.05..0.9));
    while Instant::now() < deadline {
        if let Some(status) = running.try_wait().unwrap() {
            assert!(status.success(), "{arguments:?} failed");
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    running.kill().unwrap();
    let ended = running.wait().unwrap().success();
    *killed += usize::from(!ended);
    ended
}

/// Keys of all rows that a reader sees; none where there is no store yet.
fn ids(bench: &Bench) -> BTreeSet<String> {
    let export = ["export", "--project", "p", "--columns", "id,traceId,eventTs", "--allow-empty", "--overwrite", "-o"];
    let ended = bench.run(export.iter().copied().chain(["ids.csv"]));
    match ended.code {
        0 => bench.read("ids.csv").lines().skip(1).map(str::to_owned).collect(),
        _ => {
            assert!(ended.stderr.contains("there is no store in"), "{}", ended.stderr);
            BTreeSet::new()
        }
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
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
