//! Requests to a server, and what its refusals mean.

use std::time::Duration;

use model::{Fault, FaultKind, FieldProblem};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::config::settings::ClientSettings;

/// Connecting takes this long at most.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that says nothing for so long is not waited for: it sends a sign of life on every stream well within.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Largest answer that is read whole: a page of exports has about 100 kB.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A project of a server.
pub struct Server {
    http: reqwest::Client,
    /// Ends in `/api/v1/projects/<project>`.
    project: Url,
    key: String,
}

impl Server {
    /// The server and project of the settings. Nothing is sent yet.
    pub fn new(settings: &ClientSettings) -> Result<Self, Fault> {
        let mut missing = Vec::new();
        let mut needed = |flag: &str, variable: &str| {
            missing.push(
                FieldProblem::new(flag, "it is missing").hint(format!("give {flag}, or set {variable} or [client]")),
            );
        };
        if settings.server.is_none() {
            needed("--server", "OUTGEST_CLIENT_SERVER");
        }
        if settings.key.is_none() {
            needed("--key", "OUTGEST_CLIENT_KEY");
        }
        if settings.project.is_none() {
            needed("--project", "OUTGEST_CLIENT_PROJECT");
        }
        let (Some(server), Some(key), Some(project)) = (&settings.server, &settings.key, &settings.project) else {
            return Err(Fault::of_problems(missing));
        };
        let bad = || Fault::bad_request(format!("--server: {server} is not an address")).hint("write https://host");
        let mut url = Url::parse(server.reveal()).map_err(|error| bad().because(error))?;
        url.path_segments_mut().map_err(|()| bad())?.pop_if_empty().extend(["api", "v1", "projects", project]);
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_MAX)
            .user_agent(concat!("outgest/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Fault::bug("cannot make an HTTP client").because(error))?;
        Ok(Self { http, project: url, key: key.0.reveal().to_owned() })
    }

    /// A request to something of the project.
    pub fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.project.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        self.http.request(method, url).bearer_auth(&self.key)
    }

    /// A request to something of the whole server.
    pub fn request_to(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.project.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop().pop().extend(path);
        }
        self.http.request(method, url).bearer_auth(&self.key)
    }

    /// Sends a request and reads the answer as JSON.
    pub async fn json(&self, request: RequestBuilder) -> Result<Value, Fault> {
        let bytes = read(send(request).await?).await?;
        serde_json::from_slice(&bytes).map_err(|error| not_ours().because(error))
    }
}

/// Sends a request; an answer that refuses is a fault.
pub async fn send(request: RequestBuilder) -> Result<Response, Fault> {
    let answer = request.send().await.map_err(broken)?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let body = read(answer).await.unwrap_or_default();
    Err(refusal(status, &body))
}

/// What a connection that broke means.
pub fn broken(error: reqwest::Error) -> Fault {
    let error = error.without_url();
    if error.is_timeout() {
        return Fault::new(FaultKind::Timeout, "the server does not answer").because(error);
    }
    Fault::new(FaultKind::Unavailable, "the server cannot be reached, or the connection broke")
        .hint("check --server, and whether the server runs")
        .because(error)
}

async fn read(mut answer: Response) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(broken)? {
        if bytes.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(not_ours());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn not_ours() -> Fault {
    Fault::new(FaultKind::Corrupt, "the answer is not one of an Outgest server")
        .hint("--server is the address that people open in a browser")
}

/// The fault of a problem that a stream of events carries; the stream can be connected to again.
pub fn problem(body: &Value) -> Fault {
    let status = body["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    refusal(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body.to_string().as_bytes())
}

/// The server's own words about a refusal.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    detail: String,
    hint: Option<String>,
    retry_after: Option<u64>,
}

fn refusal(status: StatusCode, body: &[u8]) -> Fault {
    let kind = match status.as_u16() {
        401 | 403 => FaultKind::Credentials,
        404 => FaultKind::NotFound,
        409 => FaultKind::Conflict,
        413 => FaultKind::TooLarge { limit: None },
        429 => FaultKind::Throttled,
        408 | 500..=599 => FaultKind::Unavailable,
        _ => FaultKind::BadRequest,
    };
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        return Fault::new(kind, format!("the server answered HTTP {}", status.as_u16()))
            .hint("--server is the address that people open in a browser");
    };
    let mut fault = Fault::new(kind, problem.detail);
    if let Some(hint) = problem.hint {
        fault = fault.hint(hint);
    }
    match problem.retry_after {
        Some(seconds) => fault.retry_after(Duration::from_secs(seconds)),
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use model::Secret;

    use super::*;
    use crate::config::value::{Place, SecretText};

    fn settings(server: &str) -> ClientSettings {
        ClientSettings {
            server: Some(Place::new(server)),
            key: Some(SecretText(Secret::new("sk-1"))),
            project: Some("acme/prod".to_owned()),
        }
    }

    #[test]
    fn what_is_missing_is_told_at_once() {
        let fault = Server::new(&ClientSettings::default()).err().unwrap();
        for word in ["--server", "--key", "--project"] {
            assert!(fault.public_message().contains(word), "{fault}");
        }
    }

    #[test]
    fn paths_keep_the_servers_own_and_escape_what_is_put_in() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let server = Server::new(&settings("https://og.example/base/")).unwrap();
        let request = server.request(Method::GET, &["exports", "a b"]).build().unwrap();
        assert_eq!(request.url().as_str(), "https://og.example/base/api/v1/projects/acme%2Fprod/exports/a%20b");
        assert_eq!(request.headers()["authorization"], "Bearer sk-1");
    }

    #[test]
    fn refusals_keep_the_servers_words_and_hints() {
        let body = br#"{"code":"bad_request","detail":"columns[0]: there is no column","hint":"did you mean id?"}"#;
        let fault = refusal(StatusCode::UNPROCESSABLE_ENTITY, body);
        assert_eq!(fault.kind(), FaultKind::BadRequest);
        assert_eq!(fault.public_message(), "columns[0]: there is no column");
        assert_eq!(fault.public_hint(), Some("did you mean id?"));
        let fault = refusal(StatusCode::TOO_MANY_REQUESTS, br#"{"detail":"3 exports wait","retryAfter":60}"#);
        assert_eq!(fault.retry(), model::Retry::After(Duration::from_secs(60)));
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, b"<html>").kind(), FaultKind::Unavailable);
    }
}
