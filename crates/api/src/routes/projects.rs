//! Projects.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Page, ProjectChange, ProjectId, Role};
use serde_json::json;

use crate::access::{Caller, InProject, Who};
use crate::app::App;
use crate::input::{self, PageQuery};
use crate::problem::{Answer, Problem};
use crate::wire;

/// List projects
///
/// Those that the caller may see, by id. A key sees its own.
#[utoipa::path(
    get,
    path = "/api/v1/projects",
    operation_id = "list_projects",
    tag = "projects",
    params(PageQuery),
    responses((status = 200, body = wire::ProjectPage))
)]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    input::QueryString(page): input::QueryString<PageQuery>,
) -> Answer<Json<wire::ProjectPage>> {
    let page = page.request()?;
    let people = &app.ports.people;
    let items = match &caller.who {
        Who::Program(key) => {
            let project = people.project(&key.project).await?.into_iter();
            return Ok(Json(wire::ProjectPage {
                items: project.map(|project| wire::Project::new(project, key.role)).collect(),
                next: None,
            }));
        }
        Who::Person { session, .. } if session.user.admin => {
            with_role(people.projects(None, &page).await?, Role::Owner)
        }
        Who::Person { session, .. } => {
            let user = &session.user.id;
            let Page { items, next } = people.projects(Some(user), &page).await?;
            let mut shown = Vec::with_capacity(items.len());
            for project in items {
                // A membership that ended just now is left out.
                if let Some(role) = people.role(&project.id, user).await? {
                    shown.push(wire::Project::new(project, role));
                }
            }
            wire::ProjectPage { items: shown, next: next.map(|token| token.0) }
        }
    };
    Ok(Json(items))
}

fn with_role(page: Page<model::Project>, role: Role) -> wire::ProjectPage {
    let items = page.items.into_iter().map(|project| wire::Project::new(project, role));
    wire::ProjectPage { items: items.collect(), next: page.next.map(|token| token.0) }
}

/// Make a project
#[utoipa::path(
    post,
    path = "/api/v1/projects",
    operation_id = "create_project",
    tag = "projects",
    request_body = wire::NewProject,
    responses((status = 201, body = wire::Project))
)]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    input::Json(new): input::Json<wire::NewProject>,
) -> Answer<(StatusCode, Json<wire::Project>)> {
    let project = app.ports.people.create_project(&ProjectId::new(new.id), &new.name).await?;
    caller.note(&app, Some(&project.id), "project.create", project.id.as_str(), json!({"name": new.name})).await?;
    Ok((StatusCode::CREATED, Json(wire::Project::new(project, Role::Owner))))
}

/// Get a project
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}",
    operation_id = "get_project",
    tag = "projects",
    params(("project" = String, Path, description = "Id of the project")),
    responses((status = 200, body = wire::Project))
)]
pub(crate) async fn get(State(app): State<App>, access: InProject) -> Answer<Json<wire::Project>> {
    let project = app.ports.people.project(&access.project).await?;
    let project = project.ok_or_else(|| Problem::not_found("this project was deleted"))?;
    Ok(Json(wire::Project::new(project, access.role)))
}

/// Change a project
///
/// Its name, its bounds, how long its rows are kept.
#[utoipa::path(
    patch,
    path = "/api/v1/projects/{project}",
    operation_id = "change_project",
    tag = "projects",
    params(("project" = String, Path, description = "Id of the project")),
    request_body = wire::ChangedProject,
    responses((status = 200, body = wire::Project))
)]
pub(crate) async fn change(
    State(app): State<App>,
    access: InProject,
    input::Json(changed): input::Json<wire::ChangedProject>,
) -> Answer<Json<wire::Project>> {
    if changed.retention_days == Some(Some(0)) {
        return Err(Problem::of_field("retentionDays", "0 days would keep nothing").hint("give at least 1, or null"));
    }
    let details = json!({
        "name": changed.name,
        "quotas": changed.quotas,
        "retentionDays": changed.retention_days,
    });
    let change = ProjectChange {
        name: changed.name,
        quotas: changed.quotas.map(Into::into),
        retention_days: changed.retention_days,
    };
    let project = app.ports.people.change_project(&access.project, change).await?;
    access.note(&app, "project.change", access.project.as_str(), details).await?;
    Ok(Json(wire::Project::new(project, access.role)))
}

/// Delete a project
///
/// With its keys and memberships, and cancels its work. Stored rows stay.
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}",
    operation_id = "delete_project",
    tag = "projects",
    params(("project" = String, Path, description = "Id of the project")),
    responses((status = 204))
)]
pub(crate) async fn delete(State(app): State<App>, access: InProject) -> Answer<StatusCode> {
    app.ports.people.delete_project(&access.project).await?;
    // Among the server's own affairs: the project's log goes with it.
    access.caller.note(&app, None, "project.delete", access.project.as_str(), json!({})).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is stored of a project
///
/// Of rows in another store than the embedded one, what that store tells; `note` says what is missing.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/storage",
    operation_id = "get_storage",
    tag = "projects",
    params(("project" = String, Path, description = "Id of the project")),
    responses((status = 200, body = wire::Storage))
)]
pub(crate) async fn storage(State(app): State<App>, access: InProject) -> Answer<Json<wire::Storage>> {
    Ok(Json(app.ports.storage.storage(&access.project).await?.into()))
}
