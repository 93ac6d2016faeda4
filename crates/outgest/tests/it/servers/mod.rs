//! Servers that tests write to: each starts on a port of its own and ends when it is dropped.
//!
//! S3 runs inside the test process and is always there. The others come from the test stack that
//! `cargo xtask test` prepares; where it is missing their `start` returns `None` and the test says so.

pub mod analytics;
pub mod azurite;
pub mod clickhouse;
pub mod mail;
pub mod moto;
pub mod postgres;
pub mod receiver;
pub mod s3;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// What a destination needs to reach a server: environment variables by name.
pub type Environment = Vec<(&'static str, String)>;

/// A server in a process of its own, killed when dropped.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// Starts `command`, which is told its port by `with_port`, and waits until it accepts connections.
    fn start(command: &mut Command, with_port: impl FnOnce(&mut Command, u16)) -> Self {
        let address = free_address();
        with_port(command, address.port());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut process = Self { child: child.unwrap_or_else(|error| panic!("{command:?}: {error}")), address };
        // Starting takes seconds, on a busy machine many.
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(process.child.try_wait().unwrap().is_none(), "{command:?} ended");
            assert!(Instant::now() < deadline, "{command:?} does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An address that nobody listens on.
///
/// Ports that the system hands out by itself are avoided: a client that waits for such a port can be
/// given it as its own and then connects to itself.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        // Test binaries that run at the same time start at different places.
        let offset = (std::process::id() as u16).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let address = SocketAddr::from(([127, 0, 0, 1], 20_000 + offset));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Sends a request without a body; the status of its answer and the answer itself.
fn request(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status in {answer:?}")), answer)
}
