//! A Postgres server that the tests of this process share.
//!
//! A server is the child of a shell that waits for the end of its standard input, which comes when this process
//! ends, however it ends; then the server is stopped and its folder removed.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::support;

/// Starts the server `$1/postgres` on the folder `$2` and the port `$3` as an ordinary user.
const RUN: &str = r#"
set -e
as=""
if [ "$(id -u)" = 0 ]; then
    chown nobody "$2"
    as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
fi
$as "$1/initdb" -D "$2/data" -U postgres -A trust --no-sync --no-instructions >"$2/log" 2>&1
$as "$1/postgres" -D "$2/data" -p "$3" -k "$2" -c listen_addresses=127.0.0.1 -c max_connections=200 \
    -c fsync=off -c full_page_writes=off -c synchronous_commit=off >>"$2/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -INT $server || true
wait $server || true
rm -rf "$2"
"#;

/// A running server.
pub struct Postgres {
    programs: PathBuf,
    port: u16,
    /// Its standard input closes with this process, or with the server that it belongs to.
    shell: Child,
}

impl Postgres {
    /// The server; `None` without the test stack.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    fn start() -> Option<Self> {
        support::stack()?;
        let programs = programs().expect("no postgres server is installed: apt-get install postgresql");
        let folder = tempfile::Builder::new().prefix("outgest-postgres-").tempdir().unwrap().keep();
        let address = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap().local_addr().unwrap();
        let shell = run(&programs, &folder, address.port());
        let server = Self { programs, port: address.port(), shell };
        server.wait_until_it_answers();
        Some(server)
    }

    /// The URL of a new, empty database.
    pub fn new_database(&self) -> String {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}")).unwrap_or_else(|error| panic!("{error}"));
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    fn wait_until_it_answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = self.sql("postgres", "SELECT 1") {
            assert!(Instant::now() < deadline, "postgres does not start: {error}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Carries a statement out and returns what it prints.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", "-d", database, "-AXqt"]);
        let output = psql.args(["-c", statement]).output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn end_shell(&mut self) {
        drop(self.shell.stdin.take());
        drop(self.shell.wait());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end_shell();
    }
}

fn run(programs: &Path, folder: &Path, port: u16) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", RUN, "sh"]).args([programs, folder, Path::new(&port.to_string())]);
    shell.stdin(Stdio::piped()).spawn().unwrap()
}

/// The folder of the server's programs: Debian keeps it out of the path.
fn programs() -> Option<PathBuf> {
    let in_path = std::env::var_os("PATH")?;
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut candidates: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    candidates.sort();
    candidates.extend(std::env::split_paths(&in_path));
    let is_whole = |folder: &PathBuf| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file());
    candidates.into_iter().rev().find(is_whole)
}
