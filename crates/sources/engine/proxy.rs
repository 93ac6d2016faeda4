//! A proxy in front of a server that makes trouble: cuts, resets, stalls or replaces answers.
//!
//! Every connection carries one request. Trouble comes to requests that hold a mark, so that what a
//! client does about it passes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to an answer.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// After so many bytes the connection ends as if nothing was missing.
    Close { after: usize },
    /// After so many bytes the connection is reset.
    Reset { after: usize },
    /// After so many bytes nothing comes any more, and the connection stays open.
    Stall { after: usize },
    /// The server is not asked; these bytes are answered, piece by piece, and the connection ends.
    Answer(Vec<Vec<u8>>),
    /// After so many bytes of all answers to requests with the mark, the server seems to end the query: its words
    /// come inside a block, in the frame that it gives them, and the connection ends.
    Exception { after: usize, words: &'static str },
    /// The whole answer comes but for the end of its transfer; in its place the server's words, or nothing.
    AtTheEnd { words: Option<&'static str> },
}

impl Trouble {
    /// The server is not asked and seems to refuse the query with this number and these words.
    pub fn refusal(code: u32, words: &str) -> Self {
        let body = format!("Code: {code}. DB::Exception: {words} (version 26.9.2.1)\n");
        let head = format!(
            "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nX-ClickHouse-Exception-Code: {code}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        Self::Answer(vec![(head + &body).into_bytes()])
    }
}

/// Which requests are meant.
pub enum Mark {
    /// Those that hold this.
    Text(String),
    /// Those of which this is true.
    Is(fn(&str) -> bool),
}

impl Mark {
    fn means(&self, request: &[u8]) -> bool {
        let request = String::from_utf8_lossy(request);
        match self {
            Self::Text(text) => request.contains(text.as_str()),
            Self::Is(is_meant) => is_meant(&request),
        }
    }
}

impl From<&str> for Mark {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<fn(&str) -> bool> for Mark {
    fn from(is_meant: fn(&str) -> bool) -> Self {
        Self::Is(is_meant)
    }
}

/// More than the head of an answer takes.
const HEAD_BYTES_MAX: usize = 4096;

/// A running proxy. It ends with the process.
#[derive(Clone)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    tls: Option<Arc<rustls::ServerConfig>>,
    /// What is to happen, to requests with which mark, and how often still.
    trouble: Mutex<Option<(Trouble, Mark, usize)>>,
    /// Bytes of answers to requests with the mark.
    marked: AtomicUsize,
    /// Heads of requests that hold this.
    watched: Mutex<(String, Vec<String>)>,
}

impl Proxy {
    /// Passes everything on to `server`.
    pub fn start(server: SocketAddr) -> Self {
        Self::listen(server, None)
    }

    /// Speaks TLS with its clients and none with `server`.
    pub fn start_tls(server: SocketAddr, config: rustls::ServerConfig) -> Self {
        Self::listen(server, Some(Arc::new(config)))
    }

    fn listen(server: SocketAddr, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (trouble, watched) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { server, tls, trouble, marked: AtomicUsize::new(0), watched });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                // A connection that breaks off is what this is made for.
                std::thread::spawn(move || drop(shared.serve(client)));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the next `times` requests that `mark` means get this trouble.
    pub fn make(&self, trouble: Trouble, mark: impl Into<Mark>, times: usize) {
        self.shared.marked.store(0, Ordering::Relaxed);
        *self.shared.trouble.lock().unwrap() = Some((trouble, mark.into(), times));
    }

    /// From now on the heads of requests that hold `mark` are kept.
    pub fn watch(&self, mark: &str) {
        *self.shared.watched.lock().unwrap() = (mark.to_owned(), Vec::new());
    }

    /// The heads that were kept, in small letters.
    pub fn heads(&self) -> Vec<String> {
        self.shared.watched.lock().unwrap().1.clone()
    }

    /// How many more requests get trouble.
    pub fn left(&self) -> usize {
        self.shared.trouble.lock().unwrap().as_ref().map_or(0, |(_, _, times)| *times)
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Shared {
    fn serve(&self, socket: TcpStream) -> std::io::Result<()> {
        let mut client: Box<dyn Stream> = match &self.tls {
            None => Box::new(socket.try_clone()?),
            Some(config) => {
                let session = rustls::ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
                Box::new(rustls::StreamOwned::new(session, socket.try_clone()?))
            }
        };
        let request = read_request(&mut client)?;
        self.note_head(&request);
        if let Some(words) = self.exception_for(&request) {
            return self.interrupt(client, &socket, &request, words);
        }
        let trouble = self.trouble_for(&request);
        if let Some(Trouble::Answer(pieces)) = &trouble {
            for piece in pieces {
                client.write_all(piece)?;
                client.flush()?;
                // Long enough for the client to see the pieces one by one.
                std::thread::sleep(Duration::from_millis(20));
            }
            return socket.shutdown(Shutdown::Both);
        }
        let mut server = TcpStream::connect(self.server)?;
        server.write_all(&request)?;
        if let Some(Trouble::AtTheEnd { words }) = trouble {
            let mut answer = Vec::new();
            server.read_to_end(&mut answer)?;
            return end_with(client, &socket, answer, words);
        }
        let after = match &trouble {
            Some(Trouble::Close { after } | Trouble::Reset { after } | Trouble::Stall { after }) => *after,
            _ => usize::MAX,
        };
        let mut passed = 0;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = server.read(&mut buffer)?;
            let allowed = read.min(after - passed);
            client.write_all(&buffer[..allowed])?;
            client.flush()?;
            passed += allowed;
            if read == 0 || passed == after {
                break;
            }
        }
        match trouble {
            Some(Trouble::Reset { .. }) => reset(socket, client),
            Some(Trouble::Stall { .. }) => {
                // Until the client gives up.
                client.read(&mut buffer).map(drop)
            }
            _ => socket.shutdown(Shutdown::Both),
        }
    }

    fn note_head(&self, request: &[u8]) {
        let mut watched = self.watched.lock().unwrap();
        let (mark, heads) = &mut *watched;
        if !mark.is_empty() && String::from_utf8_lossy(request).contains(mark.as_str()) {
            let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or(request.len());
            heads.push(String::from_utf8_lossy(&request[..end]).to_lowercase());
        }
    }

    fn exception_for(&self, request: &[u8]) -> Option<&'static str> {
        let trouble = self.trouble.lock().unwrap();
        let Some((Trouble::Exception { words, .. }, mark, times)) = &*trouble else { return None };
        (*times > 0 && mark.means(request)).then_some(*words)
    }

    /// Passes an answer on until all marked answers together have brought the bytes behind which there is to be
    /// an exception.
    fn interrupt(
        &self,
        mut client: Box<dyn Stream>,
        socket: &TcpStream,
        request: &[u8],
        words: &str,
    ) -> std::io::Result<()> {
        let mut server = TcpStream::connect(self.server)?;
        server.write_all(request)?;
        let mut head = Vec::new();
        let mut chunks = Chunks::default();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = server.read(&mut buffer)?;
            if read == 0 {
                return socket.shutdown(Shutdown::Both);
            }
            // The head may come in several pieces.
            if head.len() < HEAD_BYTES_MAX {
                head.extend_from_slice(&buffer[..read]);
            }
            let marked = self.marked.fetch_add(read, Ordering::Relaxed) + read;
            chunks.pass(&buffer[..read / 2]);
            // Behind the whole head; inside a chunk and not at its border, behind which bytes would be read as the
            // size of another.
            let frame = if chunks.has_begun { frame(&head, words) } else { String::new() };
            if chunks.left > frame.len() && self.is_due(marked) {
                client.write_all(&buffer[..read / 2])?;
                client.write_all(frame.as_bytes())?;
                client.flush()?;
                socket.shutdown(Shutdown::Write)?;
                // Until the client has read them: a connection that is dropped before may be reset.
                return client.read(&mut buffer).map(drop);
            }
            chunks.pass(&buffer[read / 2..read]);
            client.write_all(&buffer[..read])?;
            client.flush()?;
        }
    }

    /// Whether the exception is to come now; then it has come.
    fn is_due(&self, marked: usize) -> bool {
        let mut trouble = self.trouble.lock().unwrap();
        match trouble.as_mut() {
            Some((Trouble::Exception { after, .. }, _, times)) if marked >= *after && *times > 0 => {
                *times -= 1;
                true
            }
            _ => false,
        }
    }

    fn trouble_for(&self, request: &[u8]) -> Option<Trouble> {
        let mut trouble = self.trouble.lock().unwrap();
        let (what, mark, times) = trouble.as_mut()?;
        if *times == 0 || matches!(what, Trouble::Exception { .. }) || !mark.means(request) {
            return None;
        }
        *times -= 1;
        Some(what.clone())
    }
}

/// Where an answer stands that comes in chunks.
#[derive(Default)]
struct Chunks {
    has_begun: bool,
    /// The line that has not ended: of the head, of a chunk's size, or the empty one behind a chunk.
    line: Vec<u8>,
    /// Bytes of the chunk that are still to come.
    left: usize,
}

impl Chunks {
    fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let inside = self.left.min(bytes.len());
                self.left -= inside;
                bytes = &bytes[inside..];
                continue;
            }
            bytes = rest;
            if *first != b'\n' {
                self.line.push(*first);
                continue;
            }
            let line = String::from_utf8_lossy(&self.line).trim().to_owned();
            self.line.clear();
            match self.has_begun {
                false => self.has_begun = line.is_empty(),
                true => self.left = usize::from_str_radix(&line, 16).unwrap_or(0),
            }
        }
    }
}

