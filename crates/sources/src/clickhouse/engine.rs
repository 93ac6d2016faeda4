//! A real ClickHouse server for tests: one per test binary, a database per test; and two more that hold replicas, or
//! shards.
//!
//! They come from the test stack that `cargo xtask test` prepares; where that is missing, [`engine`] and
//! [`replicas`] return `None` and the test says so. The servers end when the test binary does.

#[path = "../../engine/proxy.rs"]
pub(crate) mod proxy;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use model::RawOptions;

use super::ClickHouseOptions;

/// A running server.
pub(crate) struct Engine {
    address: SocketAddr,
}

/// Two servers that hold replicas of the same tables, or are the shards of the cluster `two_servers`.
pub(crate) struct Replicas {
    pub(crate) a: Engine,
    pub(crate) b: Engine,
}

/// The server, started with the first call.
pub(crate) fn engine() -> Option<&'static Engine> {
    static ENGINE: OnceLock<Option<Engine>> = OnceLock::new();
    // The program installs one; a second installation fails, and the first one stands.
    drop(rustls::crypto::ring::default_provider().install_default());
    ENGINE.get_or_init(Engine::start).as_ref()
}

/// The two servers, started with the first call.
pub(crate) fn replicas() -> Option<&'static Replicas> {
    static REPLICAS: OnceLock<Option<Replicas>> = OnceLock::new();
    drop(rustls::crypto::ring::default_provider().install_default());
    REPLICAS.get_or_init(Replicas::start).as_ref()
}

/// A server in Los Angeles, started with the first call: its days are not those of the rows.
pub(crate) fn western_engine() -> Option<&'static Engine> {
    static ENGINE: OnceLock<Option<Engine>> = OnceLock::new();
    drop(rustls::crypto::ring::default_provider().install_default());
    ENGINE.get_or_init(|| started("clickhouse.py", &["--attached"], Some("America/Los_Angeles"))?.pop()).as_ref()
}

/// Runs a script of the folder `engine` and returns the servers that it starts, in this time zone.
fn started(script: &str, words: &[&str], zone: Option<&str>) -> Option<Vec<Engine>> {
    let stack = std::env::var_os("OUTGEST_STACK").map(PathBuf::from)?;
    let mut command = Command::new(stack.join("venv/bin/python"));
    command.arg([env!("CARGO_MANIFEST_DIR"), "engine", script].iter().collect::<PathBuf>()).args(words);
    command.env("TZ", zone.unwrap_or("UTC"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    // Its input stays open as long as this process lives.
    std::mem::forget(child);
    let ports = line.trim().strip_prefix("READY ").unwrap_or_else(|| panic!("{script} says {line:?}"));
    let at = |port: &str| Engine { address: SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())) };
    Some(ports.split(' ').map(at).collect())
}

/// How many cases a test runs: a few, or, with `OUTGEST_SOAK=1`, many.
pub(crate) fn soak(few: usize, many: usize) -> usize {
    if std::env::var("OUTGEST_SOAK").is_ok_and(|soak| soak == "1") { many } else { few }
}

/// What creates the tables of a Langfuse deployment.
fn langfuse_statements() -> Vec<String> {
    let file = include_str!("../../engine/langfuse.sql");
    let lines = file.lines().filter(|line| !line.starts_with("--"));
    let statements: String = lines.map(|line| format!("{line}\n")).collect();
    statements.split(";\n").map(|statement| statement.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

impl Replicas {
    fn start() -> Option<Self> {
        let mut servers = started("replicas.py", &[], None)?.into_iter();
        let (a, b) = servers.next().zip(servers.next()).expect("two servers are started");
        Some(Self { a, b })
    }

    pub(crate) fn both(&self) -> [&Engine; 2] {
        [&self.a, &self.b]
    }

    /// Creates a database that no other test has on both, with the tables of a Langfuse deployment.
    pub(crate) fn database(&self) -> String {
        let database = self.database_of_shards();
        self.langfuse_tables(&database);
        database
    }

    /// Creates a database that no other test has on both, without tables.
    pub(crate) fn database_of_shards(&self) -> String {
        let database = self.a.database();
        self.b.run("default", &format!("CREATE DATABASE {database}"));
        database
    }

    /// Creates the tables as a deployment of several servers has them: each holds a replica.
    pub(crate) fn langfuse_tables(&self, database: &str) {
        let own = "= ReplacingMergeTree(";
        let replicated = "= ReplicatedReplacingMergeTree('/clickhouse/tables/{database}/{table}', '{replica}', ";
        for statement in langfuse_statements() {
            let statement = statement.replace(own, replicated);
            // What changes a table goes from one replica to the other.
            let servers = if statement.starts_with("ALTER") { &self.both()[..1] } else { &self.both()[..] };
            servers.iter().for_each(|server| drop(server.run(database, &statement)));
        }
    }

    /// Waits until both have all of these tables.
    pub(crate) fn wait(&self, database: &str, tables: &[&str]) {
        for (server, table) in
            self.both().into_iter().flat_map(|server| tables.iter().map(move |table| (server, table)))
        {
            server.run(database, &format!("SYSTEM SYNC REPLICA {table}"));
        }
    }
}

impl Engine {
    fn start() -> Option<Self> {
        started("clickhouse.py", &["--attached"], None)?.pop()
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
        MADE.get_or_init(|| self.deployment("limited"));
        "limited"
    }

    /// Creates this database with the tables of a deployment.
    pub(crate) fn deployment(&self, database: &str) {
        self.run("default", &format!("CREATE DATABASE {database}"));
        self.langfuse_tables(database);
    }

    /// Creates the tables of a Langfuse deployment.
    pub(crate) fn langfuse_tables(&self, database: &str) {
        langfuse_statements().iter().for_each(|statement| drop(self.run(database, statement)));
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
