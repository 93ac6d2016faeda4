//! A request and its answer, and what a refusal means.

use std::time::Duration;

use chrono::DateTime;
use model::{ByteCount, Fault, FaultKind, Secret};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Request};
use url::Url;

use crate::guard::GuardedClient;

/// A request is answered within this time or sent again. Langfuse's clients wait 10 and 30 seconds; larger
/// requests take longer to be read.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Read of an answer: one that names every event of a request has a few hundred bytes for each.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Shown of a message.
const MESSAGE_CHARACTERS_MAX: usize = 300;

/// A receiver and how it is spoken to.
pub(crate) struct Exchange {
    /// Its name for people.
    pub(crate) name: &'static str,
    pub(crate) client: GuardedClient,
    /// What must not be repeated to anybody.
    pub(crate) secrets: Vec<Secret>,
    /// What to do where the receiver does not accept the credentials.
    pub(crate) credentials_hint: &'static str,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: String,
}

impl Exchange {
    /// Posts a compressed body with these headers besides, and reads the answer.
    pub(crate) async fn post(&self, url: Url, headers: HeaderMap, body: Vec<u8>) -> Result<Reply, Fault> {
        let mut request = Request::new(Method::POST, url);
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        *request.body_mut() = Some(body.into());
        self.ask(request).await
    }

    /// Sends a request and reads the answer.
    pub(crate) async fn ask(&self, request: Request) -> Result<Reply, Fault> {
        self.ask_within(ANSWER_TIMEOUT, request).await
    }

    async fn ask_within(&self, limit: Duration, mut request: Request) -> Result<Reply, Fault> {
        *request.timeout_mut() = Some(limit);
        let mut response = self.client.execute(self.name, request).await?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        let mut body = Vec::new();
        while body.len() <= ANSWER_BYTES_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => {
                    let kind = if error.is_timeout() { FaultKind::Timeout } else { FaultKind::Unavailable };
                    let message = format!("{}: the answer broke off", self.name);
                    return Err(Fault::new(kind, message).because(error.without_url()));
                }
            }
        }
        Ok(Reply { status, retry_after, body: String::from_utf8_lossy(&body).into_owned() })
    }

    /// What a refusal means. `message` is the receiver's own, `limit` the size that it would take.
    pub(crate) fn refusal(&self, reply: &Reply, message: &str, limit: Option<ByteCount>) -> Fault {
        let status = reply.status;
        let kind = match status {
            401 | 403 => FaultKind::Credentials,
            300..=399 | 402 | 404 | 405 | 410 => FaultKind::Configuration,
            408 | 504 => FaultKind::Timeout,
            413 => FaultKind::TooLarge { limit },
            429 => FaultKind::Throttled,
            400..=499 => FaultKind::Rejected,
            _ => FaultKind::Unavailable,
        };
        let message = self.shown(message);
        let text = if message.is_empty() { String::new() } else { format!(": {message}") };
        let fault = Fault::new(kind, format!("{} answered {status}{text}", self.name));
        let fault = match (kind, status) {
            (FaultKind::Credentials, _) => fault.hint(self.credentials_hint),
            (FaultKind::Configuration, 402) => fault.hint("the plan or quota of the project does not allow more"),
            (FaultKind::Configuration, 300..=399) => fault.hint("redirects are not followed: give the final address"),
            (FaultKind::Configuration, _) => fault.hint(format!("check that the host is {}'s", self.name)),
            _ => fault,
        };
        match reply.retry_after {
            Some(wait) => fault.retry_after(wait),
            None => fault,
        }
    }

    /// The first line of a message, without secrets, then bounded: a secret that was cut would not be found.
    pub(crate) fn shown(&self, message: &str) -> String {
        let line = message.trim().lines().next().unwrap_or_default().trim();
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        let clean = self.secrets.iter().fold(line, |line, secret| secret.redact(line).into_owned());
        clean.chars().take(MESSAGE_CHARACTERS_MAX).collect()
    }
}

