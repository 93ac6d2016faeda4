//! Integrations in memory: as much of them as routes show.

use async_trait::async_trait;
use model::{
    Actor, Backfill, BackfillCause, BackfillId, BackfillState, BackfillWindows, ByteCount, Cadence, ChangedIntegration,
    CheckStep, CheckedIntegration, Coverage, Cursor, Deletions, ExportEstimate, Failure, Fault, FaultKind,
    FieldProblem, FileSettings, Integration, IntegrationAsk, IntegrationDesk, IntegrationId, IntegrationKind,
    IntegrationSettings, IntegrationStore, IntegrationTable, JobId, JobProgress, KeptLetter, KindDescriptor, Micros,
    NewBackfill, NewIntegration, NextWindow, Page, PageRequest, Pause, ProjectId, RawSchedule, RowCount, RunCause,
    RunQuery, RunState, Schedule, Span, Start, Takes, WindowName, WindowResult, WindowRun,
};
use serde_json::json;

use super::NOW;
use super::doubles::{World, paged};

fn missing() -> Fault {
    Fault::new(FaultKind::NotFound, "there is no such integration")
}

pub(super) fn hour() -> Span {
    Span { from: NOW.minus_seconds(3_600), to: NOW }
}

fn run(project: &ProjectId, id: &IntegrationId, state: RunState) -> WindowRun {
    let schedule = Schedule::new(RawSchedule::utc(Cadence::Hour)).unwrap();
    WindowRun {
        id: JobId::new("r1"),
        integration: id.clone(),
        project: project.clone(),
        name: WindowName::new(&schedule, hour(), 1),
        cause: RunCause::Schedule,
        backfill: None,
        state,
        planned_at: NOW,
        started_at: None,
        finished_at: None,
        retry_at: None,
        attempts: 1,
        progress: JobProgress::default(),
        result: (state == RunState::Completed).then(|| WindowResult {
            rows: RowCount(7),
            late_rows: RowCount(2),
            deleted_rows: RowCount(1),
            ..WindowResult::default()
        }),
        found_later: None,
        failure: (state == RunState::Failed).then(|| Failure {
            step: Some("writing a file".to_owned()),
            kind: "credentials".to_owned(),
            message: "access denied".to_owned(),
            hint: None,
        }),
        failed_attempts: vec![],
    }
}

impl World {
    fn edit(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        change: impl FnOnce(&mut Integration) -> Result<(), Fault>,
    ) -> Result<Integration, Fault> {
        let mut state = self.state();
        let found = state.integrations.iter_mut().find(|known| known.id == *id && known.project == *project);
        let integration = found.ok_or_else(missing)?;
        change(integration)?;
        Ok(integration.clone())
    }
}

#[async_trait]
impl IntegrationStore for World {
    async fn create_integration(&self, new: NewIntegration, now: Micros) -> Result<Integration, Fault> {
        let mut state = self.state();
        if state.integrations.iter().any(|known| known.name == new.checked.name) {
            return Err(Fault::new(FaultKind::Conflict, "another integration writes to the same keys"));
        }
        let grid = new.checked.settings.schedule.clone();
        let created = Integration {
            id: IntegrationId::new(format!("i{}", state.integrations.len())),
            project: new.project,
            name: new.checked.name,
            settings: new.checked.settings,
            secrets: new.checked.secrets.into_keys().collect(),
            version: 1,
            pause: new.paused.then(|| Pause { at: now, by: new.by.clone(), failure: None }),
            cursor: None,
            planned_upto: None,
            next_at: Some(now),
            grid,
            created_by: new.by,
            created_at: now,
            updated_at: now,
            last_run: None,
            runs_active: 0,
            backfills_active: 0,
        };
        state.integrations.push(created.clone());
        Ok(created)
    }

    async fn integration(&self, project: &ProjectId, id: &IntegrationId) -> Result<Integration, Fault> {
        self.edit(project, id, |_| Ok(()))
    }

    async fn integrations(&self, project: &ProjectId, page: &PageRequest) -> Result<Page<Integration>, Fault> {
        let state = self.state();
        let mine = state.integrations.iter().rev().filter(|known| known.project == *project);
        paged(&mine.cloned().collect::<Vec<_>>(), page)
    }

