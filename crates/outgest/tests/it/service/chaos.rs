//! Servers and workers are killed all the while, and every export ends with the bytes of an undisturbed one
//! (promise 10).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::World;
use super::http::{Answer, try_send};
use super::project::{Project, id_of, text};
use super::world::Serve;
use crate::servers::s3::S3Server;
use crate::support::soak;

/// Events of each project: exports of seconds, so that kills meet them in every phase.
const EVENTS: u64 = 8_000;

/// A round ends within this, whatever was killed in it.
const ROUND_MAX: Duration = Duration::from_secs(180);

#[test]
fn soak_servers_and_workers_are_killed_and_every_export_ends_with_the_same_bytes() {
    let Some(world) = World::on_postgres() else {
        eprintln!("without Postgres: cargo xtask test runs this test with it");
        return;
    };
    let mut chaos = Chaos::new(world);
    let undisturbed = chaos.undisturbed();
    let rounds = if soak() { 30 } else { 3 };
    for round in 0..rounds {
        chaos.round(round, &undisturbed);
    }
    println!("{rounds} rounds, killed: {:?}", chaos.killed);
}

/// What is asked for in every round.
fn requests() -> [Value; 4] {
    [
        json!({"table": "events", "format": "jsonl"}),
        json!({"table": "events", "format": "csv", "compression": "gzip", "columns": ["id", "name", "input", "scores"]}),
        json!({"table": "events", "format": "parquet"}),
        json!({"table": "events", "format": "jsonl", "rollBytes": 4_000_000}),
    ]
}

/// A deployment of which every process of ours can be killed.
struct Chaos {
    world: World,
    s3: S3Server,
    secrets: BTreeMap<&'static str, String>,
    api: Serve,
    workers: Vec<Serve>,
    random: SmallRng,
    killed: BTreeMap<&'static str, u32>,
}

impl Chaos {
    fn new(mut world: World) -> Self {
        let s3 = S3Server::start_slow(Duration::from_millis(100));
        world.keep_exports_in(&s3);
        world.set("OUTGEST_WORKER_LEASE", "4s");
        let mut secrets = BTreeMap::new();
        for project in ["p", "q"] {
            world.project(project, EVENTS);
            secrets.insert(project, world.key(project, "member").1);
        }
        let api = world.serve_with(&["--roles", "api,schedule"]);
        let workers = (0..2).map(|_| world.serve_with(&["--roles", "work"])).collect();
        let random = SmallRng::seed_from_u64(7);
        Self { world, s3, secrets, api, workers, random, killed: BTreeMap::new() }
    }

    fn project(&self, id: &'static str) -> Project {
        self.api.project(id, &self.secrets[id])
    }

