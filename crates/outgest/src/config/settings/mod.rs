//! Every setting, once: names, types, defaults and documentation.
//!
//! The fields' doc comments are the text of `docs/configuration.md`; `extend` says what else the
//! reference needs to know: `flag` (the option of the same meaning), `variables` (names of the environment
//! that other programs use for it), `unset` (what holds where there is no value). Values come from
//! [`super::load`]; nothing here reads files or the environment.

mod check;
mod client;
mod data;
mod notify;
mod observe;
mod server;
mod work;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use client::ClientSettings;
pub use data::{CommentsOf, RetentionSettings, SealSettings, SourceSettings};
pub use notify::{EgressSettings, SmtpSettings, WebhookSettings};
pub use observe::{LogForm, LogLevel, LogSettings, MetricsSettings, OtlpSettings};
pub use server::{Role, ServerSettings};
pub use work::{ExportSettings, IntegrationsSettings, QuotaSettings, WorkerSettings};

use super::value::Place;

/// Every setting of Outgest.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Directory of the embedded store and of everything remembered between commands.
    ///
    /// Relative paths here and elsewhere start from the folder that the command runs in.
    #[schemars(with = "String", extend("flag" = "--data"))]
    pub data: PathBuf,
    /// The metadata store: projects, people, keys, exports, jobs.
    ///
    /// Several processes on several machines share one through Postgres.
    #[schemars(example = "postgres://outgest:secret@db.example.com/outgest")]
    #[schemars(extend("flag" = "--database", "unset" = "SQLite in the data directory"))]
    pub database: Option<Place>,
    /// Who serves what, and where.
    pub server: ServerSettings,
    /// How much a worker does at once.
    pub worker: WorkerSettings,
    /// What one project may ask for, unless it has bounds of its own. What goes beyond is refused with status 429.
    pub quota: QuotaSettings,
    /// Exports that are asked for through the API.
    pub export: ExportSettings,
    /// Integrations, which export by themselves.
    pub integrations: IntegrationsSettings,
    /// Where rows are read.
    ///
    /// What the address of a ClickHouse says itself, or its options say (`?threads_max=4`), wins over the settings
    /// here; `docs/clickhouse.md` lists the options.
    pub source: SourceSettings,
    /// When stored things are removed.
    pub retention: RetentionSettings,
    /// The key that secrets in the metadata store are sealed with (AES-256-GCM).
    pub seal: SealSettings,
    /// Mail about exports that ended. Nothing is sent unless `url` and `from` are set.
    pub smtp: SmtpSettings,
    /// A request about every export that ended. Nothing is sent unless `url` and `secret` are set.
    ///
    /// The body is JSON. `Outgest-Signature: t=<seconds>,v1=<hex>` carries the time of sending and the
    /// HMAC-SHA256 of `<seconds>.<body>`; receivers should refuse times that are more than five minutes away.
    pub webhook: WebhookSettings,
    /// Connections to hosts that users name: webhooks, and destinations made through the API.
    pub egress: EgressSettings,
    /// Log lines, which go to stderr.
    pub log: LogSettings,
    /// Figures for Prometheus at `/metrics`. `docs/alerts.yml` and `docs/dashboard.json` use them.
    pub metrics: MetricsSettings,
    /// Traces for an OpenTelemetry collector, over HTTP with protobuf bodies.
    pub otlp: OtlpSettings,
    /// The server that `outgest exports` and `outgest integrations` talk to.
    pub client: ClientSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: PathBuf::from("outgest-data"),
            database: None,
            server: ServerSettings::default(),
            worker: WorkerSettings::default(),
            quota: QuotaSettings::default(),
            export: ExportSettings::default(),
            integrations: IntegrationsSettings::default(),
            source: SourceSettings::default(),
            retention: RetentionSettings::default(),
            seal: SealSettings::default(),
            smtp: SmtpSettings::default(),
            webhook: WebhookSettings::default(),
            egress: EgressSettings::default(),
            log: LogSettings::default(),
            metrics: MetricsSettings::default(),
            otlp: OtlpSettings::default(),
            client: ClientSettings::default(),
        }
    }
}
