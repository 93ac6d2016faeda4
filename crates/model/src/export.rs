//! An export as people ask for it and look at it: a request, a job, and files that can be downloaded.

use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Actor, ByteCount, Cursor, FailedAttempt, Failure, Fault, FileName, JobId, JobProgress, Micros, Page, PageRequest,
    ProjectId, RowCount,
};

/// What somebody asks for, before it is held against tables and formats.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExportAsk {
    /// Table.
    pub table: String,
    /// Columns by name, in order; `scores` adds score columns, `all` alone is everything. Empty: the default.
    pub columns: Vec<String>,
    /// Columns by field group, instead of by name.
    pub groups: Vec<String>,
    /// Filters in the wire form: an array of objects, combined by and. Null: none.
    pub filter: serde_json::Value,
    /// Filters as text, combined by and with the others.
    pub wheres: Vec<String>,
    /// Text that rows must contain.
    pub search: Option<String>,
    /// What the search looks at; ids where empty.
    pub search_types: Vec<String>,
    /// First instant: RFC 3339, a date, or a duration before now such as `-24h`.
    pub since: Option<String>,
    /// First instant that is left out.
    pub until: Option<String>,
    /// Timestamp the window is measured on; the start time where not given.
    pub cursor: Option<Cursor>,
    /// At most so many rows, the first of the order.
    pub limit: Option<u64>,
    /// Mask rules.
    pub masks: Vec<String>,
    /// Format; the first one where not given.
    pub format: Option<String>,
    /// `none`, `gzip` or `zstd`.
    pub compression: Option<String>,
    /// `keep` or `decode`; the format's own where not given.
    pub unicode: Option<String>,
    /// Starts text files with a byte order mark.
    pub bom: bool,
    /// Writes the CSV header even where there is no row.
    pub csv_header_always: bool,
    /// Neutralises what a spreadsheet would run as a formula.
    pub neutralise_formulas: bool,
    /// Writes input and output as JSON values where they are valid JSON.
    pub parse_payloads: bool,
    /// A new file begins when one reaches this size.
    pub roll_bytes: Option<ByteCount>,
    /// Kinds of filters that may be left out where the source cannot honour them: `comments`.
    pub allow_unsupported_filters: Vec<String>,
}

/// A request that can be honoured as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedExport {
    /// The request in the words of the runner: readable, repeatable, without secrets.
    pub spec: serde_json::Value,
    /// Table.
    pub table: String,
    /// Format.
    pub format: String,
    /// What file names end in, dots included: `.csv.gz`.
    pub extension: String,
    /// The row limit that was asked for.
    pub limit: Option<RowCount>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Upper bounds of what an export will read; filters are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportEstimate {
    /// At most so many rows.
    pub rows_max: RowCount,
    /// About so many bytes of cells at most.
    pub bytes_max: ByteCount,
}

/// The first rows of an export, as its JSONL would have them.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportPreview {
    /// Columns in order, score columns included.
    pub columns: Vec<String>,
    /// Rows as JSON objects.
    pub rows: Vec<serde_json::Value>,
    /// Whether there are more.
    pub more: bool,
}

/// Holds requests against tables, formats and sources. Nothing is stored.
#[async_trait]
pub trait ExportDesk: Send + Sync {
    /// Checks a request, reporting every problem at once, and freezes relative times at `now`.
    async fn check(&self, project: &ProjectId, ask: &ExportAsk, now: Micros) -> Result<CheckedExport, Fault>;

    /// Bounds of what a checked request will read.
    async fn estimate(&self, project: &ProjectId, checked: &CheckedExport) -> Result<ExportEstimate, Fault>;

    /// The first rows of a checked request. Dropping the future ends the read.
    async fn preview(&self, project: &ProjectId, checked: &CheckedExport, rows: u32) -> Result<ExportPreview, Fault>;
}

/// Bounds of a project; what is `None` is the server's default, and unbounded where that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Quotas {
    /// Exports running at once; more wait in the queue.
    pub exports_active_max: Option<u32>,
    /// Exports waiting in the queue.
    pub exports_queued_max: Option<u32>,
    /// Bytes of finished exports in any 24 hours.
    pub bytes_per_day_max: Option<u64>,
    /// Rows of one export.
    pub rows_per_export_max: Option<u64>,
}

impl Quotas {
    /// These bounds, and `defaults` where they say nothing.
    pub fn or(self, defaults: Self) -> Self {
        Self {
            exports_active_max: self.exports_active_max.or(defaults.exports_active_max),
            exports_queued_max: self.exports_queued_max.or(defaults.exports_queued_max),
            bytes_per_day_max: self.bytes_per_day_max.or(defaults.bytes_per_day_max),
            rows_per_export_max: self.rows_per_export_max.or(defaults.rows_per_export_max),
        }
    }
}

