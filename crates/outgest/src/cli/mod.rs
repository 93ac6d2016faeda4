//! The command line: what can be typed, as data. It validates nothing beyond syntax and does nothing.

mod config;
mod data;
mod deliver;
mod export;
mod exports;
mod import;
mod integrations;
mod people;
mod serve;

use std::path::PathBuf;

use model::FieldProblem;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use config::{ConfigArgs, ConfigCommand};
pub use data::{DataArgs, DataCommand};
pub use deliver::DeliverArgs;
pub use export::{CursorArg, ExportArgs, UnicodeArg};
pub use exports::{CreateArgs, ExportsArgs, ExportsCommand};
pub use import::{GenerateArgs, ImportArgs};
pub use integrations::{BackfillArgs, IntegrationsArgs, IntegrationsCommand, OrderArg, SettingsArgs};
pub use people::{KeyArgs, KeyCommand, ProjectArgs, ProjectCommand, UserArgs, UserCommand};
pub use serve::ServeArgs;

use crate::config::Flag;

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
    /// `deliver` is done, and the receiver refused some events, which are kept.
    pub const REFUSED: u8 = 4;
    /// Ended by Ctrl-C or SIGTERM; nothing half-written is left.
    pub const INTERRUPTED: u8 = 130;
}

/// Gets LLM-observability data out: events, scores, traces, observations and sessions, filtered,
/// as CSV, JSON, JSONL or Parquet, to disk or object storage, provably complete.
#[derive(Debug, Parser)]
#[command(name = "outgest", version, max_term_width = 110, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 done · 1 failed, trying again may help · 2 cannot be honoured as written · \
3 verify found differences · 4 deliver is done but for events that the receiver refused · 130 interrupted")]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command. All but the file are settings, and settings are where they are explained.
#[derive(Clone, Debug, Args)]
pub struct GlobalArgs {
    /// Configuration file; `outgest.toml` in the current folder unless given, where there is one
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of the embedded store and of everything remembered between commands [outgest-data]
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "DIR")]
    pub data: Option<String>,
    /// Least severe log lines that are printed to stderr: error, warn, info or debug [warn]
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "LEVEL")]
    pub log: Option<String>,
    /// Form of log lines: text or json [text]
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "FORM")]
    pub log_format: Option<String>,
    /// Any other setting, such as worker.threads=2; `outgest config show` lists them
    #[arg(long = "set", global = true, help_heading = "Everywhere", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl GlobalArgs {
    /// What the options say about settings.
    fn flags(&self) -> Result<Vec<Flag>, FieldProblem> {
        let mut flags = Vec::new();
        for text in &self.set {
            let Some((key, value)) = text.split_once('=') else {
                return Err(FieldProblem::new("--set", format!("{text:?} is no assignment"))
                    .hint("write --set KEY=VALUE, such as --set worker.threads=2"));
            };
            flags.push(Flag { name: "--set".to_owned(), key: key.trim().to_owned(), value: value.to_owned() });
        }
        flags.extend(flag("--data", "data", self.data.as_ref()));
        flags.extend(flag("--log", "log.level", self.log.as_ref()));
        flags.extend(flag("--log-format", "log.format", self.log_format.as_ref()));
        Ok(flags)
    }
}

impl Cli {
    /// What all options say about settings.
    pub fn flags(&self) -> Result<Vec<Flag>, FieldProblem> {
        let mut flags = self.global.flags()?;
        match &self.command {
            Command::Exports(args) => flags.extend(args.flags()),
            Command::Integrations(args) => flags.extend(args.flags()),
            Command::Serve(args) => flags.extend(args.flags()),
            _ => {}
        }
        Ok(flags)
    }
}

/// The flag `name` as the setting `key`, where it was given.
pub fn flag(name: &str, key: &str, value: Option<&String>) -> Option<Flag> {
    value.map(|value| Flag { name: name.to_owned(), key: key.to_owned(), value: value.clone() })
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
    /// Send rows as events to PostHog or Mixpanel
    Deliver(Box<DeliverArgs>),
    /// Check exported files against their manifest, and the manifest against the source
    Verify(VerifyArgs),
    /// Make deterministic, realistic sample data
    Generate(GenerateArgs),
    /// Look at a source: what is there, what is missing, which limits hold
    Doctor(DoctorArgs),
    /// Look after the embedded store
    Data(DataArgs),
    /// Serve the API, plan what is due, and carry exports out
    Serve(ServeArgs),
    /// Make accounts for people who sign in to a server
    User(UserArgs),
    /// Make projects known to a server
    Project(ProjectArgs),
    /// Make keys for programs that use a server
    Key(KeyArgs),
    /// Ask a server for exports, watch and download them
    Exports(ExportsArgs),
    /// Have a server export window after window by itself
    Integrations(IntegrationsArgs),
    /// Check the configuration, or show what holds and why
    Config(ConfigArgs),
}

/// Options of `outgest demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder for the sample store and the exported files; must be empty or absent
    #[arg(long, value_name = "DIR", default_value = "outgest-demo")]
    pub folder: PathBuf,
    /// Sample events to make
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub events: u64,
}

/// Options of `outgest doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// What to look at: clickhouse://user@host:8123/database, or a data directory; the setting source.url, else
    /// --data, unless given
    #[arg(long, value_name = "FROM")]
    pub source: Option<String>,
    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `outgest verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The manifest: a path or URL, as the export printed it
    #[arg(value_name = "MANIFEST")]
    pub manifest: String,
    /// What to compare with, as for export; `none` checks the files alone
    #[arg(long, value_name = "FROM")]
    pub source: Option<String>,
    /// Compare every key in the files with the source, even where the digests agree
    #[arg(long)]
    pub full: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}
