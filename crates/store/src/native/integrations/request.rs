//! Exporting now. It races the scheduler, which may have planned the same window a moment ago: either way what was
//! asked for happens, so only a paused integration refuses.

use model::{Fault, IntegrationId, JobId, Micros, ProjectId, WindowPlan, WindowRun};
use sea_orm::{ActiveModelTrait, Set};

use super::paused;
use super::read::locked;
use super::rows::to_due;
use crate::native::entities::integration;
use crate::native::{NativeStore, statement_failed};

impl NativeStore {
    pub(super) async fn plan_now(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        now: Micros,
    ) -> Result<Vec<WindowRun>, Fault> {
        let failed = || statement_failed("plan windows");
        let mut change = self.change().await.map_err(failed())?;
        let clock = self.clock.now(&change.tx).await.map_err(failed())?;
        let row = locked(&change.tx, project, id).await?;
        if row.pause.is_some() {
            return Err(paused());
        }
        if row.planned_upto.is_none() {
            // Where the first window begins is for the scheduler to find out: it looks at once.
            let mut due: integration::ActiveModel = row.into();
            due.next_at = Set(0);
            due.update(&change.tx).await.map_err(failed())?;
            change.tell().await.map_err(failed())?;
            change.commit().await.map_err(failed())?;
            return Ok(Vec::new());
        }
        drop(change);
        if let Some(live) = &row.live_run {
            return Ok(vec![self.find_run(project, id, &JobId::new(live.as_str())).await?]);
        }
        let due = to_due(row)?;
        // A caller whose clock is ahead would have a window that is not ready by the clock that all processes share.
        let ready = due.settings.ready(now.min(clock));
        let Some(plan) = WindowPlan::upto(&due, ready) else { return Ok(Vec::new()) };
        let spans: Vec<_> = plan.windows.iter().map(|window| window.name.span).collect();
        self.store_plans(vec![plan], now).await?;
        let mut runs = self.runs_of_spans(id, &spans).await?;
        runs.sort_by_key(|run| run.name.span.to);
        Ok(runs)
    }
}
