//! Integrations: what is asked for ([`request`]), how they are shown, and what became of their windows
//! ([`runs`]).

mod backfill;
mod kinds;
mod request;
mod runs;

use std::collections::BTreeMap;

use model::Page;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::export::Failure;
use super::rows::Cursor;
use super::{ActorBody, instant};

pub(crate) use backfill::{Backfill, BackfillPage, NewBackfill, RangeRequest};
pub(crate) use kinds::IntegrationKind;
pub(crate) use request::{Deletions, IntegrationChange, IntegrationRequest, Schedule, SchemaRule, Start};
pub(crate) use runs::{Coverage, DeadLetterPage, NextWindow, RunPage, RunsQuery, WindowRun};

/// An integration.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Integration {
    /// Id.
    id: String,
    /// Name for people.
    name: String,
    /// Kind of the destination.
    #[schema(example = "s3")]
    kind: String,
    /// Where it stands.
    status: IntegrationStatus,
    /// Why it does nothing, while it is paused.
    #[schema(required)]
    pause: Option<Pause>,
    /// Options of the kind, without secrets.
    options: BTreeMap<String, String>,
    /// Names of the secrets that are stored.
    secrets: Vec<String>,
    /// Tables, in the order of the files.
    tables: Vec<IntegrationTable>,
    /// Langfuse's name for this choice of tables, where it has one.
    #[schema(required)]
    source: Option<String>,
    /// When windows end.
    schedule: Schedule,
    /// Timestamp that windows are measured on.
    cursor: Cursor,
    /// Seconds between the end of a window and its export.
    lag_seconds: u32,
    /// Where the first window begins.
    start: Start,
    /// What becomes of rows that were deleted.
    deletions: Deletions,
    /// Windows of the past at the same time.
    catch_up_max: u32,
    /// How files look and are called; null for kinds that take events.
    #[schema(required)]
    files: Option<Files>,
    /// Everything before it was exported; null before the first window.
    #[schema(required, format = DateTime)]
    exported_upto: Option<String>,
    /// When the next window is exported; null while it is paused.
    #[schema(required, format = DateTime)]
    next_at: Option<String>,
    /// Windows that are queued or running.
    runs_active: u32,
    /// The run that ended last.
    #[schema(required)]
    last_run: Option<WindowRun>,
    /// Counts changes; a change sends it back.
    version: u32,
    /// Who made it.
    created_by: ActorBody,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was last changed.
    #[schema(format = DateTime)]
    updated_at: String,
}

/// Where an integration stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum IntegrationStatus {
    /// Nothing was exported yet.
    Waiting,
    /// A window is queued or running, or a backfill is not through yet.
    Running,
    /// Every window that has ended is exported, and no backfill is under way.
    UpToDate,
    /// Somebody paused it.
    Paused,
    /// A fault that only a person can remove paused it.
    Failed,
}

/// Why an integration does nothing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pause {
    /// Since when.
    #[schema(format = DateTime)]
    at: String,
    /// Who paused it; the server because of a failure.
    by: ActorBody,
    /// What has to be changed, where a fault paused it.
    #[schema(required)]
    failure: Option<Failure>,
}

/// One table of an integration.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationTable {
    /// Table.
    table: String,
    /// Field groups; all where empty and no columns are named.
    groups: Vec<String>,
    /// Columns by name, instead of groups.
    columns: Vec<String>,
    /// Filters that must all hold.
    #[schema(value_type = Vec<super::rows::Filter>)]
    filter: Value,
    /// Filters as text.
    #[serde(rename = "where")]
    wheres: Vec<String>,
    /// Mask rules.
    masks: Vec<String>,
}

/// How the files of an integration look and are called.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Files {
    /// Format.
    format: String,
    /// `none`, `gzip` or `zstd`.
    compression: String,
    /// `keep` or `decode`; the format's own rule where null.
    #[schema(required)]
    unicode: Option<String>,
    /// Neutralises what a spreadsheet would run as a formula.
    neutralise_formulas: bool,
    /// Writes the CSV header even where there is no row.
    csv_header_always: bool,
    /// A new file begins when one reaches this size; null for one file.
    #[schema(required)]
    roll_bytes: Option<u64>,
    /// Text that keys begin with.
    prefix: String,
    /// How keys are made.
    template: String,
    /// Whether `event_ts` is the last column.
    event_ts: bool,
    /// What a new column means.
    schema: SchemaRule,
}

