//! The one place where HTTP clients are built, and where answers become refusals.
//!
//! Every client of this crate comes from [`Egress`], so that a guard for user-supplied hosts has one
//! place to stand. It also reads what the vendors' clients would lose: the receiver's own code and
//! message, and how long it asks to wait. An answer that refuses becomes a [`Refusal`] in the error's
//! source chain, whoever sent the request; where there is no connection an [`Unreached`] names the host.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    ReqwestConnector,
};

/// Connecting takes this long at most, name lookup and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle connections are closed before the usual servers and balancers do it, so that none is found dead.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Read of an answer that refuses or confirms; the vendors' are below 10 kB.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Builds HTTP clients.
#[derive(Clone, Debug)]
pub(crate) struct Egress {
    connector: Arc<dyn HttpConnector>,
    for_users: bool,
}

impl Egress {
    /// Clients that reach every host.
    pub(crate) fn open() -> Self {
        Self::through(ReqwestConnector::default())
    }

    /// Clients built by `connector`.
    pub(crate) fn through(connector: impl HttpConnector) -> Self {
        Self { connector: Arc::new(connector), for_users: false }
    }

    /// Clients built by `connector` for destinations that users of a server name.
    pub(crate) fn for_users(connector: impl HttpConnector) -> Self {
        Self { for_users: true, ..Self::through(connector) }
    }

    /// Whether what lies on this machine, keys above all, is not for whoever names the destination.
    pub(crate) fn is_for_users(&self) -> bool {
        self.for_users
    }

    /// Options of a client. The whole-request timeout is off: what is too slow depends on the bytes sent,
    /// and whoever sends them sets the limit.
    pub(crate) fn options(allow_http: bool) -> ClientOptions {
        ClientOptions::new()
            .with_timeout_disabled()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_pool_idle_timeout(IDLE_TIMEOUT)
            .with_http1_only()
            .with_allow_http(allow_http)
    }
}

impl HttpConnector for Egress {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Refusing { inner: self.connector.connect(options)? }))
    }
}

/// A client whose refused requests are errors.
#[derive(Debug)]
struct Refusing {
    inner: HttpClient,
}

#[async_trait]
impl HttpService for Refusing {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let method = request.method().clone();
        let host = request.uri().host().unwrap_or_default().to_owned();
        let response = self.inner.execute(request).await.map_err(|error| Unreached::named(host, error))?;
        let status = response.status();
        let (parts, body) = response.into_parts();
        if status.is_success() && method.as_str() != "POST" {
            return Ok(HttpResponse::from_parts(parts, body));
        }
        let text = answer(body).await?;
        // S3 may confirm the completion of an upload with 200 and then report its failure in the body.
        if status.is_success() && !text.contains("<Error>") {
            return Ok(HttpResponse::from_parts(parts, text.into()));
        }
        let wait = parts.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let refusal = Refusal::read(status.as_u16(), wait.map(Duration::from_secs), &text);
        Err(HttpError::new(HttpErrorKind::Unknown, refusal))
    }
}

/// The start of an answer's body.
async fn answer(body: HttpResponseBody) -> Result<String, HttpError> {
    let mut stream = body.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a receiver said when it refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// HTTP status; 200 where only the body says that it failed.
    pub(crate) status: u16,
    /// The receiver's own code, such as `NoSuchBucket`; empty where it gave none.
    pub(crate) code: String,
    /// The receiver's own message, its first line.
    pub(crate) message: String,
    /// The region where the bucket is, where the receiver told.
    pub(crate) region: Option<String>,
    /// How long it asks to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl Refusal {
    fn read(status: u16, retry_after: Option<Duration>, text: &str) -> Self {
        let (code, message) = match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => json_error(&json),
            Err(_) => (element(text, "Code"), element(text, "Message")),
        };
        let message = message.unwrap_or_default();
        let message = message.lines().next().unwrap_or_default().trim().to_owned();
        Self { status, code: code.unwrap_or_default(), message, region: element(text, "Region"), retry_after }
    }

    /// The refusal at the root of `error`, if that is what happened.
    pub(crate) fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut link = Some(error);
        while let Some(error) = link {
            if let Some(refusal) = error.downcast_ref() {
                return Some(refusal);
            }
            link = error.source();
        }
        None
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_str(), self.message.as_str()) {
            ("", "") => write!(f, "HTTP {}", self.status),
            ("", message) => write!(f, "{message} (HTTP {})", self.status),
            (code, "") => write!(f, "{code} (HTTP {})", self.status),
            (code, message) => write!(f, "{code}: {message} (HTTP {})", self.status),
        }
    }
}

impl Error for Refusal {}

/// No connection to a host could be made.
#[derive(Debug)]
pub(crate) struct Unreached {
    /// Its name, or its address where there is no name.
    pub(crate) host: String,
    error: HttpError,
}

impl Unreached {
    /// The error of a request to `host`, with its name where there was no connection.
    fn named(host: String, error: HttpError) -> HttpError {
        let client: Option<&reqwest::Error> = error.source().and_then(|error| error.downcast_ref());
        // A connection that was not made in time is told as a timeout.
        let no_connection = error.kind() == HttpErrorKind::Connect || client.is_some_and(reqwest::Error::is_connect);
        if no_connection { HttpError::new(error.kind(), Self { host, error }) } else { error }
    }

    /// What `error` says about a host, if that is what happened.
    pub(crate) fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut link = Some(error);
        while let Some(error) = link {
            if let Some(unreached) = error.downcast_ref() {
                return Some(unreached);
            }
            link = error.source();
        }
        None
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection to {}", self.host)
    }
}

impl Error for Unreached {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// The text of the first element called `name`: all that is needed of the vendors' flat error documents.
fn element(xml: &str, name: &str) -> Option<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let from = xml.find(&open)? + open.len();
    let text = &xml[from..from + xml[from..].find(&close)?];
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    Some(text.replace("&amp;", "&"))
}

/// Code and message of an error in JSON: `{"error":{"code","message"}}` or OAuth's
/// `{"error","error_description"}`.
fn json_error(json: &serde_json::Value) -> (Option<String>, Option<String>) {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match &json["error"] {
        error @ serde_json::Value::Object(_) => (text(&error["code"]), text(&error["message"])),
        error => (text(error), text(&json["error_description"])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_carry_the_receivers_own_words() {
        let s3 = "<?xml version=\"1.0\"?><Error><Code>NoSuchBucket</Code><Message>It&apos;s gone\nand more</Message>\
                  <Region>eu-1</Region></Error>";
        let refusal = Refusal::read(404, None, s3);
        assert_eq!(refusal.to_string(), "NoSuchBucket: It's gone (HTTP 404)");
        assert_eq!(refusal.region.as_deref(), Some("eu-1"));

        let google = r#"{"error":{"code":403,"message":"caller lacks storage.objects.create"}}"#;
        assert_eq!(Refusal::read(403, None, google).to_string(), "403: caller lacks storage.objects.create (HTTP 403)");

        let oauth = r#"{"error":"invalid_grant","error_description":"Token expired"}"#;
        assert_eq!(Refusal::read(400, None, oauth).to_string(), "invalid_grant: Token expired (HTTP 400)");

        assert_eq!(Refusal::read(502, None, "<html>bad gateway</html>").to_string(), "HTTP 502");
    }
}