    /// SHA-256 of every file of every request, by project, before anything is killed.
    fn undisturbed(&self) -> BTreeMap<&'static str, Vec<Vec<String>>> {
        let files = |project: &Project| requests().iter().map(|request| sums(&project.completed(request))).collect();
        let undisturbed: BTreeMap<_, Vec<Vec<String>>> =
            ["p", "q"].into_iter().map(|id| (id, files(&self.project(id)))).collect();
        assert!(undisturbed["p"][3].len() > 1, "the rolled export has several files");
        undisturbed
    }

    fn round(&mut self, round: u32, undisturbed: &BTreeMap<&'static str, Vec<Vec<String>>>) {
        let begun = Instant::now();
        let mut asked = Vec::new();
        for (number, request) in requests().iter().enumerate() {
            for project in ["p", "q"] {
                asked.push((project, number, self.create(project, &format!("{round}-{number}"), request)));
            }
        }
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(self.random.random_range(100..1_500)));
            self.kill_something();
        }
        for (project, number, id) in asked {
            let export = self.ended(project, &id, begun);
            assert_eq!(export["state"], "completed", "round {round}: {export:#}\n{}", self.logs());
            assert_eq!(sums(&export), undisturbed[project][number], "round {round}, request {number} of {project}");
            // What can be fetched is what was recorded.
            let bytes = self.project(project).download(&id, 0);
            assert_eq!(super::sha256(&bytes), text(&export["files"][0]["sha256"]), "round {round}");
        }
        self.assert_nothing_else_is_kept(round);
    }

    /// Asks again under the same key until the answer arrives: no crash makes two exports of one wish.
    fn create(&self, project: &'static str, key: &str, request: &Value) -> String {
        let project = self.project(project);
        let begun = Instant::now();
        loop {
            let call = project.caller.request("POST", &project.path("exports")).header("idempotency-key", key);
            match try_send(call.json(request)) {
                Ok(answer) if answer.status < 300 => return id_of(&answer.json()).to_owned(),
                other => self.assert_away(other, begun),
            }
        }
    }

    /// The export once it has ended, however often the server is away meanwhile.
    fn ended(&self, project: &'static str, id: &str, begun: Instant) -> Value {
        let project = self.project(project);
        loop {
            match try_send(project.caller.request("GET", &project.path(&format!("exports/{id}")))) {
                Ok(answer) if answer.status == 200 => {
                    let export = answer.json();
                    if !matches!(export["state"].as_str(), Some("queued" | "running")) {
                        return export;
                    }
                    assert!(begun.elapsed() < ROUND_MAX, "it does not end: {export:#}\n{}", self.logs());
                    std::thread::sleep(Duration::from_millis(50));
                }
                other => self.assert_away(other, begun),
            }
        }
    }

    /// A call may fail while the server is away, and in no other way.
    fn assert_away(&self, answer: reqwest::Result<Answer>, begun: Instant) {
        if let Ok(answer) = answer {
            assert_eq!(answer.status, 503, "{}", answer.text());
        }
        assert!(begun.elapsed() < ROUND_MAX, "the server does not come back: {}", self.logs());
        std::thread::sleep(Duration::from_millis(100));
    }

    fn kill_something(&mut self) {
        let killed = match self.random.random_range(0..3) {
            0 => {
                self.api = self.world.serve_with(&["--roles", "api,schedule"]);
                "api"
            }
            worker => {
                // Its place is given to a new one; dropping the old one is `kill -9`.
                drop(self.workers.remove(worker - 1));
                let successor = self.world.serve_with(&["--roles", "work"]);
                self.workers.insert(worker - 1, successor);
                "worker"
            }
        };
        *self.killed.entry(killed).or_default() += 1;
    }

    /// The bucket holds files and manifests of the exports that are listed: nothing was written twice, and nothing of
    /// an upload was left. One that had just begun when its answer was lost has no piece, and its id nobody knows.
    fn assert_nothing_else_is_kept(&self, round: u32) {
        let mut known = Vec::new();
        for id in ["p", "q"] {
            let listed = self.project(id).get("exports?limit=200").expect(200);
            for export in listed["items"].as_array().unwrap() {
                known.push(format!("{}.manifest.json", text(&export["fileName"])));
                known.extend(export["files"].as_array().unwrap().iter().map(|file| text(&file["name"]).to_owned()));
            }
        }
        known.sort();
        // A worker that was killed amid its clean-up has a successor.
        let begun = Instant::now();
        loop {
            let (lost, kept): (Vec<_>, Vec<_>) =
                self.s3.kept("exports").into_iter().partition(|name| name.starts_with(".upload-"));
            let kills: u32 = self.killed.values().sum();
            assert!(lost.len() <= kills as usize, "round {round}: {lost:?} after {kills} kills");
            if kept == known {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "round {round}: {kept:?} instead of {known:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn logs(&self) -> String {
        let workers = self.workers.iter().map(Serve::log).collect::<Vec<_>>().join("\n--- worker\n");
        format!("--- api\n{}\n--- worker\n{workers}", self.api.log())
    }
}

/// SHA-256 of the files of an export.
fn sums(export: &Value) -> Vec<String> {
    export["files"].as_array().unwrap().iter().map(|file| text(&file["sha256"]).to_owned()).collect()
}
