//! Who carries out a run right now: a lock that ends with its process, however that ends.
//!
//! The fence of a run keeps an attempt that was replaced from writing; the hold keeps one that lives from
//! being replaced. On SQLite it is a lock on a file beside the store, which the system gives back when the
//! process ends; on Postgres an advisory lock of a connection of its own, which ends with the connection.
//! Where that was cut the run may be taken over, and then the fence decides.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use model::{Fault, FaultKind, Micros, RowCount, RunId};
use sea_orm::sqlx::{self, Connection, PgConnection};
use sea_orm::{DbBackend, EntityTrait};

use super::entities::run;
use super::{NativeStore, statement_failed};

/// Folder of the lock files beside the SQLite file.
const FOLDER: &str = "running";

/// Lets the server notice within a minute that the machine of a holder is gone.
const KEEP_ALIVE: &str = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3";

/// The advisory lock of a run, for as long as the connection lives.
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('outgest run ' || $1, 0))";

/// Whether a run could be held.
#[derive(Debug)]
pub enum HeldRun {
    /// By the caller, until this is dropped or the process ends.
    Here(RunHold),
    /// By another process, which lives.
    Elsewhere(RunHolder),
}

/// The right to carry out a run.
#[derive(Debug)]
pub struct RunHold {
    _lock: Lock,
}

#[derive(Debug)]
enum Lock {
    File { _locked: LockedFile },
    Session { _connection: PgConnection },
}

/// What is known of the process that carries out a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunHolder {
    /// Its id on this machine; `None` on Postgres, whose processes may be on any machine.
    pub process: Option<u32>,
    /// When it began, where it has come so far.
    pub since: Option<Micros>,
    /// Rows that it has made durable.
    pub rows: RowCount,
}

impl NativeStore {
    /// Holds a run, unless another process that lives does.
    pub async fn hold_run(&self, id: &RunId) -> Result<HeldRun, Fault> {
        let held = match self.backend() {
            DbBackend::Postgres => self.hold_by_session(id).await?.ok_or(None),
            _ => self.hold_by_file(id)?,
        };
        let process = match held {
            Ok(lock) => return Ok(HeldRun::Here(RunHold { _lock: lock })),
            Err(process) => process,
        };
        let failed = statement_failed("look for the run");
        let row = run::Entity::find_by_id(id.as_str()).one(&self.database).await.map_err(failed)?;
        let row = row.filter(|row| row.state == "running");
        Ok(HeldRun::Elsewhere(RunHolder {
            process,
            since: row.as_ref().map(|row| Micros(row.updated_at)),
            rows: RowCount(row.map_or(0, |row| u64::try_from(row.rows).unwrap_or_default())),
        }))
    }

    async fn hold_by_session(&self, id: &RunId) -> Result<Option<Lock>, Fault> {
        let options = self.database.get_postgres_connection_pool().connect_options();
        let failed = |error: sqlx::Error| {
            Fault::new(FaultKind::Unavailable, "cannot hold the run in the metadata store").because(error)
        };
        let mut connection = PgConnection::connect_with(&options).await.map_err(failed)?;
        sqlx::raw_sql(KEEP_ALIVE).execute(&mut connection).await.map_err(failed)?;
        let lock = sqlx::query_scalar(TRY_LOCK).bind(id.as_str());
        let locked: bool = lock.fetch_one(&mut connection).await.map_err(failed)?;
        Ok(locked.then_some(Lock::Session { _connection: connection }))
    }

    /// The lock, or the process that has it.
    fn hold_by_file(&self, id: &RunId) -> Result<Result<Lock, Option<u32>>, Fault> {
        let options = self.database.get_sqlite_connection_pool().connect_options();
        let folder = options.get_filename().with_file_name(FOLDER);
        let name = id.as_str().replace(|char: char| !char.is_ascii_alphanumeric(), "-");
        let path = folder.join(format!("{name}.lock"));
        let locked = fs::create_dir_all(&folder).and_then(|()| LockedFile::try_lock(&path));
        locked.map(|locked| locked.map(|locked| Lock::File { _locked: locked })).map_err(|error| {
            Fault::new(FaultKind::Configuration, format!("cannot lock {}: {error}", path.display()))
                .hint("the data directory must be writable and on a local disk")
                .because(error)
        })
    }
}

/// A locked file that holds the id of the process that locked it.
#[derive(Debug)]
struct LockedFile {
    path: PathBuf,
    _file: File,
}

impl LockedFile {
    /// Locks the file of this name, or tells which process has it.
    fn try_lock(path: &Path) -> io::Result<Result<Self, Option<u32>>> {
        loop {
            let mut file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut process = String::new();
                    // A holder that has not written its id yet, or a system that lets nobody else read, tells none.
                    let read = file.read_to_string(&mut process);
                    return Ok(Err(read.ok().and_then(|_| process.trim().parse().ok())));
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Its last holder may have removed it between opening and locking.
            if is_still_named(&file, path)? {
                file.set_len(0)?;
                writeln!(file, "{}", std::process::id())?;
                return Ok(Ok(Self { path: path.to_owned(), _file: file }));
            }
        }
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Removed while it is locked. One that stays does no harm.
        if cfg!(unix)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(cause = %error, file = %self.path.display(), "cannot remove a lock file");
        }
    }
}

/// Whether the file is still the one that the path names.
#[cfg(unix)]
fn is_still_named(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let opened = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Other systems keep lock files.
#[cfg(not(unix))]
fn is_still_named(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_of_a_hold_names_its_process_and_goes_with_it() {
        let data = tempfile::tempdir().unwrap();
        let store = NativeStore::open(data.path()).await.unwrap();
        let lock = data.path().join(FOLDER).join("r-1.lock");
        // Left by a process that was killed.
        fs::create_dir_all(lock.parent().unwrap()).unwrap();
        fs::write(&lock, "1\n").unwrap();

        let HeldRun::Here(hold) = store.hold_run(&RunId::new("r/1")).await.unwrap() else { panic!("nobody has it") };

        let HeldRun::Elsewhere(holder) = store.hold_run(&RunId::new("r/1")).await.unwrap() else {
            panic!("it is held")
        };
        assert_eq!(holder.process, Some(std::process::id()));
        drop(hold);
        assert!(!lock.exists());
    }

    #[test]
    fn a_lock_file_that_was_replaced_meanwhile_is_not_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let opened = File::create(&path).unwrap();
        assert!(is_still_named(&opened, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!is_still_named(&opened, &path).unwrap() || cfg!(not(unix)));
        File::create(&path).unwrap();
        assert!(!is_still_named(&opened, &path).unwrap() || cfg!(not(unix)));
    }
}
