//! Runs and their checkpoints, guarded by a fence so that only the latest attempt can write.

use async_trait::async_trait;
use model::{Checkpoint, Fault, FaultKind, Micros, RunId, RunLog, Stop, StopReason};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Set};
use uuid::Uuid;

use super::entities::run;
use super::{NativeStore, statement_failed};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// An attempt is under way, or was when its process ended.
    Running,
    /// Its manifest is visible.
    Completed,
    /// Its last attempt failed.
    Failed,
    /// It was cancelled; nothing of it is left, or its checkpoint names what is.
    Cancelled,
}

impl RunState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A run as it is remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// What was asked for.
    pub request: serde_json::Value,
    /// `running`, `completed`, `failed`, `cancelled`.
    pub state: String,
    /// How often it was begun.
    pub attempts: u32,
    /// Rows that were durable when it last recorded anything.
    pub rows: u64,
    /// Bytes that were durable then.
    pub bytes: u64,
    /// Message of the last failure.
    pub failure: Option<String>,
    /// When it was first begun.
    pub started_at: Micros,
}

/// A run that an earlier attempt did not finish.
#[derive(Clone, Debug, PartialEq)]
pub struct UnfinishedRun {
    /// What was asked for.
    pub request: serde_json::Value,
    /// What is durable of it.
    pub checkpoint: Checkpoint,
}

/// Records the progress of one attempt. A later attempt of the same run takes its rights away.
#[derive(Clone)]
pub struct StoreLog {
    store: NativeStore,
    run: RunId,
    fence: String,
    stop: Stop,
}

impl NativeStore {
    /// What an earlier attempt of this run left; `None` where there is nothing to continue.
    pub async fn unfinished_run(&self, id: &RunId) -> Result<Option<UnfinishedRun>, Fault> {
        let row = run::Entity::find_by_id(id.as_str())
            .one(&self.database)
            .await
            .map_err(statement_failed("look for the run"))?;
        let Some(row) = row else { return Ok(None) };
        let Some(checkpoint) = row.checkpoint else { return Ok(None) };
        let unreadable = |error| {
            Fault::corrupt(format!("cannot read what the metadata store remembers of run {id}"))
                .hint("another version of outgest may have written it")
                .because(error)
        };
        Ok(Some(UnfinishedRun {
            request: serde_json::from_str(&row.request).map_err(unreadable)?,
            checkpoint: serde_json::from_str(&checkpoint).map_err(unreadable)?,
        }))
    }

    /// Begins a run anew and fences off earlier attempts. Their checkpoint is forgotten, so what it names
    /// must have been removed.
    pub async fn begin_run(&self, id: &RunId, request: &serde_json::Value, now: Micros) -> Result<StoreLog, Fault> {
        let failed = || statement_failed("begin the run");
        let fence = Uuid::new_v4().to_string();
        let change = self.change().await.map_err(failed())?;
        let earlier = run::Entity::find_by_id(id.as_str()).one(&change.tx).await.map_err(failed())?;
        match earlier {
            Some(row) => {
                let attempts = row.attempts;
                let mut row: run::ActiveModel = row.into();
                row.request = Set(request.to_string());
                row.checkpoint = Set(None);
                row.rows = Set(0);
                row.bytes = Set(0);
                row.state = Set(RunState::Running.as_str().to_owned());
                row.fence = Set(fence.clone());
                row.attempts = Set(attempts + 1);
                row.failure = Set(None);
                row.updated_at = Set(now.0);
                row.update(&change.tx).await.map_err(failed())?;
            }
            None => {
                let row = run::ActiveModel {
                    id: Set(id.as_str().to_owned()),
                    request: Set(request.to_string()),
                    state: Set(RunState::Running.as_str().to_owned()),
                    fence: Set(fence.clone()),
                    attempts: Set(1),
                    checkpoint: Set(None),
                    failure: Set(None),
                    rows: Set(0),
                    bytes: Set(0),
                    started_at: Set(now.0),
                    updated_at: Set(now.0),
                };
                run::Entity::insert(row).exec_without_returning(&change.tx).await.map_err(failed())?;
            }
        }
        change.commit().await.map_err(failed())?;
        Ok(StoreLog { store: self.clone(), run: id.clone(), fence, stop: Stop::new() })
    }

