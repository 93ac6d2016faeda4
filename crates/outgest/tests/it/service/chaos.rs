//! Servers, workers and everything they lean on are killed all the while, and every export ends with the bytes of an
//! undisturbed one (promises 10 and 11).

mod deployment;

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::http::{Answer, try_send};
use super::project::{id_of, text};
use crate::support::soak;
use deployment::{Deployment, PROJECTS, Rows, Victim};

/// A round ends within this, whatever was killed in it.
const ROUND_MAX: Duration = Duration::from_secs(180);

/// Kills in a round. With five kinds of victims two rounds meet all of them.
const KILLS_PER_ROUND: usize = 3;

#[test]
fn soak_whatever_is_killed_every_export_ends_with_the_same_bytes() {
    survives(Rows::InStore);
}

#[test]
fn soak_whatever_is_killed_every_export_of_a_clickhouse_ends_with_the_same_bytes() {
    survives(Rows::InClickHouse);
}

fn survives(rows: Rows) {
    let seed = std::env::var("OUTGEST_SEED").map_or(7, |seed| seed.parse().expect("OUTGEST_SEED is a number"));
    let Some(deployment) = Deployment::start(rows) else {
        eprintln!("without the test stack: cargo xtask test runs this test with it");
        return;
    };
    let mut chaos = Chaos { deployment, random: SmallRng::seed_from_u64(seed), next: Vec::new(), asked: 0 };
    let undisturbed = chaos.undisturbed();
    let rounds = if soak() { 30 } else { 3 };
    let begun = Instant::now();
    for round in 0..rounds {
        chaos.round(round, &undisturbed);
    }
    let Chaos { deployment, asked, .. } = &chaos;
    println!(
        "rows {rows:?}, seed {seed}: {rounds} rounds in {:.0?}, {asked} exports, killed: {:?}",
        begun.elapsed(),
        deployment.killed
    );
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

/// SHA-256 of every file, by project and request.
type Sums = Vec<Vec<Vec<String>>>;

struct Chaos {
    deployment: Deployment,
    random: SmallRng,
    /// Who is killed next, so that everybody has a turn.
    next: Vec<Victim>,
    /// Exports asked for so far.
    asked: usize,
}

impl Chaos {
    /// The files before anything is killed.
    fn undisturbed(&mut self) -> Sums {
        let files = |project: &str| -> Vec<Vec<String>> {
            let project = self.deployment.project(project);
            requests().iter().map(|request| sums(&project.completed(request))).collect()
        };
        let undisturbed: Sums = PROJECTS.iter().map(|project| files(project)).collect();
        assert!(undisturbed[0][3].len() > 1, "the rolled export has several files");
        self.asked += requests().len() * PROJECTS.len();
        undisturbed
    }

    fn round(&mut self, round: u32, undisturbed: &Sums) {
        let begun = Instant::now();
        let mut asked = Vec::new();
        for (number, request) in requests().iter().enumerate() {
            for (owner, project) in PROJECTS.iter().enumerate() {
                let id = self.create(project, &format!("{round}-{number}"), request);
                asked.push((owner, number, id));
            }
        }
        self.asked += asked.len();
        for _ in 0..KILLS_PER_ROUND {
            std::thread::sleep(Duration::from_millis(self.random.random_range(100..1_500)));
            self.kill_somebody();
        }
        for (owner, number, id) in asked {
            let project = PROJECTS[owner];
            let export = self.ended(project, &id, begun);
            assert_eq!(export["state"], "completed", "round {round}: {export:#}\n{}", self.deployment.logs());
            assert_eq!(sums(&export), undisturbed[owner][number], "round {round}, request {number} of {project}");
            // What can be fetched is what was recorded.
            let bytes = self.deployment.project(project).download(&id, 0);
            assert_eq!(super::sha256(&bytes), text(&export["files"][0]["sha256"]), "round {round}");
        }
        self.assert_nothing_else_is_kept(round);
    }

    fn kill_somebody(&mut self) {
        if self.next.is_empty() {
            self.next = self.deployment.victims();
            self.next.shuffle(&mut self.random);
        }
        let victim = self.next.pop().unwrap();
        let away = Duration::from_millis(self.random.random_range(0..1_500));
        let which = self.random.random_range(0..usize::MAX);
        self.deployment.kill(victim, which, away);
    }

    /// Asks again under the same key until the answer arrives: no crash makes two exports of one wish.
    fn create(&self, project: &str, key: &str, request: &Value) -> String {
        let project = self.deployment.project(project);
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
    fn ended(&self, project: &str, id: &str, begun: Instant) -> Value {
        let project = self.deployment.project(project);
        loop {
            match try_send(project.caller.request("GET", &project.path(&format!("exports/{id}")))) {
                Ok(answer) if answer.status == 200 => {
                    let export = answer.json();
                    if !matches!(export["state"].as_str(), Some("queued" | "running")) {
                        return export;
                    }
                    let late = begun.elapsed() > ROUND_MAX;
                    assert!(!late, "it does not end: {export:#}\n{}", self.deployment.logs());
                    std::thread::sleep(Duration::from_millis(50));
                }
                other => self.assert_away(other, begun),
            }
        }
    }

    /// A call may fail while somebody is away, and in no other way.
    fn assert_away(&self, answer: reqwest::Result<Answer>, begun: Instant) {
        if let Ok(answer) = answer {
            assert_eq!(answer.status, 503, "{}", answer.text());
        }
        assert!(begun.elapsed() < ROUND_MAX, "the server does not come back: {}", self.deployment.logs());
        std::thread::sleep(Duration::from_millis(100));
    }

    /// There are as many exports as were asked for, and the bucket holds their files and manifests and nothing else:
    /// nothing was lost, nothing was written twice, and no upload was left.
    fn assert_nothing_else_is_kept(&self, round: u32) {
        let mut known = Vec::new();
        let mut listed = 0;
        for project in PROJECTS {
            let mut page = "exports?limit=200".to_owned();
            loop {
                let exports = self.deployment.project(project).get(&page).expect(200);
                for export in exports["items"].as_array().unwrap() {
                    listed += 1;
                    known.push(format!("{}.manifest.json", text(&export["fileName"])));
                    known.extend(export["files"].as_array().unwrap().iter().map(|file| text(&file["name"]).to_owned()));
                }
                match exports["next"].as_str() {
                    Some(cursor) => page = format!("exports?limit=200&cursor={cursor}"),
                    None => break,
                }
            }
        }
        assert_eq!(listed, self.asked, "round {round}");
        known.sort();
        assert_eq!(self.deployment.s3.objects("exports"), known, "round {round}");
        assert_eq!(self.deployment.s3.uploads("exports"), [], "round {round}\n{}", self.deployment.logs());
        assert_eq!(self.deployment.jobs_left(), 0, "round {round}");
    }
}

/// SHA-256 of the files of an export.
fn sums(export: &Value) -> Vec<String> {
    export["files"].as_array().unwrap().iter().map(|file| text(&file["sha256"]).to_owned()).collect()
}
