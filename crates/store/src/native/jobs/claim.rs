//! Which job is next, and taking it.
//!
//! Of the projects with work, the one with the fewest running jobs is served, and of equals the one that
//! was served longest ago; so projects take turns however many jobs each has queued. Within a project live
//! work goes before what catches up with the past. Of one integration a worker takes so many windows at
//! once that its places do not all wait for the same destination, and all workers together take one fewer
//! than the project may have running, so that its other work does not wait for that destination either.
//! One claim follows the other: on SQLite because there is one writer, on Postgres behind a lock of a few
//! milliseconds, or two workers would both find the same project next. Rows that are locked, because their
//! job is being cancelled, are skipped rather than waited for.

use model::{Claim, ClaimLimits, Failure, Fault, FaultKind, JobId, JobState, Lane, Lease, Micros, Task};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, PaginatorTrait, QueryFilter,
    QuerySelect, Set, Statement,
};

use super::ends::fail;
use super::rows::{state_of, to_job};
use crate::native::entities::{job, turn};
use crate::native::{NativeStore, statement_failed};

/// Key of the lock that makes one claim follow the other: "claim" in hexadecimal.
const CLAIM_LOCK: i64 = 0x63_6c61_696d;

impl NativeStore {
    pub(super) async fn claim_next(&self, limits: &ClaimLimits) -> Result<Option<Claim>, Fault> {
        let failed = || statement_failed("claim a job");
        // Most looks find nothing; they take no lock.
        if !self.anything_due().await.map_err(failed())? {
            return Ok(None);
        }
        loop {
            let mut change = self.change().await.map_err(failed())?;
            if self.backend() == DbBackend::Postgres {
                let lock = format!("SELECT pg_advisory_xact_lock({CLAIM_LOCK})");
                change.tx.execute_unprepared(&lock).await.map_err(failed())?;
            }
            let now = self.clock.now(&change.tx).await.map_err(failed())?;
            let Some(row) = next(&change.tx, limits, now).await.map_err(failed())? else { return Ok(None) };
            if is_lost(&row)? && row.lost + 1 >= i32::try_from(limits.lost_max).unwrap_or(i32::MAX) {
                let whole = row.parent_id.clone().unwrap_or_else(|| row.id.clone());
                fail(self, &change.tx, row, &given_up(limits.lost_max), now).await?;
                self.note_end(&change.tx, &whole, now).await?;
                change.tell().await.map_err(failed())?;
                change.commit().await.map_err(failed())?;
                continue;
            }
            let claim = take(&change.tx, row, limits, now).await?;
            change.commit().await.map_err(failed())?;
            return Ok(Some(claim));
        }
    }

    async fn anything_due(&self) -> Result<bool, DbErr> {
        let now = self.clock.now(&self.database).await?;
        let due = job::Entity::find().filter(job::Column::DueAt.lte(now.0)).limit(1);
        Ok(due.count(&self.database).await? > 0)
    }
}