    /// Takes over a run that an earlier attempt left: its request and its checkpoint stay, the attempt is
    /// fenced off.
    pub async fn continue_run(&self, id: &RunId, now: Micros) -> Result<StoreLog, Fault> {
        let fence = Uuid::new_v4().to_string();
        let taken = run::Entity::update_many()
            .col_expr(run::Column::State, Expr::value(RunState::Running.as_str()))
            .col_expr(run::Column::Fence, Expr::value(fence.as_str()))
            .col_expr(run::Column::Attempts, Expr::col(run::Column::Attempts).add(1))
            .col_expr(run::Column::Failure, Expr::value(None::<String>))
            .col_expr(run::Column::UpdatedAt, Expr::value(now.0))
            .filter(run::Column::Id.eq(id.as_str()))
            .exec(&self.database)
            .await
            .map_err(statement_failed("continue the run"))?;
        if taken.rows_affected == 0 {
            return Err(Fault::new(FaultKind::NotFound, format!("there is no run {id} to continue")));
        }
        Ok(StoreLog { store: self.clone(), run: id.clone(), fence, stop: Stop::new() })
    }

    /// The remembered runs, latest first.
    pub async fn runs(&self) -> Result<Vec<RunRecord>, Fault> {
        let rows = run::Entity::find()
            .order_by_desc(run::Column::StartedAt)
            .all(&self.database)
            .await
            .map_err(statement_failed("list runs"))?;
        Ok(rows
            .into_iter()
            .map(|row| RunRecord {
                id: RunId::new(row.id),
                request: serde_json::from_str(&row.request).unwrap_or_default(),
                state: row.state,
                attempts: u32::try_from(row.attempts).unwrap_or_default(),
                rows: u64::try_from(row.rows).unwrap_or_default(),
                bytes: u64::try_from(row.bytes).unwrap_or_default(),
                failure: row.failure,
                started_at: Micros(row.started_at),
            })
            .collect())
    }
}

impl StoreLog {
    /// Ends the attempt. A completed run forgets its checkpoint, and so does a cancelled one of which nothing
    /// is left; a failed one keeps it.
    pub async fn settle(&self, state: RunState, failure: Option<&Fault>, now: Micros) -> Result<(), Fault> {
        let forget = match state {
            RunState::Completed => true,
            // What could not be removed must be found by the next attempt.
            RunState::Cancelled => {
                let left = self.store.unfinished_run(&self.run).await?;
                left.is_none_or(|left| left.checkpoint.open.is_none())
            }
            RunState::Running | RunState::Failed => false,
        };
        let mut update = run::Entity::update_many()
            .col_expr(run::Column::State, Expr::value(state.as_str()))
            .col_expr(run::Column::Failure, Expr::value(failure.map(|fault| fault.public_message().to_owned())))
            .col_expr(run::Column::UpdatedAt, Expr::value(now.0));
        if forget {
            update = update.col_expr(run::Column::Checkpoint, Expr::value(None::<String>));
        }
        self.fenced(update, "settle the run").await
    }

    async fn fenced(&self, update: sea_orm::UpdateMany<run::Entity>, doing: &str) -> Result<(), Fault> {
        let done = update
            .filter(run::Column::Id.eq(self.run.as_str()))
            .filter(run::Column::Fence.eq(self.fence.as_str()))
            .exec(&self.store.database)
            .await
            .map_err(statement_failed(doing))?;
        if done.rows_affected == 0 {
            self.stop.raise(StopReason::LeaseLost);
            return Err(Fault::new(FaultKind::Conflict, format!("run {} was taken over by another process", self.run)));
        }
        Ok(())
    }
}

#[async_trait]
impl RunLog for StoreLog {
    async fn record(&self, checkpoint: &Checkpoint) -> Result<(), Fault> {
        let text = serde_json::to_string(checkpoint)
            .map_err(|error| Fault::bug("cannot write a checkpoint as JSON").because(error))?;
        let (mut rows, mut bytes) = (0, 0);
        for file in &checkpoint.done {
            rows += file.rows.get();
            bytes += file.head.bytes.get();
        }
        if let Some(open) = &checkpoint.open {
            rows += open.rows.get();
            bytes += open.block_end.get();
        }
        if let Some(delivery) = &checkpoint.delivery {
            rows += delivery.counts.read.get();
            bytes += delivery.counts.bytes.get();
        }
        let update = run::Entity::update_many()
            .col_expr(run::Column::Checkpoint, Expr::value(Some(text)))
            .col_expr(run::Column::Rows, Expr::value(i64::try_from(rows).unwrap_or(i64::MAX)))
            .col_expr(run::Column::Bytes, Expr::value(i64::try_from(bytes).unwrap_or(i64::MAX)));
        self.fenced(update, "record a checkpoint").await
    }

    fn stop(&self) -> Stop {
        self.stop.clone()
    }
}

