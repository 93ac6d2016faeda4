//! What every request passes through, outermost first: an id, a log line, headers for browsers, a net for
//! panics, the limit on bodies, compression.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use model::Fault;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tracing::Instrument;
use uuid::Uuid;

use crate::app::App;
use crate::problem::Problem;

/// Header of the request's id, which log lines carry too.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Scripts, styles and connections of our own only; nobody frames us; what people stored never runs.
const CONTENT_SECURITY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                                img-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'none'; \
                                form-action 'self'; frame-ancestors 'none'";

/// Puts the layers around the routes.
pub(crate) fn around(routes: Router<App>, app: &App) -> Router<App> {
    let body_bytes_max = usize::try_from(app.settings.body_bytes_max.get()).unwrap_or(usize::MAX);
    // Files are compressed already, and ranges count the bytes as they are stored.
    let compressed = DefaultPredicate::new().and(NotForContentType::const_new(FILE_MEDIA_TYPE));
    let app = app.clone();
    routes
        .layer(CompressionLayer::new().gzip(true).compress_when(compressed))
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(CatchPanicLayer::custom(of_panic))
        .layer(from_fn(headers))
        .layer(from_fn(logged))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, Ids))
        .layer(axum::Extension(app))
}

/// Media type of files that are streamed through us.
pub(crate) const FILE_MEDIA_TYPE: &str = "application/octet-stream";

/// Random ids in order of time, where the caller did not send one.
#[derive(Clone)]
struct Ids;

impl MakeRequestId for Ids {
    fn make_request_id<B>(&mut self, _request: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&Uuid::now_v7().to_string()).ok().map(RequestId::new)
    }
}

fn of_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    Problem::from(Fault::bug("this call ran into a defect of ours").because(text.to_owned())).into_response()
}

/// Headers that keep browsers from guessing, caching and telling.
async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Answers belong to one caller; what may be kept says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// One line per request.
async fn logged(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok());
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let span = tracing::info_span!("request", id = id.unwrap_or_default(), method = %request.method(), route);
    let began = tokio::time::Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let took = began.elapsed();
    span.in_scope(|| {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        // Slow enough that somebody waited for it.
        if took > Duration::from_secs(10) {
            tracing::warn!(status = response.status().as_u16(), millis, "a request took long");
        } else {
            tracing::debug!(status = response.status().as_u16(), millis, "answered");
        }
    });
    response
}