/// How long the receiver asks to wait: in seconds, or until a time that is compared with its own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let asked = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(asked).ok()?;
    let now = DateTime::parse_from_rfc2822(text(DATE)?).ok()?;
    Some((until - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use model::Retry;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::guard::Guard;

    fn exchange() -> Exchange {
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]).client().unwrap();
        Exchange { name: "PostHog", client, secrets: vec![Secret::new("phc_hunter2")], credentials_hint: "key" }
    }

    #[test]
    fn each_status_means_what_the_pipeline_acts_upon() {
        let exchange = exchange();
        let kind = |status| {
            exchange.refusal(&Reply { status, retry_after: None, body: String::new() }, "", Some(ByteCount(9))).kind()
        };
        for (status, expected) in [
            (400, FaultKind::Rejected),
            (401, FaultKind::Credentials),
            (404, FaultKind::Configuration),
            (307, FaultKind::Configuration),
            (408, FaultKind::Timeout),
            (413, FaultKind::TooLarge { limit: Some(ByteCount(9)) }),
            (422, FaultKind::Rejected),
            (429, FaultKind::Throttled),
            (500, FaultKind::Unavailable),
            (503, FaultKind::Unavailable),
        ] {
            assert_eq!(kind(status), expected, "{status}");
        }
    }

    /// A receiver that says this and then nothing more, and keeps the connection.
    async fn falling_silent(said: &'static str) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            // What is said before the whole question was heard is no answer.
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).await.unwrap();
            }
            stream.write_all(said.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        });
        url
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_or_does_not_end_is_waited_for_so_long_and_asked_for_again() {
        let exchange = exchange();
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\":";
        for (said, message) in [("", "PostHog: no answer in time"), (half, "PostHog: the answer broke off")] {
            let request = Request::new(Method::POST, falling_silent(said).await);
            let asked = exchange.ask_within(Duration::from_millis(200), request);
            let fault = tokio::time::timeout(Duration::from_secs(30), asked).await.unwrap().unwrap_err();
            assert_eq!((fault.kind(), fault.retry()), (FaultKind::Timeout, Retry::Backoff), "{fault}");
            assert_eq!(fault.public_message(), message);
        }
    }

    #[test]
    fn the_receivers_words_are_repeated_without_secrets() {
        let exchange = exchange();
        let wait = Some(Duration::from_secs(7));
        let reply = Reply { status: 429, retry_after: wait, body: String::new() };
        let fault = exchange.refusal(&reply, "  slow down, phc_hunter2\nmore", None);
        assert_eq!(fault.public_message(), "PostHog answered 429: slow down, ***");
        assert_eq!(fault.retry(), Retry::After(Duration::from_secs(7)));
    }

    #[test]
    fn no_part_of_a_secret_is_shown_where_a_message_is_cut() {
        let exchange = exchange();
        for before in MESSAGE_CHARACTERS_MAX - 12..=MESSAGE_CHARACTERS_MAX {
            let shown = exchange.shown(&format!("{}phc_hunter2 is no key", "é".repeat(before)));
            assert_eq!(shown.chars().count(), MESSAGE_CHARACTERS_MAX);
            assert!(!shown.contains('p') && !shown.contains('h'), "{shown}");
        }
    }

    #[test]
    fn a_wait_is_told_in_seconds_or_as_a_time_of_the_receivers_clock() {
        let headers = |after: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(after).unwrap());
            if let Some(date) = date {
                headers.insert(DATE, HeaderValue::from_str(date).unwrap());
            }
            retry_after(&headers)
        };
        let noon = Some("Wed, 21 Oct 2026 12:00:00 GMT");
        assert_eq!(headers("120", None), Some(Duration::from_secs(120)));
        assert_eq!(headers("Wed, 21 Oct 2026 12:00:30 GMT", noon), Some(Duration::from_secs(30)));
        assert_eq!(headers("Wed, 21 Oct 2026 11:00:30 GMT", noon), Some(Duration::ZERO));
        assert_eq!(headers("Wed, 21 Oct 2026 12:00:30 GMT", None), None);
        assert_eq!(headers("soon", noon), None);
    }
}
