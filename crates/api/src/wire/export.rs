//! Exports.

use model::{
    Actor, ApiKeyId, ByteCount, ExportAsk, ExportEstimate, ExportPreview, ExportQuery, JobProgress, Page, UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::rows::{Cursor, Filter, SearchType};
use super::{ActorBody, instant};
use crate::problem::{Answer, Problem};

/// What is to be exported. A field that is not known is an error, not ignored.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExportRequest {
    /// Table.
    #[schema(example = "events")]
    pub(crate) table: String,
    /// Name for people; made from time, table and format where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub(crate) name: Option<String>,
    /// Format; the first of the catalog where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "jsonl")]
    pub(crate) format: Option<String>,
    /// Compression of the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) compression: Option<Compression>,
    /// Columns by name, in order; `scores` stands for the score columns, `all` alone for everything. The table's
    /// usual columns where neither `columns` nor `groups` is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) columns: Vec<String>,
    /// Columns by group, instead of by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<String>,
    /// Filters that must all hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Filter>)]
    pub(crate) filter: Vec<Value>,
    /// Filters as text, which must hold too: `type = "GENERATION" and totalCost > 0.01`.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub(crate) wheres: Vec<String>,
    /// Text that rows must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) search: Option<String>,
    /// What the search looks at; ids where not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) search_types: Vec<SearchType>,
    /// First instant: RFC 3339, a date, or a duration before now such as `-24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "-24h")]
    pub(crate) since: Option<String>,
    /// First instant that is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
    /// Timestamp that `since` and `until` are held against; the start time where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<Cursor>,
    /// At most so many rows, the newest ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub(crate) limit: Option<u64>,
    /// Mask rules, as on the command line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) masks: Vec<String>,
    /// What becomes of `\uXXXX` in text; the format's own rule where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unicode: Option<Unicode>,
    /// Starts text files with a byte order mark, for spreadsheets.
    #[serde(default)]
    pub(crate) bom: bool,
    /// Writes the CSV header even where there is no row.
    #[serde(default)]
    pub(crate) csv_header_always: bool,
    /// Neutralises what a spreadsheet would run as a formula.
    #[serde(default)]
    pub(crate) neutralise_formulas: bool,
    /// Writes input and output as JSON values where they are valid JSON.
    #[serde(default)]
    pub(crate) parse_payloads: bool,
    /// A new file begins when one reaches this size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub(crate) roll_bytes: Option<u64>,
    /// Kinds of filters that may be left out where the source cannot honour them. Without it they are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) allow_unsupported_filters: Vec<UnsupportedFilter>,
}

/// Compression of whole files.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// What becomes of `\uXXXX` in text.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unicode {
    Keep,
    Decode,
}

impl Unicode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Decode => "decode",
        }
    }
}

/// A kind of filter that a source may not be able to honour.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UnsupportedFilter {
    Comments,
}

impl From<ExportRequest> for ExportAsk {
    fn from(request: ExportRequest) -> Self {
        let unsupported = |kind: UnsupportedFilter| match kind {
            UnsupportedFilter::Comments => "comments".to_owned(),
        };
        Self {
            table: request.table,
            columns: request.columns,
            groups: request.groups,
            filter: if request.filter.is_empty() { Value::Null } else { Value::Array(request.filter) },
            wheres: request.wheres,
            search: request.search,
            search_types: request.search_types.into_iter().map(|kind| kind.as_str().to_owned()).collect(),
            since: request.since,
            until: request.until,
            cursor: request.cursor.map(Into::into),
            limit: request.limit,
            masks: request.masks,
            format: request.format,
            compression: request.compression.map(|compression| compression.as_str().to_owned()),
            unicode: request.unicode.map(|unicode| unicode.as_str().to_owned()),
            bom: request.bom,
            csv_header_always: request.csv_header_always,
            neutralise_formulas: request.neutralise_formulas,
            parse_payloads: request.parse_payloads,
            roll_bytes: request.roll_bytes.map(ByteCount),
            allow_unsupported_filters: request.allow_unsupported_filters.into_iter().map(unsupported).collect(),
        }
    }
}

/// Where an export stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExportState {
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

impl From<model::ExportState> for ExportState {
    fn from(state: model::ExportState) -> Self {
        match state {
            model::ExportState::Queued => Self::Queued,
            model::ExportState::Running => Self::Running,
            model::ExportState::Completed => Self::Completed,
            model::ExportState::Failed => Self::Failed,
            model::ExportState::Cancelled => Self::Cancelled,
            model::ExportState::Expired => Self::Expired,
        }
    }
}

