//! People, projects, keys and what they did.

use model::{AuditEntry, Page, Quotas};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{ActorBody, instant};

/// What somebody may do in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Looks at rows and exports.
    Viewer,
    /// Creates, cancels and downloads exports, comments and imports.
    Member,
    /// Manages members, keys, quotas and retention.
    Owner,
}

impl From<Role> for model::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Member => Self::Member,
            Role::Owner => Self::Owner,
        }
    }
}

impl From<model::Role> for Role {
    fn from(role: model::Role) -> Self {
        match role {
            model::Role::Viewer => Self::Viewer,
            model::Role::Member => Self::Member,
            model::Role::Owner => Self::Owner,
        }
    }
}

/// Somebody who can sign in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    /// Id.
    id: String,
    /// Address.
    email: String,
    /// Name for people.
    name: String,
    /// May create projects and is an owner everywhere.
    admin: bool,
}

impl From<model::User> for User {
    fn from(user: model::User) -> Self {
        Self { id: user.id.as_str().to_owned(), email: user.email, name: user.name, admin: user.admin }
    }
}

/// Who calls.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    /// The person; null for a key.
    #[schema(required)]
    pub(crate) user: Option<User>,
    /// The key; null for a person.
    #[schema(required)]
    pub(crate) key: Option<ApiKey>,
    /// When the session ends; null for a key.
    #[schema(required, format = DateTime)]
    pub(crate) until: Option<String>,
    /// What mutating calls of this session send as `X-CSRF-Token`; null for a key.
    #[schema(required)]
    pub(crate) csrf_token: Option<String>,
}

/// A project.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Project {
    /// Id, as rows carry it.
    id: String,
    /// Name for people.
    name: String,
    /// What the caller may do in it.
    role: Role,
    /// Bounds of its own.
    quotas: ProjectQuotas,
    /// Rows that started longer ago are removed from the embedded store; null keeps them for ever.
    #[schema(required)]
    retention_days: Option<u32>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
}

impl Project {
    pub(crate) fn new(project: model::Project, role: model::Role) -> Self {
        Self {
            id: project.id.as_str().to_owned(),
            name: project.name,
            role: role.into(),
            quotas: project.quotas.into(),
            retention_days: project.retention_days,
            created_at: instant(project.created_at),
        }
    }
}

/// Bounds of a project. What is null is the server's own bound.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ProjectQuotas {
    /// Exports that run at once; further ones wait.
    exports_active_max: Option<u32>,
    /// Exports that wait.
    exports_queued_max: Option<u32>,
    /// Bytes of finished exports in any 24 hours.
    bytes_per_day_max: Option<u64>,
    /// Rows of one export.
    rows_per_export_max: Option<u64>,
}

impl From<Quotas> for ProjectQuotas {
    fn from(quotas: Quotas) -> Self {
        Self {
            exports_active_max: quotas.exports_active_max,
            exports_queued_max: quotas.exports_queued_max,
            bytes_per_day_max: quotas.bytes_per_day_max,
            rows_per_export_max: quotas.rows_per_export_max,
        }
    }
}

impl From<ProjectQuotas> for Quotas {
    fn from(quotas: ProjectQuotas) -> Self {
        Self {
            exports_active_max: quotas.exports_active_max,
            exports_queued_max: quotas.exports_queued_max,
            bytes_per_day_max: quotas.bytes_per_day_max,
            rows_per_export_max: quotas.rows_per_export_max,
        }
    }
}

/// Projects by id.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectPage {
    /// Projects.
    pub(crate) items: Vec<Project>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    pub(crate) next: Option<String>,
}

/// A project to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewProject {
    /// Id, as rows carry it.
    pub(crate) id: String,
    /// Name for people.
    pub(crate) name: String,
}

/// Changes of a project; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangedProject {
    /// New name.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// New bounds, all of them.
    #[serde(default)]
    pub(crate) quotas: Option<ProjectQuotas>,
    /// New retention; null keeps rows for ever.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub(crate) retention_days: Option<Option<u32>>,
}

/// Tells a null from a field that is left out.
fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Somebody's role in a project.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    /// Who.
    user: User,
    /// What they may do.
    role: Role,
}

impl From<model::Member> for Member {
    fn from(member: model::Member) -> Self {
        Self { user: member.user.into(), role: member.role.into() }
    }
}

/// Somebody who becomes a member, or gets another role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewMember {
    /// Address of an account that exists.
    pub(crate) email: String,
    /// What they may do.
    pub(crate) role: Role,
}

/// An invitation to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewInvitation {
    /// What the new member may do.
    pub(crate) role: Role,
    /// Days that the link can be used; 7 where not given.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 30)]
    pub(crate) valid_days: Option<u32>,
}

/// An invitation. The link is shown once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invitation {
    /// Whoever opens it first can make an account that is a member of the project.
    pub(crate) url: String,
    /// When it stops working.
    #[schema(format = DateTime)]
    pub(crate) expires_at: String,
}

/// A project's key, without its secret half.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKey {
    /// Id.
    id: String,
    /// Its project.
    project: String,
    /// Public half: the user name of basic authentication.
    public_key: String,
    /// What it may do.
    role: Role,
    /// What it is for.
    note: String,
    /// Last characters of the secret half.
    secret_ends: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it stops working.
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    /// When it was last used, to the minute.
    #[schema(required, format = DateTime)]
    last_used_at: Option<String>,
}

impl From<model::ApiKey> for ApiKey {
    fn from(key: model::ApiKey) -> Self {
        Self {
            id: key.id.as_str().to_owned(),
            project: key.project.as_str().to_owned(),
            public_key: key.public,
            role: key.role.into(),
            note: key.note,
            secret_ends: key.secret_ends,
            created_at: instant(key.created_at),
            expires_at: key.expires_at.map(instant),
            last_used_at: key.last_used_at.map(instant),
        }
    }
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewKey {
    /// What it may do.
    pub(crate) role: Role,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub(crate) note: String,
    /// When it stops working; never where not given.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub(crate) expires_at: Option<String>,
}

/// A new key. Its secret half is shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedKey {
    /// The key.
    pub(crate) key: ApiKey,
    /// Its secret half.
    pub(crate) secret_key: String,
}

/// Whose part of the log is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ServerAuditQuery {
    /// Of this project, which may be deleted by now; of no project where not given.
    pub(crate) project: Option<String>,
    /// At most so many items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: Option<u32>,
    /// The `next` of the page before.
    pub(crate) cursor: Option<String>,
}

/// Entries of the audit log, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditPage {
    /// Entries.
    items: Vec<AuditItem>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

/// Something that was done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub(crate) struct AuditItem {
    /// Id.
    id: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who.
    actor: ActorBody,
    /// What: `export.create`, `member.set`, …
    #[schema(example = "export.create")]
    action: String,
    /// To which object: its id.
    object: String,
    /// What is worth knowing besides.
    #[schema(value_type = Value)]
    details: Value,
    /// Address the call came from.
    #[schema(required)]
    client: Option<String>,
}

impl From<Page<AuditEntry>> for AuditPage {
    fn from(page: Page<AuditEntry>) -> Self {
        let item = |found: AuditEntry| AuditItem {
            id: found.id,
            at: instant(found.at),
            actor: found.entry.actor.into(),
            action: found.entry.action,
            object: found.entry.object,
            details: found.entry.details,
            client: found.entry.client,
        };
        Self { items: page.items.into_iter().map(item).collect(), next: page.next.map(|token| token.0) }
    }
}
