//! Integrations: exports that happen by themselves, window after window.
//!
//! Somebody says once what goes where and when ([`IntegrationSettings`]); the scheduler then plans windows
//! ([`Span`]), each of which is a run ([`WindowRun`]) with files of its own ([`WindowName`]) that a worker
//! carries out as a job. What was missed, and what is asked for again, is a [`Backfill`].
//!
//! Secrets are never part of these values: they are kept under [`Integration::secret`] and opened when a job
//! is claimed.

mod backfill;
mod name;
mod run;
mod store;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Actor, ByteCount, Cursor, Failure, IntegrationId, Micros, ProjectId, Schedule, SecretName};

pub use backfill::{Backfill, BackfillCause, BackfillOrder, BackfillState, BackfillWindows, NewBackfill};
pub use name::{KeyTemplate, WindowName};
pub use run::{
    AskedRows, Comparison, Coverage, FoundLater, KeptFrom, KeptLetter, RowsOfTable, RunCause, RunQuery, RunState,
    SchemaChange, ScoreNames, TableColumns, WindowJob, WindowResult, WindowRun,
};
pub use store::{
    ChangedIntegration, CheckedIntegration, DuePlan, IntegrationAsk, IntegrationDesk, IntegrationStore, NewIntegration,
    NextWindow, PlannedWindow, SchedulerStore, WindowPlan,
};

/// What goes where and when. It is stored as JSON and holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationSettings {
    /// Kind of the destination: `s3`, `posthog`.
    pub kind: String,
    /// Options of that kind that are no secrets.
    pub options: BTreeMap<String, String>,
    /// What is exported, in the order of the files.
    pub tables: Vec<IntegrationTable>,
    /// When windows end.
    pub schedule: Schedule,
    /// Timestamp that windows are measured on.
    pub cursor: Cursor,
    /// A window is exported so many seconds after it ended, so that what is stored late enough still belongs to it.
    pub lag_seconds: u32,
    /// Where the first window begins.
    pub start: Start,
    /// What becomes of rows that were deleted.
    pub deletions: Deletions,
    /// Windows of the past that are exported at the same time.
    pub catch_up_max: u32,
    /// How files look and are called; `None` for kinds that take events.
    pub files: Option<FileSettings>,
}

/// One table of an integration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IntegrationTable {
    /// Table.
    pub table: String,
    /// Field groups, in order; all where empty and no columns are named.
    pub groups: Vec<String>,
    /// Columns by name, in order, instead of groups.
    pub columns: Vec<String>,
    /// Filters in the wire form: an array of objects, combined by and. Null: none.
    pub filter: serde_json::Value,
    /// Filters as text, combined by and with the others.
    #[serde(rename = "where")]
    pub wheres: Vec<String>,
    /// Mask rules.
    pub masks: Vec<String>,
}

/// How the files of an integration look and are called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSettings {
    /// Format.
    pub format: String,
    /// `none`, `gzip` or `zstd`.
    pub compression: String,
    /// `keep` or `decode`; the format's own rule where `None`.
    pub unicode: Option<String>,
    /// Neutralises what a spreadsheet would run as a formula.
    pub neutralise_formulas: bool,
    /// Writes the CSV header even where there is no row.
    pub csv_header_always: bool,
    /// A new file begins when one reaches this size.
    pub roll_bytes: Option<ByteCount>,
    /// Text that keys begin with, taken as it is.
    pub prefix: String,
    /// How keys are made.
    pub template: KeyTemplate,
    /// Whether `event_ts`, by which readers tell versions of a row apart, is the last column.
    pub event_ts: bool,
    /// What a new column means.
    pub schema: SchemaRule,
}

/// Where the first window of an integration begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "from")]
pub enum Start {
    /// With the first row that any of its tables has.
    History,
    /// When the integration is made.
    Now,
    /// At this instant.
    Date {
        /// First instant.
        #[schemars(with = "String")]
        at: Micros,
    },
}

/// What becomes of rows that were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Deletions {
    /// They are counted and left out.
    #[default]
    Count,
    /// They are rows whose `is_deleted` is true and whose payload is empty.
    Include,
}

/// What a column means that earlier files did not have. Scores are rows, and exported whatever their names are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SchemaRule {
    /// It is exported, and the run says so.
    #[default]
    Follow,
    /// It is left out, and the run says so: the columns of the first files stay.
    Frozen,
}

/// Langfuse's three choices of what is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SourcePreset {
    /// Traces, observations and scores.
    TracesObservations,
    /// These and events.
    TracesObservationsEvents,
    /// Events and scores.
    Events,
}

impl SourcePreset {
    /// Every preset.
    pub const ALL: [Self; 3] = [Self::TracesObservations, Self::TracesObservationsEvents, Self::Events];

