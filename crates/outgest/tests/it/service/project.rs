//! What a program does in one project of a server.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Answer, Caller, Shows, send};
use super::world::PATIENCE;

/// Calls in one project.
#[derive(Clone, Debug)]
pub struct Project {
    /// Who calls.
    pub caller: Caller,
    /// The project.
    pub id: String,
}

impl Project {
    /// A path below the project.
    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/projects/{}/{rest}", self.id)
    }

    /// Gets a path below the project.
    pub fn get(&self, rest: &str) -> Answer {
        self.caller.get(&self.path(rest))
    }

    /// Posts JSON to a path below the project.
    pub fn post(&self, rest: &str, body: &Value) -> Answer {
        self.caller.post(&self.path(rest), body)
    }

    /// Creates an export and returns it.
    #[track_caller]
    pub fn create(&self, body: &Value) -> Value {
        self.post("exports", body).expect(201)
    }

    /// Creates an export under an idempotency key.
    pub fn create_once(&self, key: &str, body: &Value) -> Answer {
        send(self.caller.request("POST", &self.path("exports")).header("idempotency-key", key).json(body))
    }

    /// Cancels an export.
    pub fn cancel(&self, id: &str) -> Answer {
        self.post(&format!("exports/{id}/cancel"), &json!({}))
    }

    /// An export as it is now.
    #[track_caller]
    pub fn export(&self, id: &str) -> Value {
        self.get(&format!("exports/{id}")).expect(200)
    }

    /// Waits until an export is in a state; one that ends otherwise fails the test.
    #[track_caller]
    pub fn wait_for(&self, id: &str, state: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let export = self.export(id);
            if export["state"] == state {
                return export;
            }
            let is_final = !matches!(export["state"].as_str(), Some("queued" | "running" | "completed"));
            assert!(!is_final && Instant::now() < deadline, "it is not {state}: {export:#}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Creates an export and waits until it is completed.
    #[track_caller]
    pub fn completed(&self, body: &Value) -> Value {
        self.wait_for(id_of(&self.create(body)), "completed")
    }

    /// A fresh link to a file of an export.
    #[track_caller]
    pub fn link(&self, id: &str, file: usize) -> Value {
        self.post(&format!("exports/{id}/download"), &json!({"file": file})).expect(200)
    }

    /// The bytes of a file, through a fresh link and without credentials.
    #[track_caller]
    pub fn download(&self, id: &str, file: usize) -> Vec<u8> {
        let link = self.link(id, file);
        let answer = Caller::new("", Shows::Nothing).get(text(&link["url"]));
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        answer.body
    }
}

/// The id of an export.
pub fn id_of(export: &Value) -> &str {
    text(&export["id"])
}

/// A JSON text.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
