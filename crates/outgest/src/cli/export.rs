//! Options of `outgest export`.

use clap::{Args, ValueEnum};
use model::Cursor;
use model::filter::SearchType;

use super::ProgressArg;

/// Options of `outgest export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outgest export --project demo
  outgest export --project demo --where 'type = \"GENERATION\" and totalCost > 0.01' --format jsonl
  outgest export --project demo --since -24h --columns id,name,latencyMs -o - | head
  outgest export --project demo --format parquet -o s3://bucket/exports/events.parquet --resume
  outgest export --project demo --source clickhouse://reader@ch.example.com:8123/langfuse -o events.jsonl")]
pub struct ExportArgs {
    /// Project whose rows are exported
    #[arg(long, value_name = "P", help_heading = "What")]
    pub project: String,
    /// Table: events, observations, scores, sessions or traces
    #[arg(long, value_name = "T", default_value = "events", help_heading = "What")]
    pub table: String,
    /// Data directory, or clickhouse://user@host:8123/database; the setting source.url, else --data, unless given
    #[arg(long, value_name = "FROM", help_heading = "What")]
    pub source: Option<String>,
    /// Filter as one JSON object or an array, or @FILE; repeat to narrow further
    #[arg(long = "filter", value_name = "JSON", help_heading = "What")]
    pub filters: Vec<String>,
    /// Filter as text: 'level = "ERROR" and (latency > 2 or metadata.region = "eu")'; repeat to narrow further
    #[arg(long = "where", value_name = "TEXT", help_heading = "What")]
    pub wheres: Vec<String>,
    /// Text that rows must contain
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "What")]
    pub search: Option<String>,
    /// What --search looks at
    #[arg(
        long,
        value_name = "TYPES",
        value_delimiter = ',',
        default_value = "id",
        requires = "search",
        help_heading = "What"
    )]
    pub search_type: Vec<SearchTypeArg>,
    /// First instant: RFC 3339, a date, or a duration before now such as -24h; UTC where no zone is given
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = "What")]
    pub since: Option<String>,
    /// First instant that is left out, written like --since
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = "What")]
    pub until: Option<String>,
    /// Timestamp that --since and --until are measured on
    #[arg(long, value_name = "CURSOR", default_value = "start_time", help_heading = "What")]
    pub cursor: CursorArg,
    /// Columns by name, in this order; `scores` adds the score columns; `all` is everything
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with = "groups", help_heading = "What")]
    pub columns: Vec<String>,
    /// Columns by field group: core, basic, time, io, metadata, model, usage, …
    #[arg(long, value_name = "A,B", value_delimiter = ',', help_heading = "What")]
    pub groups: Vec<String>,
    /// Leave filters out that the source cannot honour, with a note: comments
    #[arg(long, value_name = "KINDS", value_delimiter = ',', help_heading = "What")]
    pub allow_unsupported_filters: Vec<String>,
    /// Export at most so many rows, the latest first
    #[arg(long, value_name = "N", help_heading = "What")]
    pub limit: Option<u64>,
    /// Hide values: COLUMN[.KEY][:redact|hash|drop], separated by commas, or COLUMN:/pattern/replacement/
    #[arg(long = "mask", value_name = "RULE", help_heading = "What")]
    pub masks: Vec<String>,
    /// Succeed where the project has no rows at all
    #[arg(long, help_heading = "What")]
    pub allow_empty: bool,

    /// csv, json, jsonl or parquet; taken from the output's name where not given, else csv
    #[arg(long, value_name = "F", help_heading = "How")]
    pub format: Option<String>,
    /// none, gzip or zstd; taken from the output's name (.gz, .zst) where not given
    #[arg(long, value_name = "C", help_heading = "How")]
    pub compression: Option<String>,
    /// What becomes of \uXXXX in text: decoded by default in csv, json and jsonl, kept in parquet
    #[arg(long, value_name = "RULE", help_heading = "How")]
    pub unicode: Option<UnicodeArg>,
    /// Write input and output as JSON values instead of text where they are valid JSON
    #[arg(long, help_heading = "How")]
    pub parse_payloads: bool,
    /// Prefix CSV cells that a spreadsheet would run as a formula with '
    #[arg(long, help_heading = "How")]
    pub neutralise_formulas: bool,
    /// Write the CSV header even where there is no row
    #[arg(long, help_heading = "How")]
    pub csv_header_always: bool,
    /// Start text files with a UTF-8 byte order mark
    #[arg(long, help_heading = "How")]
    pub bom: bool,

    /// File or URL (s3://, az://, gs://, file://), a folder ending in /, or - for stdout
    #[arg(short, long, value_name = "URL", help_heading = "Where")]
    pub output: Option<String>,
    /// Start a new file when one reaches this size: 500MB, 1GiB
    #[arg(long, value_name = "SIZE", help_heading = "Where")]
    pub roll_size: Option<String>,
    /// Name of the manifest beside the output; <output>.manifest.json unless given
    #[arg(long, value_name = "NAME", conflicts_with = "no_manifest", help_heading = "Where")]
    pub manifest: Option<String>,
    /// Write no manifest; verify will not be possible
    #[arg(long, help_heading = "Where")]
    pub no_manifest: bool,
    /// Replace an existing output
    #[arg(long, help_heading = "Where")]
    pub overwrite: bool,

    /// Continue the same export where a killed attempt left off
    #[arg(long, conflicts_with = "dry_run", help_heading = "Run")]
    pub resume: bool,
    /// Print what would be read, with upper bounds of rows and bytes, and stop
    #[arg(long, help_heading = "Run")]
    pub dry_run: bool,
    /// Print the receipt as JSON
    #[arg(long, help_heading = "Run")]
    pub json: bool,
    /// How progress is shown on stderr
    #[arg(long, value_name = "FORM", default_value = "auto", help_heading = "Run")]
    pub progress: ProgressArg,
    /// Write at most so many bytes a second: 20MB
    #[arg(long, value_name = "SIZE", help_heading = "Run")]
    pub max_rate: Option<String>,
    /// Threads that encode; all cores unless given
    #[arg(long, value_name = "N", help_heading = "Run")]
    pub threads: Option<usize>,
}

/// What a search looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SearchTypeArg {
    /// Ids and names.
    Id,
    /// Input and output.
    Content,
    /// Input.
    Input,
    /// Output.
    Output,
}

impl SearchTypeArg {
    /// The search type it stands for.
    pub fn to_model(self) -> SearchType {
        match self {
            Self::Id => SearchType::Id,
            Self::Content => SearchType::Content,
            Self::Input => SearchType::Input,
            Self::Output => SearchType::Output,
        }
    }
}

/// Timestamp a window is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum CursorArg {
    /// When the newest version of a row was stored.
    Ingested,
    /// When the row started.
    StartTime,
}

impl CursorArg {
    /// The cursor it stands for.
    pub fn to_model(self) -> Cursor {
        match self {
            Self::Ingested => Cursor::Ingested,
            Self::StartTime => Cursor::StartTime,
        }
    }
}

/// What becomes of `\uXXXX` in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UnicodeArg {
    /// Text is written byte for byte.
    Keep,
    /// Escapes of code points from U+0080 on are replaced.
    Decode,
}