    /// The name that Langfuse has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TracesObservations => "TRACES_OBSERVATIONS",
            Self::TracesObservationsEvents => "TRACES_OBSERVATIONS_EVENTS",
            Self::Events => "EVENTS",
        }
    }

    /// The preset of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == name)
    }

    /// Its tables, in the order in which Langfuse lists their files.
    pub fn tables(self) -> &'static [&'static str] {
        match self {
            Self::TracesObservations => &["scores", "traces", "observations"],
            Self::TracesObservationsEvents => &["scores", "traces", "observations", "events"],
            Self::Events => &["scores", "events"],
        }
    }

    /// The same for destinations of events, where observations are generations: no others were events before
    /// there were events.
    pub fn event_tables(self) -> Vec<&'static str> {
        let name = |table: &&'static str| if *table == "observations" { "generations" } else { *table };
        self.tables().iter().map(name).collect()
    }
}

impl IntegrationSettings {
    /// The lag unless another is given: inserts of a minute ago are visible everywhere by then.
    pub const LAG_SECONDS: u32 = 5 * 60;

    /// Longest lag. Beyond it a later cursor would serve better.
    pub const LAG_SECONDS_MAX: u32 = 7 * 24 * 3_600;

    /// Windows of the past at the same time unless another number is given.
    pub const CATCH_UP: u32 = 4;

    /// The latest instant that a window may end at now.
    pub fn ready(&self, now: Micros) -> Micros {
        now.minus_seconds(i64::from(self.lag_seconds))
    }

    /// When a window that ends at `to` may be exported.
    pub fn ready_at(&self, to: Micros) -> Micros {
        Micros(to.0.saturating_add(i64::from(self.lag_seconds) * Micros::PER_SECOND))
    }

    /// How Langfuse names the choice of tables in its manifest: the preset with exactly these tables.
    pub fn preset(&self) -> Option<SourcePreset> {
        SourcePreset::ALL.into_iter().find(|preset| {
            preset.tables().len() == self.tables.len()
                && self.tables.iter().all(|table| preset.tables().contains(&table.table.as_str()))
        })
    }
}

/// An integration as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Integration {
    /// Id.
    pub id: IntegrationId,
    /// Its project.
    pub project: ProjectId,
    /// Name for people.
    pub name: String,
    /// What goes where and when.
    pub settings: IntegrationSettings,
    /// Names of the secrets that are stored for it.
    pub secrets: Vec<String>,
    /// Counts changes: a change names the version that it was made from.
    pub version: u32,
    /// Why nothing happens at the moment.
    pub pause: Option<Pause>,
    /// Everything before it was exported; `None` before the first window.
    pub cursor: Option<Micros>,
    /// Everything before it was planned; at least the cursor.
    pub planned_upto: Option<Micros>,
    /// When the next window is looked for.
    pub next_at: Option<Micros>,
    /// The schedule it was made with: windows of its grid have the short names.
    pub grid: Schedule,
    /// Who made it.
    pub created_by: Actor,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last changed.
    pub updated_at: Micros,
    /// The run that ended last.
    pub last_run: Option<WindowRun>,
    /// Runs that are queued or running.
    pub runs_active: u32,
    /// Backfills, those that catch up included, of which windows are still to be exported.
    pub backfills_active: u32,
}

impl Integration {
    /// The name of a secret of an integration.
    pub fn secret(id: &IntegrationId, field: &str) -> SecretName {
        SecretName { of: "integration", id: id.as_str().to_owned(), field: field.to_owned() }
    }

    /// Where it stands.
    pub fn status(&self) -> IntegrationStatus {
        match &self.pause {
            Some(Pause { failure: Some(_), .. }) => IntegrationStatus::Failed,
            Some(_) => IntegrationStatus::Paused,
            // Between two windows of a backfill there is a moment without a run.
            None if self.runs_active > 0 || self.backfills_active > 0 => IntegrationStatus::Running,
            None if self.cursor.is_none() => IntegrationStatus::Waiting,
            None => IntegrationStatus::UpToDate,
        }
    }
}

/// Where an integration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrationStatus {
    /// Nothing was exported yet.
    Waiting,
    /// A window is queued or running, or a backfill is not through yet.
    Running,
    /// Every window that has ended is exported, and no backfill is under way.
    UpToDate,
    /// Somebody paused it.
    Paused,
    /// It was paused because of a fault that only a person can remove.
    Failed,
}

impl IntegrationStatus {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::UpToDate => "upToDate",
            Self::Paused => "paused",
            Self::Failed => "failed",
        }
    }
}

/// Why an integration does nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pause {
    /// Since when.
    pub at: Micros,
    /// Who paused it: a person, or the server because of a failure.
    pub by: Actor,
    /// What has to be changed, where a fault paused it.
    pub failure: Option<Failure>,
}

#[cfg(test)]
mod tests;
