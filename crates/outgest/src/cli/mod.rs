//! The command line: what can be typed, as data. It validates nothing beyond syntax and does nothing.

mod data;
mod export;
mod import;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use data::{DataArgs, DataCommand};
pub use export::{CursorArg, ExportArgs, UnicodeArg};
pub use import::{GenerateArgs, ImportArgs};

/// Exit codes, the same for every command.
pub mod exit_code {
    /// Everything asked for was done.
    pub const OK: u8 = 0;
    /// The source, the destination or this program failed; trying again may help.
    pub const FAILED: u8 = 1;
    /// The command cannot be honoured as written; nothing was started.
    pub const BAD_REQUEST: u8 = 2;
    /// `verify` found differences.
    pub const DIFFERENT: u8 = 3;
    /// Ended by Ctrl-C or SIGTERM; nothing half-written is left.
    pub const INTERRUPTED: u8 = 130;
}

/// Gets LLM-observability data out: events, scores, traces, observations and sessions, filtered,
/// as CSV, JSON, JSONL or Parquet, to disk or object storage, provably complete.
#[derive(Debug, Parser)]
#[command(name = "outgest", version, max_term_width = 110, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 done · 1 failed, trying again may help · 2 cannot be honoured as written · \
3 verify found differences · 130 interrupted")]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct GlobalArgs {
    /// Directory of the embedded store and of everything remembered between commands
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "DIR", default_value = "outgest-data")]
    pub data: PathBuf,
    /// Least severe log lines that are printed to stderr
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "LEVEL", default_value = "warn")]
    pub log: LogLevel,
    /// Form of log lines
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "FORM", default_value = "text")]
    pub log_format: LogFormat,
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressArg {
    /// A bar where stderr is a terminal, else nothing.
    Auto,
    /// One JSON object per line on stderr, twice a second.
    Json,
    /// Nothing.
    None,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make sample data, import it, export it three ways and verify the files
    Demo(DemoArgs),
    /// Store events, scores or comments from files in the embedded store
    Import(ImportArgs),
    /// Write rows of a table to a file, on disk or in object storage
    Export(Box<ExportArgs>),
    /// Check exported files against their manifest, and the manifest against the source
    Verify(VerifyArgs),
    /// Make deterministic, realistic sample data
    Generate(GenerateArgs),
    /// Look after the embedded store
    Data(DataArgs),
}

/// Options of `outgest demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder for the sample store and the exported files; must be empty or absent
    #[arg(long, value_name = "DIR", default_value = "outgest-demo")]
    pub folder: PathBuf,
    /// Sample events to make
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub events: u64,
}

/// Options of `outgest verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The manifest: a path or URL, as the export printed it
    #[arg(value_name = "MANIFEST")]
    pub manifest: String,
    /// Data directory to compare with; that of --data unless given; `none` checks the files alone
    #[arg(long, value_name = "DIR")]
    pub source: Option<String>,
    /// Compare every key in the files with the source, even where the digests agree
    #[arg(long)]
    pub full: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}
