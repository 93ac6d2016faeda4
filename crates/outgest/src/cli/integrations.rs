//! Options of `outgest integrations`.

use clap::{Args, Subcommand, ValueEnum};

use super::flag;
use crate::config::Flag;

/// Options of `outgest integrations`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outgest integrations kinds
  outgest integrations create --settings @lake.json --secret secret_access_key=@secret.txt
  outgest integrations test 0198b5f2-…
  outgest integrations backfill 0198b5f2-… --from 2026-07-01 --to 2026-08-01

Settings are those of the API: a JSON object with name, kind, options, tables, schedule and so on.
Server, key and project are settings: OUTGEST_CLIENT_SERVER, OUTGEST_CLIENT_KEY and OUTGEST_CLIENT_PROJECT, or
[client] in outgest.toml, spare typing them.")]
pub struct IntegrationsArgs {
    /// Address of the server
    #[arg(long, global = true, value_name = "URL", help_heading = "Server")]
    pub server: Option<String>,
    /// Secret half of a project's key, or @FILE that holds it
    #[arg(long, global = true, value_name = "KEY", help_heading = "Server")]
    pub key: Option<String>,
    /// Project whose integrations are meant
    #[arg(long, global = true, value_name = "P", help_heading = "Server")]
    pub project: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do with integrations.
    #[command(subcommand)]
    pub command: IntegrationsCommand,
}

impl IntegrationsArgs {
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

/// What to do with integrations of a server.
#[derive(Debug, Subcommand)]
pub enum IntegrationsCommand {
    /// Print the kinds of destinations and their options
    Kinds,
    /// Print integrations, newest first
    List,
    /// Show an integration
    Show {
        /// Id that `create` printed
        id: String,
    },
    /// Make an integration; prints its id
    Create(SettingsArgs),
    /// Change an integration: what the settings do not say stays
    Change {
        /// Id that `create` printed
        id: String,
        /// What to change.
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Delete an integration; its files and its history stay
    Delete {
        /// Id that `create` printed
        id: String,
    },
    /// Plan no more windows until it is resumed
    Pause {
        /// Id that `create` printed
        id: String,
    },
    /// Go on: everything that ended meanwhile is exported
    Resume {
        /// Id that `create` printed
        id: String,
    },
    /// Export everything up to now, without waiting for the window's end
    Run {
        /// Id that `create` printed
        id: String,
    },
    /// Do at the destination what a run will do, step by step
    Test {
        /// Id that `create` printed
        id: String,
    },
    /// Print the next windows and the keys of their files
    Windows {
        /// Id that `create` printed
        id: String,
    },
    /// Print runs, latest window first
    Runs {
        /// Id that `create` printed
        id: String,
        /// Only in these states: queued, running, completed, failed, cancelled
        #[arg(long = "state", value_name = "STATES", value_delimiter = ',')]
        states: Vec<String>,
        /// Print at most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Print which stretches of time are exported
    Coverage {
        /// Id that `create` printed
        id: String,
    },
    /// Export a stretch of the past, window by window
    Backfill(BackfillArgs),
    /// Print backfills, newest first
    Backfills {
        /// Id that `create` printed
        id: String,
    },
    /// End a backfill; windows that are done stay
    CancelBackfill {
        /// Id of the integration
        id: String,
        /// Id that `backfill` printed
        backfill: String,
    },
    /// Print rows that the receiver refused
    DeadLetters {
        /// Id that `create` printed
        id: String,
        /// Print at most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Send rows that the receiver refused once more
    Replay {
        /// Id that `create` printed
        id: String,
    },
}

/// Settings of an integration.
#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// Settings as one JSON object, or @FILE that holds it
    #[arg(long, value_name = "JSON")]
    pub settings: String,
    /// A secret as NAME=@FILE; repeat for more
    #[arg(long = "secret", value_name = "NAME=@FILE")]
    pub secrets: Vec<String>,
}

/// Options of `outgest integrations backfill`.
#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// Id of the integration
    pub id: String,
    /// First instant: RFC 3339, a date, or a duration before now such as -7d
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub from: String,
    /// First instant that is left out
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub to: String,
    /// Which windows come first
    #[arg(long, value_name = "ORDER", default_value = "oldest-first")]
    pub order: OrderArg,
    /// Windows at the same time; those of the integration unless given
    #[arg(long, value_name = "N")]
    pub parallel: Option<u32>,
    /// Say what it would read at most, and do nothing
    #[arg(long)]
    pub estimate: bool,
}

/// Which windows of a backfill come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OrderArg {
    /// The earliest.
    OldestFirst,
    /// The latest.
    NewestFirst,
}
