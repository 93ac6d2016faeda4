//! A receiver that reads a request, answers at once that all is well, and looks at nothing.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};

/// Both receivers read this as success.
const ANSWER: &str = r#"{"code":200,"status":"Ok"}"#;

/// A running receiver. It ends with the process.
pub struct Sink {
    address: SocketAddr,
}

impl Sink {
    /// Starts a receiver that forgets what it read.
    pub fn start() -> Result<Self> {
        Self::listen(None)
    }

    /// Starts a receiver that writes the bodies of requests as they came into a folder.
    pub fn keeping(folder: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        Self::listen(Some(folder.to_owned()))
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn listen(keep: Option<PathBuf>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
        let address = listener.local_addr()?;
        let (keep, count) = (Arc::new(keep), Arc::new(AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (keep, count) = (Arc::clone(&keep), Arc::clone(&count));
                // A caller that leaves is no failure.
                std::thread::spawn(move || serve(&stream, keep.as_deref(), &count).ok());
            }
        });
        Ok(Self { address })
    }
}

fn serve(stream: &TcpStream, keep: Option<&Path>, count: &AtomicUsize) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    let mut line = String::new();
    let mut body = Vec::new();
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        if let Some(folder) = keep {
            let number = count.fetch_add(1, Ordering::Relaxed);
            fs::write(folder.join(format!("{number:06}.gz")), &body)?;
        }
        let mut out = stream;
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{ANSWER}",
            ANSWER.len()
        );
        out.write_all(answer.as_bytes())?;
    }
}