impl From<model::Integration> for Integration {
    fn from(integration: model::Integration) -> Self {
        let status = match integration.status() {
            model::IntegrationStatus::Waiting => IntegrationStatus::Waiting,
            model::IntegrationStatus::Running => IntegrationStatus::Running,
            model::IntegrationStatus::UpToDate => IntegrationStatus::UpToDate,
            model::IntegrationStatus::Paused => IntegrationStatus::Paused,
            model::IntegrationStatus::Failed => IntegrationStatus::Failed,
        };
        let settings = integration.settings;
        let source = settings.preset().map(|preset| preset.as_str().to_owned());
        let next_at = integration.next_at.filter(|_| integration.pause.is_none());
        Self {
            id: integration.id.as_str().to_owned(),
            name: integration.name,
            kind: settings.kind,
            status,
            pause: integration.pause.map(Into::into),
            options: settings.options,
            secrets: integration.secrets,
            tables: settings.tables.into_iter().map(Into::into).collect(),
            source,
            schedule: settings.schedule.raw().clone().into(),
            cursor: settings.cursor.into(),
            lag_seconds: settings.lag_seconds,
            start: settings.start.into(),
            deletions: settings.deletions.into(),
            catch_up_max: settings.catch_up_max,
            files: settings.files.map(Into::into),
            exported_upto: integration.cursor.map(instant),
            next_at: next_at.map(instant),
            runs_active: integration.runs_active,
            last_run: integration.last_run.map(Into::into),
            version: integration.version,
            created_by: integration.created_by.into(),
            created_at: instant(integration.created_at),
            updated_at: instant(integration.updated_at),
        }
    }
}

impl From<model::Pause> for Pause {
    fn from(pause: model::Pause) -> Self {
        Self { at: instant(pause.at), by: pause.by.into(), failure: pause.failure.map(Into::into) }
    }
}

impl From<model::IntegrationTable> for IntegrationTable {
    fn from(table: model::IntegrationTable) -> Self {
        let filter = if table.filter.is_null() { Value::Array(Vec::new()) } else { table.filter };
        Self {
            table: table.table,
            groups: table.groups,
            columns: table.columns,
            filter,
            wheres: table.wheres,
            masks: table.masks,
        }
    }
}

impl From<model::FileSettings> for Files {
    fn from(files: model::FileSettings) -> Self {
        Self {
            format: files.format,
            compression: files.compression,
            unicode: files.unicode,
            neutralise_formulas: files.neutralise_formulas,
            csv_header_always: files.csv_header_always,
            roll_bytes: files.roll_bytes.map(model::ByteCount::get),
            prefix: files.prefix,
            template: files.template.to_string(),
            event_ts: files.event_ts,
            schema: files.schema.into(),
        }
    }
}

/// Integrations, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IntegrationPage {
    /// Integrations.
    items: Vec<Integration>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

impl From<Page<model::Integration>> for IntegrationPage {
    fn from(page: Page<model::Integration>) -> Self {
        Self { items: page.items.into_iter().map(Into::into).collect(), next: page.next.map(|token| token.0) }
    }
}

/// What a test of the destination came to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestReport {
    /// Whether every step succeeded.
    ok: bool,
    /// The steps in order. After the first that fails only what was written is removed.
    steps: Vec<TestStep>,
}

/// A step of a test.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestStep {
    /// What was done: `address policy`, `write`, `read back`, …
    pub(crate) name: String,
    /// The receiver's own message, where it failed.
    #[schema(required)]
    pub(crate) failure: Option<String>,
    /// What its success leaves open, where somebody might take it for answered.
    #[schema(required)]
    pub(crate) note: Option<String>,
}

impl TestReport {
    pub(crate) fn of(steps: Vec<TestStep>) -> Self {
        Self { ok: steps.iter().all(|step| step.failure.is_none()), steps }
    }
}
