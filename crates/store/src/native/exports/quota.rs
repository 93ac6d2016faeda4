//! What a project may still ask for.

use std::time::Duration;

use model::{Fault, FaultKind, JobKind, JobState, Micros, ProjectId, Quotas};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::read::with_job;
use crate::native::entities::{export, job, project};
use crate::native::json::count_of_column;
use crate::native::people::quotas_of;
use crate::native::{jobs, statement_failed};

/// Stretch over which bytes are counted.
const DAY: i64 = 24 * 3_600 * Micros::PER_SECOND;

/// When to look again at a full queue: nobody knows when its first job starts.
const QUEUE_RETRY: Duration = Duration::from_secs(30);

/// Refuses where a bound is used up, and returns the bounds that hold: the project's own before the
/// server's.
pub(super) async fn check(
    tx: &impl ConnectionTrait,
    id: &ProjectId,
    server: Quotas,
    now: Micros,
) -> Result<Quotas, Fault> {
    let failed = || statement_failed("check the quotas");
    // Locked, so that two requests at the same time do not both take the last place.
    let own = project::Entity::find_by_id(id.as_str()).lock_exclusive().one(tx).await.map_err(failed())?;
    let quotas = own.as_ref().map_or(server, |row| quotas_of(row).or(server));
    if let Some(queued_max) = quotas.exports_queued_max {
        let queued = job::Entity::find()
            .filter(job::Column::ProjectId.eq(id.as_str()))
            .filter(job::Column::State.eq(JobState::Queued.as_str()))
            .filter(job::Column::Kind.eq(JobKind::Export.as_str()))
            .count(tx)
            .await
            .map_err(failed())?;
        if queued >= u64::from(queued_max) {
            return Err(used_up(format!("{queued} exports of this project are queued, at most {queued_max} may be"))
                .hint("wait until one has started, or cancel one")
                .retry_after(QUEUE_RETRY));
        }
    }
    forget_old(tx, id, now).await?;
    if let Some(bytes_max) = quotas.bytes_per_day_max {
        let finished: Vec<(i64, i64)> = with_job()
            .select_only()
            .column(export::Column::Bytes)
            .column(job::Column::FinishedAt)
            .filter(export::Column::ProjectId.eq(id.as_str()))
            .filter(job::Column::State.eq(JobState::Completed.as_str()))
            .filter(job::Column::FinishedAt.gt(now.0 - DAY))
            .order_by_asc(job::Column::FinishedAt)
            .into_tuple()
            .all(tx)
            .await
            .map_err(failed())?;
        if let Some(until) = over_until(&finished, bytes_max) {
            let used: u64 = finished.iter().map(|(bytes, _)| count_of_column(*bytes)).sum();
            let wait = Duration::from_micros(count_of_column(until - now.0));
            return Err(used_up(format!(
                "this project exported {used} bytes in the last 24 hours, its quota is {bytes_max}; there is room from {} on",
                Micros(until)
            ))
            .hint("wait, or ask an owner for a larger quota")
            .retry_after(wait));
        }
    }
    Ok(quotas)
}

/// Forgets deleted exports that no longer count and of which nothing is left.
async fn forget_old(tx: &impl ConnectionTrait, id: &ProjectId, now: Micros) -> Result<(), Fault> {
    let failed = || statement_failed("forget deleted exports");
    let old: Vec<String> = with_job()
        .select_only()
        .column(export::Column::Id)
        .filter(export::Column::ProjectId.eq(id.as_str()))
        .filter(export::Column::Deleted.eq(true))
        .filter(job::Column::DueAt.is_null())
        .filter(job::Column::FinishedAt.lte(now.0 - DAY))
        .into_tuple()
        .all(tx)
        .await
        .map_err(failed())?;
    for id in old {
        jobs::remove_rows(tx, &id).await?;
    }
    Ok(())
}

/// When enough of what was finished, oldest first, is a day old; `None` where there is room now.
fn over_until(finished: &[(i64, i64)], bytes_max: u64) -> Option<i64> {
    let mut left: u64 = finished.iter().map(|(bytes, _)| count_of_column(*bytes)).sum();
    let mut until = None;
    for (bytes, at) in finished {
        if left < bytes_max {
            break;
        }
        left -= count_of_column(*bytes);
        until = Some(at + DAY);
    }
    until
}

fn used_up(message: String) -> Fault {
    Fault::new(FaultKind::Throttled, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back_when_enough_is_a_day_old() {
        let finished = [(60, 1), (30, 2), (20, 3)];
        assert_eq!(over_until(&finished, 200), None);
        assert_eq!(over_until(&finished, 110), Some(1 + DAY));
        assert_eq!(over_until(&finished, 45), Some(2 + DAY));
        assert_eq!(over_until(&[], 0), None);
    }
}
