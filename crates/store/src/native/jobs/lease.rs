//! What the holder of a lease may do: prolong it, hear wishes, record checkpoints.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use model::{Checkpoint, Fault, JobId, JobProgress, JobState, Lease, RunLog, Stop, StopReason, Task, Wish};
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::{ends, lease_lost};
use crate::native::entities::job;
use crate::native::json::{self, count_to_column};
use crate::native::{NativeStore, statement_failed};

/// Where a job stands with regard to a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The lease is good.
    Held,
    /// The job was cancelled while this worker had it.
    Cancelled,
    /// Another worker has the job, or it ended without this one.
    Lost,
}

impl NativeStore {
    pub(super) async fn renew_lease(&self, lease: &Lease, progress: &JobProgress) -> Result<(), Fault> {
        let failed = || statement_failed("renew the lease");
        let change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let lasts = i64::try_from(lease.lasts.as_micros()).unwrap_or(i64::MAX);
        let active = [JobState::Queued, JobState::Running].map(JobState::as_str);
        let mut update =
            job::Entity::update_many().col_expr(job::Column::DueAt, Expr::value(Some(now.0.saturating_add(lasts))));
        update = match lease.task {
            Task::Run => update
                .col_expr(job::Column::Progress, Expr::value(Some(json::to_text(progress)?)))
                .filter(job::Column::State.eq(JobState::Running.as_str())),
            Task::CleanUp => update.filter(job::Column::State.is_not_in(active)),
        };
        let renewed = update
            .filter(job::Column::Id.eq(lease.job.as_str()))
            .filter(job::Column::Fence.eq(count_to_column(lease.token)))
            .filter(job::Column::Worker.is_not_null())
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        change.commit().await.map_err(failed())?;
        if renewed.rows_affected == 1 {
            return Ok(());
        }
        match self.standing(&lease.job, lease.token).await.map_err(failed())? {
            Standing::Cancelled => Err(StopReason::Cancelled.fault()),
            Standing::Held | Standing::Lost => Err(lease_lost(&lease.job)),
        }
    }

    pub(super) fn job_wishes(&self, lease: &Lease) -> BoxStream<'static, Wish> {
        if lease.task == Task::CleanUp {
            return stream::pending().boxed();
        }
        let (store, job, token) = (self.clone(), lease.job.clone(), lease.token);
        let looks = self.signals.looks().filter_map(move |()| {
            let (store, job) = (store.clone(), job.clone());
            async move {
                match store.standing(&job, token).await {
                    Ok(Standing::Cancelled) => Some(Wish::Cancel),
                    Ok(Standing::Lost) => Some(Wish::Lost),
                    // A store that does not answer is no wish; the lease will tell.
                    Ok(Standing::Held) | Err(_) => None,
                }
            }
        });
        looks.take(1).boxed()
    }

    pub(super) fn job_log(&self, lease: &Lease, stop: Stop) -> Arc<dyn RunLog> {
        Arc::new(JobLog { store: self.clone(), job: lease.job.clone(), token: lease.token, stop })
    }

    async fn standing(&self, job: &JobId, token: u64) -> Result<Standing, DbErr> {
        let row: Option<(String, i64, Option<String>)> = job::Entity::find_by_id(job.as_str())
            .select_only()
            .columns([job::Column::State, job::Column::Fence, job::Column::Worker])
            .into_tuple()
            .one(&self.database)
            .await?;
        Ok(match row {
            Some((state, fence, Some(_))) => Standing::of(&state, fence, token),
            _ => Standing::Lost,
        })
    }
}

impl Standing {
    /// Of a job that a worker has.
    fn of(state: &str, fence: i64, token: u64) -> Self {
        match JobState::of_name(state) {
            _ if fence != count_to_column(token) => Self::Lost,
            Some(JobState::Running) => Self::Held,
            Some(JobState::Cancelled) => Self::Cancelled,
            _ => Self::Lost,
        }
    }
}

/// Locks a job until the transaction ends, so that nobody takes it over meanwhile. Fails unless the lease with
/// this token holds it.
pub(in crate::native) async fn held(tx: &impl ConnectionTrait, id: &JobId, token: u64) -> Result<(), Fault> {
    let row = ends::lock(tx, id.as_str()).await?.filter(|row| row.worker.is_some());
    match row.map(|row| Standing::of(&row.state, row.fence, token)) {
        Some(Standing::Held) => Ok(()),
        Some(Standing::Cancelled) => Err(StopReason::Cancelled.fault()),
        Some(Standing::Lost) | None => Err(lease_lost(id)),
    }
}

/// Records the checkpoints of one claim.
struct JobLog {
    store: NativeStore,
    job: JobId,
    token: u64,
    stop: Stop,
}

#[async_trait]
impl RunLog for JobLog {
    async fn record(&self, checkpoint: &Checkpoint) -> Result<(), Fault> {
        let failed = || statement_failed("record a checkpoint");
        // What a cancelled job still has to remove is recorded too, so that a successor can go on.
        let state = match self.stop.reason() {
            Some(StopReason::Cancelled) => JobState::Cancelled,
            _ => JobState::Running,
        };
        let durable = count_to_column(checkpoint.durable());
        let text = json::to_text(checkpoint)?;
        let further = || Expr::col(job::Column::Durable).lt(durable);
        let unless_further = |column| CaseStatement::new().case(further(), 0).finally(Expr::col(column));
        let change = self.store.change().await.map_err(failed())?;
        let recorded = job::Entity::update_many()
            .col_expr(job::Column::Checkpoint, Expr::value(Some(text)))
            .col_expr(job::Column::Lost, unless_further(job::Column::Lost).into())
            .col_expr(job::Column::Failures, unless_further(job::Column::Failures).into())
            .col_expr(job::Column::Durable, Expr::value(durable))
            .filter(job::Column::Id.eq(self.job.as_str()))
            .filter(job::Column::Fence.eq(count_to_column(self.token)))
            .filter(job::Column::Worker.is_not_null())
            .filter(job::Column::State.eq(state.as_str()))
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        change.commit().await.map_err(failed())?;
        if recorded.rows_affected == 1 {
            return Ok(());
        }
        match self.store.standing(&self.job, self.token).await.map_err(failed())? {
            Standing::Cancelled => {
                self.stop.raise(StopReason::Cancelled);
                Err(StopReason::Cancelled.fault())
            }
            Standing::Held | Standing::Lost => {
                self.stop.raise(StopReason::LeaseLost);
                Err(lease_lost(&self.job))
            }
        }
    }

    fn stop(&self) -> Stop {
        self.stop.clone()
    }
}
