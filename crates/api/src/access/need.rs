//! What a route needs of its caller: checked in front of the route, and said in its documentation.

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::{HeaderMap, Method};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use model::{ProjectId, Role, csrf_token};
use serde_json::{Value, json};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;

use super::credentials::{caller, client_of};
use super::{Caller, Client, InProject, Who};
use crate::app::App;
use crate::openapi::{KEY_SCHEMES, SESSION_SCHEME};
use crate::problem::{self, Answer, Problem};

/// Header that carries a session's CSRF token on mutating calls.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";

/// Extension of an operation that says what it needs.
const ROLE_EXTENSION: &str = "x-outgest-role";

/// What a route needs of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing.
    Nobody,
    /// Good credentials.
    Anybody,
    /// A signed-in person.
    Person,
    /// A person who may do everything.
    Admin,
    /// A role in the project of the path.
    Role(Role),
}

impl Need {
    fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Anybody => "anybody",
            Self::Person => "person",
            Self::Admin => "admin",
            Self::Role(role) => role.as_str(),
        }
    }

    fn takes_keys(self) -> bool {
        matches!(self, Self::Anybody | Self::Role(_))
    }
}

/// Lets only callers through to these routes who have what they need, and documents it.
pub(crate) fn needing(need: Need, mut routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
    for item in routes.get_openapi_mut().paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            document(operation, need);
        }
    }
    routes.route_layer(from_fn(
        move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request, next: Next| async move {
            let admitted = match params {
                Ok(params) => admit(need, &params, request).await,
                Err(rejection) => Err(Problem::of_field("path", rejection.body_text())),
            };
            match admitted {
                Ok(request) => next.run(request).await,
                Err(problem) => problem.into_response(),
            }
        },
    ))
}

fn document(operation: &mut Operation, need: Need) {
    let extension = [(ROLE_EXTENSION, Value::from(need.as_str()))];
    operation.extensions.get_or_insert_default().merge(extension.into_iter().collect());
    let mut schemes = Vec::new();
    if need != Need::Nobody {
        schemes.push(SESSION_SCHEME);
    }
    if need.takes_keys() {
        schemes.extend(KEY_SCHEMES);
    }
    // An empty list says that the operation is open, whatever the document says of the others.
    operation.security = Some(
        schemes
            .into_iter()
            .map(|scheme| utoipa::openapi::SecurityRequirement::new(scheme, Vec::<String>::new()))
            .collect(),
    );
    let content = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build();
    let problem = ResponseBuilder::new().description("What went wrong").content(problem::MEDIA_TYPE, content).build();
    operation.responses.responses.insert("default".to_owned(), RefOr::T(problem));
}

async fn admit(need: Need, params: &RawPathParams, mut request: Request) -> Answer<Request> {
    let app = request.extensions().get::<App>().cloned();
    let app = app.ok_or_else(|| model::Fault::bug("this route does not know its service"))?;
    let client = client_of(request.extensions(), request.headers(), app.ports.is_proxy.as_ref());
    let found = match need {
        Need::Nobody => Ok(None),
        _ => caller(&app, request.headers(), &client).await,
    };
    // Guessing keys is slowed down like any other call without one.
    let counted = match &found {
        Ok(Some(caller)) => json!(caller.actor()).to_string(),
        Ok(None) | Err(_) => client.clone(),
    };
    app.rate.take(&counted, app.now())?;
    if need == Need::Nobody {
        request.extensions_mut().insert(Client(client));
        return Ok(request);
    }
    let caller = found?.ok_or_else(|| Problem::unauthenticated("this call needs credentials"))?;
    check_csrf(request.method(), request.headers(), &caller)?;
    match need {
        Need::Nobody | Need::Anybody => {}
        Need::Person if matches!(caller.who, Who::Person { .. }) => {}
        Need::Person => return Err(Problem::forbidden("only people who signed in may do this")),
        Need::Admin if caller.is_admin() => {}
        Need::Admin => return Err(Problem::forbidden("only administrators may do this")),
        Need::Role(needed) => {
            let project = params.iter().find(|(name, _)| *name == "project").map(|(_, id)| ProjectId::new(id));
            let project = project.ok_or_else(|| model::Fault::bug("this route has no project in its path"))?;
            let role = role_in(&app, &caller, &project).await?;
            if role < needed {
                let message = format!("this needs the role {}; yours is {}", needed.as_str(), role.as_str());
                return Err(Problem::forbidden(message).hint("ask an owner of the project"));
            }
            request.extensions_mut().insert(InProject { project, role, caller: caller.clone() });
        }
    }
    request.extensions_mut().insert(caller);
    Ok(request)
}

/// What the caller may do in a project. Whether a project exists is told only to those who may know.
async fn role_in(app: &App, caller: &Caller, project: &ProjectId) -> Answer<Role> {
    let foreign = || {
        Problem::forbidden(format!("you are not a member of a project {:?}", project.as_str()))
            .hint("check the project's id, or ask one of its owners")
    };
    match &caller.who {
        Who::Program(key) if key.project == *project => Ok(key.role),
        Who::Program(_) => Err(Problem::forbidden("this key belongs to another project")),
        Who::Person { session, .. } if session.user.admin => {
            let exists = app.ports.people.project(project).await?.is_some();
            let missing = || Problem::not_found(format!("there is no project {:?}", project.as_str()));
            exists.then_some(Role::Owner).ok_or_else(missing)
        }
        Who::Person { session, .. } => app.ports.people.role(project, &session.user.id).await?.ok_or_else(foreign),
    }
}

/// A browser sends the cookie along with calls that other sites start; only our own pages know the token.
fn check_csrf(method: &Method, headers: &HeaderMap, caller: &Caller) -> Answer<()> {
    let Who::Person { token, .. } = &caller.who else { return Ok(()) };
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let sent = headers.get(CSRF_HEADER).map(|value| value.as_bytes());
    // Both are hashes of a random token: comparing them in uneven time tells nothing about it.
    if sent == Some(csrf_token(token).as_bytes()) {
        return Ok(());
    }
    Err(Problem::new(axum::http::StatusCode::FORBIDDEN, "csrf", "the X-CSRF-Token header is missing or wrong")
        .hint("send the csrfToken of GET /api/v1/session"))
}
