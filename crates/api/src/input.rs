//! What requests carry: bodies, queries and paths as typed values, or a problem that names the field.

use std::error::Error;

use axum::extract::path::ErrorKind;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use model::{PAGE_ITEMS_MAX, PageRequest, PageToken};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::problem::Problem;

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(of_body(rejection)),
        }
    }
}

fn of_body(rejection: JsonRejection) -> Problem {
    match &rejection {
        JsonRejection::JsonDataError(error) => located("body", words_of(error)),
        JsonRejection::JsonSyntaxError(error) => {
            Problem::of_field("body", format!("this is not JSON: {}", words_of(error)))
        }
        JsonRejection::MissingJsonContentType(_) => {
            let detail = "the body must be JSON, with the header Content-Type: application/json";
            Problem::new(rejection.status(), "unsupported_media_type", detail)
        }
        _ if rejection.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(rejection.status(), "too_large", "the body is larger than this server takes")
                .hint("shorten it, or have the setting server.body_bytes_max raised")
        }
        // The connection broke while the body was sent; nobody will read this.
        _ => Problem::of_field("body", "it cannot be read"),
    }
}

/// A query string.
pub(crate) struct QueryString<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryString<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(QueryRejection::FailedToDeserializeQueryString(error)) => Err(located("query", words_of(&error))),
            Err(_) => Err(Problem::of_field("query", "it cannot be read")),
        }
    }
}

/// Parts of the path.
pub(crate) struct Segments<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(failed)) => Err(match failed.into_kind() {
                ErrorKind::ParseErrorAtKey { key, value, .. } => {
                    Problem::of_field(key, format!("{value:?} is not what stands here")).hint("see /api/v1/docs")
                }
                other => Problem::of_field("path", other.to_string()),
            }),
            Err(rejection) => Err(Problem::of_field("path", rejection.body_text())),
        }
    }
}

/// The reader's own words, without the sentence that reading failed.
fn words_of(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Splits `path.to.field: what is wrong` where the text begins with a path.
fn located(place: &str, text: String) -> Problem {
    let is_path = |path: &str| {
        !path.is_empty() && path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '[' | ']' | '?'))
    };
    match text.split_once(": ") {
        Some((path, what)) if is_path(path) => Problem::of_field(path, what),
        _ => Problem::of_field(place, text),
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// At most so many items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: Option<u32>,
    /// The `next` of the page before.
    pub(crate) cursor: Option<String>,
}

/// Items of a page unless a number is asked for.
const PAGE_ITEMS: u32 = 50;

impl PageQuery {
    pub(crate) fn request(self) -> Result<PageRequest, Problem> {
        page_request(self.limit, self.cursor)
    }
}

pub(crate) fn page_request(limit: Option<u32>, cursor: Option<String>) -> Result<PageRequest, Problem> {
    let items_max = limit.unwrap_or(PAGE_ITEMS);
    if !(1..=PAGE_ITEMS_MAX).contains(&items_max) {
        return Err(Problem::of_field("limit", format!("{items_max} is not between 1 and {PAGE_ITEMS_MAX}")));
    }
    Ok(PageRequest { items_max, after: cursor.map(PageToken) })
}
