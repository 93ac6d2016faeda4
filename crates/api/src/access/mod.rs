//! Who calls, and whether they may: decided once per route, before anything of the request is read.
//!
//! [`needing`] puts a need in front of a group of routes and writes it into their documentation, so what is
//! documented is what is checked. Handlers get the answer as [`Caller`] or, in a project, as [`InProject`].

mod audit;
mod credentials;
mod need;
mod rate;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use model::{Actor, ApiKey, ProjectId, Role, Secret, Session};

use crate::problem::Problem;

pub(crate) use credentials::{SESSION_COOKIE, session_cookie};
#[cfg(test)]
pub(crate) use need::CSRF_HEADER;
pub(crate) use need::{Need, needing};
pub(crate) use rate::RateLimit;

/// Somebody whose credentials are good.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Person or program.
    pub(crate) who: Who,
    /// Address the call came from.
    pub(crate) client: String,
}

/// Address that a call without credentials came from.
#[derive(Clone, Debug)]
pub(crate) struct Client(pub(crate) String);

/// A person or a program.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// A person who signed in.
    Person {
        /// The session.
        session: Session,
        /// Its token.
        token: Secret,
    },
    /// A program with a project's key.
    Program(ApiKey),
}

impl Caller {
    /// How the audit log and exports name them.
    pub(crate) fn actor(&self) -> Actor {
        match &self.who {
            Who::Person { session, .. } => Actor::User(session.user.id.clone()),
            Who::Program(key) => Actor::ApiKey(key.id.clone()),
        }
    }

    /// Whether they may do everything everywhere.
    pub(crate) fn is_admin(&self) -> bool {
        matches!(&self.who, Who::Person { session, .. } if session.user.admin)
    }
}

/// A caller who may do what the route does in this project.
#[derive(Clone, Debug)]
pub(crate) struct InProject {
    /// The project of the path.
    pub(crate) project: ProjectId,
    /// What they may do there; at least what the route needs.
    pub(crate) role: Role,
    /// Who they are.
    pub(crate) caller: Caller,
}

macro_rules! from_extensions {
    ($type:ty, $what:literal) => {
        impl<S: Send + Sync> FromRequestParts<S> for $type {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
                // A route outside its group of needs: closed rather than open.
                let missing = || model::Fault::bug(concat!("this route does not know ", $what));
                parts.extensions.get::<Self>().cloned().ok_or_else(missing).map_err(Problem::from)
            }
        }
    };
}

from_extensions!(Caller, "its caller");
from_extensions!(InProject, "its project");