/// An export.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Export {
    /// Id.
    id: String,
    /// Name for people.
    name: String,
    /// Where it stands.
    state: ExportState,
    /// Whether what was left of it is still being removed.
    cleanup: bool,
    /// Table.
    table: String,
    /// Format.
    format: String,
    /// The request as it is carried out: defaults filled in, times frozen. It has no secrets.
    #[schema(value_type = Object)]
    request: Value,
    /// Who asked for it.
    created_by: ActorBody,
    /// When it was asked for.
    #[schema(format = DateTime)]
    created_at: String,
    /// When a worker first took it.
    #[schema(required, format = DateTime)]
    started_at: Option<String>,
    /// When it was completed, failed or cancelled.
    #[schema(required, format = DateTime)]
    finished_at: Option<String>,
    /// When its files are deleted.
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    /// When it is tried again, while it waits after a failure.
    #[schema(required, format = DateTime)]
    retry_at: Option<String>,
    /// How often a worker took it.
    attempts: u32,
    /// How far it has come; final figures once it is completed.
    progress: Progress,
    /// Whether a limit cut rows.
    truncated: bool,
    /// What the reader of its files should know.
    warnings: Vec<String>,
    /// Name of the (first) file.
    file_name: String,
    /// Its files in row order, once it is completed.
    files: Vec<ExportFile>,
    /// Why the last attempt failed.
    #[schema(required)]
    failure: Option<Failure>,
    /// Attempts that failed, the oldest first, also once it is completed; of many the newest 20.
    failed_attempts: Vec<FailedAttempt>,
    /// How often one of its files was asked for: a link that was made, or the file itself.
    downloads: u32,
    /// When that was last.
    #[schema(required, format = DateTime)]
    downloaded_at: Option<String>,
}

/// How far an export has come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Progress {
    /// Part of the planned bytes that was passed, from 0 to 1.
    share: f64,
    /// Rows written.
    rows: u64,
    /// Bytes written.
    bytes: u64,
    /// Rows per second over the last while; over the whole time once it is completed.
    rows_per_second: f64,
    /// Bytes per second over the last while; over the whole time once it is completed.
    bytes_per_second: f64,
    /// Seconds until the end at this rate, where that can be told.
    #[schema(required)]
    seconds_left: Option<u64>,
}

impl From<JobProgress> for Progress {
    fn from(progress: JobProgress) -> Self {
        Self {
            share: progress.share,
            rows: progress.rows.get(),
            bytes: progress.bytes.get(),
            rows_per_second: progress.rows_per_second,
            bytes_per_second: progress.bytes_per_second,
            seconds_left: progress.seconds_left,
        }
    }
}

/// A file of an export.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExportFile {
    /// Its number, from 0.
    index: usize,
    /// Name.
    name: String,
    /// Media type.
    content_type: String,
    /// Size.
    bytes: u64,
    /// Rows.
    rows: u64,
    /// SHA-256 in hexadecimal.
    sha256: String,
}

/// Why an attempt failed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failure {
    /// What was being done.
    #[schema(required)]
    step: Option<String>,
    /// Kind of failure: `unavailable`, `credentials`, …
    code: String,
    /// What went wrong, in the source's or destination's own words where it has some.
    message: String,
    /// What can be changed.
    #[schema(required)]
    hint: Option<String>,
}

/// An attempt that failed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FailedAttempt {
    /// Which attempt it was, from 1; of an export in parts that of the part.
    attempt: u32,
    /// When it failed.
    #[schema(format = DateTime)]
    at: String,
    /// Why.
    failure: Failure,
}

impl From<model::FailedAttempt> for FailedAttempt {
    fn from(failed: model::FailedAttempt) -> Self {
        Self { attempt: failed.attempt, at: instant(failed.at), failure: failed.failure.into() }
    }
}

impl From<model::Failure> for Failure {
    fn from(failure: model::Failure) -> Self {
        Self { step: failure.step, code: failure.kind, message: failure.message, hint: failure.hint }
    }
}

