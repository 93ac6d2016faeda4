//! Who did what.

use axum::Json;
use axum::extract::State;
use model::ProjectId;

use crate::access::InProject;
use crate::app::App;
use crate::input::{self, PageQuery, page_request};
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

/// List the server's audit log
///
/// For administrators, newest first: who signed in and out, made an account, changed a password, deleted a project.
/// The log of a deleted project is still there under its id.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "list_server_audit",
    tag = "audit",
    params(wire::ServerAuditQuery),
    responses((status = 200, body = wire::AuditPage))
)]
pub(crate) async fn list_of_server(
    State(app): State<App>,
    input::QueryString(query): input::QueryString<wire::ServerAuditQuery>,
) -> Answer<Json<wire::AuditPage>> {
    let page = page_request(query.limit, query.cursor)?;
    let project = query.project.map(ProjectId::new);
    Ok(Json(app.ports.audit.audit_entries(project.as_ref(), &page).await?.into()))
}
