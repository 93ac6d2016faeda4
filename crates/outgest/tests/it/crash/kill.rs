//! An export that is killed again and again ends with the bytes of an undisturbed one (promise 10).

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::support::{Bench, soak};

/// Events whose JSONL is at least 200 MB.
const EVENTS: u64 = 90_000;

/// Slows an export of 200 MB to ten seconds and more, so that kills meet every phase.
const RATE: &str = "20MB";

/// Kills of one test, and how many of them must come after the first durable block.
fn kills() -> (usize, usize) {
    if soak() { (50, 40) } else { (5, 3) }
}

/// What a reader of the destination sees of the n-th export: nothing, or all of it.
trait Place {
    /// Value of `--output` for the n-th export.
    fn output(&self, n: usize) -> String;
    /// The n-th output as a reader sees it.
    fn visible(&self, n: usize) -> Option<Vec<u8>>;
}

struct Disk<'a> {
    bench: &'a Bench,
}

impl Place for Disk<'_> {
    fn output(&self, n: usize) -> String {
        format!("killed-{n}.jsonl")
    }

    fn visible(&self, n: usize) -> Option<Vec<u8>> {
        std::fs::read(self.bench.file(&self.output(n))).ok()
    }
}

#[test]
fn soak_an_export_to_disk_that_is_killed_ends_with_the_same_bytes() {
    let bench = Bench::with_generated(EVENTS);
    survive(&bench, &Disk { bench: &bench }, 11);
}

/// Kills exports at random moments; one that ends between two kills is checked, and the next begins.
fn survive(bench: &Bench, place: &dyn Place, seed: u64) {
    bench.ok(["export", "--project", "p", "--format", "jsonl", "-o", "undisturbed.jsonl"]);
    let expected = std::fs::read(bench.file("undisturbed.jsonl")).unwrap();
    assert!(expected.len() >= 200_000_000, "only {} bytes", expected.len());
    let (kills, after_durable_min) = kills();
    let mut random = SmallRng::seed_from_u64(seed);
    let (mut killed, mut after_durable, mut n) = (0, 0, 0);
    let arguments = |n| {
        let output = place.output(n);
        ["export", "--project", "p", "--format", "jsonl", "--max-rate", RATE, "--resume", "-o"]
            .map(str::to_owned)
            .into_iter()
            .chain([output])
    };
    while killed < kills {
        let mut export = bench.command(arguments(n)).stdout(std::process::Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_millis(random.random_range(500..8_000));
        let ended = loop {
            if export.try_wait().unwrap().is_some() {
                break true;
            }
            if Instant::now() >= deadline {
                break false;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        if ended {
            assert!(place.visible(n).as_deref() == Some(&expected), "seed {seed}: export {n} differs");
            n += 1;
            continue;
        }
        export.kill().unwrap();
        export.wait().unwrap();
        killed += 1;
        assert!(place.visible(n).is_none(), "seed {seed}: something is visible after kill {killed}");
        if has_checkpoint(bench) {
            after_durable += 1;
        }
    }
    bench.ok(arguments(n));
    assert!(place.visible(n).as_deref() == Some(&expected), "seed {seed}: the resumed export differs");
    println!("seed {seed}: {killed} kills, {after_durable} after the first durable block, {} exports", n + 1);
    assert!(after_durable >= after_durable_min, "only {after_durable} of {killed} kills came after a durable block");
}

/// Whether a run that was killed has recorded durable rows.
fn has_checkpoint(bench: &Bench) -> bool {
    let info: Value = serde_json::from_str(&bench.ok(["data", "info", "--json"])).unwrap();
    info["runs"].as_array().unwrap().iter().any(|run| run["state"] == "running" && run["rows"].as_u64() > Some(0))
}