/// Passes an answer on up to the chunk that would end it.
fn end_with(
    mut client: Box<dyn Stream>,
    socket: &TcpStream,
    mut answer: Vec<u8>,
    words: Option<&str>,
) -> std::io::Result<()> {
    const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
    assert!(answer.ends_with(LAST_CHUNK), "an answer without a last chunk");
    answer.truncate(answer.len() - LAST_CHUNK.len());
    if let Some(words) = words {
        let frame = frame(&answer, words);
        answer.extend(format!("{:x}\r\n{frame}\r\n", frame.len()).into_bytes());
    }
    client.write_all(&answer)?;
    client.flush()?;
    socket.shutdown(Shutdown::Write)?;
    // Until the client has read it: a connection that is dropped before may be reset.
    client.read(&mut [0]).map(drop)
}

/// The frame of the server's words, which names the tag that the head of the answer announced.
fn frame(head: &[u8], words: &str) -> String {
    let head = String::from_utf8_lossy(&head[..head.len().min(HEAD_BYTES_MAX)]).into_owned();
    let tag = head.lines().find_map(|line| line.strip_prefix("X-ClickHouse-Exception-Tag: ")).unwrap_or_default();
    assert!(!tag.is_empty(), "no tag in {head}");
    format!("\r\n__exception__\r\n{tag}\r\n{words}\n{} {tag}\r\n__exception__\r\n", words.len() + 1)
}

/// One request, changed to be the only one of its connection.
fn read_request(client: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if request.len() >= end + 4 + length.unwrap_or(0) {
                let line = head.find("\r\n").unwrap_or(end);
                let rest = request.split_off(line);
                request.extend_from_slice(b"\r\nConnection: close");
                request.extend_from_slice(&rest);
                return Ok(request);
            }
        }
        match client.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => request.extend_from_slice(&buffer[..read]),
        }
    }
}

/// Closes a connection so that its other end sees a reset.
fn reset(socket: TcpStream, client: Box<dyn Stream>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _context = runtime.enter();
    socket.set_nonblocking(true)?;
    let socket = tokio::net::TcpStream::from_std(socket)?;
    socket.set_zero_linger()?;
    drop(client);
    Ok(())
}