    async fn change_integration(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        change: ChangedIntegration,
    ) -> Result<Integration, Fault> {
        self.edit(project, id, |integration| {
            if integration.version != change.version {
                return Err(Fault::new(FaultKind::Conflict, "somebody else changed it"));
            }
            integration.version += 1;
            integration.name = change.checked.name;
            integration.settings = change.checked.settings;
            Ok(())
        })
    }

    async fn delete_integration(&self, project: &ProjectId, id: &IntegrationId) -> Result<(), Fault> {
        self.integration(project, id).await?;
        self.state().integrations.retain(|known| known.id != *id);
        Ok(())
    }

    async fn pause_integration(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        by: &Actor,
    ) -> Result<Integration, Fault> {
        self.edit(project, id, |integration| {
            integration.pause = Some(Pause { at: NOW, by: by.clone(), failure: None });
            Ok(())
        })
    }

    async fn resume_integration(&self, project: &ProjectId, id: &IntegrationId) -> Result<Integration, Fault> {
        self.edit(project, id, |integration| {
            integration.pause = None;
            Ok(())
        })
    }

    async fn run_integration(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        _: Micros,
    ) -> Result<Vec<WindowRun>, Fault> {
        self.integration(project, id).await?;
        Ok(vec![run(project, id, RunState::Queued)])
    }

    async fn window_runs(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        query: &RunQuery,
        page: &PageRequest,
    ) -> Result<Page<WindowRun>, Fault> {
        let all = [RunState::Completed, RunState::Failed].map(|state| run(project, id, state));
        let wanted = all.into_iter().filter(|run| query.states.is_empty() || query.states.contains(&run.state));
        paged(&wanted.collect::<Vec<_>>(), page)
    }

    async fn window_run(&self, project: &ProjectId, id: &IntegrationId, _: &JobId) -> Result<WindowRun, Fault> {
        Ok(run(project, id, RunState::Completed))
    }

    async fn coverage(&self, _: &ProjectId, _: &IntegrationId) -> Result<Vec<Coverage>, Fault> {
        let day = Span { from: NOW.minus_seconds(86_400), to: hour().from };
        Ok(vec![
            Coverage { span: day, state: None, windows: 0 },
            Coverage { span: hour(), state: Some(RunState::Completed), windows: 1 },
        ])
    }

    async fn create_backfill(&self, _: &ProjectId, id: &IntegrationId, new: NewBackfill) -> Result<Backfill, Fault> {
        self.state().backfills.push(new.clone());
        Ok(backfill(id, new, BackfillState::Running))
    }

    async fn backfills(&self, _: &ProjectId, id: &IntegrationId, page: &PageRequest) -> Result<Page<Backfill>, Fault> {
        let known = self.state().backfills.clone();
        paged(&known.into_iter().map(|new| backfill(id, new, BackfillState::Running)).collect::<Vec<_>>(), page)
    }

    async fn cancel_backfill(&self, _: &ProjectId, id: &IntegrationId, _: &BackfillId) -> Result<Backfill, Fault> {
        let new = self.state().backfills.pop().ok_or_else(missing)?;
        Ok(backfill(id, new, BackfillState::Cancelled))
    }

    async fn dead_letters(
        &self,
        _: &ProjectId,
        _: &IntegrationId,
        page: &PageRequest,
    ) -> Result<Page<KeptLetter>, Fault> {
        let letter = KeptLetter {
            id: "l1".to_owned(),
            run: JobId::new("r1"),
            table: "events".to_owned(),
            trace_id: "t1".to_owned(),
            row: "s1".to_owned(),
            reason: "'properties.distinct_id' is invalid".to_owned(),
            at: NOW,
            event: json!({"event": "x"}),
        };
        paged(&[letter], page)
    }

    async fn replay_dead_letters(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        _: Micros,
    ) -> Result<Vec<WindowRun>, Fault> {
        Ok(vec![run(project, id, RunState::Queued)])
    }
}

fn backfill(id: &IntegrationId, new: NewBackfill, state: BackfillState) -> Backfill {
    let half = Micros((new.span.from.0 + new.span.to.0) / 2);
    Backfill {
        id: BackfillId::new("b1"),
        integration: id.clone(),
        span: new.span,
        cause: BackfillCause::Request,
        order: new.order,
        parallel_max: new.parallel_max,
        state,
        left: Some(Span { from: half, to: new.span.to }),
        created_by: new.by,
        created_at: NOW,
        finished_at: None,
        windows: BackfillWindows { active: 1, completed: 2, failed: 0 },
    }
}

