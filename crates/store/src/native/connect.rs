//! Where the store lies, how it is connected, and its schema brought up to date.
//!
//! SQLite runs in WAL mode with a busy timeout, so processes that share a data directory do not get
//! into each other's way. Migrations run in one transaction behind a lock, so processes that start at
//! the same time migrate once.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use model::{Fault, FaultKind};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr, RuntimeErr};
use sea_orm_migration::MigratorTrait;

use super::{NativeStore, migrations};

/// How long a statement waits for another process that holds SQLite's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two tries to open a file that is locked.
const LOCKED_WAIT: Duration = Duration::from_millis(50);

/// Connections to one SQLite file: one may write while others read.
const SQLITE_CONNECTIONS_MAX: u32 = 4;

/// Connections to Postgres: a tenth of what a server takes by default, so that ten processes fit.
const POSTGRES_CONNECTIONS_MAX: u32 = 10;

/// How long a caller waits for a connection before it hears that the store is not available.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Key of the advisory lock behind which migrations run: "outgest" in hexadecimal.
const MIGRATION_LOCK: i64 = 0x6f_7574_6765_7374;

/// Where a metadata store lies. `Display` shows no password.
#[derive(Clone)]
pub enum Place {
    /// A SQLite file in this directory.
    Directory(PathBuf),
    /// A Postgres database by its URL.
    Postgres(String),
}

impl Place {
    /// Reads the value of an option: `postgres://…`, or a directory.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.starts_with("postgres://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("postgresql://") {
            return Ok(Self::Postgres(format!("postgres://{rest}")));
        }
        if text.contains("://") {
            // The text is not repeated: it may hold a password.
            return Err(Fault::new(FaultKind::Configuration, "the database is neither postgres:// nor a directory")
                .hint(
                    "write postgres://user:password@host/database, or leave it out for SQLite in the data directory",
                ));
        }
        Ok(Self::Directory(PathBuf::from(text)))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(directory) => directory.join(NativeStore::FILE_NAME).display().fmt(f),
            Self::Postgres(url) => {
                let host = url.rsplit('@').next().unwrap_or_default().trim_start_matches("postgres://");
                write!(f, "postgres://{}", host.split('?').next().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Connects without looking at the schema.
pub(super) async fn connect(place: &Place) -> Result<DatabaseConnection, Fault> {
    let mut options = match place {
        Place::Directory(directory) => {
            std::fs::create_dir_all(directory).map_err(|error| {
                let denied = matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem);
                if denied { access_denied(place, error) } else { cannot_open(place, error) }
            })?;
            // The path is set on the options rather than spliced into the URL, where `?` would end it.
            let path = directory.join(NativeStore::FILE_NAME);
            let mut options = ConnectOptions::new("sqlite://outgest.db?mode=rwc");
            options.max_connections(SQLITE_CONNECTIONS_MAX).map_sqlx_sqlite_opts(move |sqlite| {
                sqlite
                    .filename(&path)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(BUSY_TIMEOUT)
                    .foreign_keys(true)
            });
            options
        }
        Place::Postgres(url) => {
            let mut options = ConnectOptions::new(url.clone());
            options.max_connections(POSTGRES_CONNECTIONS_MAX).set_application_name("outgest");
            options
        }
    };
    options.acquire_timeout(ACQUIRE_TIMEOUT).sqlx_logging(false);
    let mut waited = Duration::ZERO;
    loop {
        match Database::connect(options.clone()).await {
            // The first connection to a new file turns WAL on, which SQLite does not wait for by itself.
            Err(error) if is_locked(&error) && waited < BUSY_TIMEOUT => {
                tokio::time::sleep(LOCKED_WAIT).await;
                waited += LOCKED_WAIT;
            }
            connected => return connected.map_err(|error| refused(place, error)),
        }
    }
}

/// Whether another process holds SQLite's lock.
fn is_locked(error: &DbErr) -> bool {
    sqlite_code(error) == Some(5)
}

/// SQLite's primary result code, as <https://sqlite.org/rescode.html> numbers them: the low byte of the
/// code that it returns.
fn sqlite_code(error: &DbErr) -> Option<u8> {
    let (DbErr::Conn(RuntimeErr::SqlxError(error))
    | DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return None;
    };
    let sea_orm::sqlx::Error::Database(error) = &**error else { return None };
    let code: u32 = error.code()?.parse().ok()?;
    u8::try_from(code & 0xff).ok()
}

/// Runs the migrations that are missing. Another process that does so at the same time is waited for.
pub(super) async fn migrate(store: &NativeStore, place: &Place) -> Result<(), Fault> {
    let failed = |error| refused(place, error);
    let change = store.change().await.map_err(failed)?;
    if store.backend() == DbBackend::Postgres {
        let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
        change.tx.execute_unprepared(&lock).await.map_err(failed)?;
    }
    migrations::Migrator::up(&change.tx, None).await.map_err(failed)?;
    change.commit().await.map_err(failed)
}

/// What a database that could not be opened or brought up to date means.
fn refused(place: &Place, error: DbErr) -> Fault {
    // A directory that may not be written shows as a file that is read-only (8), or cannot be opened (14)
    // because SQLite may not put its write-ahead log beside it.
    match (place, sqlite_code(&error)) {
        (Place::Directory(_), Some(8 | 14)) => access_denied(place, error),
        _ => cannot_open(place, error),
    }
}

fn access_denied(place: &Place, error: impl Error + Send + Sync + 'static) -> Fault {
    Fault::new(FaultKind::Configuration, format!("cannot write the metadata store {place}: access denied"))
        .hint("check owner and permissions of the data directory")
        .because(error)
}

fn cannot_open(place: &Place, error: impl Error + Send + Sync + 'static) -> Fault {
    let message = format!("cannot open the metadata store {place}");
    match place {
        Place::Directory(_) => Fault::new(FaultKind::Configuration, message)
            .hint("the data directory must be writable and on a local disk; another program, or a newer outgest, must not have changed the file"),
        Place::Postgres(_) => Fault::new(FaultKind::Unavailable, message)
            .hint("the server must be up, the database must exist, and the user must be allowed to create tables in it"),
    }
    .because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_without_its_password() {
        let place = Place::parse("postgresql://me:hunter2@db.example:5432/outgest?sslmode=require").unwrap();
        assert_eq!(place.to_string(), "postgres://db.example:5432/outgest");
        assert!(!format!("{place:?}").contains("hunter2"));
        let fault = Place::parse("mysql://me:hunter2@db").unwrap_err();
        assert!(!fault.public_message().contains("hunter2"));
    }
}