/// An export to be queued.
#[derive(Clone, Debug, PartialEq)]
pub struct NewExport {
    /// Its project.
    pub project: ProjectId,
    /// Name for people; made from time, table and format where `None`.
    pub name: Option<String>,
    /// What is exported.
    pub checked: CheckedExport,
    /// Who asks.
    pub by: Actor,
    /// Makes creating the same export twice harmless.
    pub idempotency: Option<Idempotency>,
    /// How files are named: see [`FileNamePattern`].
    pub file_names: FileNamePattern,
    /// How long files are kept once they are complete.
    pub keep: Duration,
    /// The server's bounds; the project's own go before.
    pub quotas: Quotas,
}

/// A caller's key for one call, and what the call said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// SHA-256 of the call's body, in hexadecimal: the same key with another body is a conflict.
    pub fingerprint: String,
}

/// What creating an export came to.
#[derive(Clone, Debug, PartialEq)]
pub enum CreatedExport {
    /// It is queued.
    New(Export),
    /// The same call was made before; this is its export.
    Existing(Export),
}

/// What the worker is told of an export: the spec of its job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportJob {
    /// Version of this shape.
    pub version: u16,
    /// The request, as [`CheckedExport::spec`] says it.
    pub request: serde_json::Value,
    /// Name of its file; rolled files are numbered in front of the extension.
    pub file_name: FileName,
    /// At most so many rows, by the quota at the time it was asked for.
    pub rows_max: Option<RowCount>,
    /// What the reader should know.
    pub warnings: Vec<String>,
}

impl ExportJob {
    /// Version that this build writes.
    pub const VERSION: u16 = 1;
}

/// A file that can be downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFile {
    /// Key below the root of the place where exports are kept.
    pub name: FileName,
    /// Media type.
    pub content_type: String,
    /// Size.
    pub bytes: ByteCount,
    /// Rows.
    pub rows: RowCount,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
}

/// Where an export stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportState {
    /// Waits for a worker.
    Queued,
    /// Rows are being written.
    Running,
    /// Its files can be downloaded.
    Completed,
    /// It will not be tried again by itself.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// It was completed, and its files are gone.
    Expired,
}

impl ExportState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Completed, Self::Failed, Self::Cancelled, Self::Expired];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The state of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing more happens to it, apart from expiry.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// An export as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// Id; also that of its job.
    pub id: JobId,
    /// Its project.
    pub project: ProjectId,
    /// Name for people.
    pub name: String,
    /// Where it stands.
    pub state: ExportState,
    /// Whether what was left of it is still being removed.
    pub cleanup: bool,
    /// Table.
    pub table: String,
    /// Format.
    pub format: String,
    /// The request, readable and without secrets.
    pub spec: serde_json::Value,
    /// Who asked for it.
    pub created_by: Actor,
    /// When it was asked for.
    pub created_at: Micros,
    /// When a worker first took it.
    pub started_at: Option<Micros>,
    /// When it was completed, failed or cancelled.
    pub finished_at: Option<Micros>,
    /// When its files are removed.
    pub expires_at: Option<Micros>,
    /// When it is tried again, while it waits after a failure.
    pub retry_at: Option<Micros>,
    /// How often a worker took it.
    pub attempts: u32,
    /// Share, rows, bytes, rate and time left; final figures once it is completed.
    pub progress: JobProgress,
    /// Whether a limit cut rows.
    pub truncated: bool,
    /// What the reader should know.
    pub warnings: Vec<String>,
    /// Its files in row order, once it is completed.
    pub files: Vec<ExportFile>,
    /// The manifest, once it is completed.
    pub manifest: Option<FileName>,
    /// Name of the (first) file.
    pub file_name: FileName,
    /// Why the last attempt failed.
    pub failure: Option<Failure>,
    /// Attempts that failed, the oldest first, also once it is completed; of many the newest
    /// [`FailedAttempt::KEPT`].
    pub failed_attempts: Vec<FailedAttempt>,
    /// How often one of its files was asked for.
    pub downloads: u32,
    /// When that was last.
    pub downloaded_at: Option<Micros>,
}

/// Which exports are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportQuery {
    /// Only in these states; all where empty.
    pub states: Vec<ExportState>,
    /// Only of this table.
    pub table: Option<String>,
    /// Only of this person or key.
    pub created_by: Option<Actor>,
}

/// Exports, each a job with a name, an owner and files. Every call is about one project; an export of
/// another one is a `NotFound`.
#[async_trait]
pub trait ExportStore: Send + Sync {
    /// Queues an export. A quota that is used up is `Throttled` and says until when; an idempotency key
    /// with another body is a conflict.
    async fn create_export(&self, new: NewExport) -> Result<CreatedExport, Fault>;

    /// An export.
    async fn export(&self, project: &ProjectId, id: &JobId) -> Result<Export, Fault>;

