//! Stretches of the past.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{BackfillId, IntegrationId};
use serde::Deserialize;
use serde_json::json;

use super::{IntegrationPath, ports};
use crate::access::InProject;
use crate::app::App;
use crate::input::{self, PageQuery};
use crate::problem::Answer;
use crate::wire;

/// A backfill in a path.
#[derive(Deserialize)]
pub(crate) struct BackfillPath {
    integration: IntegrationId,
    backfill: BackfillId,
}

/// List backfills
///
/// Newest first, those that the scheduler began to catch up among them.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/integrations/{integration}/backfills",
    operation_id = "list_backfills",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration"),
        PageQuery
    ),
    responses((status = 200, body = wire::BackfillPage))
)]
pub(crate) async fn list(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
    input::QueryString(page): input::QueryString<PageQuery>,
) -> Answer<Json<wire::BackfillPage>> {
    Ok(Json(ports(&app)?.store.backfills(&access.project, &path.integration, &page.request()?).await?.into()))
}

/// Begin a backfill
///
/// Exports a stretch of the past, window by window, beside the windows that end meanwhile. A window that was
/// exported before gets a new revision; nothing is overwritten.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/{integration}/backfills",
    operation_id = "create_backfill",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    request_body = wire::NewBackfill,
    responses((status = 201, body = wire::Backfill))
)]
pub(crate) async fn create(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
    input::Json(request): input::Json<wire::NewBackfill>,
) -> Answer<(StatusCode, Json<wire::Backfill>)> {
    let store = &ports(&app)?.store;
    let integration = store.integration(&access.project, &path.integration).await?;
    let new = request.into_model(integration.settings.catch_up_max, access.caller.actor(), app.now())?;
    let created = store.create_backfill(&access.project, &path.integration, new).await?;
    let details = json!({"backfill": created.id.as_str(), "from": created.span.from, "to": created.span.to});
    access.note(&app, "integration.backfill", path.integration.as_str(), details).await?;
    Ok((StatusCode::CREATED, Json(created.into())))
}

/// Cancel a backfill
///
/// Windows that are done stay; those under way are cancelled. What the schedule missed is caught up with by a backfill
/// of its own, which cannot be cancelled: that is a conflict.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/{integration}/backfills/{backfill}/cancel",
    operation_id = "cancel_backfill",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration"),
        ("backfill" = String, Path, description = "Id of the backfill")
    ),
    responses((status = 200, body = wire::Backfill))
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<BackfillPath>,
) -> Answer<Json<wire::Backfill>> {
    let store = &ports(&app)?.store;
    let cancelled = store.cancel_backfill(&access.project, &path.integration, &path.backfill).await?;
    let details = json!({"backfill": path.backfill.as_str()});
    access.note(&app, "integration.backfill.cancel", path.integration.as_str(), details).await?;
    Ok(Json(cancelled.into()))
}

/// Estimate a backfill
///
/// What exporting a stretch of time would read at most, over all tables.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/{integration}/backfills/estimate",
    operation_id = "estimate_backfill",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    request_body = wire::RangeRequest,
    responses((status = 200, body = wire::Estimate))
)]
pub(crate) async fn estimate(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
    input::Json(request): input::Json<wire::RangeRequest>,
) -> Answer<Json<wire::Estimate>> {
    let integrations = ports(&app)?;
    let span = request.span(app.now())?;
    let integration = integrations.store.integration(&access.project, &path.integration).await?;
    let settings = &integration.settings;
    let estimate = integrations.desk.estimate(&access.project, settings, span, app.now()).await?;
    Ok(Json(wire::Estimate::new(estimate, Vec::new())))
}
