//! One server as one user sees it: how requests are sent to it, and what is agreed with it once.
//!
//! A request is a POST. Values travel as fields of a form beside the text of the query and are bound by
//! the server. Nothing is tried again here.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use model::{Fault, FaultKind};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap};
use reqwest::multipart::{Form, Part};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::exception::ServerError;
use super::fault::{Place, kind_of};
use super::limiter::Limiter;
use super::settings::Settings;
use crate::clickhouse::options::{ClickHouseOptions, WireCompression};
use crate::clickhouse::query::Query;

/// Connecting takes this long at most, name lookup and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers close idle connections after 10 s (30 s from 23.x on); ours go first, so that none is found dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// What was agreed holds this long: profiles are changed under servers that run.
const AGREED_FRESH: Duration = Duration::from_secs(60);
/// A refusal is a text of a few hundred bytes, and never more than the server's own bound for it.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// The server's bound of one field of a form (`http_max_field_value_size`).
const FIELD_BYTES_MAX: usize = 128 << 10;

/// A server, its limits, and what was agreed with it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) options: ClickHouseOptions,
    pub(super) place: Place,
    pub(super) limiter: Arc<Limiter>,
    http: reqwest::Client,
    /// Whoever asks holds it: queries that come together ask once.
    agreed: Mutex<Option<(Instant, Arc<Agreed>)>>,
    /// Whether it was told that queries cannot be ended.
    told_unended: AtomicBool,
}

/// What one exchange with the server settles for all that follow.
#[derive(Clone, Debug, Default)]
pub(super) struct Agreed {
    pub(super) settings: Settings,
    pub(super) compress: bool,
}

/// How a query is to be run.
#[derive(Clone, Debug, Default)]
pub(super) struct Manner {
    pub(super) query_id: String,
    /// Names the run in the server's own log of queries.
    pub(super) log_comment: Option<String>,
    /// Settings and other parameters of the request.
    pub(super) settings: Vec<(&'static str, String)>,
    /// Whether the answer may be compressed.
    pub(super) compress: bool,
}

/// The head of an answer whose body is still to be read.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) response: reqwest::Response,
    pub(super) exception_tag: Option<String>,
    pub(super) encoding: Option<String>,
    /// What the server calls itself: its machine's name unless its settings have another.
    pub(super) display_name: Option<String>,
    /// Rows of the whole answer, where the server waited for its end.
    pub(super) rows_promised: Option<u64>,
}

/// Why an answer did not come.
pub(super) struct Refused {
    pub(super) fault: Fault,
    /// The server's number, where it was the server that refused.
    pub(super) code: Option<u32>,
}

