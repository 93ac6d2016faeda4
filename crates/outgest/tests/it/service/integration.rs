//! An integration of a server, as a program uses it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::Answer;
use super::project::{Project, text};

/// How long windows may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Calls about one integration.
pub struct Integration {
    project: Project,
    id: String,
}

impl Integration {
    /// Makes an integration with everything that its tables have, and from then on day by day.
    #[track_caller]
    pub fn create(project: &Project, settings: &Value) -> Self {
        let mut body = json!({"schedule": {"every": "day"}, "start": {"from": "history"}, "lagSeconds": 0});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let made = project.post("integrations", &body).expect(201);
        Self { project: project.clone(), id: text(&made["id"]).to_owned() }
    }

    /// The same, asked by another caller.
    pub fn at(&self, project: &Project) -> Self {
        Self { project: project.clone(), id: self.id.clone() }
    }

    fn path(&self, rest: &str) -> String {
        format!("integrations/{}{rest}", self.id)
    }

    /// Posts to a path below it.
    pub fn post(&self, rest: &str, body: &Value) -> Answer {
        self.project.post(&self.path(rest), body)
    }

    /// It, as it is now.
    #[track_caller]
    pub fn shown(&self) -> Value {
        self.project.get(&self.path("")).expect(200)
    }

    /// Changes it.
    #[track_caller]
    pub fn change(&self, change: &Value) -> Value {
        let mut body = json!({"version": self.shown()["version"]});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let path = self.project.path(&self.path(""));
        self.project.caller.call("PATCH", &path, Some(&body)).expect(200)
    }

    /// Its runs, newest window first.
    #[track_caller]
    pub fn runs(&self) -> Vec<Value> {
        self.items("/runs?limit=100")
    }

    /// Its dead letters.
    #[track_caller]
    pub fn letters(&self) -> Vec<Value> {
        self.items("/dead-letters?limit=100")
    }

    #[track_caller]
    fn items(&self, rest: &str) -> Vec<Value> {
        self.project.get(&self.path(rest)).expect(200)["items"].as_array().unwrap().clone()
    }

    /// Has everything up to now exported, without waiting for it; for what is paused already nothing is left to do.
    #[track_caller]
    pub fn run_now(&self) {
        let (asked_at, deadline) = (chrono::Utc::now(), Instant::now() + PATIENCE);
        // Where its history begins is looked up in the background, and a window that is under way is answered until
        // it has ended: the one that was asked for reaches up to now.
        loop {
            let asked = self.post("/run", &json!({}));
            if asked.status == 409 {
                return;
            }
            let runs = asked.expect(202);
            let until = |run: &Value| chrono::DateTime::parse_from_rfc3339(text(&run["to"])).unwrap();
            if runs.as_array().unwrap().iter().any(|run| until(run) >= asked_at) {
                return;
            }
            assert!(Instant::now() < deadline, "nothing is planned: {runs:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until it stands so.
    #[track_caller]
    pub fn wait_for(&self, status: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let shown = self.shown();
            if shown["status"] == status {
                return shown;
            }
            assert!(Instant::now() < deadline, "it is not {status}: {shown:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether nothing is left to do: neither now nor of the past.
    #[track_caller]
    pub fn is_done(&self) -> bool {
        // The past first: whoever ends it has planned everything by then.
        self.items("/backfills?limit=100").iter().all(|backfill| backfill["state"] != "running")
            && self.shown()["status"] == "upToDate"
    }

    /// Waits until every run has ended well, and returns them.
    #[track_caller]
    pub fn completed(&self) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_done() {
            assert!(Instant::now() < deadline, "it does not end: {:#}", self.shown());
            std::thread::sleep(Duration::from_millis(50));
        }
        let runs = self.runs();
        assert!(runs.iter().all(|run| run["state"] == "completed"), "{runs:#?}");
        runs
    }
}

/// What the runs came to, added up.
pub fn sum(runs: &[Value], of: impl Fn(&Value) -> &Value) -> u64 {
    runs.iter().map(|run| of(&run["result"]).as_u64().unwrap()).sum()
}