    /// Exports, newest first.
    async fn exports(
        &self,
        project: &ProjectId,
        query: &ExportQuery,
        page: &PageRequest,
    ) -> Result<Page<Export>, Fault>;

    /// Cancels an export that is queued or running. It is final when this returns. One that has ended
    /// is a conflict.
    async fn cancel_export(&self, project: &ProjectId, id: &JobId) -> Result<Export, Fault>;

    /// Queues an export that failed or was cancelled once more, in compliance with the quotas. Rows
    /// that are durable are not read again. Any other state is a conflict.
    async fn retry_export(&self, project: &ProjectId, id: &JobId, quotas: Quotas) -> Result<Export, Fault>;

    /// Removes an export from sight, cancelling it first where it is active; its files are removed by a
    /// worker.
    async fn delete_export(&self, project: &ProjectId, id: &JobId) -> Result<(), Fault>;

    /// Counts that one of its files was asked for.
    async fn note_download(&self, project: &ProjectId, id: &JobId) -> Result<(), Fault>;

    /// The export now and after every change, at most a few times a second, until it is final.
    fn watch_export(&self, project: &ProjectId, id: &JobId) -> BoxStream<'static, Result<Export, Fault>>;
}

/// How the files of exports are named: text with `{epoch_ms}`, `{table}`, `{project}` and `{id}`, to
/// which the extension is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileNamePattern(String);

impl FileNamePattern {
    /// The pattern unless configured otherwise.
    pub const DEFAULT: &'static str = "{epoch_ms}-og-{table}-export-{project}";

    /// What Langfuse calls its files.
    pub const LANGFUSE: &'static str = "{epoch_ms}-lf-{table}-export-{project}";

    /// Checks a pattern: known fields only, and one of them must tell exports apart.
    pub fn new(pattern: &str) -> Result<Self, Fault> {
        let bad = |why: &str| {
            Err(Fault::bad_request(format!("cannot name files by {pattern:?}: {why}"))
                .hint("use {epoch_ms} or {id}, and {table} and {project} as wanted"))
        };
        let mut rest = pattern;
        while let Some(open) = rest.find('{') {
            let Some(close) = rest[open..].find('}') else { return bad("a { is not closed") };
            let field = &rest[open + 1..open + close];
            if !["epoch_ms", "table", "project", "id"].contains(&field) {
                return bad(&format!("{{{field}}} is not known"));
            }
            rest = &rest[open + close + 1..];
        }
        if !pattern.contains("{epoch_ms}") && !pattern.contains("{id}") {
            return bad("two exports would have one name");
        }
        let pattern = Self(pattern.to_owned());
        pattern.name(Micros(0), "table", &ProjectId::new("project"), &JobId::new("id"), "")?;
        Ok(pattern)
    }

    /// The name of an export's file. What a project id holds beyond letters, digits, `-`, `_` and `.` is
    /// replaced by `-`.
    pub fn name(
        &self,
        at: Micros,
        table: &str,
        project: &ProjectId,
        id: &JobId,
        extension: &str,
    ) -> Result<FileName, Fault> {
        let project: String = project
            .as_str()
            .chars()
            .map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' })
            .collect();
        let name = self
            .0
            .replace("{epoch_ms}", &at.0.div_euclid(1_000).to_string())
            .replace("{table}", table)
            .replace("{project}", &project)
            .replace("{id}", id.as_str());
        FileName::new(format!("{name}{extension}"))
    }
}

impl Default for FileNamePattern {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_time_table_and_project() {
        let name = |pattern: &FileNamePattern, project: &str| {
            let id = JobId::new("7");
            pattern.name(Micros(1_785_585_600_123_456), "events", &ProjectId::new(project), &id, ".csv.gz").unwrap()
        };
        assert_eq!(name(&FileNamePattern::default(), "p1").as_str(), "1785585600123-og-events-export-p1.csv.gz");
        let langfuse = FileNamePattern::new(FileNamePattern::LANGFUSE).unwrap();
        assert_eq!(name(&langfuse, "../a b").as_str(), "1785585600123-lf-events-export-..-a-b.csv.gz");
        let nested = FileNamePattern::new("exports/{project}/{id}").unwrap();
        assert_eq!(name(&nested, "p").as_str(), "exports/p/7.csv.gz");
    }

    #[test]
    fn patterns_that_could_collide_or_leave_the_folder_are_refused() {
        for bad in ["export", "{table}", "{id", "{when}-{id}", "../{id}", "/{id}", ""] {
            assert!(FileNamePattern::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_projects_own_bounds_go_before_the_servers() {
        let own = Quotas { exports_active_max: Some(1), ..Quotas::default() };
        let server = Quotas { exports_active_max: Some(3), exports_queued_max: Some(100), ..Quotas::default() };
        let both = own.or(server);
        assert_eq!(
            (both.exports_active_max, both.exports_queued_max, both.bytes_per_day_max),
            (Some(1), Some(100), None)
        );
    }
}
