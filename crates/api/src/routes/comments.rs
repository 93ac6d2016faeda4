//! Comments on rows.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{CommentQuery, CommentToAdd};
use serde_json::json;

use crate::access::{InProject, Who};
use crate::app::App;
use crate::input::{self, page_request};
use crate::problem::{Answer, Problem};
use crate::wire;

/// Longest comment: what Langfuse takes.
const CONTENT_CHARACTERS_MAX: usize = 5_000;

/// Longest id of an object; stored ids are far shorter.
const OBJECT_ID_BYTES_MAX: usize = 1_000;

/// List comments
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/comments",
    operation_id = "list_comments",
    tag = "comments",
    params(("project" = String, Path, description = "Id of the project"), wire::CommentsQuery),
    responses((status = 200, body = wire::CommentPage))
)]
pub(crate) async fn list(
    State(app): State<App>,
    access: InProject,
    input::QueryString(query): input::QueryString<wire::CommentsQuery>,
) -> Answer<Json<wire::CommentPage>> {
    let page = page_request(query.limit, query.cursor)?;
    let query = CommentQuery { kind: query.object_type.map(Into::into), object_id: query.object_id };
    Ok(Json(app.ports.comments.list_comments(&access.project, &query, &page).await?.into()))
}

/// Comment on a row
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/comments",
    operation_id = "create_comment",
    tag = "comments",
    params(("project" = String, Path, description = "Id of the project")),
    request_body = wire::NewComment,
    responses((status = 201, body = wire::Comment))
)]
pub(crate) async fn create(
    State(app): State<App>,
    access: InProject,
    input::Json(new): input::Json<wire::NewComment>,
) -> Answer<(StatusCode, Json<wire::Comment>)> {
    let characters = new.content.chars().count();
    if new.content.trim().is_empty() || characters > CONTENT_CHARACTERS_MAX {
        let message = format!("a comment has 1 to {CONTENT_CHARACTERS_MAX} characters, this one {characters}");
        return Err(Problem::of_field("content", message));
    }
    if new.object_id.is_empty() || new.object_id.len() > OBJECT_ID_BYTES_MAX {
        return Err(Problem::of_field("objectId", format!("an id has 1 to {OBJECT_ID_BYTES_MAX} bytes")));
    }
    let author_email = match &access.caller.who {
        Who::Person { session, .. } => Some(session.user.email.clone()),
        Who::Program(_) => None,
    };
    let comment =
        CommentToAdd { kind: new.object_type.into(), object_id: new.object_id, content: new.content, author_email };
    let details = json!({"objectType": new.object_type, "objectId": comment.object_id});
    let placed: wire::Comment = app.ports.comments.add_comment(&access.project, comment).await?.into();
    access.note(&app, "comment.create", &placed.id, details).await?;
    Ok((StatusCode::CREATED, Json(placed)))
}
