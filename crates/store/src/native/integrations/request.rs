//! Exporting now.

use model::{Fault, FaultKind, IntegrationId, Micros, ProjectId, WindowPlan, WindowRun};

use super::read::locked;
use super::rows::to_due;
use crate::native::{NativeStore, statement_failed};

impl NativeStore {
    pub(super) async fn plan_now(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        now: Micros,
    ) -> Result<Vec<WindowRun>, Fault> {
        let conflict = |why: String| Fault::new(FaultKind::Conflict, why);
        let change = self.change().await.map_err(statement_failed("plan windows"))?;
        let row = locked(&change.tx, project, id).await?;
        drop(change);
        if row.pause.is_some() {
            return Err(conflict("the integration is paused".to_owned()).hint("resume it first"));
        }
        if row.live_run.is_some() {
            return Err(conflict("a window is being exported already".to_owned()).hint("wait for it to end"));
        }
        let due = to_due(row)?;
        if due.planned_upto.is_none() {
            return Err(conflict("the first window is not known yet".to_owned())
                .hint("the scheduler looks for the first row within a minute"));
        }
        let upto = due.settings.ready(now);
        let Some(plan) = WindowPlan::upto(&due, upto) else {
            return Err(conflict(format!("everything up to {upto} is planned already")).hint("wait a moment"));
        };
        let spans: Vec<_> = plan.windows.iter().map(|window| window.name.span).collect();
        if self.store_plans(vec![plan], now).await? == 0 {
            return Err(conflict("somebody else planned windows at the same time".to_owned()).hint("try again"));
        }
        let mut runs = self.runs_of_spans(id, &spans).await?;
        runs.sort_by_key(|run| run.name.span.to);
        Ok(runs)
    }
}