#[async_trait]
impl IntegrationDesk for World {
    fn kinds(&self) -> &[IntegrationKind] {
        static KINDS: std::sync::LazyLock<[IntegrationKind; 1]> = std::sync::LazyLock::new(|| {
            let descriptor = KindDescriptor {
                name: "s3",
                title: "Amazon S3",
                doc: "Buckets.",
                schemes: &["s3"],
                options: json!({"type": "object", "properties": {"bucket": {"type": "string"}}}),
                secrets: &["secret_access_key"],
            };
            [IntegrationKind { descriptor, takes: Takes::Files, tables: vec!["events"] }]
        });
        KINDS.as_slice()
    }

    async fn check(
        &self,
        _: &ProjectId,
        ask: &IntegrationAsk,
        existing: Option<&Integration>,
        now: Micros,
    ) -> Result<CheckedIntegration, Fault> {
        assert_eq!(now, NOW);
        self.state().asked_integrations.push(ask.clone());
        let kind = existing.map(|known| known.settings.kind.clone()).or_else(|| ask.kind.clone()).unwrap();
        if kind != "s3" {
            let problem = FieldProblem::new("kind", format!("there is no kind {kind:?}")).hint("did you mean s3?");
            return Err(Fault::of_problems(vec![problem]));
        }
        let raw = ask.schedule.clone().unwrap_or_else(|| RawSchedule::utc(Cadence::Hour));
        let settings = IntegrationSettings {
            kind,
            options: ask.options.clone().unwrap_or_default(),
            tables: ask.tables.clone().unwrap_or_else(|| vec![IntegrationTable::default()]),
            schedule: Schedule::new(raw).map_err(Fault::of_problems)?,
            cursor: ask.cursor.unwrap_or(Cursor::Ingested),
            lag_seconds: ask.lag_seconds.unwrap_or(300),
            start: ask.start.unwrap_or(Start::Now),
            deletions: ask.deletions.unwrap_or(Deletions::Count),
            catch_up_max: 4,
            files: Some(FileSettings::usual("parquet")),
        };
        Ok(CheckedIntegration {
            name: ask.name.clone().or_else(|| existing.map(|known| known.name.clone())).unwrap(),
            settings,
            secrets: ask.secrets.clone(),
            target: None,
            keys: None,
            warnings: Vec::new(),
        })
    }

    async fn check_for_test(
        &self,
        project: &ProjectId,
        ask: &IntegrationAsk,
        existing: Option<&Integration>,
        now: Micros,
    ) -> Result<CheckedIntegration, Fault> {
        self.check(project, ask, existing, now).await
    }

    async fn test(
        &self,
        _: &ProjectId,
        checked: &CheckedIntegration,
        existing: Option<&Integration>,
        _: Micros,
        report: &mut (dyn FnMut(CheckStep) + Send),
    ) {
        let known = existing.is_some_and(|known| !known.secrets.is_empty()) || !checked.secrets.is_empty();
        let no_key = || Err(Fault::new(FaultKind::Credentials, "InvalidAccessKeyId: no such key"));
        report(CheckStep::begun("address policy"));
        report(CheckStep::ended("address policy", &Ok(())));
        report(CheckStep::begun("write"));
        report(CheckStep::ended("write", &if known { Ok(()) } else { no_key() }));
    }

    fn next_windows(
        &self,
        _: &ProjectId,
        settings: &IntegrationSettings,
        _: Option<&Integration>,
        now: Micros,
        count: usize,
    ) -> Result<Vec<NextWindow>, Fault> {
        let windows = settings.schedule.windows_due(now, Micros(i64::MAX), count).into_iter();
        let next = |span: Span| NextWindow {
            span,
            at: settings.ready_at(span.to),
            files: vec![format!("p1/scores/{}.parquet", span.to)],
        };
        Ok(windows.map(next).collect())
    }

    async fn estimate(
        &self,
        _: &ProjectId,
        _: &IntegrationSettings,
        _: Span,
        _: Micros,
    ) -> Result<ExportEstimate, Fault> {
        Ok(ExportEstimate { rows_max: RowCount(500), bytes_max: ByteCount(70_000) })
    }
}
