//! How the store is written: in one transaction, one writer of this process after the other on SQLite.
//!
//! SQLite takes one writer at a time and lets others poll for their turn; a queue in front of it hands
//! the turn over at once. The transaction takes the write lock when it begins, because one that only
//! finds out later that it writes would fail instead of waiting.

use std::sync::Arc;

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::NativeStore;
use super::signals::Signals;

/// Whose turn it is to write; nobody waits on Postgres.
#[derive(Clone)]
pub(super) struct Turn(Option<Arc<Mutex<()>>>);

impl Turn {
    pub(super) fn of(database: &DatabaseConnection) -> Self {
        Self((database.get_database_backend() == DbBackend::Sqlite).then(Arc::default))
    }
}

/// A transaction that writes. Dropping it undoes everything.
pub(super) struct Change {
    pub(super) tx: DatabaseTransaction,
    _turn: Option<OwnedMutexGuard<()>>,
    signals: Arc<Signals>,
    tells: bool,
}

impl NativeStore {
    /// Begins to write.
    pub(super) async fn change(&self) -> Result<Change, DbErr> {
        let turn = match &self.turn.0 {
            Some(turn) => Some(Arc::clone(turn).lock_owned().await),
            None => None,
        };
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let tx = self.database.begin_with_options(options).await?;
        Ok(Change { tx, _turn: turn, signals: Arc::clone(&self.signals), tells: false })
    }
}

impl Change {
    /// Tells workers and watchers, here and in other processes, once the change is made.
    pub(super) async fn tell(&mut self) -> Result<(), DbErr> {
        if !self.tells {
            self.tells = true;
            self.signals.announce(&self.tx).await?;
        }
        Ok(())
    }

    /// Makes the change.
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        self.tx.commit().await?;
        if self.tells {
            self.signals.raise();
        }
        Ok(())
    }
}