/// The row that is next, locked.
async fn next(tx: &impl ConnectionTrait, limits: &ClaimLimits, now: Micros) -> Result<Option<job::Model>, DbErr> {
    let backend = tx.get_database_backend();
    let lanes: Vec<String> = limits.lanes.iter().map(|lane| format!("'{}'", lane.as_str())).collect();
    if lanes.is_empty() {
        return Ok(None);
    }
    let (lanes, live) = (lanes.join(", "), Lane::Live.as_str());
    let lock = if backend == DbBackend::Postgres { "FOR UPDATE OF j SKIP LOCKED" } else { "" };
    let sql = format!(
        "SELECT j.id AS id FROM job j
         LEFT JOIN turn t ON t.project_id = j.project_id AND t.lane = j.lane
         LEFT JOIN project p ON p.id = j.project_id
         LEFT JOIN (
             SELECT project_id,
                    SUM(CASE WHEN worker IS NULL THEN 0 ELSE 1 END) AS busy,
                    SUM(CASE WHEN parent_id IS NULL THEN 1 ELSE 0 END) AS roots
             FROM job WHERE state = 'running' GROUP BY project_id
         ) r ON r.project_id = j.project_id
         LEFT JOIN (
             SELECT DISTINCT project_id FROM job
             WHERE state = 'queued' AND lane = '{live}' AND due_at <= $1 AND lane IN ({lanes})
         ) w ON w.project_id = j.project_id
         WHERE j.due_at <= $1 AND j.lane IN ({lanes})
           AND (j.state <> 'queued' OR j.parent_id IS NOT NULL
                OR COALESCE(r.roots, 0) < COALESCE(p.exports_active_max, $2))
           AND (j.state NOT IN ('queued', 'running') OR j.id NOT IN (
                SELECT id FROM window_run WHERE state = 'active' AND integration_id IN (
                    SELECT o.integration_id FROM job h JOIN window_run o ON o.id = h.id
                    LEFT JOIN project q ON q.id = h.project_id
                    WHERE h.state = 'running' AND h.worker IS NOT NULL AND h.due_at > $1
                    GROUP BY o.integration_id, q.exports_active_max
                    HAVING SUM(CASE WHEN h.worker = $3 THEN 1 ELSE 0 END) >= $4
                        OR COUNT(*) >= COALESCE(q.exports_active_max, $2) - 1)))
         ORDER BY COALESCE(r.busy, 0),
                  CASE WHEN j.lane <> '{live}' AND w.project_id IS NOT NULL THEN 1 ELSE 0 END,
                  COALESCE(t.turn, 0), j.created_at, j.part, j.id
         LIMIT 1 {lock}"
    );
    let running_max = i32::try_from(limits.running_per_project_max).unwrap_or(i32::MAX);
    let windows_max = i64::from(limits.windows_per_integration_max);
    let values = [now.0.into(), running_max.into(), limits.worker.as_str().into(), windows_max.into()];
    let query = Statement::from_sql_and_values(backend, sql, values);
    let Some(found) = tx.query_one_raw(query).await? else { return Ok(None) };
    let id: String = found.try_get("", "id")?;
    job::Entity::find_by_id(id).one(tx).await
}

/// Whether the job is due because its worker let the lease run out.
fn is_lost(row: &job::Model) -> Result<bool, Fault> {
    Ok(state_of(&row.state)? == JobState::Running && row.worker.is_some())
}

fn given_up(lost_max: u32) -> Failure {
    Failure::from(
        &Fault::new(FaultKind::Bug, format!("{lost_max} workers in a row ended while they had this job"))
            .hint("look for the end of their logs; the machine may lack memory"),
    )
}

async fn take(tx: &impl ConnectionTrait, row: job::Model, limits: &ClaimLimits, now: Micros) -> Result<Claim, Fault> {
    let failed = || statement_failed("claim a job");
    let task = if state_of(&row.state)?.is_active() { Task::Run } else { Task::CleanUp };
    let lost = is_lost(&row)?;
    let lease = i64::try_from(limits.lease.as_micros()).unwrap_or(i64::MAX);
    let mut taken: job::ActiveModel = row.clone().into();
    taken.fence = Set(row.fence + 1);
    taken.worker = Set(Some(limits.worker.clone()));
    taken.due_at = Set(Some(now.0.saturating_add(lease)));
    if task == Task::Run {
        taken.state = Set(JobState::Running.as_str().to_owned());
        taken.started_at = Set(row.started_at.or(Some(now.0)));
        if lost {
            taken.lost = Set(row.lost + 1);
        }
        // Ending a job whose parts are done is no new attempt.
        if row.parts_open.is_none() {
            taken.attempts = Set(row.attempts + 1);
        }
        serve(tx, &row.project_id, &row.lane).await.map_err(failed())?;
    }
    let taken = taken.update(tx).await.map_err(failed())?;
    let token = u64::try_from(taken.fence).unwrap_or_default();
    let lease = Lease { job: JobId::new(taken.id.as_str()), task, token, lasts: limits.lease };
    Ok(Claim { job: to_job(tx, &taken).await?, lease })
}

/// The project goes to the end of the line.
async fn serve(tx: &impl ConnectionTrait, project: &str, lane: &str) -> Result<(), DbErr> {
    let last: Option<Option<i64>> = turn::Entity::find()
        .select_only()
        .column_as(Expr::col(turn::Column::Turn).max(), "last")
        .into_tuple()
        .one(tx)
        .await?;
    let row = turn::ActiveModel {
        project_id: Set(project.to_owned()),
        lane: Set(lane.to_owned()),
        turn: Set(last.flatten().unwrap_or_default() + 1),
    };
    let replace =
        OnConflict::columns([turn::Column::ProjectId, turn::Column::Lane]).update_column(turn::Column::Turn).to_owned();
    turn::Entity::insert(row).on_conflict(replace).exec_without_returning(tx).await?;
    Ok(())
}
