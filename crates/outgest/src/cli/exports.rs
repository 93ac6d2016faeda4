//! Options of `outgest exports`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::export::SearchTypeArg;
use super::{CursorArg, ProgressArg, UnicodeArg, flag};
use crate::config::Flag;

/// Options of `outgest exports`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outgest exports create --server https://og.example.com --key @key.txt --project shop --since -24h --wait
  outgest exports list --state failed
  outgest exports download 0198b5f2-… -o out/

Server, key and project are settings: OUTGEST_CLIENT_SERVER, OUTGEST_CLIENT_KEY and OUTGEST_CLIENT_PROJECT, or
[client] in outgest.toml, spare typing them.")]
pub struct ExportsArgs {
    /// Address of the server
    #[arg(long, global = true, value_name = "URL", help_heading = "Server")]
    pub server: Option<String>,
    /// Secret half of a project's key, or @FILE that holds it
    #[arg(long, global = true, value_name = "KEY", help_heading = "Server")]
    pub key: Option<String>,
    /// Project whose exports are meant
    #[arg(long, global = true, value_name = "P", help_heading = "Server")]
    pub project: Option<String>,
    /// What to do with exports.
    #[command(subcommand)]
    pub command: ExportsCommand,
}

impl ExportsArgs {
    /// What the options say about settings.
    pub fn flags(&self) -> Vec<Flag> {
        let flags = [
            flag("--server", "client.server", self.server.as_ref()),
            flag("--key", "client.key", self.key.as_ref()),
            flag("--project", "client.project", self.project.as_ref()),
        ];
        flags.into_iter().flatten().collect()
    }
}

/// What to do with exports of a server.
#[derive(Debug, Subcommand)]
pub enum ExportsCommand {
    /// Ask for an export; prints its id
    Create(Box<CreateArgs>),
    /// Print exports, newest first
    List {
        /// Only in these states: queued, running, completed, failed, cancelled, expired
        #[arg(long = "state", value_name = "STATES", value_delimiter = ',')]
        states: Vec<String>,
        /// Print at most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Show an export until it ends
    Watch {
        /// Id that `create` printed
        id: String,
        /// Print the export as JSON when it has ended
        #[arg(long)]
        json: bool,
        /// How progress is shown on stderr
        #[arg(long, value_name = "FORM", default_value = "auto")]
        progress: ProgressArg,
    },
    /// Cancel an export that waits or runs
    Cancel {
        /// Id that `create` printed
        id: String,
    },
    /// Fetch the files of a completed export, and check their sums
    Download {
        /// Id that `create` printed
        id: String,
        /// File, folder ending in /, or - for stdout; the current folder unless given
        #[arg(short, long, value_name = "PATH")]
        output: Option<PathBuf>,
        /// Replace existing files
        #[arg(long)]
        overwrite: bool,
    },
}

/// Options of `outgest exports create`. They mean what they mean to `outgest export`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Name for people; made from time, table and format unless given
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Table: events, observations, scores, sessions or traces
    #[arg(long, value_name = "T", default_value = "events", help_heading = "What")]
    pub table: String,
    /// Filter as one JSON object or an array, or @FILE; repeat to narrow further
    #[arg(long = "filter", value_name = "JSON", help_heading = "What")]
    pub filters: Vec<String>,
    /// Filter as text; repeat to narrow further
    #[arg(long = "where", value_name = "TEXT", help_heading = "What")]
    pub wheres: Vec<String>,
    /// Text that rows must contain
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "What")]
    pub search: Option<String>,
    /// What --search looks at
    #[arg(long, value_name = "TYPES", value_delimiter = ',', default_value = "id", help_heading = "What")]
    pub search_type: Vec<SearchTypeArg>,
    /// First instant: RFC 3339, a date, or a duration before now such as -24h
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = "What")]
    pub since: Option<String>,
    /// First instant that is left out
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = "What")]
    pub until: Option<String>,
    /// Timestamp that --since and --until are measured on
    #[arg(long, value_name = "CURSOR", help_heading = "What")]
    pub cursor: Option<CursorArg>,
    /// Columns by name, in this order
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with = "groups", help_heading = "What")]
    pub columns: Vec<String>,
    /// Columns by field group
    #[arg(long, value_name = "A,B", value_delimiter = ',', help_heading = "What")]
    pub groups: Vec<String>,
    /// Export at most so many rows, the latest first
    #[arg(long, value_name = "N", help_heading = "What")]
    pub limit: Option<u64>,
    /// Hide values, as with `outgest export`
    #[arg(long = "mask", value_name = "RULE", help_heading = "What")]
    pub masks: Vec<String>,
    /// Kinds of filters that may be left out where the source cannot honour them: comments
    #[arg(long, value_name = "KINDS", value_delimiter = ',', help_heading = "What")]
    pub allow_unsupported_filters: Vec<String>,

    /// csv, json, jsonl or parquet
    #[arg(long, value_name = "F", help_heading = "How")]
    pub format: Option<String>,
    /// none, gzip or zstd
    #[arg(long, value_name = "C", help_heading = "How")]
    pub compression: Option<String>,
    /// What becomes of \uXXXX in text
    #[arg(long, value_name = "RULE", help_heading = "How")]
    pub unicode: Option<UnicodeArg>,
    /// Write input and output as JSON values where they are valid JSON
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
    /// Start a new file when one reaches this size: 500MB, 1GiB
    #[arg(long, value_name = "SIZE", help_heading = "How")]
    pub roll_size: Option<String>,

    /// Make repeating this command harmless: the same key gives the same export
    #[arg(long, value_name = "KEY", help_heading = "Run")]
    pub idempotency_key: Option<String>,
    /// Wait until it has ended, and fail where it fails
    #[arg(long, help_heading = "Run")]
    pub wait: bool,
    /// Print the export as JSON
    #[arg(long, help_heading = "Run")]
    pub json: bool,
    /// How progress is shown on stderr while waiting
    #[arg(long, value_name = "FORM", default_value = "auto", help_heading = "Run")]
    pub progress: ProgressArg,
}
