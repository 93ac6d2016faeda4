//! A real ClickHouse server with the tables of a Langfuse deployment, a database per test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::free_address;
use crate::support;

/// The tables, statement by statement.
const TABLES: &str = include_str!("../../../../sources/engine/langfuse.sql");

/// A running server. It ends when it is dropped, and at the latest with the process that started it.
pub struct ClickHouse {
    address: SocketAddr,
    child: Child,
}

impl ClickHouse {
    /// The server that tests share, started with the first call; `None` without the test stack.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<ClickHouse>> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(None)).as_ref()
    }

    /// A server of one's own that keeps its data in `path` and can be started there again at `address`.
    pub fn at(path: &Path, address: SocketAddr) -> Option<Self> {
        Self::start(Some((path, address)))
    }

    /// An address for a server of one's own.
    pub fn free_address() -> SocketAddr {
        free_address()
    }

    fn start(place: Option<(&Path, SocketAddr)>) -> Option<Self> {
        let python = support::python()?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../sources/engine/clickhouse.py");
        let mut command = Command::new(python);
        command.args([script, "--attached"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some((path, address)) = place {
            command.arg("--path").arg(path).args(["--port", &address.port().to_string()]);
        }
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("READY ").unwrap_or_else(|| panic!("the server says {line:?}"));
        Some(Self { address: SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())), child })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Creates a database that no other test has, with the tables of a deployment.
    pub fn deployment(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("langfuse_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.deploy(&name);
        name
    }

    /// Creates this database with the tables of a deployment.
    pub fn deploy(&self, name: &str) {
        self.run("default", &format!("CREATE DATABASE {name}"));
        for statement in TABLES.split_inclusive(";\n") {
            let lines = statement.lines().filter(|line| !line.starts_with("--"));
            let statement = lines.collect::<Vec<_>>().join("\n");
            if !statement.trim().is_empty() {
                self.run(name, &statement);
            }
        }
    }

    /// Runs one statement in `database` and returns what it prints.
    pub fn run(&self, database: &str, statement: &str) -> String {
        self.post(database, statement.as_bytes())
    }

    /// Stores rows of a JSONL file.
    pub fn insert(&self, database: &str, table: &str, file: &str) {
        let mut body = format!("INSERT INTO {table} FORMAT JSONEachRow\n").into_bytes();
        body.extend(std::fs::read(file).unwrap());
        self.post(database, &body);
    }

    /// The address of a database for `user` (`name` or `name:password`), with options in `query`.
    pub fn url(&self, user: &str, database: &str, query: &str) -> String {
        format!("clickhouse://{user}@{}/{database}?{query}", self.address)
    }

    fn post(&self, database: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        // In the older form of HTTP the answer is not cut into chunks.
        let head = format!("POST /?database={database} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, answer) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let statement = || String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned();
        assert_eq!(head.split(' ').nth(1), Some("200"), "{}: {answer}", statement());
        answer.to_owned()
    }
}

impl Drop for ClickHouse {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
