//! What people and programs are told when an export ends or an integration stops, and the outbox it waits in.
//!
//! A notice is written in the same change that ends the export, so that none is lost and none is sent for
//! an end that did not happen. It is sent at least once: who crashes between sending and noting so sends
//! again, under the same id.

use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Actor, ByteCount, Export, ExportFile, ExportState, Failure, Fault, IntegrationId, JobId, Micros, NoticeId,
    ProjectId, RowCount, UserId,
};

/// How somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A mail to the person who asked for it. Of an integration that no person made, or one who has left, those who
    /// answer for the project get it.
    Mail,
    /// A request to the address that the server is configured with.
    Webhook,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 2] = [Self::Mail, Self::Webhook];

    /// The name in the store and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
        }
    }

    /// The channel of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name)
    }
}

/// An export at the moment it ended; later changes do not show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndedExport {
    /// Id.
    pub id: JobId,
    /// Its project.
    pub project: ProjectId,
    /// Name for people.
    pub name: String,
    /// Completed or failed.
    pub state: ExportState,
    /// Table.
    pub table: String,
    /// Format.
    pub format: String,
    /// Who asked for it.
    pub created_by: Actor,
    /// When it was asked for.
    pub created_at: Micros,
    /// When it ended.
    pub finished_at: Micros,
    /// When its files are removed.
    pub expires_at: Option<Micros>,
    /// Rows written.
    pub rows: RowCount,
    /// Bytes written.
    pub bytes: ByteCount,
    /// Whether a limit cut rows.
    pub truncated: bool,
    /// What the reader should know.
    pub warnings: Vec<String>,
    /// Its files in row order.
    pub files: Vec<ExportFile>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl EndedExport {
    /// What is told of an export that has just ended.
    pub fn of(export: Export, finished_at: Micros) -> Self {
        Self {
            id: export.id,
            project: export.project,
            name: export.name,
            state: export.state,
            table: export.table,
            format: export.format,
            created_by: export.created_by,
            created_at: export.created_at,
            finished_at,
            expires_at: export.expires_at,
            rows: export.progress.rows,
            bytes: export.progress.bytes,
            truncated: export.truncated,
            warnings: export.warnings,
            files: export.files,
            failure: export.failure,
        }
    }
}

/// An integration that was paused by a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoppedIntegration {
    /// Id.
    pub integration: IntegrationId,
    /// Its project.
    pub project: ProjectId,
    /// Name for people.
    pub name: String,
    /// Kind of its destination.
    pub kind: String,
    /// Who made it.
    pub created_by: Actor,
    /// When it was paused.
    pub at: Micros,
    /// What has to be changed.
    pub failure: Failure,
    /// Who is told of it, where it is told by mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addressee: Option<UserId>,
}

/// What a notice is about. Both are told apart by their fields, as they always were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Told {
    /// An export has ended.
    Export(Box<EndedExport>),
    /// An integration has stopped.
    Integration(Box<StoppedIntegration>),
}

impl Told {
    /// The project it is about.
    pub fn project(&self) -> &ProjectId {
        match self {
            Self::Export(export) => &export.project,
            Self::Integration(stopped) => &stopped.project,
        }
    }

    /// Id of the export or integration.
    pub fn id(&self) -> &str {
        match self {
            Self::Export(export) => export.id.as_str(),
            Self::Integration(stopped) => stopped.integration.as_str(),
        }
    }

    /// Who asked for it.
    pub fn created_by(&self) -> &Actor {
        match self {
            Self::Export(export) => &export.created_by,
            Self::Integration(stopped) => &stopped.created_by,
        }
    }

    /// Whom a mail goes to; `None` where that is no person.
    pub fn addressee(&self) -> Option<&UserId> {
        match (self, self.created_by()) {
            (Self::Integration(stopped), _) if stopped.addressee.is_some() => stopped.addressee.as_ref(),
            (_, Actor::User(id)) => Some(id),
            (_, Actor::ApiKey(_) | Actor::System) => None,
        }
    }
}

/// A notice that was claimed to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Id: the same for every attempt, so that receivers can tell repetitions.
    pub id: NoticeId,
    /// How it is sent.
    pub channel: Channel,
    /// What it is about.
    pub about: Told,
    /// How long ago it was written.
    pub age: Duration,
    /// Attempts so far, this one included.
    pub attempt: u32,
}

/// The outbox.
#[async_trait]
pub trait NoticeStore: Send + Sync {
    /// Claims the notice of a channel that has been due longest. It is due again after `lease`, unless it is
    /// forgotten or delayed before.
    async fn claim_notice(&self, channel: Channel, lease: Duration) -> Result<Option<Notice>, Fault>;

    /// The notice needs nothing more: it was sent or given up.
    async fn forget_notice(&self, id: &NoticeId) -> Result<(), Fault>;

    /// The notice is due again after `wait`.
    async fn delay_notice(&self, id: &NoticeId, wait: Duration) -> Result<(), Fault>;

    /// Yields at once, whenever a notice may have become due, and at least every few seconds.
    fn notices(&self) -> BoxStream<'static, ()>;
}
