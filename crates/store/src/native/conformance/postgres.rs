//! A Postgres server for the tests of this process, on a port and in a folder of its own.
//!
//! It needs Debian's package or any other installation of the server; `cargo xtask test` sees to it. The
//! server is the child of a shell that waits for the end of its standard input, which comes when this
//! process ends, however it ends; then the server is stopped and the folder removed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Database};

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
kill -INT $server
wait $server || true
rm -rf "$2"
"#;

struct Server {
    port: u16,
    /// Its standard input closes with this process.
    _shell: Child,
}

/// The URL of a new, empty database; `None` without the test stack.
pub(super) async fn new_database() -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(start).as_ref()?;
    let url = |database: &str| format!("postgres://postgres@127.0.0.1:{}/{database}", server.port);
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let deadline = Instant::now() + Duration::from_secs(60);
    let postgres = loop {
        match Database::connect(url("postgres")).await {
            Ok(connection) => break connection,
            Err(error) => assert!(Instant::now() < deadline, "postgres does not start: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    postgres.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    postgres.close().await.unwrap();
    Some(url(&name))
}

fn start() -> Option<Server> {
    if std::env::var_os("OUTGEST_STACK").is_none() {
        eprintln!("without Postgres: cargo xtask test runs this test with it");
        return None;
    }
    let programs = programs().expect("no postgres server is installed: apt-get install postgresql");
    let folder = tempfile::Builder::new().prefix("outgest-postgres-").tempdir().unwrap().keep();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shell = Command::new("sh")
        .args(["-c", RUN, "sh"])
        .args([&programs, &folder, Path::new(&port.to_string())])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    Some(Server { port, _shell: shell })
}

/// The folder of `initdb` and `postgres`: Debian keeps it out of the path.
fn programs() -> Option<PathBuf> {
    let in_path = std::env::var_os("PATH")?;
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut candidates: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    candidates.sort();
    candidates.extend(std::env::split_paths(&in_path));
    candidates.into_iter().rev().find(|folder| folder.join("initdb").is_file())
}
