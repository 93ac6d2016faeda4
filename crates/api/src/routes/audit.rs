//! Who did what.

use axum::Json;
use axum::extract::State;

use crate::access::InProject;
use crate::app::App;
use crate::input::{self, PageQuery};
use crate::problem::Answer;
use crate::wire;

/// List the audit log
///
/// Every mutating call and every download of the project, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/audit",
    operation_id = "list_audit",
    tag = "audit",
    params(("project" = String, Path, description = "Id of the project"), PageQuery),
    responses((status = 200, body = wire::AuditPage))
)]
pub(crate) async fn list(
    State(app): State<App>,
    access: InProject,
    input::QueryString(page): input::QueryString<PageQuery>,
) -> Answer<Json<wire::AuditPage>> {
    let page = page.request()?;
    Ok(Json(app.ports.audit.audit_entries(Some(&access.project), &page).await?.into()))
}
