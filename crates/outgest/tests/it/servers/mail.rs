//! A mail server of other people's making, which keeps every message as a file.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Process;
use crate::{sealed, support};

/// A running mail server.
pub struct MailServer {
    process: Process,
    folder: TempDir,
}

impl MailServer {
    /// Starts a server that takes mail for everybody; `None` without the test stack.
    pub fn start() -> Option<Self> {
        let python = support::python()?;
        let folder = tempfile::tempdir().unwrap();
        let maildir = folder.path().join("mail");
        let process = Process::start(&mut Command::new(python), |command, port| {
            let listen = format!("127.0.0.1:{port}");
            command.args(["-m", "aiosmtpd", "--nosetuid", "--listen", &listen]);
            command.args(["--class", "aiosmtpd.handlers.Mailbox"]).arg(&maildir);
        });
        Some(Self { process, folder })
    }

    /// `smtp://host:port`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.process.address)
    }

    /// Waits for so many messages and returns all that came.
    pub fn wait_for(&self, count: usize, patience: Duration) -> Vec<String> {
        let deadline = Instant::now() + patience;
        loop {
            let mut messages: Vec<_> = fs::read_dir(self.folder.path().join("mail/new"))
                .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
                .unwrap_or_default();
            messages.sort();
            if messages.len() >= count {
                let messages: Vec<String> = messages.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
                messages.iter().for_each(|message| sealed::assert_sealed("a mail", message.as_bytes()));
                return messages;
            }
            assert!(Instant::now() < deadline, "{} of {count} mails came in {patience:?}", messages.len());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
