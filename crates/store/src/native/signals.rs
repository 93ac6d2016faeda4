//! Who is told that something changed, so that nobody polls in a hurry.
//!
//! Inside a process a counter is raised; between processes Postgres carries notifications. Processes
//! that share a SQLite file watch when it was last written. A signal says only that looking is worth
//! while, never what is to be seen.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use sea_orm::sqlx::PgPool;
use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Channel of notifications.
const CHANNEL: &str = "outgest";

/// Between two looks without a signal on SQLite. Half of the two seconds in which a cancel must arrive.
const SQLITE_LOOK: Duration = Duration::from_millis(1_000);

/// How often the operating system is asked when a SQLite file was last written: a few microseconds each time.
const SQLITE_GLANCE: Duration = Duration::from_millis(100);

/// Between two looks without a signal on Postgres: for waits that end by the clock, and for signals that
/// were lost with a connection.
const POSTGRES_LOOK: Duration = Duration::from_secs(2);

/// Before the listener connects again.
const RECONNECT: Duration = Duration::from_secs(1);

/// The signals of one store.
pub(super) struct Signals {
    changes: watch::Sender<u64>,
    look: Duration,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl Signals {
    /// Starts to listen to other processes.
    pub(super) fn start(database: &DatabaseConnection) -> Arc<Self> {
        let changes = watch::Sender::new(0);
        let (look, listener) = if database.get_database_backend() == DbBackend::Postgres {
            let pool = database.get_postgres_connection_pool().clone();
            (POSTGRES_LOOK, tokio::spawn(listen(pool, changes.clone())))
        } else {
            let file = database.get_sqlite_connection_pool().connect_options().get_filename().to_owned();
            (SQLITE_LOOK, tokio::spawn(glance(log_of(&file), changes.clone())))
        };
        Arc::new(Self { changes, look, listener: Mutex::new(Some(listener)) })
    }

    /// Tells this process.
    pub(super) fn raise(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Tells other processes once the transaction is committed.
    pub(super) async fn announce(&self, on: &impl ConnectionTrait) -> Result<(), DbErr> {
        if on.get_database_backend() == DbBackend::Postgres {
            on.execute_unprepared(&format!("NOTIFY {CHANNEL}")).await?;
        }
        Ok(())
    }

    /// Yields at once, after every signal, and after a while without one.
    pub(super) fn looks(&self) -> BoxStream<'static, ()> {
        let (changes, look) = (self.changes.subscribe(), self.look);
        let next = move |(mut changes, first): (watch::Receiver<u64>, bool)| async move {
            if !first {
                // The sender is gone only when the store is; then looking fails by itself.
                drop(tokio::time::timeout(look, changes.changed()).await);
            }
            changes.mark_unchanged();
            Some(((), (changes, false)))
        };
        stream::unfold((changes, true), next).boxed()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take() {
            listener.abort();
        }
    }
}

/// Passes notifications on, whatever happens to the connection. Ends with the store.
async fn listen(pool: PgPool, changes: watch::Sender<u64>) {
    loop {
        let heard = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(CHANNEL).await?;
            // What was sent while nobody listened is looked for now.
            changes.send_modify(|changes| *changes += 1);
            loop {
                listener.recv().await?;
                // A burst is one signal.
                while let Some(Some(_)) = listener.try_recv().now_or_never().and_then(Result::ok) {}
                changes.send_modify(|changes| *changes += 1);
            }
        };
        let ended: Result<(), sea_orm::sqlx::Error> = heard.await;
        if let Err(error) = ended {
            tracing::warn!(cause = %error, "notifications of the metadata store are interrupted");
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

/// Where SQLite writes what is committed before it goes into the file itself.
fn log_of(file: &Path) -> PathBuf {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// Raises a signal whenever a SQLite log was written, whichever process did it. Ends with the store.
async fn glance(log: PathBuf, changes: watch::Sender<u64>) {
    let mut known: Option<SystemTime> = None;
    loop {
        // A log that is not there, because the last process that left has removed it, is no news.
        let written = tokio::fs::metadata(&log).await.and_then(|found| found.modified()).ok();
        if written.is_some() && written != known {
            known = written;
            changes.send_modify(|changes| *changes += 1);
        }
        tokio::time::sleep(SQLITE_GLANCE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_another_process_writes_is_a_signal() {
        let folder = tempfile::tempdir().unwrap();
        let log = log_of(&folder.path().join("outgest.db"));
        let changes = watch::Sender::new(0);
        let mut seen = changes.subscribe();
        let watching = tokio::spawn(glance(log.clone(), changes));

        for text in ["first", "second"] {
            std::fs::write(&log, text).unwrap();

            tokio::time::timeout(Duration::from_secs(10), seen.changed()).await.unwrap().unwrap();
        }
        watching.abort();
    }
}