impl From<model::Export> for Export {
    fn from(export: model::Export) -> Self {
        let file = |(index, file): (usize, model::ExportFile)| ExportFile {
            index,
            name: file.name.last_segment().to_owned(),
            content_type: file.content_type,
            bytes: file.bytes.get(),
            rows: file.rows.get(),
            sha256: file.sha256,
        };
        Self {
            id: export.id.as_str().to_owned(),
            name: export.name,
            state: export.state.into(),
            cleanup: export.cleanup,
            table: export.table,
            format: export.format,
            request: export.spec,
            created_by: export.created_by.into(),
            created_at: instant(export.created_at),
            started_at: export.started_at.map(instant),
            finished_at: export.finished_at.map(instant),
            expires_at: export.expires_at.map(instant),
            retry_at: export.retry_at.map(instant),
            attempts: export.attempts,
            progress: export.progress.into(),
            truncated: export.truncated,
            warnings: export.warnings,
            file_name: export.file_name.last_segment().to_owned(),
            files: export.files.into_iter().enumerate().map(file).collect(),
            failure: export.failure.map(Into::into),
            failed_attempts: export.failed_attempts.into_iter().map(Into::into).collect(),
            downloads: export.downloads,
            downloaded_at: export.downloaded_at.map(instant),
        }
    }
}

/// Which exports are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportsQuery {
    /// Only in these states, separated by commas.
    #[param(example = "queued,running")]
    state: Option<String>,
    /// Only of this table.
    table: Option<String>,
    /// Only of this person, by id.
    created_by_user: Option<String>,
    /// Only of this key, by id.
    created_by_key: Option<String>,
    /// At most so many items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: Option<u32>,
    /// The `next` of the page before.
    pub(crate) cursor: Option<String>,
}

impl ExportsQuery {
    pub(crate) fn query(&self) -> Answer<ExportQuery> {
        let names = self.state.iter().flat_map(|states| states.split(','));
        let state = |name: &str| {
            let all = model::ExportState::ALL.map(model::ExportState::as_str).join(", ");
            let unknown = || Problem::of_field("state", format!("{name:?} is not one of {all}"));
            model::ExportState::of_name(name.trim()).ok_or_else(unknown)
        };
        let created_by = match (&self.created_by_user, &self.created_by_key) {
            (None, None) => None,
            (Some(user), None) => Some(Actor::User(UserId::new(user.as_str()))),
            (None, Some(key)) => Some(Actor::ApiKey(ApiKeyId::new(key.as_str()))),
            (Some(_), Some(_)) => {
                return Err(Problem::of_field("createdByKey", "an export was made by a person or a key, not by both"));
            }
        };
        Ok(ExportQuery { states: names.map(state).collect::<Answer<_>>()?, table: self.table.clone(), created_by })
    }
}

/// Exports, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExportPage {
    /// Exports.
    items: Vec<Export>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

impl From<Page<model::Export>> for ExportPage {
    fn from(page: Page<model::Export>) -> Self {
        Self { items: page.items.into_iter().map(Into::into).collect(), next: page.next.map(|token| token.0) }
    }
}

/// What an export would read at most.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Estimate {
    /// At most so many rows: filters are not counted, the row limit is.
    rows_max: u64,
    /// About so many bytes of cells at most, before encoding and compression.
    bytes_max: u64,
    /// What the reader of the files should know.
    warnings: Vec<String>,
}

impl Estimate {
    pub(crate) fn new(estimate: ExportEstimate, warnings: Vec<String>) -> Self {
        Self { rows_max: estimate.rows_max.get(), bytes_max: estimate.bytes_max.get(), warnings }
    }
}

/// The first rows of an export.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Preview {
    /// Columns in order, score columns included.
    columns: Vec<String>,
    /// Rows as JSONL would have them.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Value>,
    /// Whether there are more.
    more: bool,
    /// What the reader of the files should know.
    warnings: Vec<String>,
}

impl Preview {
    pub(crate) fn new(preview: ExportPreview, warnings: Vec<String>) -> Self {
        Self { columns: preview.columns, rows: preview.rows, more: preview.more, warnings }
    }
}

/// A link to a file, made for one download.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DownloadLink {
    /// Anybody who has it can download the file until it expires.
    pub(crate) url: String,
    /// When it stops working.
    #[schema(format = DateTime)]
    pub(crate) expires_at: String,
    /// Name of the file.
    pub(crate) file_name: String,
    /// Size.
    pub(crate) bytes: u64,
    /// SHA-256 in hexadecimal.
    pub(crate) sha256: String,
}
