//! The shapes of bodies, in camelCase, and how they come from the model. They are the API's promise to
//! programs: a field may be added, none changes its meaning.
//!
//! Instants are RFC 3339 in UTC with six digits; counts of bytes and rows are whole numbers.

mod catalog;
mod comments;
mod counts;
mod export;
mod filter;
mod integration;
mod people;
mod rows;
mod storage;

use model::{Actor, Micros};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use catalog::Catalog;
pub(crate) use comments::{Comment, CommentPage, CommentsQuery, NewComment};
pub(crate) use counts::{Facets, FacetsRequest, Histogram, HistogramRequest};
pub(crate) use export::{DownloadLink, Estimate, Export, ExportPage, ExportRequest, ExportsQuery, Preview};
pub(crate) use integration::{
    Backfill, BackfillPage, Coverage, DeadLetterPage, Integration, IntegrationChange, IntegrationKind, IntegrationPage,
    IntegrationRequest, NewBackfill, NextWindow, RangeRequest, RunPage, RunsQuery, TestReport, TestStep, WindowRun,
};
pub(crate) use people::{
    ApiKey, AuditPage, ChangedProject, CreatedKey, Invitation, Member, NewInvitation, NewKey, NewMember, NewProject,
    Project, ProjectPage, ServerAuditQuery, Session,
};
pub(crate) use rows::{Row, RowPage, RowsQuery, RowsRequest};
pub(crate) use storage::{ImportQuery, Imported, Storage};

/// An instant as text.
pub(crate) fn instant(at: Micros) -> String {
    at.to_rfc3339()
}

/// Who did something.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActorBody {
    /// `user`, `apiKey` or `system`.
    kind: ActorKind,
    /// Id of the person or key; null for the server itself.
    #[schema(required)]
    id: Option<String>,
}

/// What acts.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ActorKind)]
enum ActorKind {
    User,
    ApiKey,
    System,
}

impl From<Actor> for ActorBody {
    fn from(actor: Actor) -> Self {
        match actor {
            Actor::User(id) => Self { kind: ActorKind::User, id: Some(id.as_str().to_owned()) },
            Actor::ApiKey(id) => Self { kind: ActorKind::ApiKey, id: Some(id.as_str().to_owned()) },
            Actor::System => Self { kind: ActorKind::System, id: None },
        }
    }
}
