//! The built web app, embedded; without it a page that says how to build it.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::app::App;
use crate::problem::{Problem, no_such_call};

/// Everything below `ui/dist`: read from disk in debug builds, embedded in release builds.
#[derive(RustEmbed)]
#[folder = "../../ui/dist"]
#[allow_missing = true]
struct Built;

/// The page that starts the app, for every address that is no file: the app reads the address itself.
const START: &str = "index.html";

/// Files below here carry a hash of their content in their name, so they never change.
const HASHED: &str = "assets/";

const NOT_BUILT: &str = include_str!("web/not-built.html");

/// Answers what no route answers.
pub(crate) async fn serve(State(_): State<App>, method: Method, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "api" || path.starts_with("api/") {
        return no_such_call().await.into_response();
    }
    if !matches!(method, Method::GET | Method::HEAD) {
        let detail = "pages can only be read";
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).into_response();
    }
    let is_file = !path.is_empty() && !path.starts_with('.');
    match (Built::get(path).filter(|_| is_file), Built::get(START)) {
        (Some(file), _) => answer(path, file),
        // A missing script must not be answered with a page.
        (None, _) if path.starts_with(HASHED) => Problem::not_found("there is no such file").into_response(),
        (None, Some(start)) => answer(START, start),
        (None, None) => Html(NOT_BUILT).into_response(),
    }
}

fn answer(path: &str, file: EmbeddedFile) -> Response {
    let kept = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type(path))),
        (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
    ];
    (headers, Body::from(file.data.into_owned())).into_response()
}

/// What a browser has to know of the files that the build makes.
fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "map" => "application/json",
        _ => "application/octet-stream",
    }
}
