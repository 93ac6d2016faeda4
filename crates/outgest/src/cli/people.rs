//! Options of `outgest user`, `outgest project` and `outgest key`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use model::Role;

/// Options of `outgest user`.
#[derive(Debug, Args)]
pub struct UserArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: UserCommand,
}

/// What to do with users.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account; the password is read from stdin, or from --password-file
    Add {
        /// Address that signs in
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// Name for people
        #[arg(long, value_name = "NAME", default_value = "")]
        name: String,
        /// May create projects and is an owner everywhere
        #[arg(long)]
        admin: bool,
        /// Project that the account becomes a member of
        #[arg(long, value_name = "P")]
        project: Option<String>,
        /// Role in that project
        #[arg(long, value_name = "ROLE", default_value = "member", requires = "project")]
        role: RoleArg,
        /// File whose first line is the password
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// List accounts
    List,
}

/// Options of `outgest project`.
#[derive(Debug, Args)]
pub struct ProjectArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ProjectCommand,
}

/// What to do with projects.
#[derive(Debug, Subcommand)]
pub enum ProjectCommand {
    /// Make a project known, so that people and keys can be given rights in it
    Add {
        /// Id, as rows carry it
        #[arg(value_name = "P")]
        id: String,
        /// Name for people; the id unless given
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// List projects
    List,
}

/// Options of `outgest key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key for programs and print both halves; the secret one is not shown again
    Add {
        /// Project that the key sees
        #[arg(long, value_name = "P")]
        project: String,
        /// What it may do
        #[arg(long, value_name = "ROLE", default_value = "member")]
        role: RoleArg,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
}

/// A role in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    /// Looks at rows and exports.
    Viewer,
    /// Creates, cancels and downloads exports, comments and imports.
    Member,
    /// Manages members, keys, quotas and retention.
    Owner,
}

impl RoleArg {
    /// The role it stands for.
    pub fn to_model(self) -> Role {
        match self {
            Self::Viewer => Role::Viewer,
            Self::Member => Role::Member,
            Self::Owner => Role::Owner,
        }
    }
}
