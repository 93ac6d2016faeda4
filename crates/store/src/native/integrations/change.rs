//! Pausing, resuming, and forgetting.

use model::{Actor, Fault, Integration, IntegrationId, JobId, Micros, Pause, ProjectId, RunState};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Set,
};

use super::ends::cancel_runs;
use super::read::locked;
use super::rows::ACTIVE;
use super::{letters, score_names, sent};
use crate::native::entities::{backfill, integration, secret, window_run};
use crate::native::{NativeStore, jobs, json, statement_failed};

impl NativeStore {
    pub(super) async fn pause(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        by: &Actor,
    ) -> Result<Integration, Fault> {
        let failed = || statement_failed("pause the integration");
        let mut change = self.change().await.map_err(failed())?;
        let row = locked(&change.tx, project, id).await?;
        if row.pause.is_none() {
            let at = self.clock.now(&change.tx).await.map_err(failed())?;
            let mut paused: integration::ActiveModel = row.into();
            paused.pause = Set(Some(json::to_text(&Pause { at, by: by.clone(), failure: None })?));
            paused.update(&change.tx).await.map_err(failed())?;
        }
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        self.find_integration(project, id).await
    }

    pub(super) async fn resume(&self, project: &ProjectId, id: &IntegrationId) -> Result<Integration, Fault> {
        let failed = || statement_failed("resume the integration");
        let mut change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let stopped: Vec<window_run::Model> = window_run::Entity::find()
            .filter(window_run::Column::IntegrationId.eq(id.as_str()))
            .filter(window_run::Column::ProjectId.eq(project.as_str()))
            .filter(window_run::Column::State.eq(RunState::Failed.as_str()))
            .all(&change.tx)
            .await
            .map_err(failed())?;
        // Jobs are locked before the integration, as everywhere.
        for run in stopped {
            jobs::requeue(&change.tx, &JobId::new(run.id.as_str()), now).await?;
            let mut again: window_run::ActiveModel = run.into();
            again.state = Set(ACTIVE.to_owned());
            again.finished_at = Set(None);
            again.failure = Set(None);
            again.update(&change.tx).await.map_err(failed())?;
        }
        let row = locked(&change.tx, project, id).await?;
        let mut resumed: integration::ActiveModel = row.into();
        resumed.pause = Set(None);
        resumed.next_at = Set(0);
        resumed.update(&change.tx).await.map_err(failed())?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        self.find_integration(project, id).await
    }

    pub(super) async fn remove_integration(&self, project: &ProjectId, id: &IntegrationId) -> Result<(), Fault> {
        let failed = || statement_failed("delete the integration");
        self.find_integration(project, id).await?;
        let mut change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        abandon(&change.tx, integration::Column::Id.eq(id.as_str()).into(), now).await?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }
}

/// Cancels what these integrations have under way and puts them out of sight. Their runs stay, but nothing that was
/// kept of rows.
pub(in crate::native) async fn abandon(tx: &impl ConnectionTrait, which: Condition, now: Micros) -> Result<(), Fault> {
    let failed = || statement_failed("delete an integration");
    let rows = integration::Entity::find()
        .filter(which)
        .filter(integration::Column::Deleted.eq(false))
        .all(tx)
        .await
        .map_err(failed())?;
    for row in rows {
        let id = row.id.clone();
        cancel_runs(tx, window_run::Column::IntegrationId.eq(id.as_str()).into(), now).await?;
        backfill::Entity::update_many()
            .col_expr(backfill::Column::State, Expr::value(model::BackfillState::Cancelled.as_str()))
            .col_expr(backfill::Column::FinishedAt, Expr::value(Some(now.0)))
            .filter(backfill::Column::IntegrationId.eq(id.as_str()))
            .filter(backfill::Column::State.eq(model::BackfillState::Running.as_str()))
            .exec(tx)
            .await
            .map_err(failed())?;
        secret::Entity::delete_many()
            .filter(secret::Column::OfKind.eq("integration"))
            .filter(secret::Column::OfId.eq(id.as_str()))
            .exec(tx)
            .await
            .map_err(failed())?;
        let runs = window_run::Entity::find()
            .select_only()
            .column(window_run::Column::Id)
            .filter(window_run::Column::IntegrationId.eq(id.as_str()));
        sent::forget_all(tx, runs.into_query()).await?;
        letters::forget(tx, &id).await?;
        score_names::forget(tx, &id).await?;
        let mut gone: integration::ActiveModel = row.into();
        gone.deleted = Set(true);
        gone.live_run = Set(None);
        gone.update(tx).await.map_err(failed())?;
    }
    Ok(())
}
