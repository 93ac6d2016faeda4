//! An export that is killed again and again ends with the bytes of an undisturbed one (promise 10).

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use super::place::{Bucket, Disk, Place};
use crate::support::{Bench, soak};

/// Events whose JSONL is at least 200 MB.
const EVENTS: u64 = 90_000;

/// Slows an export of 200 MB to ten seconds and more, so that kills meet every phase.
const RATE: &str = "20MB";

/// How often the place is looked at while an export runs.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often exports to one place are killed, and how many of the kills must come after the first
/// durable block.
struct Kills {
    all: usize,
    after_durable_min: usize,
}

#[test]
fn soak_exports_that_are_killed_end_with_the_same_bytes() {
    let bench = Bench::with_generated(EVENTS);
    bench.ok(["export", "--project", "p", "--format", "jsonl", "-o", "undisturbed.jsonl"]);
    let expected = std::fs::read(bench.file("undisturbed.jsonl")).unwrap();
    assert!(expected.len() >= 200_000_000, "only {} bytes", expected.len());
    // A test run shares its five kills between the places, so that it takes minutes at most.
    let (disk, bucket) = match soak() {
        true => (Kills { all: 50, after_durable_min: 40 }, Kills { all: 50, after_durable_min: 40 }),
        false => (Kills { all: 3, after_durable_min: 1 }, Kills { all: 2, after_durable_min: 1 }),
    };
    Trial { bench: &bench, place: &Disk(&bench), expected: &expected, seed: 11 }.survives(&disk);
    Trial { bench: &bench, place: &Bucket::new(), expected: &expected, seed: 12 }.survives(&bucket);
}

/// Exports to one place, killed at moments that the seed chooses.
struct Trial<'a> {
    bench: &'a Bench,
    place: &'a dyn Place,
    expected: &'a [u8],
    seed: u64,
}

impl Trial<'_> {
    /// Kills exports at random moments; one that ends between two kills is checked, and the next begins.
    fn survives(&self, kills: &Kills) {
        let mut random = SmallRng::seed_from_u64(self.seed);
        let (mut killed, mut after_durable, mut export) = (0, 0, 0);
        while killed < kills.all {
            let patience = Duration::from_millis(random.random_range(500..8_000));
            if self.ends_within(export, patience) {
                self.assert_whole(export);
                export += 1;
                continue;
            }
            killed += 1;
            if self.has_checkpoint() {
                after_durable += 1;
            }
        }
        let mut last = self.start(export);
        assert!(last.wait().unwrap().success(), "{self}: the last export failed");
        self.assert_whole(export);
        println!("{self}: {killed} kills, {after_durable} after the first durable block, {} exports", export + 1);
        assert!(after_durable >= kills.after_durable_min, "{self}: only {after_durable} kills after a durable block");
    }

    /// Starts or resumes an export.
    fn start(&self, export: usize) -> Child {
        let output = self.place.output(&file(export));
        let arguments = ["export", "--project", "p", "--max-rate", RATE, "--resume", "-o", &output];
        self.bench.command(arguments).envs(self.place.environment()).stdout(Stdio::null()).spawn().unwrap()
    }

    /// Whether the export ended by itself; one that did not is killed. Readers look on all the while.
    fn ends_within(&self, export: usize, patience: Duration) -> bool {
        let mut running = self.start(export);
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = running.try_wait().unwrap() {
                assert!(status.success(), "{self}: export {export} failed");
                return true;
            }
            if Instant::now() >= deadline {
                running.kill().unwrap();
                running.wait().unwrap();
                self.assert_nothing_half_written(export);
                return false;
            }
            self.assert_nothing_half_written(export);
            std::thread::sleep(LOOK_EVERY.min(deadline.saturating_duration_since(Instant::now())));
        }
    }

    /// A file is either not there or whole, and a manifest is there only beside its file.
    fn assert_nothing_half_written(&self, export: usize) {
        let manifest = self.place.size(&manifest(export));
        let size = self.place.size(&file(export));
        assert!(
            size.is_none_or(|bytes| bytes == self.expected.len() as u64),
            "{self}: export {export} shows {size:?} bytes"
        );
        assert!(manifest.is_none() || size.is_some(), "{self}: export {export} has a manifest and no file");
    }

    fn assert_whole(&self, export: usize) {
        assert!(self.place.read(&file(export)) == self.expected, "{self}: export {export} differs");
        let manifest: Value = serde_json::from_slice(&self.place.read(&manifest(export))).unwrap();
        assert_eq!(manifest["bytes"], self.expected.len(), "{self}: the manifest of export {export}");
    }

    /// Whether the run that was killed has recorded durable rows.
    fn has_checkpoint(&self) -> bool {
        let info: Value = serde_json::from_str(&self.bench.ok(["data", "info", "--json"])).unwrap();
        info["runs"].as_array().unwrap().iter().any(|run| run["state"] == "running" && run["rows"].as_u64() > Some(0))
    }
}

impl std::fmt::Display for Trial<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, seed {}", self.place.name(), self.seed)
    }
}

fn file(export: usize) -> String {
    format!("killed-{export}.jsonl")
}

fn manifest(export: usize) -> String {
    format!("{}.manifest.json", file(export))
}
