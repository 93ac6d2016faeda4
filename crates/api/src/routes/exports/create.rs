//! New exports.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{CreatedExport, Idempotency, NewExport};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::access::InProject;
use crate::app::App;
use crate::input;
use crate::problem::{Answer, Problem};
use crate::signing::hex;
use crate::wire;

/// Makes sending the same call twice harmless.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Longest idempotency key: a UUID fits many times.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Create an export
///
/// Queues it and answers at once; watch it with `…/events` or get it again. A filter that the source cannot
/// honour is refused, unless `allowUnsupportedFilters` names its kind; then the export runs without it and
/// carries a warning. With an `Idempotency-Key` the same call can be sent again: it answers 200 with the export
/// that exists, and 409 where the body differs. A quota that is used up answers 429 and says until when.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/exports",
    operation_id = "create_export",
    tag = "exports",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("Idempotency-Key" = Option<String>, Header, description = "Any text of the caller's, unique per export")
    ),
    request_body = wire::ExportRequest,
    responses(
        (status = 201, body = wire::Export, description = "It is queued", headers(("Location" = String))),
        (status = 200, body = wire::Export, description = "The same call made it before")
    )
)]
pub(crate) async fn create(
    State(app): State<App>,
    access: InProject,
    headers: HeaderMap,
    input::Json(request): input::Json<wire::ExportRequest>,
) -> Answer<Response> {
    let idempotency = idempotency(&headers, &request)?;
    let (name, project, table) = (request.name.clone(), &access.project, request.table.clone());
    let checked = app.ports.desk.check(project, &request.into(), app.now()).await?;
    let new = NewExport {
        project: project.clone(),
        name,
        checked,
        by: access.caller.actor(),
        idempotency,
        file_names: app.settings.file_names.clone(),
        keep: app.settings.keep,
        quotas: app.settings.quotas,
    };
    match app.ports.exports.create_export(new).await? {
        CreatedExport::Existing(export) => Ok(Json(wire::Export::from(export)).into_response()),
        CreatedExport::New(export) => {
            let id = export.id.clone();
            let details = json!({"table": table, "format": export.format, "request": export.spec});
            access.note(&app, "export.create", id.as_str(), details).await?;
            let place = format!("/api/v1/projects/{project}/exports/{id}");
            let headers = [(header::LOCATION, crate::signing::path_header(&place))];
            Ok((StatusCode::CREATED, headers, Json(wire::Export::from(export))).into_response())
        }
    }
}

/// The caller's key with a fingerprint of the body as it was understood: white space does not matter.
fn idempotency(headers: &HeaderMap, request: &wire::ExportRequest) -> Answer<Option<Idempotency>> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= IDEMPOTENCY_KEY_BYTES_MAX);
    let Some(key) = key else {
        let message = format!("it must have 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters");
        return Err(Problem::of_field("Idempotency-Key", message));
    };
    let body =
        serde_json::to_vec(request).map_err(|error| model::Fault::bug("a request has no JSON form").because(error))?;
    Ok(Some(Idempotency { key: key.to_owned(), fingerprint: hex(&Sha256::digest(body)) }))
}
