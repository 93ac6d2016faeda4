//! Options of `outgest deliver`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use destinations::Network;
use model::Dialect;

use super::{CursorArg, ProgressArg};

/// Options of `outgest deliver`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outgest deliver posthog --project demo --since -24h --host https://eu.i.posthog.com --key-env POSTHOG_API_KEY
  outgest deliver mixpanel --project demo --tables events,scores --since 2026-08-01 --until 2026-08-02 \\
      --option region=eu --key-env MIXPANEL_PROJECT_TOKEN --base-url https://tracing.example.com
  outgest deliver posthog --project demo --host https://posthog.internal --allow-network 10.0.0.0/8 --check
  outgest deliver mixpanel --project demo --key-env MIXPANEL_PROJECT_TOKEN --replay outgest-dead-letters/events-3f2a.jsonl")]
pub struct DeliverArgs {
    /// Receiver: posthog or mixpanel
    #[arg(value_name = "RECEIVER")]
    pub receiver: String,

    /// Project whose rows are delivered
    #[arg(long, value_name = "P", help_heading = "What")]
    pub project: String,
    /// Tables whose rows become events: events, generations, scores, traces
    #[arg(long, value_name = "A,B", value_delimiter = ',', default_value = "events", help_heading = "What")]
    pub tables: Vec<String>,
    /// What is read, as for export
    #[arg(long, value_name = "FROM", help_heading = "What")]
    pub source: Option<String>,
    /// First instant: RFC 3339, a date, or a duration before now such as -24h; UTC where no zone is given
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = "What")]
    pub since: Option<String>,
    /// First instant that is left out, written like --since
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = "What")]
    pub until: Option<String>,
    /// Timestamp that --since and --until are measured on
    #[arg(long, value_name = "CURSOR", default_value = "start_time", help_heading = "What")]
    pub cursor: CursorArg,
    /// Names and contents of events: as Langfuse sends them, or one unit per property and null where unknown
    #[arg(long, value_name = "NAME", default_value = "langfuse", help_heading = "What")]
    pub dialect: DialectArg,
    /// Address of the tracing product, for links in events; without it events have none
    #[arg(long, value_name = "URL", help_heading = "What")]
    pub base_url: Option<String>,
    /// Name of the project, as a property of events in the langfuse dialect
    #[arg(long, value_name = "N", help_heading = "What")]
    pub project_name: Option<String>,

    /// Address of the receiver; Mixpanel's regions have theirs
    #[arg(long, value_name = "URL", help_heading = "Where")]
    pub host: Option<String>,
    /// Variable of the environment that holds the project's key or token, or a service account's secret
    #[arg(long, value_name = "VAR", help_heading = "Where")]
    pub key_env: Option<String>,
    /// Another option of the receiver, such as region=eu or request_events=500; secrets come by --key-env
    #[arg(long = "option", value_name = "KEY=VALUE", help_heading = "Where")]
    pub options: Vec<String>,
    /// Private network that may be connected to
    #[arg(long = "allow-network", value_name = "CIDR", help_heading = "Where")]
    pub allow_networks: Vec<Network>,
    /// Say that the events happened long ago, so that PostHog does not take them for a sudden load
    #[arg(long, help_heading = "Where")]
    pub historical: bool,

    /// Try the receiver step by step without delivering anything
    #[arg(long, conflicts_with = "resume", help_heading = "Run")]
    pub check: bool,
    /// Continue the same delivery where a killed attempt left off
    #[arg(long, help_heading = "Run")]
    pub resume: bool,
    /// Send the dead letters of this file again instead of rows; those that are refused once more stay in it
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["resume", "check", "tables", "since", "until", "source", "base_url", "project_name"],
        help_heading = "Run"
    )]
    pub replay: Option<PathBuf>,
    /// Folder for events that the receiver refuses, one file per table
    #[arg(long, value_name = "DIR", default_value = "outgest-dead-letters", help_heading = "Run")]
    pub dead_letters: PathBuf,
    /// Print receipts as JSON, one per line
    #[arg(long, help_heading = "Run")]
    pub json: bool,
    /// How progress is shown on stderr
    #[arg(long, value_name = "FORM", default_value = "auto", help_heading = "Run")]
    pub progress: ProgressArg,
}

/// Names and contents of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DialectArg {
    /// As Langfuse sends them.
    Langfuse,
    /// One unit per property, null where nothing is known.
    Event,
}

impl DialectArg {
    /// The dialect it stands for.
    pub fn to_model(self) -> Dialect {
        match self {
            Self::Langfuse => Dialect::Langfuse,
            Self::Event => Dialect::Event,
        }
    }
}
