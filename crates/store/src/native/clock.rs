//! The database's clock: the one that every worker sees, whatever its own says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use model::Micros;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::NativeStore;

/// SQLite's clock has milliseconds; it runs in this process, so all processes of a machine share it.
const SQLITE_NOW: &str = "SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) * 1000 AS now";
/// The wall clock, not the time at which the transaction began.
const POSTGRES_NOW: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS now";

/// The database's clock, and how far tests have set it ahead.
#[derive(Clone, Default)]
pub(super) struct Clock {
    ahead_micros: Arc<AtomicI64>,
}

impl Clock {
    /// The current time.
    pub(super) async fn now(&self, on: &impl ConnectionTrait) -> Result<Micros, DbErr> {
        let backend = on.get_database_backend();
        let sql = if backend == DbBackend::Postgres { POSTGRES_NOW } else { SQLITE_NOW };
        let row = on.query_one_raw(Statement::from_string(backend, sql)).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("the time".to_owned()))?;
        let now: i64 = row.try_get("", "now")?;
        Ok(Micros(now + self.ahead_micros.load(Ordering::SeqCst)))
    }
}

impl NativeStore {
    /// Lets the store's clock go ahead, so that tests of leases and expiry need not wait. Only this store
    /// and its clones see it.
    pub fn set_clock_ahead(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.clock.ahead_micros.fetch_add(micros, Ordering::SeqCst);
    }
}
