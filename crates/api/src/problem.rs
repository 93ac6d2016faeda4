//! What cannot be answered, in one shape: `application/problem+json` (RFC 9457) with a stable code, the field
//! that is wrong and what to write instead.

use std::error::Error;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{Fault, FaultKind, FieldProblem, Retry};
use serde::Serialize;
use utoipa::ToSchema;

/// A handler's answer.
pub(crate) type Answer<T> = Result<T, Problem>;

/// The media type of every problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// A failure on its way to the caller: boxed, since every answer has room for one.
#[derive(Debug)]
pub(crate) struct Problem(Box<Failure>);

#[derive(Debug)]
struct Failure {
    status: StatusCode,
    code: &'static str,
    detail: String,
    hint: Option<String>,
    fields: Vec<FieldProblem>,
    retry_after: Option<Duration>,
    cause: Option<Fault>,
}

/// What a failed call answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// `urn:outgest:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:outgest:problem:bad_request")]
    kind: String,
    /// The status in words.
    #[schema(example = "Bad Request")]
    title: String,
    /// HTTP status.
    #[schema(example = 400)]
    status: u16,
    /// Stable name of the kind of failure.
    #[schema(example = "bad_request")]
    code: &'static str,
    /// What went wrong, in words.
    detail: String,
    /// What can be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The first field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "filter[0].column")]
    field: Option<String>,
    /// Every field that is wrong, where more is known than `detail` says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<FieldBody>,
    /// Seconds after which the same call may work.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// One wrong field.
#[derive(Serialize, ToSchema)]
#[schema(as = FieldProblem)]
pub(crate) struct FieldBody {
    /// Path of the field.
    field: String,
    /// What is wrong with it.
    message: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self(Box::new(Failure { status, code, detail, hint: None, fields: vec![], retry_after: None, cause: None }))
    }

    /// No credentials, or none that are good.
    pub(crate) fn unauthenticated(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
            .hint("sign in, or send a project's key: Authorization: Bearer <secret key>")
    }

    /// Good credentials without the right.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// One field of the request is wrong.
    pub(crate) fn of_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Fault::of_problems(vec![FieldProblem::new(field, message)]).into()
    }

    pub(crate) fn throttled(detail: impl Into<String>, wait: Duration) -> Self {
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, FaultKind::Throttled.as_str(), detail);
        problem.0.retry_after = Some(wait);
        problem
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn body(&self) -> ProblemBody {
        let failure = &self.0;
        let field = |problem: &FieldProblem| FieldBody {
            field: problem.field.clone(),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
        };
        ProblemBody {
            kind: format!("urn:outgest:problem:{}", failure.code),
            title: failure.status.canonical_reason().unwrap_or_default().to_owned(),
            status: failure.status.as_u16(),
            code: failure.code,
            detail: failure.detail.clone(),
            hint: failure.hint.clone(),
            field: failure.fields.first().map(|problem| problem.field.clone()),
            problems: failure.fields.iter().map(field).collect(),
            retry_after: failure.retry_after.map(whole_seconds),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let retry_after = match fault.retry() {
            Retry::After(wait) => Some(wait),
            Retry::Never | Retry::Backoff => None,
        };
        Self(Box::new(Failure {
            status: status_of(fault.kind()),
            code: fault.kind().as_str(),
            detail: fault.public_message().to_owned(),
            hint: fault.public_hint().map(str::to_owned),
            fields: fault.problems().to_vec(),
            retry_after,
            cause: Some(fault),
        }))
    }
}

fn status_of(kind: FaultKind) -> StatusCode {
    match kind {
        FaultKind::BadRequest => StatusCode::BAD_REQUEST,
        FaultKind::NotFound => StatusCode::NOT_FOUND,
        FaultKind::Conflict | FaultKind::Cancelled => StatusCode::CONFLICT,
        FaultKind::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        FaultKind::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
        FaultKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
        // What the server depends on is set up wrongly or away: not the caller's fault.
        FaultKind::Configuration | FaultKind::Credentials | FaultKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        FaultKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        FaultKind::Corrupt | FaultKind::Bug => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let failure = &self.0;
        if failure.status.is_server_error() {
            let cause = failure.cause.as_ref().and_then(Error::source).map(chain).unwrap_or_default();
            tracing::error!(code = failure.code, cause, "a request failed: {}", failure.detail);
        }
        let mut response = (failure.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(wait) = failure.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        if failure.status == StatusCode::UNAUTHORIZED {
            // Not `Basic`: browsers would ask for a password in a window of their own.
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"outgest\""));
        }
        response
    }
}

/// Answers what no route answers.
pub(crate) async fn no_such_call() -> Problem {
    Problem::not_found("there is no such call").hint("GET /api/v1/openapi.json lists every call")
}

/// Answers a path that exists, called with another method than it has; the header `Allow` names those.
pub(crate) async fn wrong_method(method: Method) -> Problem {
    let detail = format!("this path cannot be called with {method}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        .hint("the header Allow names the methods it has")
}

/// The seconds after which a wait is over for certain.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX)
}

fn chain(cause: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(cause), |cause: &&(dyn Error + 'static)| (*cause).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_keeps_its_code_fields_hint_and_wait() {
        let wrong =
            FieldProblem::new("filter[0].column", "events has no column \"typ\"").hint("did you mean \"type\"?");
        let body = serde_json::to_value(Problem::from(Fault::of_problems(vec![wrong])).body()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:outgest:problem:bad_request",
                "title": "Bad Request",
                "status": 400,
                "code": "bad_request",
                "detail": "filter[0].column: events has no column \"typ\"",
                "hint": "did you mean \"type\"?",
                "field": "filter[0].column",
                "problems": [{
                    "field": "filter[0].column",
                    "message": "events has no column \"typ\"",
                    "hint": "did you mean \"type\"?",
                }],
            })
        );
        let throttled = Fault::new(FaultKind::Throttled, "later").retry_after(Duration::from_millis(1_200));
        let response = Problem::from(throttled).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
    }
}
