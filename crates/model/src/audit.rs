//! Who did what to which object, for as long as the project exists.

use async_trait::async_trait;

use crate::{Actor, Fault, Micros, Page, PageRequest, ProjectId};

/// Something that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAuditEntry {
    /// The project it belongs to; `None` for the server's own affairs.
    pub project: Option<ProjectId>,
    /// Who.
    pub actor: Actor,
    /// What: `export.create`, `export.download`, `member.set`.
    pub action: String,
    /// To which object: its id.
    pub object: String,
    /// What is worth knowing besides; it holds no secret.
    pub details: serde_json::Value,
    /// Address the call came from.
    pub client: Option<String>,
}

/// An entry as it is kept. Entries are never changed.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Id.
    pub id: String,
    /// When, by the database's clock.
    pub at: Micros,
    /// What was done.
    pub entry: NewAuditEntry,
}

/// The audit log.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Adds an entry.
    async fn audit(&self, entry: NewAuditEntry) -> Result<(), Fault>;

    /// Entries of a project, or those of no project, newest first.
    async fn audit_entries(&self, project: Option<&ProjectId>, page: &PageRequest) -> Result<Page<AuditEntry>, Fault>;
}
