//! Servers of one deployment: a data directory, a metadata store, and processes of the real binary.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{Caller, Shows};
use super::project::Project;
use crate::sealed;
use crate::servers::postgres::Postgres;
use crate::servers::s3::S3Server;
use crate::support::{Bench, Ended};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A deployment. Nothing runs before [`World::serve`].
pub struct World {
    /// Its data directory and folder.
    pub bench: Bench,
    /// What every command of it is told by the environment.
    pub variables: Vec<(String, String)>,
}

impl World {
    /// With SQLite in its data directory.
    pub fn on_sqlite() -> Self {
        Self { bench: Bench::new(), variables: Vec::new() }
    }

    /// With a Postgres database of its own; `None` without the test stack.
    pub fn on_postgres() -> Option<Self> {
        Some(Self::on_database(&Postgres::shared()?.new_database()))
    }

    /// With this database.
    pub fn on_database(url: &str) -> Self {
        Self { bench: Bench::new(), variables: vec![("OUTGEST_DATABASE".to_owned(), url.to_owned())] }
    }

    /// Whether its metadata is in Postgres.
    pub fn is_on_postgres(&self) -> bool {
        self.variables.iter().any(|(name, _)| name == "OUTGEST_DATABASE")
    }

    /// Sets a setting for every later process: `OUTGEST_EXPORT_EXPIRY`.
    pub fn set(&mut self, variable: &str, value: impl Into<String>) {
        self.variables.push((variable.to_owned(), value.into()));
    }

    /// Keeps exports in a bucket of this server.
    pub fn keep_exports_in(&mut self, s3: &S3Server) {
        s3.create_bucket("exports");
        self.set("OUTGEST_EXPORT_DESTINATION", "s3://exports/");
        for (name, value) in s3.environment() {
            self.set(name, value);
        }
    }

    /// A command of the deployment, not started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bench.command(arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end and expects success; returns stdout.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let ended = Ended::of(self.command(arguments).output().unwrap());
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }

    /// A project with generated events.
    pub fn project(&self, id: &str, events: u64) {
        self.ok(&["project", "add", id]);
        if events > 0 {
            self.ok(&["generate", "--project", id, "--seed", "5", "--events", &events.to_string()]);
        }
    }

    /// A key of a project: its public and its secret half.
    pub fn key(&self, project: &str, role: &str) -> (String, String) {
        let printed: Value =
            serde_json::from_str(&self.ok(&["key", "add", "--project", project, "--role", role])).unwrap();
        let half = |name: &str| printed[name].as_str().unwrap().to_owned();
        sealed::keep(&half("secretKey"));
        (half("publicKey"), half("secretKey"))
    }

    /// Makes an account with the password [`PASSWORD`].
    pub fn user(&self, email: &str, arguments: &[&str]) {
        let file = self.bench.write("password.txt", PASSWORD);
        self.ok(&[&["user", "add", "--email", email, "--password-file", &file][..], arguments].concat());
    }

    /// Starts a server with all roles.
    pub fn serve(&self) -> Serve {
        self.serve_with(&[])
    }

    /// Starts a server with further options.
    pub fn serve_with(&self, arguments: &[&str]) -> Serve {
        static LOGS: AtomicU32 = AtomicU32::new(0);
        let log = self.bench.file(&format!("serve-{}.log", LOGS.fetch_add(1, Ordering::Relaxed)));
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0", "--log", "info"]);
        Serve::start(command.args(arguments), log)
    }
}

/// The password of every account that tests make.
pub const PASSWORD: &str = "correct horse battery";

/// A running server; killed when dropped.
pub struct Serve {
    child: Child,
    address: String,
    printed: Receiver<String>,
    log: PathBuf,
}

impl Serve {
    fn start(command: &mut Command, log: PathBuf) -> Self {
        let written = std::fs::File::create(&log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(written).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (send, printed) = mpsc::channel();
        std::thread::spawn(move || lines.for_each(|line| drop(send.send(line))));
        let mut serve = Self { child, address: String::new(), printed, log };
        let first = serve.printed.recv_timeout(PATIENCE);
        let address = first.as_ref().ok().and_then(|line| line.split_once("://"));
        serve.address = address.unwrap_or_else(|| panic!("{first:?}: {}", serve.log())).1.to_owned();
        serve
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next line that it prints.
    pub fn next_line(&self) -> String {
        self.printed.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it prints nothing more: {}", self.log()))
    }

    /// Where its log lies, for when it has ended.
    pub fn log_path(&self) -> PathBuf {
        self.log.clone()
    }

    /// Everything that it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Somebody who shows this.
    pub fn caller(&self, shows: Shows) -> Caller {
        Caller::new(&self.url(), shows)
    }

    /// A program with the secret half of a project's key.
    pub fn project(&self, project: &str, secret: &str) -> Project {
        Project { caller: self.caller(Shows::Bearer(secret.to_owned())), id: project.to_owned() }
    }

    /// Signs somebody in.
    pub fn sign_in(&self, email: &str) -> Caller {
        let body = json!({"email": email, "password": PASSWORD});
        self.caller(Shows::Nothing).post("/api/v1/session", &body).into_session(&self.url())
    }

    /// Id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `TERM`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(sent.success(), "{name}");
    }

    /// Kills it (`kill -9`) amid whatever it does, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "it had ended by itself, {status}: {}", self.log());
    }

    /// Asks it to end and waits until it has; returns its exit code.
    pub fn end(mut self) -> i32 {
        self.signal("TERM");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if !std::thread::panicking() {
            sealed::assert_sealed("the log of a server", self.log().as_bytes());
        }
    }
}
