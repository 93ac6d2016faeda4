//! As much of HTTP/1.1 as the receivers need, with nothing between a test and the bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::Request;

/// One connection, on which requests follow one another.
pub struct Connection<'a> {
    reader: BufReader<&'a TcpStream>,
}

/// A request without its body.
pub struct Head {
    pub line: String,
    headers: Vec<(String, String)>,
}

impl<'a> Connection<'a> {
    pub fn new(stream: &'a TcpStream) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    /// The next request's head; `None` where the caller has left.
    pub fn head(&mut self) -> std::io::Result<Option<Head>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let mut header = String::new();
            self.reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let line = line.rsplit_once(' ').map_or(line.as_str(), |(line, _)| line).to_owned();
        Ok(Some(Head { line, headers }))
    }

    /// The request with its body.
    pub fn body(&mut self, head: Head) -> std::io::Result<Request> {
        let length = head.headers.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        Ok(Request { line: head.line, headers: head.headers, body })
    }
}

impl Request {
    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// The body as text, decompressed where it says so.
    pub fn text(&self) -> Option<String> {
        let mut text = String::new();
        match self.header("content-encoding") {
            "gzip" => flate2::read::GzDecoder::new(&self.body[..]).read_to_string(&mut text).ok()?,
            _ => (&self.body[..]).read_to_string(&mut text).ok()?,
        };
        Some(text)
    }
}

/// Answers a request.
pub fn answer(mut stream: &TcpStream, status: u16, retry_after: Option<u64>, text: &str) -> std::io::Result<()> {
    let wait = retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
    let head = format!("HTTP/1.1 {status} As told\r\n{wait}Content-Length: {}\r\n\r\n", text.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())
}

/// Answers a request byte by byte, over half a second.
pub fn answer_slowly(mut stream: &TcpStream, status: u16, text: &str) -> std::io::Result<()> {
    let whole = format!("HTTP/1.1 {status} Slow\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    let pause = Duration::from_millis(500) / whole.len() as u32;
    for byte in whole.as_bytes() {
        stream.write_all(&[*byte])?;
        std::thread::sleep(pause);
    }
    Ok(())
}
