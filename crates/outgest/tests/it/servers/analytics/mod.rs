//! PostHog and Mixpanel as their documents describe them, inside the test process.
//!
//! They refuse what their contracts refuse and keep a ledger of what they took: every event by the fields
//! that the real ones compare, how often it came, and whether it was the same each time. [`Trouble`] is what
//! happens to requests on top of that.

mod http;
mod ledger;
mod mixpanel;
mod posthog;
mod posthog_v1;

use std::collections::VecDeque;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;

pub use self::ledger::Ledger;
pub use self::mixpanel::{DISALLOWED, FakeMixpanel};
pub use self::posthog::FakePostHog;
pub use self::posthog_v1::{FakePostHogV1, ILLEGAL};

/// What happens to a request instead of a plain answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// Refused with this status; with a wait in seconds.
    Status(u16, Option<u64>),
    /// The connection is cut before the body is read.
    Cut,
    /// The events are stored, and the connection is cut before the answer.
    AnswerLost,
    /// The events are stored, and the answer breaks off in the middle.
    AnswerTorn,
    /// The events are stored, and the answer comes byte by byte.
    AnswerSlow,
    /// Every second event is stored, and the answer is 503.
    HalfStored,
}

/// A request, whole.
pub struct Request {
    /// `POST /batch/`
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it was sent.
    pub body: Vec<u8>,
}

/// What a contract says to a request.
pub enum Judged {
    /// Nothing of it is stored.
    Refused(u16, String),
    /// These events are stored.
    Taken(Vec<Value>, u16, String),
}

/// What a receiver takes and refuses.
pub trait Contract: Send + Sync + 'static {
    /// Judges a request.
    fn judge(&self, request: &Request) -> Judged;
    /// The fields by which two events are the same, joined.
    fn identity(&self, event: &Value) -> String;
}

/// A running receiver. It ends with the test process.
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// What a receiver knows.
#[derive(Default)]
pub struct State {
    /// Everything that was stored.
    pub ledger: Ledger,
    /// Events in each request that was judged, in order.
    pub batches: Vec<usize>,
    /// What a contract refused although no test asked for it.
    pub refusals: Vec<String>,
    troubles: VecDeque<Trouble>,
    delay: Duration,
}

impl Receiver {
    /// Starts a receiver with this contract.
    pub fn start(contract: impl Contract) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let (shared, contract) = (Arc::clone(&state), Arc::new(contract));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (state, contract) = (Arc::clone(&shared), Arc::clone(&contract));
                // A caller that breaks off is no failure of the receiver.
                std::thread::spawn(move || serve(&stream, &*contract, &state).ok());
            }
        });
        Self { address, state }
    }

    /// What happens to the next requests, one after another.
    pub fn troubled(self, troubles: &[Trouble]) -> Self {
        self.state().troubles = troubles.iter().copied().collect();
        self
    }

    /// How long every request takes.
    pub fn slow(self, delay: Duration) -> Self {
        self.state().delay = delay;
        self
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it knows.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn serve(stream: &TcpStream, contract: &dyn Contract, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = http::Connection::new(stream);
    while let Some(head) = connection.head()? {
        let is_event = head.line.starts_with("POST ");
        let (trouble, delay) = {
            let mut state = state.lock().unwrap();
            let trouble = if is_event { state.troubles.pop_front() } else { None };
            (trouble.unwrap_or(Trouble::None), state.delay)
        };
        if trouble == Trouble::Cut {
            return Ok(());
        }
        let request = connection.body(head)?;
        std::thread::sleep(delay);
        if !is_event {
            http::answer(stream, 200, None, "alive")?;
            continue;
        }
        if let Trouble::Status(status, wait) = trouble {
            http::answer(stream, status, wait, "told to")?;
            continue;
        }
        let (status, text) = store(contract, state, &request, trouble);
        match trouble {
            Trouble::AnswerLost => return Ok(()),
            Trouble::AnswerTorn => {
                let mut out = stream;
                let head = format!("HTTP/1.1 {status} Torn\r\nContent-Length: {}\r\n\r\n", text.len() + 100);
                return out.write_all(head.as_bytes()).and_then(|()| out.write_all(text.as_bytes()));
            }
            Trouble::AnswerSlow => http::answer_slowly(stream, status, &text)?,
            Trouble::HalfStored => http::answer(stream, 503, None, "try again")?,
            _ => http::answer(stream, status, None, &text)?,
        }
    }
    Ok(())
}

/// Stores what the contract takes, and returns its answer.
fn store(contract: &dyn Contract, state: &Mutex<State>, request: &Request, trouble: Trouble) -> (u16, String) {
    let judged = contract.judge(request);
    let mut state = state.lock().unwrap();
    match judged {
        Judged::Refused(status, text) => {
            state.refusals.push(text.clone());
            (status, text)
        }
        Judged::Taken(events, status, text) => {
            state.batches.push(events.len());
            let step = if trouble == Trouble::HalfStored { 2 } else { 1 };
            for event in events.into_iter().step_by(step) {
                let identity = contract.identity(&event);
                state.ledger.note(identity, event);
            }
            (status, text)
        }
    }
}
