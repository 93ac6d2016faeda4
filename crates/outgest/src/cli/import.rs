//! Options of `outgest import` and `outgest generate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Options of `outgest import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads JSONL, a JSON array, CSV or Parquet, gzip or zstd compressed or not, with the column names of the \
ClickHouse tables events_full and scores, or files that Outgest or Langfuse exported. One import is one \
commit: all rows become visible together, or none.

Examples:
  outgest import --project demo events.jsonl
  clickhouse-client -q 'SELECT * FROM events_full FORMAT JSONEachRow' | outgest import -
  outgest import --table scores scores.parquet")]
pub struct ImportArgs {
    /// Files to read, or - for stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Project of rows that name none; rows of another project are refused
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
    /// What the rows are
    #[arg(long, value_name = "T", default_value = "events")]
    pub table: ImportTable,
    /// Store the good rows and write the bad ones with their reasons to this file
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// Commit whenever so many bytes were read, for input that does not end: 256MiB
    #[arg(long, value_name = "SIZE")]
    pub commit_every: Option<String>,
    /// Print the counts as JSON
    #[arg(long)]
    pub json: bool,
}

/// What imported rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImportTable {
    Events,
    Scores,
    Comments,
    Models,
}

impl ImportTable {
    /// The table's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Scores => "scores",
            Self::Comments => "comments",
            Self::Models => "models",
        }
    }
}

/// Options of `outgest generate`.
#[derive(Debug, Args)]
#[command(after_help = "The same options make the same bytes on every machine.")]
pub struct GenerateArgs {
    /// Project of the rows
    #[arg(long, value_name = "P")]
    pub project: String,
    /// Number of live events
    #[arg(long, value_name = "N")]
    pub events: u64,
    /// Seed of the random numbers
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Days that the events spread over
    #[arg(long, value_name = "D", default_value_t = 14)]
    pub days: u32,
    /// Where the last day ends: RFC 3339, a date, or a duration before now such as -1m
    #[arg(long, value_name = "T", default_value = "2026-07-01T00:00:00Z", allow_hyphen_values = true)]
    pub end: String,
    /// Share of events that are stored hours after they happened
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    pub late: f64,
    /// Share of events that get a newer version later
    #[arg(long, value_name = "SHARE", default_value_t = 0.03)]
    pub updates: f64,
    /// Share of events that are deleted later
    #[arg(long, value_name = "SHARE", default_value_t = 0.005)]
    pub deletions: f64,
    /// Share of scores that get a newer version later, with another value, name or time
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub score_updates: f64,
    /// Share of scores that are deleted later
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    pub score_deletions: f64,
    /// Write the rows into the tables of a Langfuse deployment instead of the embedded store:
    /// clickhouse://user@host:8123/database
    #[arg(long, value_name = "TO", conflicts_with = "output")]
    pub source: Option<String>,
    /// Write events to this file (.jsonl or .parquet) instead of the embedded store
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Write scores to this file (.jsonl or .parquet); only with --output
    #[arg(long, value_name = "FILE", requires = "output")]
    pub scores_output: Option<PathBuf>,
    /// Replace existing files
    #[arg(long, requires = "output")]
    pub overwrite: bool,
    /// Print the counts as JSON
    #[arg(long)]
    pub json: bool,
}
