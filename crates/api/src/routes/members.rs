//! Who may do what in a project.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Micros, NewInvitation, UserId};
use serde::Deserialize;
use serde_json::json;

use crate::access::InProject;
use crate::app::App;
use crate::input;
use crate::problem::{Answer, Problem};
use crate::wire::{self, instant};

/// Days that an invitation can be used: long enough for a holiday, short enough to be forgotten safely.
const INVITATION_DAYS: u32 = 7;
const INVITATION_DAYS_MAX: u32 = 30;
const DAY_SECONDS: u64 = 24 * 3_600;

/// A person in a path.
#[derive(Deserialize)]
pub(crate) struct UserPath {
    user: UserId,
}

/// List members
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/members",
    operation_id = "list_members",
    tag = "members",
    params(("project" = String, Path, description = "Id of the project")),
    responses((status = 200, body = Vec<wire::Member>))
)]
pub(crate) async fn list(State(app): State<App>, access: InProject) -> Answer<Json<Vec<wire::Member>>> {
    let members = app.ports.people.members(&access.project).await?;
    Ok(Json(members.into_iter().map(Into::into).collect()))
}

/// Add a member or change a role
///
/// The account must exist; others are invited. The last owner stays one.
#[utoipa::path(
    put,
    path = "/api/v1/projects/{project}/members",
    operation_id = "set_member",
    tag = "members",
    params(("project" = String, Path, description = "Id of the project")),
    request_body = wire::NewMember,
    responses((status = 204))
)]
pub(crate) async fn add(
    State(app): State<App>,
    access: InProject,
    input::Json(new): input::Json<wire::NewMember>,
) -> Answer<StatusCode> {
    let user = app.ports.people.user_by_email(&new.email).await?;
    let user = user.ok_or_else(|| Problem::not_found("nobody has an account with this address").hint("invite them"))?;
    app.ports.people.set_member(&access.project, &user.id, new.role.into()).await?;
    access.note(&app, "member.set", user.id.as_str(), json!({"role": new.role})).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a member
///
/// The last owner cannot go.
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{project}/members/{user}",
    operation_id = "remove_member",
    tag = "members",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("user" = String, Path, description = "Id of the person")
    ),
    responses((status = 204))
)]
pub(crate) async fn remove(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<UserPath>,
) -> Answer<StatusCode> {
    app.ports.people.remove_member(&access.project, &path.user).await?;
    access.note(&app, "member.remove", path.user.as_str(), json!({})).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Invite somebody
///
/// Makes a link that works once. It is shown this once; send it to the person.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/invitations",
    operation_id = "create_invitation",
    tag = "members",
    params(("project" = String, Path, description = "Id of the project")),
    request_body = wire::NewInvitation,
    responses((status = 201, body = wire::Invitation))
)]
pub(crate) async fn invite(
    State(app): State<App>,
    access: InProject,
    input::Json(new): input::Json<wire::NewInvitation>,
) -> Answer<(StatusCode, Json<wire::Invitation>)> {
    let days = new.valid_days.unwrap_or(INVITATION_DAYS);
    if !(1..=INVITATION_DAYS_MAX).contains(&days) {
        let message = format!("{days} is not between 1 and {INVITATION_DAYS_MAX}");
        return Err(Problem::of_field("validDays", message));
    }
    let valid = Duration::from_secs(u64::from(days) * DAY_SECONDS);
    let invitation = NewInvitation { member_of: Some((access.project.clone(), new.role.into())), admin: false, valid };
    let token = app.ports.people.invite(invitation).await?;
    access.note(&app, "member.invite", "", json!({"role": new.role, "validDays": days})).await?;
    let until = Micros(app.now().0 + i64::from(days) * 86_400 * Micros::PER_SECOND);
    let url = format!("{}/invitation#{}", app.settings.public_url, token.reveal());
    Ok((StatusCode::CREATED, Json(wire::Invitation { url, expires_at: instant(until) })))
}
