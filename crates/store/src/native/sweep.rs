//! What is forgotten because it is old.

use std::time::Duration;

use model::Fault;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::entities::{audit_entry, export, invitation, job, session, sign_in_failure};
use super::exports::with_job;
use super::{NativeStore, jobs, statement_failed};

/// Exports that are forgotten in one transaction: others want to write too.
const EXPORTS_PER_CHANGE: u64 = 500;

impl NativeStore {
    /// Forgets exports that ended so long ago and of which nothing is left, entries of the audit log that
    /// are older than `audit` where given, and sessions, invitations and attempts to sign in that are over.
    /// Returns how many exports and entries it were.
    pub async fn sweep(&self, exports: Duration, audit: Option<Duration>) -> Result<u64, Fault> {
        let failed = || statement_failed("forget what is old");
        let micros = |age: Duration| i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let mut removed = 0;
        loop {
            let mut change = self.change().await.map_err(failed())?;
            let now = self.clock.now(&change.tx).await.map_err(failed())?;
            let old: Vec<String> = with_job()
                .select_only()
                .column(export::Column::Id)
                .filter(job::Column::FinishedAt.lte(now.0.saturating_sub(micros(exports))))
                .filter(job::Column::DueAt.is_null())
                .limit(EXPORTS_PER_CHANGE)
                .into_tuple()
                .all(&change.tx)
                .await
                .map_err(failed())?;
            for id in &old {
                jobs::remove_rows(&change.tx, id).await?;
            }
            removed += old.len() as u64;
            if old.len() as u64 == EXPORTS_PER_CHANGE {
                change.commit().await.map_err(failed())?;
                continue;
            }
            if let Some(age) = audit {
                let too_old = audit_entry::Column::At.lte(now.0.saturating_sub(micros(age)));
                let entries = audit_entry::Entity::delete_many().filter(too_old).exec(&change.tx).await;
                removed += entries.map_err(failed())?.rows_affected;
            }
            let over = session::Column::ExpiresAt.lte(now.0);
            session::Entity::delete_many().filter(over).exec(&change.tx).await.map_err(failed())?;
            let over = invitation::Column::ExpiresAt.lte(now.0);
            invitation::Entity::delete_many().filter(over).exec(&change.tx).await.map_err(failed())?;
            let a_day_ago = now.minus_seconds(24 * 3_600).0;
            let old = sign_in_failure::Entity::delete_many().filter(sign_in_failure::Column::At.lte(a_day_ago));
            old.exec(&change.tx).await.map_err(failed())?;
            change.tell().await.map_err(failed())?;
            change.commit().await.map_err(failed())?;
            return Ok(removed);
        }
    }
}
