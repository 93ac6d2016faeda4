//! A Postgres server that the tests of this process share.
//!
//! A server is the child of a shell that waits for the end of its standard input, which comes when this process
//! ends, however it ends; then the server is stopped and its folder removed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::free_address;
use crate::support;

/// Starts the server `$1/postgres` on the folder `$2` and the port `$3` as an ordinary user. A number on standard
/// input kills it and starts it again after so many seconds.
const RUN: &str = r#"
set -e
as=""
if [ "$(id -u)" = 0 ]; then
    chown nobody "$2"
    as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
fi
start() {
    $as "$1/postgres" -D "$2/data" -p "$3" -k "$2" -c listen_addresses=127.0.0.1 -c max_connections=200 \
        -c fsync=off -c full_page_writes=off -c synchronous_commit="$4" >>"$2/log" 2>&1 </dev/null &
    server=$!
}
$as "$1/initdb" -D "$2/data" -U postgres -A trust --no-sync --no-instructions >"$2/log" 2>&1
start "$@"
while read -r away; do
    kill -KILL $server
    wait $server || true
    # Its children notice by themselves; a successor does not start beside them.
    while ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -qF "$2/data"; do sleep 0.05; done
    sleep "$away"
    start "$@"
done
kill -INT $server || true
wait $server || true
rm -rf "$2"
"#;

/// A running server.
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    /// Its standard input closes with this process, or with the server that it belongs to.
    shell: Child,
}

impl Postgres {
    /// The server; `None` without the test stack.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        // Nobody kills it, so what it confirms may wait for the disk.
        SHARED.get_or_init(|| Self::start("off")).as_ref()
    }

    /// A server of one's own, which keeps what it confirmed when it is killed; `None` without the test stack.
    pub fn of_ones_own() -> Option<Self> {
        Self::start("on")
    }

    fn start(synchronous_commit: &str) -> Option<Self> {
        support::stack()?;
        let programs = programs().expect("no postgres server is installed: apt-get install postgresql");
        let folder = tempfile::Builder::new().prefix("outgest-postgres-").tempdir().unwrap().keep();
        let address = free_address();
        let shell = run(&programs, &folder, address.port(), synchronous_commit);
        let server = Self { programs, folder, port: address.port(), shell };
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

    /// Kills it (`kill -9`) and starts it again after a while, at the same address with what it kept.
    pub fn restart(&mut self, away: Duration) {
        let before = self.process();
        let stdin = self.shell.stdin.as_mut().unwrap();
        writeln!(stdin, "{}", away.as_secs_f64()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.process().is_none_or(|process| Some(process) == before) {
            assert!(Instant::now() < deadline, "postgres is not started again: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        self.wait_until_it_answers();
    }

    /// The id of its process, as it noted it.
    fn process(&self) -> Option<u32> {
        let noted = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).ok()?;
        noted.lines().next()?.parse().ok()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn wait_until_it_answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = self.sql("postgres", "SELECT 1") {
            assert!(Instant::now() < deadline, "postgres does not start: {error}\n{}", self.log());
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

fn run(programs: &Path, folder: &Path, port: u16, synchronous_commit: &str) -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", RUN, "sh"]).args([programs, folder]).args([&port.to_string(), synchronous_commit]);
    // The shell would say of every server that it was killed.
    shell.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
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
