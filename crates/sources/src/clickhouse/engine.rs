//! A real ClickHouse server for tests: one per test binary, a database per test.
//!
//! It comes from the test stack that `cargo xtask test` prepares; where that is missing, [`engine`]
//! returns `None` and the test says so. The server ends when the test binary does.

#[path = "../../engine/proxy.rs"]
pub(crate) mod proxy;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use model::RawOptions;

use super::ClickHouseOptions;

/// A running server.
pub(crate) struct Engine {
    address: SocketAddr,
    /// Its input stays open as long as this process lives.
    _child: Child,
}

/// The server, started with the first call.
pub(crate) fn engine() -> Option<&'static Engine> {
    static ENGINE: OnceLock<Option<Engine>> = OnceLock::new();
    // The program installs one; a second installation fails, and the first one stands.
    drop(rustls::crypto::ring::default_provider().install_default());
    ENGINE.get_or_init(Engine::start).as_ref()
}

/// How many cases a test runs: a few, or, with `OUTGEST_SOAK=1`, many.
pub(crate) fn soak(few: usize, many: usize) -> usize {
    if std::env::var("OUTGEST_SOAK").is_ok_and(|soak| soak == "1") { many } else { few }
}

impl Engine {
    fn start() -> Option<Self> {
        let stack = std::env::var_os("OUTGEST_STACK").map(PathBuf::from)?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/engine/clickhouse.py");
        let mut command = Command::new(stack.join("venv/bin/python"));
        command.arg(script).arg("--attached").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("READY ").unwrap_or_else(|| panic!("the server says {line:?}"));
        Some(Self { address: SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())), _child: child })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Creates a database that no other test has.
    pub(crate) fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.run("default", &format!("CREATE DATABASE {name}"));
        name
    }

    /// The database of a deployment whose scores the user `no_scores` may not read.
    pub(crate) fn limited(&self) -> &'static str {
        static MADE: OnceLock<()> = OnceLock::new();
        MADE.get_or_init(|| {
            self.run("default", "CREATE DATABASE limited");
            self.langfuse_tables("limited");
        });
        "limited"
    }

    /// Creates the tables of a Langfuse deployment.
    pub(crate) fn langfuse_tables(&self, database: &str) {
        let file = include_str!("../../engine/langfuse.sql");
        let statements: String =
            file.lines().filter(|line| !line.starts_with("--")).map(|line| format!("{line}\n")).collect();
        for statement in statements.split(";\n").filter(|statement| !statement.trim().is_empty()) {
            self.run(database, statement);
        }
    }

    /// Runs one statement in `database` and returns what it prints.
    pub(crate) fn run(&self, database: &str, statement: &str) -> String {
        String::from_utf8(self.run_bytes(database, statement)).unwrap()
    }

    /// Runs one statement in `database` and returns the bytes of its answer.
    pub(crate) fn run_bytes(&self, database: &str, statement: &str) -> Vec<u8> {
        let (status, answer) = self.post(&format!("/?database={database}"), statement.as_bytes());
        assert_eq!(status, 200, "{statement}: {}", String::from_utf8_lossy(&answer));
        answer
    }

    /// Runs `statement`, an `INSERT … FORMAT …`, with the data behind it.
    pub(crate) fn insert(&self, database: &str, statement: &str, data: &[u8]) {
        let body = [statement.as_bytes(), b"\n", data].concat();
        let (status, answer) = self.post(&format!("/?database={database}"), &body);
        assert_eq!(status, 200, "{statement}: {}", String::from_utf8_lossy(&answer));
    }

    /// Options to connect as `user` (`name` or `name:password`), with more of them in `query`.
    pub(crate) fn options(&self, user: &str, database: &str, query: &str) -> ClickHouseOptions {
        let address = format!("clickhouse://{user}@{}/{database}?{query}", self.address);
        ClickHouseOptions::read(&address, &RawOptions::default(), &|_| None).unwrap()
    }

    fn post(&self, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        // In the older form of HTTP the answer is not cut into chunks.
        let head = format!("POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(answer.len());
        let body = answer.split_off((end + 4).min(answer.len()));
        let head = String::from_utf8_lossy(&answer);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("no status in {head:?}")), body)
    }
}
