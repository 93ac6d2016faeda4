//! Keys for programs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{ApiKeyId, Micros, NewApiKey};
use serde::Deserialize;
use serde_json::json;

use crate::access::InProject;
use crate::app::App;
use crate::input;
use crate::problem::{Answer, Problem};
use crate::wire;

/// A key in a path.
#[derive(Deserialize)]
pub(crate) struct KeyPath {
    key: ApiKeyId,
}

/// List keys
///
/// Newest first, without their secret halves.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/keys",
    operation_id = "list_keys",
    tag = "keys",
    params(("project" = String, Path, description = "Id of the project")),
    responses((status = 200, body = Vec<wire::ApiKey>))
)]
pub(crate) async fn list(State(app): State<App>, access: InProject) -> Answer<Json<Vec<wire::ApiKey>>> {
    let keys = app.ports.people.api_keys(&access.project).await?;
    Ok(Json(keys.into_iter().map(Into::into).collect()))
}

/// Make a key
///
/// Its secret half is shown this once.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/keys",
    operation_id = "create_key",
    tag = "keys",
    params(("project" = String, Path, description = "Id of the project")),
    request_body = wire::NewKey,
    responses((status = 201, body = wire::CreatedKey))
)]
pub(crate) async fn create(
    State(app): State<App>,
    access: InProject,
    input::Json(new): input::Json<wire::NewKey>,
) -> Answer<(StatusCode, Json<wire::CreatedKey>)> {
    let expires_at = match &new.expires_at {
        None => None,
        Some(text) => {
            let at = Micros::parse_text(text).ok_or_else(|| Problem::of_field("expiresAt", "this is not a time"))?;
            if at <= app.now() {
                return Err(Problem::of_field("expiresAt", "this is over already"));
            }
            Some(at)
        }
    };
    let role = new.role;
    let wanted = NewApiKey { project: access.project.clone(), role: role.into(), note: new.note, expires_at };
    let (key, secret) = app.ports.people.create_api_key(wanted).await?;
    access.note(&app, "key.create", key.id.as_str(), json!({"role": role, "publicKey": key.public})).await?;
    let created = wire::CreatedKey { key: key.into(), secret_key: secret.reveal().to_owned() };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Delete a key
///
/// It stops working at once.
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/keys/{key}",
    operation_id = "delete_key",
    tag = "keys",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("key" = String, Path, description = "Id of the key")
    ),
    responses((status = 204))
)]
pub(crate) async fn delete(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<KeyPath>,
) -> Answer<StatusCode> {
    app.ports.people.delete_api_key(&access.project, &path.key).await?;
    access.note(&app, "key.delete", path.key.as_str(), json!({})).await?;
    Ok(StatusCode::NO_CONTENT)
}
