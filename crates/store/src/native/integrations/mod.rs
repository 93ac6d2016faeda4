//! Integrations: what goes where and when, how far it has come, and what became of its windows.
//!
//! ```text
//!   plan.rs                   jobs/                     ends.rs
//!   window_run + job  ──────► carried out by workers ─► the run's result, the cursor, or a pause
//! ```
//!
//! A window is a row of `window_run` beside a job with the same id; they are made and end in one
//! transaction, and the cursor moves in it too, forward only. A completed run needs its job no more.
//! [`plan`] is for the scheduler, [`later`] for comparing what was exported, with what [`sent`] keeps of events,
//! [`score_names`] for telling which names of scores are new, the others for people.

mod backfills;
mod change;
mod create;
mod ends;
mod later;
mod letters;
mod plan;
mod read;
mod request;
mod rows;
mod runs;
mod score_names;
mod sent;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use model::{
    Actor, Backfill, BackfillId, ChangedIntegration, Coverage, DuePlan, Fault, FaultKind, Integration, IntegrationId,
    IntegrationStore, JobId, KeptFrom, KeptLetter, Micros, NewBackfill, NewIntegration, Page, PageRequest, ProjectId,
    RunQuery, SchedulerStore, ScoreNames, Span, WindowName, WindowPlan, WindowRun,
};

use super::{NativeStore, statement_failed};

pub(super) use change::abandon;
pub(super) use ends::{cancelled, completed, reconciliation_failed, sends_events};
pub(super) use later::compared;

#[async_trait]
impl IntegrationStore for NativeStore {
    async fn create_integration(&self, new: NewIntegration, now: Micros) -> Result<Integration, Fault> {
        self.add_integration(new, now).await
    }

    async fn integration(&self, project: &ProjectId, id: &IntegrationId) -> Result<Integration, Fault> {
        self.find_integration(project, id).await
    }

    async fn integrations(&self, project: &ProjectId, page: &PageRequest) -> Result<Page<Integration>, Fault> {
        self.list_integrations(project, page).await
    }

    async fn change_integration(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        change: ChangedIntegration,
    ) -> Result<Integration, Fault> {
        self.update_integration(project, id, change).await
    }

    async fn delete_integration(&self, project: &ProjectId, id: &IntegrationId) -> Result<(), Fault> {
        self.remove_integration(project, id).await
    }

    async fn pause_integration(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        by: &Actor,
    ) -> Result<Integration, Fault> {
        self.pause(project, id, by).await
    }

    async fn resume_integration(&self, project: &ProjectId, id: &IntegrationId) -> Result<Integration, Fault> {
        self.resume(project, id).await
    }

    async fn run_integration(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        now: Micros,
    ) -> Result<Vec<WindowRun>, Fault> {
        self.plan_now(project, id, now).await
    }

    async fn window_runs(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        query: &RunQuery,
        page: &PageRequest,
    ) -> Result<Page<WindowRun>, Fault> {
        self.list_runs(project, id, query, page).await
    }

    async fn window_run(&self, project: &ProjectId, id: &IntegrationId, run: &JobId) -> Result<WindowRun, Fault> {
        self.find_run(project, id, run).await
    }

    async fn coverage(&self, project: &ProjectId, id: &IntegrationId) -> Result<Vec<Coverage>, Fault> {
        self.covered(project, id).await
    }

    async fn create_backfill(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        new: NewBackfill,
    ) -> Result<Backfill, Fault> {
        self.add_backfill(project, id, new).await
    }

    async fn backfills(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        page: &PageRequest,
    ) -> Result<Page<Backfill>, Fault> {
        self.list_backfills(project, id, page).await
    }

    async fn cancel_backfill(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        backfill: &BackfillId,
    ) -> Result<Backfill, Fault> {
        self.end_backfill(project, id, backfill).await
    }

    async fn dead_letters(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        page: &PageRequest,
    ) -> Result<Page<KeptLetter>, Fault> {
        self.list_letters(project, id, page).await
    }

    async fn replay_dead_letters(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        now: Micros,
    ) -> Result<Vec<WindowRun>, Fault> {
        self.replay_letters(project, id, now).await
    }
}

#[async_trait]
impl SchedulerStore for NativeStore {
    async fn clock(&self) -> Result<Micros, Fault> {
        self.clock.now(&self.database).await.map_err(statement_failed("read the store's clock"))
    }

    async fn integrations_due(&self, now: Micros, most: usize) -> Result<Vec<DuePlan>, Fault> {
        self.due_integrations(now, most).await
    }

    async fn plan_windows(&self, plans: Vec<WindowPlan>, now: Micros) -> Result<u64, Fault> {
        self.store_plans(plans, now).await
    }

    async fn backfills_due(&self, most: usize) -> Result<Vec<(Backfill, DuePlan)>, Fault> {
        self.due_backfills(most).await
    }

    async fn plan_backfill(
        &self,
        backfill: &Backfill,
        windows: Vec<WindowName>,
        left: Option<Span>,
        now: Micros,
    ) -> Result<u64, Fault> {
        self.store_backfill_windows(backfill, windows, left, now).await
    }

    async fn plan_reconciliations(&self, upto: Micros, most: usize) -> Result<u64, Fault> {
        self.queue_reconciliations(upto, most).await
    }

    async fn run_before(&self, integration: &IntegrationId, span: Span) -> Result<Option<WindowRun>, Fault> {
        self.completed_before(integration, span).await
    }

    async fn score_names(&self, integration: &IntegrationId) -> Result<Vec<ScoreNames>, Fault> {
        self.read_score_names(integration).await
    }

    async fn integration_of_job(&self, id: &IntegrationId) -> Result<Option<Integration>, Fault> {
        self.any_integration(id).await
    }

    async fn run_of_job(&self, id: &JobId) -> Result<Option<WindowRun>, Fault> {
        self.any_run(id).await
    }

    async fn keep_dead_letters(
        &self,
        integration: &IntegrationId,
        from: &KeptFrom,
        letters: Vec<KeptLetter>,
    ) -> Result<(), Fault> {
        self.put_letters(integration, from, letters).await
    }

    async fn keep_sent_keys(&self, from: &KeptFrom, hashes: &[u64]) -> Result<(), Fault> {
        self.put_sent_keys(from, hashes).await
    }

    fn sent_keys(&self, run: &JobId, table: &str) -> BoxStream<'static, Result<Vec<u64>, Fault>> {
        self.read_sent_keys(run, table)
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        self.signals.looks()
    }
}

fn no_such_integration(id: &IntegrationId) -> Fault {
    Fault::new(FaultKind::NotFound, format!("there is no integration {:?}", id.as_str()))
}

fn paused() -> Fault {
    Fault::new(FaultKind::Conflict, "the integration is paused").hint("resume it first")
}

fn no_such_run(id: &JobId) -> Fault {
    Fault::new(FaultKind::NotFound, format!("there is no run {:?}", id.as_str()))
}

fn no_such_backfill(id: &BackfillId) -> Fault {
    Fault::new(FaultKind::NotFound, format!("there is no backfill {:?}", id.as_str()))
}
