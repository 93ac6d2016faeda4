//! Exports: what somebody asked for, from the request to the file.

pub(crate) mod create;
pub(crate) mod download;
pub(crate) mod events;
pub(crate) mod look;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::JobId;
use serde::Deserialize;
use serde_json::json;

use crate::access::InProject;
use crate::app::App;
use crate::input::{self, page_request};
use crate::problem::Answer;
use crate::wire;

/// An export in a path.
#[derive(Deserialize)]
pub(crate) struct ExportPath {
    export: JobId,
}

/// List exports
///
/// Newest first. An export that is made while pages are read never appears twice or moves another out.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/exports",
    operation_id = "list_exports",
    tag = "exports",
    params(("project" = String, Path, description = "Id of the project"), wire::ExportsQuery),
    responses((status = 200, body = wire::ExportPage))
)]
pub(crate) async fn list(
    State(app): State<App>,
    access: InProject,
    input::QueryString(query): input::QueryString<wire::ExportsQuery>,
) -> Answer<Json<wire::ExportPage>> {
    let wanted = query.query()?;
    let page = page_request(query.limit, query.cursor)?;
    Ok(Json(app.ports.exports.exports(&access.project, &wanted, &page).await?.into()))
}

/// Get an export
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/exports/{export}",
    operation_id = "get_export",
    tag = "exports",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("export" = String, Path, description = "Id of the export")
    ),
    responses((status = 200, body = wire::Export))
)]
pub(crate) async fn get(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<ExportPath>,
) -> Answer<Json<wire::Export>> {
    Ok(Json(app.ports.exports.export(&access.project, &path.export).await?.into()))
}

/// Cancel an export
///
/// It is final when this answers: no further byte of it is written. One that has ended is a conflict.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/exports/{export}/cancel",
    operation_id = "cancel_export",
    tag = "exports",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("export" = String, Path, description = "Id of the export")
    ),
    responses((status = 200, body = wire::Export))
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<ExportPath>,
) -> Answer<Json<wire::Export>> {
    let cancelled = app.ports.exports.cancel_export(&access.project, &path.export).await?;
    access.note(&app, "export.cancel", path.export.as_str(), json!({})).await?;
    Ok(Json(cancelled.into()))
}

/// Try an export again
///
/// One that failed or was cancelled. Rows that are durable are not read again.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/exports/{export}/retry",
    operation_id = "retry_export",
    tag = "exports",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("export" = String, Path, description = "Id of the export")
    ),
    responses((status = 200, body = wire::Export))
)]
pub(crate) async fn retry(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<ExportPath>,
) -> Answer<Json<wire::Export>> {
    let queued = app.ports.exports.retry_export(&access.project, &path.export, app.settings.quotas).await?;
    access.note(&app, "export.retry", path.export.as_str(), json!({})).await?;
    Ok(Json(queued.into()))
}

/// Delete an export
///
/// With its files. One that is queued or running is cancelled first.
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/exports/{export}",
    operation_id = "delete_export",
    tag = "exports",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("export" = String, Path, description = "Id of the export")
    ),
    responses((status = 204))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<ExportPath>,
) -> Answer<StatusCode> {
    app.ports.exports.delete_export(&access.project, &path.export).await?;
    access.note(&app, "export.delete", path.export.as_str(), json!({})).await?;
    Ok(StatusCode::NO_CONTENT)
}
