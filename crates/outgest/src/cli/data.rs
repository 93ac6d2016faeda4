//! Options of `outgest data`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Options of `outgest data`.
#[derive(Debug, Args)]
pub struct DataArgs {
    /// What to do with the embedded store.
    #[command(subcommand)]
    pub command: DataCommand,
}

/// What to do with the embedded store.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Print tables, versions, files, rows, bytes and time ranges
    Info {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Read every file of the store and compare it with what was written
    Check {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Merge overlapping files and drop superseded versions
    Compact,
    /// Remove rows that started longer ago
    Expire {
        /// Age, such as 90d
        #[arg(long, value_name = "AGE")]
        older_than: String,
    },
    /// Have the servers of this metadata store read this data directory's rows, in place of another one's
    Adopt,
    /// Copy a consistent state of the store to a new folder
    Backup {
        /// Folder that does not exist yet
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Make the store from a backup; --data must not hold one yet
    Restore {
        /// Folder made by `backup`
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}
