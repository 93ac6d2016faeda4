//! Signing in and out, and who calls.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use model::{Fault, FieldProblem, NewUser, Secret, SignIn, User, csrf_token};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::access::{Caller, Client, Who, session_cookie};
use crate::app::App;
use crate::input;
use crate::problem::{Answer, Problem};
use crate::wire::{self, instant};

/// An address and a password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Credentials {
    /// Address.
    email: String,
    /// Password.
    password: String,
}

/// An account to be made with an invitation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AcceptedInvitation {
    /// The token at the end of the link.
    token: String,
    /// Address, with which they sign in from now on.
    email: String,
    /// Name for people.
    name: String,
    /// Password, at least 10 characters.
    #[schema(min_length = 10)]
    password: String,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangedPassword {
    /// The password until now.
    current: String,
    /// The password from now on, at least 10 characters.
    #[schema(min_length = 10)]
    new: String,
}

/// Who calls
///
/// A person's session with the token for mutating calls, or the project's key.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses((status = 200, body = wire::Session)))]
pub(crate) async fn session(caller: Caller) -> Json<wire::Session> {
    Json(match caller.who {
        Who::Person { session, token } => of_person(session.user, &token, session.until),
        Who::Program(key) => wire::Session { user: None, key: Some(key.into()), until: None, csrf_token: None },
    })
}

/// Sign in
///
/// Sets the session's cookie. Too many wrong attempts for an address or from a client answer 429.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "session",
    request_body = Credentials,
    responses((status = 200, body = wire::Session))
)]
pub(crate) async fn sign_in(
    State(app): State<App>,
    Extension(Client(client)): Extension<Client>,
    input::Json(credentials): input::Json<Credentials>,
) -> Answer<impl IntoResponse> {
    begin(&app, &credentials.email, &Secret::new(credentials.password), &client, "session.begin").await
}

/// Sign out
#[utoipa::path(delete, path = "/api/v1/session", tag = "session", responses((status = 204)))]
pub(crate) async fn sign_out(State(app): State<App>, caller: Caller) -> Answer<impl IntoResponse> {
    if let Who::Person { token, .. } = &caller.who {
        app.ports.people.sign_out(token).await?;
    }
    caller.note(&app, None, "session.end", "", json!({})).await?;
    Ok((StatusCode::NO_CONTENT, set_cookie(session_cookie(&app, "", 0))))
}

/// Change the password
///
/// Ends every session of the account and begins a new one.
#[utoipa::path(
    post,
    path = "/api/v1/session/password",
    tag = "session",
    request_body = ChangedPassword,
    responses((status = 200, body = wire::Session))
)]
pub(crate) async fn change_password(
    State(app): State<App>,
    caller: Caller,
    input::Json(change): input::Json<ChangedPassword>,
) -> Answer<impl IntoResponse> {
    let Who::Person { session, .. } = &caller.who else {
        return Err(Problem::forbidden("only people have passwords"));
    };
    let people = &app.ports.people;
    match people.sign_in(&session.user.email, &Secret::new(change.current), &caller.client).await? {
        // The session that this began ends with all the others.
        SignIn::Done { .. } => {}
        SignIn::Refused => return Err(Problem::of_field("current", "this is not the password")),
        SignIn::Locked { wait } => return Err(Problem::throttled("too many wrong passwords", wait)),
    }
    let new = Secret::new(change.new);
    people.set_password(&session.user.id, &new).await.map_err(of_new)?;
    begin(&app, &session.user.email, &new, &caller.client, "user.password").await
}

/// What the store says of a password, said of the field that holds it here.
fn of_new(fault: Fault) -> Fault {
    if fault.problems().is_empty() {
        return fault;
    }
    let told = |problem: &FieldProblem| FieldProblem { field: "new".to_owned(), ..problem.clone() };
    let problems = Fault::of_problems(fault.problems().iter().map(told).collect());
    match fault.public_hint() {
        Some(hint) => problems.hint(hint),
        None => problems,
    }
}

/// Make an account with an invitation
///
/// Also how the first administrator of a new server is made, with the link that it prints. Signs in at once.
#[utoipa::path(
    post,
    path = "/api/v1/invitations/accept",
    tag = "session",
    request_body = AcceptedInvitation,
    responses((status = 200, body = wire::Session))
)]
pub(crate) async fn accept_invitation(
    State(app): State<App>,
    Extension(Client(client)): Extension<Client>,
    input::Json(accepted): input::Json<AcceptedInvitation>,
) -> Answer<impl IntoResponse> {
    let password = Secret::new(accepted.password);
    let new = NewUser { email: accepted.email.clone(), name: accepted.name, password: password.clone(), admin: false };
    app.ports.people.accept_invitation(&Secret::new(accepted.token), new).await?;
    begin(&app, &accepted.email, &password, &client, "user.create").await
}

/// Begins a session and notes it as `action`.
async fn begin(
    app: &App,
    email: &str,
    password: &Secret,
    client: &str,
    action: &str,
) -> Answer<impl IntoResponse + use<>> {
    match app.ports.people.sign_in(email, password, client).await? {
        SignIn::Done { user, token, until } => {
            let session = model::Session { user: user.clone(), until };
            let who = Who::Person { session, token: token.clone() };
            let caller = Caller { who, client: client.to_owned() };
            caller.note(app, None, action, user.id.as_str(), json!({})).await?;
            let seconds = until.since(app.now()).num_seconds();
            let cookie = set_cookie(session_cookie(app, token.reveal(), seconds));
            Ok((cookie, Json(of_person(user, &token, until))))
        }
        SignIn::Refused => Err(Problem::unauthenticated("address or password are wrong").hint("try again")),
        SignIn::Locked { wait } => Err(Problem::throttled("too many wrong attempts to sign in", wait)
            .hint("wait, then try again; an administrator can set a new password")),
    }
}

fn of_person(user: User, token: &Secret, until: model::Micros) -> wire::Session {
    wire::Session {
        user: Some(user.into()),
        key: None,
        until: Some(instant(until)),
        csrf_token: Some(csrf_token(token)),
    }
}

fn set_cookie(cookie: HeaderValue) -> HeaderMap {
    HeaderMap::from_iter([(header::SET_COOKIE, cookie)])
}
