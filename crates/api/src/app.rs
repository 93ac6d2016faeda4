//! What every route works with: the ports behind the API, and how it is set up.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{
    AuditLog, Browse, BrowseBounds, ByteCount, CommentStore, Downloads, ExportDesk, ExportStore, Fault,
    FileNamePattern, FormatDescriptor, Ingest, IntegrationDesk, IntegrationStore, Micros, PeopleStore, Quotas, Secret,
    Stop, StorageFigures, TableSpec,
};

use crate::access::RateLimit;

/// What the API asks for everything.
#[derive(Clone)]
pub struct Ports {
    /// Exports.
    pub exports: Arc<dyn ExportStore>,
    /// Holds requests against tables, formats and sources.
    pub desk: Arc<dyn ExportDesk>,
    /// Finished files.
    pub downloads: Arc<dyn Downloads>,
    /// Rows.
    pub browse: Arc<dyn Browse>,
    /// Takes rows in; `None` where the source is somebody else's.
    pub ingest: Option<Arc<dyn Ingest>>,
    /// What is stored.
    pub storage: Arc<dyn StorageFigures>,
    /// Integrations; `None` where the process has none.
    pub integrations: Option<Integrations>,
    /// Comments.
    pub comments: Arc<dyn CommentStore>,
    /// People, projects and keys.
    pub people: Arc<dyn PeopleStore>,
    /// Who did what.
    pub audit: Arc<dyn AuditLog>,
    /// Whether the process can work.
    pub readiness: Arc<dyn Readiness>,
    /// Raised when the process is about to end: it is no longer ready, and streams of events end, so that their
    /// readers connect to another process.
    pub closing: Stop,
    /// Figures in Prometheus' text form; `None` where they are switched off.
    pub metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    /// Whether an address is a proxy of the deployment, whose word on who calls is taken.
    pub is_proxy: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
    /// The current time.
    pub now: fn() -> Micros,
}

/// What integrations are asked of.
#[derive(Clone)]
pub struct Integrations {
    /// Integrations and their runs.
    pub store: Arc<dyn IntegrationStore>,
    /// Holds what is asked against kinds, tables, formats and destinations.
    pub desk: Arc<dyn IntegrationDesk>,
}

/// Whether what the process depends on can be reached.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Fails where no request could be answered now, and else tells how the source is: without it rows cannot be
    /// looked at, but exports are queued, listed, cancelled and downloaded.
    async fn ready(&self) -> Result<SourceState, Fault>;
}

/// How the source was when it was last asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// It answers.
    Ok,
    /// It cannot be read, for this reason.
    Away(String),
    /// It has not answered yet since the process began.
    Unknown,
}

/// What can be exported and how, as the families describe themselves.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Tables, in the order they are shown.
    pub tables: Vec<Arc<TableSpec>>,
    /// Formats, the usual one first.
    pub formats: Vec<FormatDescriptor>,
    /// Name of the source for people, without secrets.
    pub source: String,
    /// Whether comments on the source's rows are known.
    pub comments: bool,
}

/// How the API is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Start of every link, without a slash at its end. With `https` cookies are for encrypted connections only.
    pub public_url: String,
    /// Version of the product.
    pub version: &'static str,
    /// What can be exported.
    pub catalog: Catalog,
    /// Largest body of a request, imports left out.
    pub body_bytes_max: ByteCount,
    /// Largest body of an import.
    pub import_bytes_max: ByteCount,
    /// An import whose caller sends nothing for so long is given up: it holds a place that others wait for.
    pub import_silence_max: Duration,
    /// Requests of one key or person, and of one address that shows neither, in any minute.
    pub requests_per_minute: u32,
    /// Bearer token of `/metrics`; open to everybody without it.
    pub metrics_token: Option<Secret>,
    /// How much one call that looks at rows may take.
    pub browse: BrowseBounds,
    /// What download links are signed with: the same in every process of a deployment.
    pub link_key: Secret,
    /// Bounds of projects that have none of their own.
    pub quotas: Quotas,
    /// How files are named.
    pub file_names: FileNamePattern,
    /// How long files are kept.
    pub keep: Duration,
}

/// The state that routes share.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) settings: Settings,
    pub(crate) rate: RateLimit,
}

impl App {
    pub(crate) fn new(ports: Ports, settings: Settings) -> Self {
        let rate = RateLimit::per_minute(settings.requests_per_minute);
        Self(Arc::new(Shared { ports, settings, rate }))
    }

    pub(crate) fn now(&self) -> Micros {
        (self.ports.now)()
    }

    /// Whether people reach the server over TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.settings.public_url.starts_with("https://")
    }
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
