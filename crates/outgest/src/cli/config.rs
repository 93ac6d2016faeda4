//! Options of `outgest config`.

use clap::{Args, Subcommand};

/// Options of `outgest config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What to do with the configuration.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Name everything that is wrong with the file, the environment and the options
    Check {
        /// Try what the settings point at: stores, destination, mail server, collector
        #[arg(long)]
        connect: bool,
    },
    /// Print every setting that holds and where it came from; secrets are hidden
    Show {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the reference of every setting as Markdown
    Reference,
}