#[cfg(test)]
mod tests {
    use model::{ByteCount, FileName, HashState, KeyDigest, OpenFile, RowCount, UploadState};

    use super::*;

    async fn store() -> (tempfile::TempDir, NativeStore) {
        let data = tempfile::tempdir().unwrap();
        let store = NativeStore::open(data.path()).await.unwrap();
        (data, store)
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { version: 1, as_of: Micros(7), ..Checkpoint::default() }
    }

    #[tokio::test]
    async fn a_killed_attempt_leaves_its_checkpoint_to_the_next() {
        let (data, store) = store().await;
        let id = RunId::new("r");
        let request = serde_json::json!({"table": "events"});
        let log = store.begin_run(&id, &request, Micros(1)).await.unwrap();
        assert_eq!(store.unfinished_run(&id).await.unwrap(), None);
        log.record(&checkpoint()).await.unwrap();
        drop((log, store));

        let reopened = NativeStore::open(data.path()).await.unwrap();
        let left = reopened.unfinished_run(&id).await.unwrap();

        assert_eq!(left, Some(UnfinishedRun { request: request.clone(), checkpoint: checkpoint() }));
        reopened.continue_run(&id, Micros(2)).await.unwrap();
        assert_eq!(reopened.unfinished_run(&id).await.unwrap(), left);
        assert_eq!(reopened.runs().await.unwrap()[0].attempts, 2);
    }

    #[tokio::test]
    async fn a_cancelled_attempt_forgets_its_checkpoint_unless_an_upload_is_left() {
        let (_data, store) = store().await;
        let open = OpenFile {
            name: FileName::new("a.csv").unwrap(),
            after: None,
            block_end: ByteCount::ZERO,
            encoder: None,
            upload: UploadState::default(),
            upload_bytes: ByteCount::ZERO,
            ahead_sha256: None,
            sha256: HashState::default(),
            rows: RowCount::ZERO,
            digest: KeyDigest::default(),
            cursor_min: None,
            cursor_max: None,
        };
        for (id, open, left) in [("clean", None, false), ("left", Some(open), true)] {
            let id = RunId::new(id);
            let log = store.begin_run(&id, &serde_json::Value::Null, Micros(1)).await.unwrap();
            log.record(&Checkpoint { open, ..checkpoint() }).await.unwrap();

            log.settle(RunState::Cancelled, None, Micros(2)).await.unwrap();

            assert_eq!(store.unfinished_run(&id).await.unwrap().is_some(), left, "{id}");
        }
    }

    #[tokio::test]
    async fn a_run_that_begins_anew_is_not_continued_from_what_came_before() {
        let (_data, store) = store().await;
        let id = RunId::new("r");
        let first = store.begin_run(&id, &serde_json::json!("first"), Micros(1)).await.unwrap();
        first.record(&checkpoint()).await.unwrap();

        store.begin_run(&id, &serde_json::json!("second"), Micros(2)).await.unwrap();

        // Killed before its first checkpoint it leaves nothing, least of all the checkpoint of another request.
        assert_eq!(store.unfinished_run(&id).await.unwrap(), None);
    }

    #[tokio::test]
    async fn only_a_run_that_is_known_can_be_continued() {
        let (_data, store) = store().await;
        let fault = store.continue_run(&RunId::new("r"), Micros(1)).await.err().unwrap();
        assert_eq!(fault.kind(), FaultKind::NotFound);
    }

    #[tokio::test]
    async fn an_attempt_that_was_fenced_off_can_write_nothing_and_is_told_to_stop() {
        let (_data, store) = store().await;
        let id = RunId::new("r");
        let first = store.begin_run(&id, &serde_json::Value::Null, Micros(1)).await.unwrap();
        let second = store.begin_run(&id, &serde_json::Value::Null, Micros(2)).await.unwrap();

        let fault = first.record(&checkpoint()).await.unwrap_err();

        assert_eq!(fault.kind(), FaultKind::Conflict);
        assert_eq!(first.stop().reason(), Some(StopReason::LeaseLost));
        second.record(&checkpoint()).await.unwrap();
    }

    #[tokio::test]
    async fn a_completed_run_leaves_nothing_to_continue() {
        let (_data, store) = store().await;
        let id = RunId::new("r");
        let log = store.begin_run(&id, &serde_json::Value::Null, Micros(1)).await.unwrap();
        log.record(&checkpoint()).await.unwrap();

        log.settle(RunState::Completed, None, Micros(2)).await.unwrap();

        assert_eq!(store.unfinished_run(&id).await.unwrap(), None);
    }
}
