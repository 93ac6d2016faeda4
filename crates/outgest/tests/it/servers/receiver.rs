//! A receiver of HTTP requests that keeps what it was sent: collectors of traces, receivers of webhooks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::sealed;

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Method and path: `POST /v1/traces`.
    pub line: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }
}

/// A running receiver. It ends with the test process.
pub struct Receiver {
    address: SocketAddr,
    received: Arc<(Mutex<Vec<Received>>, Condvar)>,
}

impl Receiver {
    /// Starts a receiver that gives these answers, one after another, and the last one from then on.
    pub fn start(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let kept = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let count = kept.0.lock().unwrap().len();
                let status = statuses[count.min(statuses.len() - 1)];
                // A caller that breaks off is no failure of the receiver.
                if let Some(request) = receive(stream, status) {
                    kept.0.lock().unwrap().push(request);
                    kept.1.notify_all();
                }
            }
        });
        Self { address, received }
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for so many requests and returns all that came.
    pub fn wait_for(&self, count: usize, patience: Duration) -> Vec<Received> {
        let deadline = Instant::now() + patience;
        let mut received = self.received.0.lock().unwrap();
        while received.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count} requests came in {patience:?}", received.len());
            received = self.received.1.wait_timeout(received, left).unwrap().0;
        }
        received.clone()
    }
}

fn receive(stream: TcpStream, status: u16) -> Option<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let answer = format!("HTTP/1.1 {status} As told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    reader.get_mut().write_all(answer.as_bytes()).ok()?;
    // Headers are how a receiver is shown who asks; the body is for anybody.
    sealed::assert_sealed("what a webhook or a collector was sent", &body);
    let line = line.rsplit_once(' ').map(|(line, _)| line.to_owned())?;
    Some(Received { line, headers, body })
}