impl Server {
    /// Nothing is sent yet.
    pub(super) fn new(options: ClickHouseOptions) -> Result<Self, Fault> {
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("outgest/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .no_zstd()
            .http1_only();
        if let Some(file) = &options.ca {
            let read = std::fs::read(file).map_err(|error| {
                Fault::new(FaultKind::Configuration, format!("option ca: cannot read {}: {error}", file.display()))
            })?;
            let certificates = reqwest::Certificate::from_pem_bundle(&read).unwrap_or_default();
            if certificates.is_empty() {
                let message = format!("option ca: {} holds no certificate", file.display());
                return Err(Fault::new(FaultKind::Configuration, message).hint("name a file in PEM form"));
            }
            http = http.tls_certs_merge(certificates);
        }
        let http = http.build().map_err(|error| {
            Fault::new(FaultKind::Configuration, "cannot set up the connection to ClickHouse").because(error)
        })?;
        let limiter = Limiter::of(&options.identity(), options.queries_max, options.bytes_per_second_max);
        let place = Place::new(&options);
        Ok(Self { place, options, limiter, http, agreed: Mutex::new(None), told_unended: AtomicBool::new(false) })
    }

    /// What was agreed with the server within the last minute, or is now with `agree`.
    pub(super) async fn agreed<F>(&self, agree: impl FnOnce() -> F) -> Result<Arc<Agreed>, Fault>
    where
        F: Future<Output = Result<Agreed, Fault>>,
    {
        let mut agreed = self.agreed.lock().await;
        if let Some((at, agreed)) = &*agreed
            && at.elapsed() < AGREED_FRESH
        {
            return Ok(Arc::clone(agreed));
        }
        let fresh = Arc::new(agree().await?);
        *agreed = Some((Instant::now(), Arc::clone(&fresh)));
        Ok(fresh)
    }

    /// Whether answers from this address are to be compressed.
    pub(super) fn compresses(&self, address: Option<IpAddr>) -> bool {
        match self.options.compression {
            WireCompression::None => false,
            WireCompression::Zstd => true,
            WireCompression::Auto => !address.is_some_and(is_private),
        }
    }

    /// Sends a query and waits for the head of its answer.
    pub(super) async fn ask(&self, query: &Query, manner: &Manner) -> Result<Head, Refused> {
        let text = format!("{} FORMAT ArrowStream", query.text);
        let request = self.request(manner);
        let request = if query.parameters.is_empty() {
            request.body(text)
        } else {
            if let Some((_, value)) = query.parameters.iter().find(|(_, value)| value.len() >= FIELD_BYTES_MAX) {
                let message = format!(
                    "a text of {} bytes in {} is longer than ClickHouse takes in one value, {FIELD_BYTES_MAX} bytes",
                    value.len(),
                    query.purpose
                );
                return Err(Fault::bad_request(message).hint("shorten the texts of filter and search").into());
            }
            let mut form = Form::new().part("query", Part::text(text));
            for (name, value) in &query.parameters {
                form = form.part(format!("param_{name}"), Part::text(value.clone()));
            }
            request.multipart(form)
        };
        self.head(query.purpose, request).await
    }

    /// Sends a statement with the data it stores, and waits until it is stored.
    pub(super) async fn put(&self, statement: &str, data: Bytes, manner: &Manner) -> Result<(), Refused> {
        let purpose = "the answer to storing rows";
        let request = self.request(manner).query(&[("query", statement)]).body(data);
        let head = self.head(purpose, request).await?;
        head.response.bytes().await.map_err(|error| self.place.transport_fault(purpose, error))?;
        Ok(())
    }

    fn request(&self, manner: &Manner) -> reqwest::RequestBuilder {
        let mut query: Vec<(&str, &str)> = vec![("database", &self.options.database), ("query_id", &manner.query_id)];
        query.extend(manner.settings.iter().map(|(name, value)| (*name, value.as_str())));
        query.extend(manner.log_comment.as_deref().map(|comment| ("log_comment", comment)));
        let mut request = self.http.post(self.options.endpoint()).query(&query);
        request = request
            .header("X-ClickHouse-User", header(&self.options.user))
            .header("X-ClickHouse-Key", header(self.options.password.reveal()));
        if manner.compress { request.header(ACCEPT_ENCODING, "zstd") } else { request }
    }

    async fn head(&self, purpose: &str, request: reqwest::RequestBuilder) -> Result<Head, Refused> {
        let sent = request.send().await;
        let response = sent.map_err(|error| self.place.transport_fault(purpose, error))?;
        let status = response.status().as_u16();
        let code = header_text(response.headers(), "x-clickhouse-exception-code");
        if status == 200 && code.is_none() {
            return Ok(Head {
                exception_tag: header_text(response.headers(), "x-clickhouse-exception-tag"),
                encoding: header_text(response.headers(), CONTENT_ENCODING.as_str()),
                display_name: header_text(response.headers(), "x-clickhouse-server-display-name"),
                rows_promised: rows_promised(response.headers()),
                response,
            });
        }
        let is_zstd = header_text(response.headers(), CONTENT_ENCODING.as_str()).is_some_and(|name| name == "zstd");
        let body = refusal(response, is_zstd).await;
        match ServerError::parse(&body) {
            Some(error) => {
                self.note(&error);
                Err(Refused { fault: self.place.server_fault(purpose, &error), code: Some(error.code) })
            }
            None => Err(self.place.http_fault(purpose, status, &body).into()),
        }
    }

    /// Uses the server less where it complains of too much: queries, parts, memory of all queries together, load.
    /// What one query may not have says nothing of the others.
    pub(super) fn note(&self, error: &ServerError) {
        let is_shared = kind_of(error) == FaultKind::Throttled;
        if matches!(error.code, 202 | 252 | 745) || (error.code == 241 && is_shared) {
            tracing::debug!(code = error.code, "fewer queries run for a minute, or pauses follow the only one");
            self.limiter.lower();
        }
    }

    /// Tells, once, that this user may not end the queries that are left over.
    pub(super) fn tell_unended(&self, fault: &Fault) {
        if !self.told_unended.swap(true, Ordering::Relaxed) {
            tracing::warn!(fault = %fault, "queries are left to the end of their connections: see outgest doctor");
        }
    }
}

impl Refused {
    /// Whether the user lacks a right.
    pub(super) fn lacks_right(&self) -> bool {
        self.code == Some(497)
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self { fault, code: None }
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        refused.fault
    }
}

/// Headers are bytes; whatever cannot be one makes the server refuse the user, which is told.
fn header(text: &str) -> reqwest::header::HeaderValue {
    let mut value = reqwest::header::HeaderValue::from_bytes(text.as_bytes())
        .unwrap_or_else(|_| reqwest::header::HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Rows of the answer by the server's summary. It is final only where the server waited for the end of the
/// query; otherwise, and on older servers, it says 0. A head of another form counts nothing, which is no fault:
/// a test asks the real engine for its heads.
fn rows_promised(headers: &HeaderMap) -> Option<u64> {
    let summary: serde_json::Value = serde_json::from_str(&header_text(headers, "x-clickhouse-summary")?).ok()?;
    summary["result_rows"].as_str()?.parse().ok().filter(|rows| *rows > 0)
}

/// The start of a body that is no answer.
async fn refusal(mut response: reqwest::Response, is_zstd: bool) -> String {
    let mut body = Vec::new();
    // What cannot be read of a refusal is missing from its message, no more.
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > REFUSAL_BYTES_MAX {
            break;
        }
    }
    if is_zstd {
        body = zstd::bulk::decompress(&body, REFUSAL_BYTES_MAX).unwrap_or_default();
    }
    String::from_utf8_lossy(&body).trim().to_owned()
}

/// This machine and networks that are nobody's on the internet.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use model::RawOptions;

    use super::*;

    #[test]
    fn answers_are_compressed_on_their_way_over_the_internet_and_as_the_option_says() {
        let server = |option: &str| {
            let address = format!("clickhouse://h/d?{option}");
            Server::new(ClickHouseOptions::read(&address, &RawOptions::default(), &|_| None).unwrap()).unwrap()
        };
        // The client that is made knows TLS; the first of the program's parts to need it installs its provider.
        drop(rustls::crypto::ring::default_provider().install_default());
        let servers = ["", "compression=auto", "compression=none", "compression=zstd"].map(server);
        for (address, is_far) in [
            ("127.0.0.1", false),
            ("127.8.8.8", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("172.31.255.255", false),
            ("192.168.1.1", false),
            ("169.254.1.1", false),
            ("::ffff:192.168.1.1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("172.32.0.1", true),
            ("11.0.0.1", true),
            ("203.0.113.9", true),
            ("::ffff:203.0.113.9", true),
            ("2a01:4f8::1", true),
        ] {
            let compresses = servers.each_ref().map(|server| server.compresses(Some(address.parse().unwrap())));
            assert_eq!(compresses, [is_far, is_far, false, true], "{address}");
        }
        let unknown = servers.each_ref().map(|server| server.compresses(None));
        assert_eq!(unknown, [true, true, false, true], "where it is not known how far away a server is");
    }
}
