//! An S3 server of other people's making, which keeps objects in memory and checks no signatures.
//!
//! It lists uploads, which the server inside the process does not, and its plain XML interface stands
//! for Google Cloud Storage's, which has the same form.

use std::process::Command;

use super::{Environment, Process, request};
use crate::support;

/// A running server.
pub struct Moto {
    process: Process,
}

impl Moto {
    /// Starts a server without buckets; `None` without the test stack.
    pub fn start() -> Option<Self> {
        let program = support::stack()?.join("venv/bin/moto_server");
        let process = Process::start(&mut Command::new(program), |command, port| {
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        });
        Some(Self { process })
    }

    /// Creates a bucket.
    pub fn create_bucket(&self, bucket: &str) {
        let (status, answer) = request(self.process.address, "PUT", &format!("/{bucket}"));
        assert_eq!(status, 200, "{answer}");
    }

    /// Uploads of a bucket that were neither completed nor aborted.
    pub fn uploads_left(&self, bucket: &str) -> usize {
        let (status, answer) = request(self.process.address, "GET", &format!("/{bucket}?uploads"));
        assert_eq!(status, 200, "{answer}");
        answer.matches("<UploadId>").count()
    }

    /// The headers of an object.
    pub fn headers(&self, bucket: &str, key: &str) -> String {
        let (status, answer) = request(self.process.address, "HEAD", &format!("/{bucket}/{key}"));
        assert_eq!(status, 200, "{answer}");
        answer.to_lowercase()
    }

    /// What an S3 destination needs to write here.
    pub fn s3_environment(&self) -> Environment {
        vec![
            ("AWS_ACCESS_KEY_ID", "TESTKEY".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "anything".to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://{}", self.process.address)),
        ]
    }

    /// What a Google Cloud Storage destination needs to write here.
    pub fn gcs_environment(&self) -> Environment {
        vec![("STORAGE_EMULATOR_HOST", format!("http://{}", self.process.address))]
    }
}
