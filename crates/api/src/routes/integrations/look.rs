//! Looking before anything is stored or exported: kinds, tests, the next windows.

use axum::Json;
use axum::extract::State;
use model::{Fault, FaultKind};
use serde_json::json;

use super::{IntegrationPath, ports};
use crate::access::InProject;
use crate::app::App;
use crate::input;
use crate::problem::{Answer, Problem};
use crate::wire;

/// Windows that a preview shows.
const WINDOWS: usize = 5;

/// Time for a test of a destination: an answer may take a minute, and there are a few steps.
const TEST_TIME: std::time::Duration = std::time::Duration::from_secs(180);

/// List kinds of destinations
///
/// Each with the JSON schema of its options: what forms are made of.
#[utoipa::path(
    get,
    path = "/api/v1/integration-kinds",
    operation_id = "list_integration_kinds",
    tag = "integrations",
    responses((status = 200, body = Vec<wire::IntegrationKind>))
)]
pub(crate) async fn kinds(State(app): State<App>) -> Answer<Json<Vec<wire::IntegrationKind>>> {
    Ok(Json(ports(&app)?.desk.kinds().iter().map(Into::into).collect()))
}

/// Test a destination
///
/// Of an integration that is not stored yet: does what a run will do, and removes what it wrote. A step that
/// fails is no failure of the call. It is in the audit log, since it writes to where it is told.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/test",
    operation_id = "test_new_integration",
    tag = "integrations",
    params(("project" = String, Path, description = "Id of the project")),
    request_body = wire::IntegrationRequest,
    responses((status = 200, body = wire::TestReport))
)]
pub(crate) async fn test_new(
    State(app): State<App>,
    access: InProject,
    input::Json(request): input::Json<wire::IntegrationRequest>,
) -> Answer<Json<wire::TestReport>> {
    let desk = &ports(&app)?.desk;
    let checked = desk.check(&access.project, &request.ask()?, None, app.now()).await?;
    access.note(&app, "integration.test", "", json!({"kind": checked.settings.kind})).await?;
    Ok(Json(in_time(desk.test(&access.project, &checked, None)).await?.into()))
}

/// Test an integration
///
/// With a change that is not stored yet, or as it is where the change is empty. Secrets that are not given are
/// those that are stored.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/{integration}/test",
    operation_id = "test_integration",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    request_body = wire::IntegrationChange,
    responses((status = 200, body = wire::TestReport))
)]
pub(crate) async fn test(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
    input::Json(request): input::Json<wire::IntegrationChange>,
) -> Answer<Json<wire::TestReport>> {
    let integrations = ports(&app)?;
    let existing = integrations.store.integration(&access.project, &path.integration).await?;
    let checked = integrations.desk.check(&access.project, &request.ask()?, Some(&existing), app.now()).await?;
    let details = json!({"kind": checked.settings.kind});
    access.note(&app, "integration.test", path.integration.as_str(), details).await?;
    Ok(Json(in_time(integrations.desk.test(&access.project, &checked, Some(&existing))).await?.into()))
}

/// Preview the windows of a new integration
///
/// The next five, with the keys of their files.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/preview",
    operation_id = "preview_new_integration",
    tag = "integrations",
    params(("project" = String, Path, description = "Id of the project")),
    request_body = wire::IntegrationRequest,
    responses((status = 200, body = Vec<wire::NextWindow>))
)]
pub(crate) async fn preview_new(
    State(app): State<App>,
    access: InProject,
    input::Json(request): input::Json<wire::IntegrationRequest>,
) -> Answer<Json<Vec<wire::NextWindow>>> {
    let desk = &ports(&app)?.desk;
    let checked = desk.check(&access.project, &request.ask()?, None, app.now()).await?;
    let windows = desk.next_windows(&access.project, &checked.settings, None, app.now(), WINDOWS)?;
    Ok(Json(windows.into_iter().map(Into::into).collect()))
}

/// Preview the windows of an integration
///
/// The next five, with the keys of their files.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/integrations/{integration}/windows",
    operation_id = "preview_integration",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    responses((status = 200, body = Vec<wire::NextWindow>))
)]
pub(crate) async fn preview(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
) -> Answer<Json<Vec<wire::NextWindow>>> {
    let integrations = ports(&app)?;
    let existing = integrations.store.integration(&access.project, &path.integration).await?;
    let settings = &existing.settings;
    let windows = integrations.desk.next_windows(&access.project, settings, Some(&existing), app.now(), WINDOWS)?;
    Ok(Json(windows.into_iter().map(Into::into).collect()))
}

async fn in_time<T>(test: impl Future<Output = Result<T, Fault>>) -> Answer<T> {
    match tokio::time::timeout(TEST_TIME, test).await {
        Ok(report) => Ok(report?),
        Err(_) => Err(Problem::from(
            Fault::new(FaultKind::Timeout, "the destination did not answer in time")
                .hint("see whether it can be reached"),
        )),
    }
}
