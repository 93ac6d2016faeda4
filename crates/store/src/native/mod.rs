//! Our own schema, reached through SeaORM so that one code path serves every database it speaks.
//!
//! SQLite runs in WAL mode with a busy timeout, so an export and an import of the same data
//! directory do not get into each other's way. Instants are stored as microseconds, never as text.

mod comments;
mod entities;
mod migrations;
mod runs;

use std::path::Path;
use std::time::Duration;

use model::{Fault, FaultKind};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, Statement};
use sea_orm_migration::MigratorTrait;

pub use comments::NewComment;
pub use runs::{RunRecord, RunState, StoreLog, UnfinishedRun};

/// How long a statement waits for another process that holds the write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections to one SQLite file: one may write while others read.
const CONNECTIONS_MAX: u32 = 4;

/// An open metadata store. Clones share the connections.
#[derive(Clone)]
pub struct NativeStore {
    database: DatabaseConnection,
}

impl NativeStore {
    /// Name of the SQLite file in a data directory.
    pub const FILE_NAME: &'static str = "outgest.db";

    /// Opens the store of a data directory, creating file and schema where missing.
    pub async fn open(data: &Path) -> Result<Self, Fault> {
        let file = data.join(Self::FILE_NAME);
        let failed = |error: DbErr| {
            Fault::new(FaultKind::Configuration, format!("cannot open the metadata store {}", file.display()))
                .hint("the data directory must be writable and on a local disk; another program must not have changed the file")
                .because(error)
        };
        // The path is set on the options rather than spliced into the URL, where `?` would end it.
        let path = file.clone();
        let mut options = ConnectOptions::new("sqlite://outgest.db?mode=rwc");
        options.max_connections(CONNECTIONS_MAX).sqlx_logging(false).map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .filename(&path)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
                .foreign_keys(true)
        });
        let database = Database::connect(options).await.map_err(failed)?;
        migrations::Migrator::up(&database, None).await.map_err(failed)?;
        Ok(Self { database })
    }

    /// Copies a consistent state into another folder, which must not hold a metadata store yet.
    pub async fn backup(&self, folder: &Path) -> Result<(), Fault> {
        let target = folder.join(Self::FILE_NAME);
        let failed =
            || Fault::new(FaultKind::Configuration, format!("cannot copy the metadata store to {}", target.display()));
        let path = target.to_str().ok_or_else(|| failed().hint("the folder's name must be UTF-8"))?;
        let copy = Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [path.into()]);
        self.database.execute_raw(copy).await.map_err(|error| failed().because(error))?;
        Ok(())
    }
}

/// What a failed statement means to a caller: the store may come back, so it may be tried again.
fn statement_failed(doing: &str) -> impl FnOnce(DbErr) -> Fault {
    let message = format!("cannot {doing} in the metadata store");
    move |error| Fault::new(FaultKind::Unavailable, message).because(error)
}
