//! Calls to a running server, as a program or a browser makes them.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::sealed;

/// What a caller shows of himself.
#[derive(Clone, Debug)]
pub enum Shows {
    /// Nothing.
    Nothing,
    /// The secret half of a key.
    Bearer(String),
    /// Both halves of a key.
    Basic(String, String),
    /// The cookie of a session, and its CSRF token.
    Session(String, String),
}

/// Somebody who calls one server.
#[derive(Clone, Debug)]
pub struct Caller {
    base: String,
    shows: Shows,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Caller {
    /// A caller of the server at this address.
    pub fn new(base: &str, shows: Shows) -> Self {
        Self { base: base.to_owned(), shows }
    }

    /// A request, not sent. A path that is a whole URL stays one.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let request = client().request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        match &self.shows {
            Shows::Nothing => request,
            Shows::Bearer(secret) => request.bearer_auth(secret),
            Shows::Basic(public, secret) => {
                request.header("authorization", format!("Basic {}", STANDARD.encode(format!("{public}:{secret}"))))
            }
            Shows::Session(cookie, csrf) => request.header("cookie", cookie).header("x-csrf-token", csrf),
        }
    }

    /// Gets a path.
    pub fn get(&self, path: &str) -> Answer {
        send(self.request("GET", path))
    }

    /// Posts JSON.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body))
    }

    /// Sends JSON, or nothing.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let request = self.request(method, path);
        send(match body {
            Some(body) => request.json(body),
            None => request,
        })
    }
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The body as JSON, after looking at the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The code of a problem with this status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// A header; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The caller whose session this answer begins.
    #[track_caller]
    pub fn into_session(self, base: &str) -> Caller {
        let cookie = self.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        let session = self.expect(200);
        let csrf = session["csrfToken"].as_str().unwrap().to_owned();
        Caller::new(base, Shows::Session(cookie, csrf))
    }
}

/// Sends a request and reads the answer to its end.
pub fn send(request: RequestBuilder) -> Answer {
    try_send(request).unwrap_or_else(|error| panic!("{error:?}"))
}

/// Sends a request to a server that may be gone. Its answer may have no secret in it.
pub fn try_send(request: RequestBuilder) -> reqwest::Result<Answer> {
    let answer: Answer = runtime().block_on(async {
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await?.to_vec();
        Ok(Answer { status, headers, body })
    })?;
    sealed::assert_sealed("an answer", &answer.body);
    sealed::assert_sealed("the headers of an answer", format!("{:?}", answer.headers).as_bytes());
    Ok(answer)
}

/// Where requests are driven from: tests themselves are not asynchronous.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        // Somebody else in this process may have installed it.
        drop(rustls::crypto::ring::default_provider().install_default());
        // A connection that a killed server left must not be used for its successor on the same port.
        let client = Client::builder().pool_max_idle_per_host(0).redirect(reqwest::redirect::Policy::none());
        client.timeout(Duration::from_secs(120)).build().unwrap()
    })
}
