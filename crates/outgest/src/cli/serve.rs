//! Options of `outgest serve`. All are settings, and settings are where they are explained.

use clap::Args;

use super::flag;
use crate::config::Flag;

/// Options of `outgest serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  outgest serve
  outgest serve --listen 0.0.0.0:8080 --public-url https://exports.example.com
  outgest serve --roles work --database postgres://outgest@db.example.com/outgest")]
pub struct ServeArgs {
    /// What this process does: api, schedule, work, separated by commas [all]
    #[arg(long, value_name = "ROLES")]
    pub roles: Option<String>,
    /// Address and port that are listened on [127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The address under which people reach the server
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// The metadata store: postgres://…; SQLite in the data directory unless given
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Threads that encode and compress [cores − 1]
    #[arg(long, value_name = "N")]
    pub threads: Option<String>,
}

impl ServeArgs {
    /// What the options say about settings.
    pub fn flags(&self) -> impl Iterator<Item = Flag> {
        let flags = [
            flag("--roles", "server.roles", self.roles.as_ref()),
            flag("--listen", "server.listen", self.listen.as_ref()),
            flag("--public-url", "server.public_url", self.public_url.as_ref()),
            flag("--database", "database", self.database.as_ref()),
            flag("--threads", "worker.threads", self.threads.as_ref()),
        ];
        flags.into_iter().flatten()
    }
}
