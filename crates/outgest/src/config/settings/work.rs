//! Settings of the work itself: workers, quotas, exports, integrations.

use std::num::NonZeroUsize;

use model::{FileNamePattern, Quotas};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::value::{Period, Place, Size};

/// How much a worker does at once.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerSettings {
    /// Threads that encode and compress.
    #[schemars(example = 4, extend("flag" = "--threads", "unset" = "cores − 1, at least 1"))]
    pub threads: Option<NonZeroUsize>,
    /// Jobs that run at the same time in one process. Each may take 256 MiB.
    pub jobs: NonZeroUsize,
    /// How long a worker may be silent before another one takes its jobs over.
    ///
    /// It stops by itself when two thirds of that have passed, so a shorter time also means that a shorter
    /// loss of the metadata store interrupts its work.
    pub lease: Period,
}

impl WorkerSettings {
    /// Threads that encode: one core is left to the API and the database unless told otherwise.
    pub fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or(cores.saturating_sub(1).max(1), usize::from)
    }
}

impl Default for WorkerSettings {
    fn default() -> Self {
        // A short export need not wait for a long one.
        Self { threads: None, jobs: NonZeroUsize::new(2).expect("two is not zero"), lease: Period::seconds(30) }
    }
}

/// What one project may ask for, unless it has bounds of its own. What goes beyond is refused with status 429.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuotaSettings {
    /// Exports that run at the same time, windows of integrations among them; further ones wait.
    pub active_exports: u32,
    /// Exports that wait.
    pub queued_exports: u32,
    /// Bytes written within 24 hours.
    #[schemars(example = "100GiB", extend("unset" = "no limit"))]
    pub bytes_per_day: Option<Size>,
    /// Rows of one export. A larger one is cut there and says so.
    #[schemars(example = 1_500_000, extend("unset" = "no limit"))]
    pub rows_per_export: Option<u64>,
}

impl QuotaSettings {
    /// The bounds in the words of the model.
    pub fn quotas(&self) -> Quotas {
        Quotas {
            exports_active_max: Some(self.active_exports),
            exports_queued_max: Some(self.queued_exports),
            bytes_per_day_max: self.bytes_per_day.map(|size| size.0.get()),
            rows_per_export_max: self.rows_per_export,
        }
    }
}

impl Default for QuotaSettings {
    fn default() -> Self {
        Self { active_exports: 3, queued_exports: 100, bytes_per_day: None, rows_per_export: None }
    }
}

/// Exports that are asked for through the API.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExportSettings {
    /// How long a finished file can be downloaded; then it is deleted.
    pub expiry: Period,
    /// Name of the file, to which the extension is added. `{epoch_ms}` is when the export was created, `{id}`
    /// its id; one of the two must be there. `{table}` and `{project}` speak for themselves.
    #[schemars(example = FileNamePattern::LANGFUSE, extend("form" = "pattern"))]
    pub file_name: String,
    /// Folder or bucket that holds files until they expire: a path, `s3://`, `az://` or `gs://`.
    ///
    /// Every worker and every API process must reach it. Credentials come from the address's options or from
    /// the environment, as with `outgest export --output`.
    #[schemars(example = "s3://acme-exports/outgest/?region=eu-central-1")]
    #[schemars(extend("unset" = "`exports` in the data directory"))]
    pub destination: Option<Place>,
}

impl ExportSettings {
    /// How files are named.
    pub fn file_names(&self) -> FileNamePattern {
        FileNamePattern::new(&self.file_name).expect("settings are checked when they are read")
    }
}

impl Default for ExportSettings {
    fn default() -> Self {
        Self { expiry: Period::hours(24), file_name: FileNamePattern::DEFAULT.to_owned(), destination: None }
    }
}

/// Integrations, which export by themselves.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IntegrationsSettings {
    /// How long after its export a window is compared with its source.
    ///
    /// Rows that became visible by then are exported as a revision. What becomes visible later is not found: set it
    /// longer where rows arrive later than that under a time that has passed.
    pub compare_after: Period,
}

impl Default for IntegrationsSettings {
    fn default() -> Self {
        Self { compare_after: Period::hours(24) }
    }
}
