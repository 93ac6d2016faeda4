//! Servers that are killed one after the other, each of them at a random moment while it carries a window out.
//!
//! A kill counts where two sides say so: the server was at a window by its own log and by its API, and its successor
//! finds that window undone, or needed another attempt to do it. A server that dies at rest proves nothing.

use std::fmt;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::service::World;
use crate::service::integration::Integration;
use crate::service::project::{Project, id_of};
use crate::service::world::{PATIENCE, Serve};
use crate::support::soak;

/// How long a server lives at most once it has taken a window up: most get further than their predecessors, or the
/// window would be given up as one that ends every server.
const LIFE_MAX: Duration = Duration::from_secs(3);

/// How often everything is exported at most. Windows that all end before enough servers were killed are followed by
/// those of another integration of the same rows.
const ROUNDS_MAX: usize = 10;

/// Kills of each trial.
fn kills_wanted() -> u64 {
    if soak() { 30 } else { 3 }
}

/// One deployment whose servers are killed, and a project whose rows, corrections of the next day included, were stored
/// within the last days.
pub(super) struct Trial {
    /// The server of now. It ends before its folder is gone.
    serve: Serve,
    pub(super) world: World,
    secret: String,
    what: &'static str,
    seed: u64,
    random: SmallRng,
    /// Servers that were killed amid a window.
    kills: u64,
}

/// A run, and how often a server had taken it by then.
type Attempt = (String, u64);

impl Trial {
    /// Stores so many events and starts the first server.
    pub(super) fn new(mut world: World, what: &'static str, seed: u64, events: u64) -> Self {
        // A worker that died is followed soon.
        world.set("OUTGEST_WORKER_LEASE", "2s");
        world.set("OUTGEST_EGRESS_ALLOW", "127.0.0.0/8");
        world.project("p", 0);
        let events = events.to_string();
        world.ok(&["generate", "--project", "p", "--seed", "7", "--events", &events, "--days", "1", "--end=-48h"]);
        let secret = world.key("p", "owner").1;
        let (serve, random) = (world.serve(), SmallRng::seed_from_u64(seed));
        Self { serve, world, secret, what, seed, random, kills: 0 }
    }

    /// Kills servers amid windows until that has happened as often as planned, and returns the runs of every round, all
    /// of them completed. Each round is an integration with the settings of its number.
    pub(super) fn survive(&mut self, settings: impl Fn(usize) -> Value) -> Vec<Vec<Value>> {
        let mut rounds: Vec<Vec<Value>> = Vec::new();
        while self.kills < kills_wanted() {
            assert!(rounds.len() < ROUNDS_MAX, "{self}: all windows have ended {ROUNDS_MAX} times");
            let settings = settings(rounds.len());
            rounds.push(self.round(&settings));
        }
        let cut_short = cut_short(&rounds);
        println!("{self}: {} rounds, {cut_short} attempts were cut short", rounds.len());
        assert!(cut_short >= kills_wanted(), "{self}: only {cut_short} attempts were cut short: {rounds:#?}");
        rounds
    }

    /// Has everything exported by a server that nobody kills.
    pub(super) fn undisturbed(&self, settings: &Value) {
        let made = Integration::create(&self.project(), settings);
        made.run_now();
        made.completed();
    }

    fn project(&self) -> Project {
        self.serve.project("p", &self.secret)
    }

    /// Has everything exported by servers that are killed, as long as kills are wanted.
    fn round(&mut self, settings: &Value) -> Vec<Value> {
        let made = Integration::create(&self.project(), settings);
        made.run_now();
        while self.kills < kills_wanted()
            && let Some(attempts) = self.moment(&made)
        {
            self.serve.kill();
            self.serve = self.world.serve();
            // They may have ended between the look at them and the kill.
            if self.is_any_cut_short(&made, &attempts) {
                self.kills += 1;
            }
        }
        made.at(&self.project()).completed()
    }

    /// Waits for a random moment at which the server has windows under way, and tells which. `None` where everything
    /// ends before it.
    fn moment(&mut self, made: &Integration) -> Option<Vec<Attempt>> {
        self.under_way(made)?;
        std::thread::sleep(LIFE_MAX.mul_f64(self.random.random_range(0.0..1.0)));
        // That window may have ended meanwhile: the next one does as well.
        self.under_way(made)
    }

    /// Waits until the server has windows under way, and tells which. `None` where everything has ended.
    fn under_way(&self, made: &Integration) -> Option<Vec<Attempt>> {
        let made = made.at(&self.project());
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Until its lease has run out, what a dead server had under way is running as well: it is in no log of this
            // one. The log is read first, so that the runs are no older than it.
            let log = self.serve.log();
            let runs = made.runs();
            let is_ours =
                |run: &&Value| run["state"] == "running" && log.contains(&format!("job {} begins", id_of(run)));
            let ours: Vec<Attempt> =
                runs.iter().filter(is_ours).map(|run| (id_of(run).to_owned(), times_taken(run))).collect();
            if !ours.is_empty() {
                return Some(ours);
            }
            if made.is_done() {
                return None;
            }
            assert!(Instant::now() < deadline, "{self}: the server takes no window up: {runs:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether one of these attempts of a server that is dead did not end its window.
    fn is_any_cut_short(&self, made: &Integration, attempts: &[Attempt]) -> bool {
        let runs = made.at(&self.project()).runs();
        attempts.iter().any(|(id, attempt)| {
            let run = runs.iter().find(|run| id_of(run) == id);
            let run = run.unwrap_or_else(|| panic!("{self}: run {id} is gone: {runs:#?}"));
            run["state"] != "completed" || times_taken(run) > *attempt
        })
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, seed {}, {} of {} kills", self.what, self.seed, self.kills, kills_wanted())
    }
}

impl Drop for Trial {
    /// Tells of a failure where the trial stood, whoever noticed it, and what the server of then has to say.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{self}; the log of the last server:\n{}", self.serve.log());
        }
    }
}

/// Attempts at these runs that did not complete them.
pub(super) fn cut_short(rounds: &[Vec<Value>]) -> u64 {
    rounds.iter().flatten().map(|run| times_taken(run) - 1).sum()
}

/// How often a server took a run.
fn times_taken(run: &Value) -> u64 {
    run["attempts"].as_u64().unwrap()
}
