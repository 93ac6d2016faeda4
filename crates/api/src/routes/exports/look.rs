//! Looking at an export before it is made.

use axum::Json;
use axum::extract::State;
use model::{CheckedExport, Fault, FaultKind};

use crate::access::InProject;
use crate::app::App;
use crate::input;
use crate::problem::{Answer, Problem};
use crate::wire;

/// Rows of a preview: enough to recognise columns and filters, few enough to look at.
const PREVIEW_ROWS: u32 = 50;

/// Estimate an export
///
/// Checks the request as creating would, and says how much it would read at most.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/exports/estimate",
    operation_id = "estimate_export",
    tag = "exports",
    params(("project" = String, Path, description = "Id of the project")),
    request_body = wire::ExportRequest,
    responses((status = 200, body = wire::Estimate))
)]
pub(crate) async fn estimate(
    State(app): State<App>,
    access: InProject,
    input::Json(request): input::Json<wire::ExportRequest>,
) -> Answer<Json<wire::Estimate>> {
    let checked = check(&app, &access, request).await?;
    let mut estimate = in_time(&app, app.ports.desk.estimate(&access.project, &checked)).await?;
    estimate.rows_max = checked.limit.map_or(estimate.rows_max, |limit| limit.min(estimate.rows_max));
    Ok(Json(wire::Estimate::new(estimate, checked.warnings)))
}

/// Preview an export
///
/// Its first rows, as JSONL would have them: 50, and fewer where they are larger than 64 MiB.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/exports/preview",
    operation_id = "preview_export",
    tag = "exports",
    params(("project" = String, Path, description = "Id of the project")),
    request_body = wire::ExportRequest,
    responses((status = 200, body = wire::Preview))
)]
pub(crate) async fn preview(
    State(app): State<App>,
    access: InProject,
    input::Json(request): input::Json<wire::ExportRequest>,
) -> Answer<Json<wire::Preview>> {
    let checked = check(&app, &access, request).await?;
    let preview = in_time(&app, app.ports.desk.preview(&access.project, &checked, PREVIEW_ROWS)).await?;
    Ok(Json(wire::Preview::new(preview, checked.warnings)))
}

async fn check(app: &App, access: &InProject, request: wire::ExportRequest) -> Answer<CheckedExport> {
    Ok(app.ports.desk.check(&access.project, &request.into(), app.now()).await?)
}

async fn in_time<T>(app: &App, call: impl Future<Output = Result<T, Fault>>) -> Answer<T> {
    match tokio::time::timeout(app.settings.browse.time, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Problem::from(
            Fault::new(FaultKind::Timeout, "the source did not answer in time").hint("ask for a shorter time range"),
        )),
    }
}
