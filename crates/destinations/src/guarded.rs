//! Object stores at hosts that users name: every connection passes the guard.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};

use crate::guard::{Guard, Refused};

/// Connecting takes this long at most, name lookup and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections are closed before the usual servers and balancers do it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes clients that connect to what the guard permits and nothing else. Options of the vendors' clients
/// say nothing that matters here: what is allowed over plain HTTP is decided when options are read.
#[derive(Clone, Debug)]
pub(crate) struct Guarded(pub(crate) Guard);

impl HttpConnector for Guarded {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = reqwest::Client::builder()
            .dns_resolver(std::sync::Arc::new(self.0.clone()))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("outgest/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| object_store::Error::Generic { store: "guarded", source: Box::new(error) })?;
        Ok(HttpClient::new(Watched { guard: self.0.clone(), inner: HttpClient::new(inner) }))
    }
}

/// A client that refuses addresses which are written out and so are never looked up.
#[derive(Debug)]
struct Watched {
    guard: Guard,
    inner: HttpClient,
}

#[async_trait]
impl HttpService for Watched {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let host = request.uri().host().unwrap_or_default();
        let literal: Option<IpAddr> = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        if literal.is_some_and(|address| !self.guard.permits(address)) {
            return Err(HttpError::new(HttpErrorKind::Connect, Refused));
        }
        self.inner.execute(request).await
    }
}
