//! The ports of integrations: what people, the scheduler and the API ask for.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_core::stream::BoxStream;

use super::{
    Backfill, Coverage, Deletions, FileSettings, Integration, IntegrationSettings, IntegrationTable, KeptFrom,
    KeptLetter, KeyTemplate, NewBackfill, RunCause, RunQuery, SchemaRule, ScoreNames, Start, WindowName, WindowRun,
};
use crate::{
    Actor, BackfillId, ByteCount, CheckStep, Cursor, ExportEstimate, Fault, IntegrationId, IntegrationKind, JobId,
    Micros, Page, PageRequest, ProjectId, RawSchedule, Schedule, Secret, Span,
};

/// What somebody wants of an integration, before it is held against kinds, tables and formats. What is not
/// given has its usual value or, in a change, stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IntegrationAsk {
    /// Name for people.
    pub name: Option<String>,
    /// Kind of the destination; cannot be changed.
    pub kind: Option<String>,
    /// Options of the kind, all of them.
    pub options: Option<BTreeMap<String, String>>,
    /// Secrets to be stored or replaced, by field; an empty one takes away what is stored.
    pub secrets: BTreeMap<String, Secret>,
    /// Langfuse's name for a choice of tables, instead of `tables`.
    pub source: Option<String>,
    /// Tables.
    pub tables: Option<Vec<IntegrationTable>>,
    /// When windows end; hourly in UTC unless given.
    pub schedule: Option<RawSchedule>,
    /// Timestamp that windows are measured on.
    pub cursor: Option<Cursor>,
    /// Seconds between the end of a window and its export.
    pub lag_seconds: Option<u32>,
    /// Where the first window begins.
    pub start: Option<Start>,
    /// What becomes of rows that were deleted.
    pub deletions: Option<Deletions>,
    /// Windows of the past at the same time.
    pub catch_up_max: Option<u32>,
    /// Format.
    pub format: Option<String>,
    /// Compression.
    pub compression: Option<String>,
    /// What becomes of `\uXXXX` in text.
    pub unicode: Option<String>,
    /// Neutralises what a spreadsheet would run as a formula.
    pub neutralise_formulas: Option<bool>,
    /// Writes the CSV header even where there is no row.
    pub csv_header_always: Option<bool>,
    /// A new file begins when one reaches this size; `Some(None)` is a single file.
    pub roll_bytes: Option<Option<ByteCount>>,
    /// Text that keys begin with.
    pub prefix: Option<String>,
    /// How keys are made.
    pub template: Option<String>,
    /// Whether `event_ts` is the last column.
    pub event_ts: Option<bool>,
    /// What a new column means.
    pub schema: Option<SchemaRule>,
}

/// Settings that can be honoured as they stand.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedIntegration {
    /// Name for people.
    pub name: String,
    /// What goes where and when.
    pub settings: IntegrationSettings,
    /// Secrets to be stored or replaced, by field; an empty one takes away what is stored.
    pub secrets: BTreeMap<String, Secret>,
    /// Names the place that manifests go to: two integrations with the same one would write over each other.
    pub target: Option<String>,
    /// Names the keys of files, by the same rule; `None` where they have the integration's own id.
    pub keys: Option<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// A window that will be exported, and what its files will be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextWindow {
    /// The window.
    pub span: Span,
    /// When it is exported.
    pub at: Micros,
    /// Keys of its files, one per table, and of its manifest; empty for destinations without files.
    pub files: Vec<String>,
}

/// Holds what is asked against kinds, tables, formats and the destination itself. Nothing is stored.
#[async_trait]
pub trait IntegrationDesk: Send + Sync {
    /// Every kind of destination that an integration can have, sorted by name.
    fn kinds(&self) -> &[IntegrationKind];

    /// Checks what is asked, over what there is already, reporting every problem at once. Nothing is sent.
    async fn check(
        &self,
        project: &ProjectId,
        ask: &IntegrationAsk,
        existing: Option<&Integration>,
        now: Micros,
    ) -> Result<CheckedIntegration, Fault>;

    /// Checks what is asked for a [`test`](Self::test): like [`check`](Self::check), but whether the destination is in
    /// a network that may be reached is left to the test's first step.
    async fn check_for_test(
        &self,
        project: &ProjectId,
        ask: &IntegrationAsk,
        existing: Option<&Integration>,
        now: Micros,
    ) -> Result<CheckedIntegration, Fault>;

    /// Does at the destination what a run will do, beside the files of the next window, and removes what it wrote.
    /// Secrets that were not given are those of `existing`. The steps are told in order, the first being whether the
    /// destination may be reached; after the first that fails only what was written is removed.
    async fn test(
        &self,
        project: &ProjectId,
        checked: &CheckedIntegration,
        existing: Option<&Integration>,
        now: Micros,
        report: &mut (dyn FnMut(CheckStep) + Send),
    );

    /// The windows that come next. `existing` is the integration whose settings these are or become.
    fn next_windows(
        &self,
        project: &ProjectId,
        settings: &IntegrationSettings,
        existing: Option<&Integration>,
        now: Micros,
        count: usize,
    ) -> Result<Vec<NextWindow>, Fault>;

    /// What exporting a stretch of time would read at most, over all tables.
    async fn estimate(
        &self,
        project: &ProjectId,
        settings: &IntegrationSettings,
        span: Span,
        now: Micros,
    ) -> Result<ExportEstimate, Fault>;
}

/// An integration to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct NewIntegration {
    /// Its project.
    pub project: ProjectId,
    /// What was checked.
    pub checked: CheckedIntegration,
    /// Who makes it.
    pub by: Actor,
    /// Whether it waits to be resumed before anything is exported.
    pub paused: bool,
}

/// A change of an integration.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedIntegration {
    /// The version that the change was made from; another one is a conflict.
    pub version: u32,
    /// What was checked.
    pub checked: CheckedIntegration,
}

/// Integrations and their runs, as people see them. Every call is about one project; what belongs to
/// another one is a `NotFound`.
#[async_trait]
pub trait IntegrationStore: Send + Sync {
    /// Stores an integration with its secrets. One whose files would go where another's go is a conflict.
    async fn create_integration(&self, new: NewIntegration, now: Micros) -> Result<Integration, Fault>;

    /// An integration.
    async fn integration(&self, project: &ProjectId, id: &IntegrationId) -> Result<Integration, Fault>;

    /// Integrations, newest first.
    async fn integrations(&self, project: &ProjectId, page: &PageRequest) -> Result<Page<Integration>, Fault>;

    /// Changes an integration. What was planned stays as it was planned; the cursor stays where it is. Where it begins
    /// cannot be changed once a window is planned.
    async fn change_integration(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        change: ChangedIntegration,
    ) -> Result<Integration, Fault>;

    /// Forgets an integration, its secrets and its dead letters, and cancels what it has under way. Its runs stay to be
    /// read.
    async fn delete_integration(&self, project: &ProjectId, id: &IntegrationId) -> Result<(), Fault>;

    /// Plans no more windows. Those under way are carried out.
    async fn pause_integration(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        by: &Actor,
    ) -> Result<Integration, Fault>;

    /// Plans windows again; runs that failed are queued once more.
    async fn resume_integration(&self, project: &ProjectId, id: &IntegrationId) -> Result<Integration, Fault>;

    /// Plans everything up to `now` less the lag, the window that has not ended yet included, and returns the
    /// runs, latest last; where a window is under way already, that one. No run: everything is planned, or the
    /// scheduler has yet to find the first row. Paused is a conflict.
    async fn run_integration(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        now: Micros,
    ) -> Result<Vec<WindowRun>, Fault>;

    /// Runs, latest window first; those of integrations that are deleted too.
    async fn window_runs(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        query: &RunQuery,
        page: &PageRequest,
    ) -> Result<Page<WindowRun>, Fault>;

    /// A run.
    async fn window_run(&self, project: &ProjectId, id: &IntegrationId, run: &JobId) -> Result<WindowRun, Fault>;

    /// What of the past is exported, from the first window to the last, by the first export of each, however many
    /// windows there are.
    async fn coverage(&self, project: &ProjectId, id: &IntegrationId) -> Result<Vec<Coverage>, Fault>;

    /// Begins a backfill. One that reaches beyond what has been planned is refused.
    async fn create_backfill(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        new: NewBackfill,
    ) -> Result<Backfill, Fault>;

    /// Backfills, newest first.
    async fn backfills(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        page: &PageRequest,
    ) -> Result<Page<Backfill>, Fault>;

    /// Ends a backfill and cancels its windows under way. One that catches up with the schedule cannot be ended: its
    /// windows would be exported by nobody.
    async fn cancel_backfill(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        backfill: &BackfillId,
    ) -> Result<Backfill, Fault>;

    /// Rows that receivers refused, newest first.
    async fn dead_letters(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        page: &PageRequest,
    ) -> Result<Page<KeptLetter>, Fault>;

    /// Plans the windows of all dead letters once more, each for itself, forgets the letters, and returns the runs.
    /// Paused is a conflict.
    async fn replay_dead_letters(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        now: Micros,
    ) -> Result<Vec<WindowRun>, Fault>;
}

/// What the scheduler is told of an integration that may have windows due.
#[derive(Clone, Debug, PartialEq)]
pub struct DuePlan {
    /// Id.
    pub integration: IntegrationId,
    /// Its project.
    pub project: ProjectId,
    /// What goes where and when.
    pub settings: IntegrationSettings,
    /// The schedule whose windows have the short names.
    pub grid: Schedule,
    /// Everything before it was planned; `None` before the first window is known.
    pub planned_upto: Option<Micros>,
    /// When it was made.
    pub created_at: Micros,
}

/// A window to be planned.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedWindow {
    /// The window and its name. Its revision is the store's to count where the cause is a backfill.
    pub name: WindowName,
    /// Whether it is the one that has just ended.
    pub live: bool,
    /// Why it is exported.
    pub cause: RunCause,
}

/// What the scheduler wants stored for one integration.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowPlan {
    /// The integration.
    pub integration: IntegrationId,
    /// Where planning stood when this was worked out; anything else by now makes the plan void.
    pub expected: Option<Micros>,
    /// Where planning stands after it; never before `expected`.
    pub planned_upto: Option<Micros>,
    /// When windows are looked for again.
    pub next_at: Micros,
    /// Windows, oldest first.
    pub windows: Vec<PlannedWindow>,
    /// What was missed for so long that it is planned bit by bit.
    pub catch_up: Option<Span>,
}

impl WindowPlan {
    /// The plan of everything from where planning stands up to `upto`: the window that ended last first of
    /// all, the few before it beside it, and what is left of a long time bit by bit. `None` where nothing
    /// is to be planned.
    pub fn upto(due: &DuePlan, upto: Micros) -> Option<Self> {
        let expected = due.planned_upto?;
        let span = Span::new(expected, upto).ok()?;
        let schedule = &due.settings.schedule;
        let live = schedule.last_within(span);
        let rest = Span::new(span.from, live.from).ok();
        let few = due.settings.catch_up_max as usize;
        let missed = rest.map_or(Vec::new(), |rest| schedule.windows_within(rest, few + 1));
        let (missed, catch_up) = if missed.len() > few { (Vec::new(), rest) } else { (missed, None) };
        let planned = |span, live, cause| PlannedWindow { name: WindowName::new(&due.grid, span, 1), live, cause };
        let missed = missed.into_iter().map(|span| planned(span, false, RunCause::Schedule));
        let mut windows: Vec<PlannedWindow> = missed.collect();
        // The schedule would have let it go on: somebody did not want to wait for its end.
        let is_early = schedule.boundary_upto(upto) != Some(upto);
        windows.push(planned(live, true, if is_early { RunCause::Request } else { RunCause::Schedule }));
        Some(Self {
            integration: due.integration.clone(),
            expected: Some(expected),
            planned_upto: Some(upto),
            next_at: due.next_at(upto),
            windows,
            catch_up,
        })
    }
}

impl DuePlan {
    /// When the window that follows `upto` may be exported.
    pub fn next_at(&self, upto: Micros) -> Micros {
        // A schedule without another boundary, at the end of time, is looked at again tomorrow.
        let tomorrow = Micros(upto.0.saturating_add(24 * 3_600 * Micros::PER_SECOND));
        self.settings.ready_at(self.settings.schedule.boundary_after(upto).unwrap_or(tomorrow))
    }
}

/// What the scheduler asks the store.
#[async_trait]
pub trait SchedulerStore: Send + Sync {
    /// The time by the store's own clock, which all processes share.
    async fn clock(&self) -> Result<Micros, Fault>;

    /// Integrations that may have windows due at `now`: not paused, and no window that has just ended is
    /// under way. Those that have waited longest come first.
    async fn integrations_due(&self, now: Micros, most: usize) -> Result<Vec<DuePlan>, Fault>;

    /// Stores windows and queues their jobs. Each integration's plan is stored whole, with the position it
    /// leads to, or not at all: where somebody else planned meanwhile, or the lag of a window is not over by
    /// the store's own clock, it is left out. Returns how many windows were stored.
    async fn plan_windows(&self, plans: Vec<WindowPlan>, now: Micros) -> Result<u64, Fault>;

    /// Backfills with room for more windows, and their integrations, by when they were made and by id; those that are
    /// done are ended.
    async fn backfills_due(&self, most: usize) -> Result<Vec<(Backfill, DuePlan)>, Fault>;

    /// Stores windows of a backfill. Where its rest is not `expected` any more nothing is stored.
    async fn plan_backfill(
        &self,
        backfill: &Backfill,
        windows: Vec<WindowName>,
        left: Option<Span>,
        now: Micros,
    ) -> Result<u64, Fault>;

    /// Queues the comparison of windows that were exported, or could not be compared, at this instant or before,
    /// and returns how many. Those of paused integrations wait.
    async fn plan_reconciliations(&self, upto: Micros, most: usize) -> Result<u64, Fault>;

    /// The newest completed run before a window, for its columns; `None` where it is the first.
    async fn run_before(&self, integration: &IntegrationId, span: Span) -> Result<Option<WindowRun>, Fault>;

    /// The names of scores that completed runs of an integration had, whatever their windows. A table of which no run
    /// told names is not there.
    async fn score_names(&self, integration: &IntegrationId) -> Result<Vec<ScoreNames>, Fault>;

    /// An integration, whoever asks; `None` where it was deleted.
    async fn integration_of_job(&self, id: &IntegrationId) -> Result<Option<Integration>, Fault>;

    /// A run, whoever asks.
    async fn run_of_job(&self, id: &JobId) -> Result<Option<WindowRun>, Fault>;

    /// Keeps rows that a receiver refused, numbered from `from` on. What an earlier attempt of the run kept
    /// under these and later numbers is replaced, so a row is never kept twice. Fails where the run belongs to
    /// another worker: its letters are not touched.
    async fn keep_dead_letters(
        &self,
        integration: &IntegrationId,
        from: &KeptFrom,
        letters: Vec<KeptLetter>,
    ) -> Result<(), Fault>;

    /// Keeps hashes of the keys of rows that a run has sent; `from.number` rows of the table come before them. What an
    /// earlier attempt kept behind those is replaced. Fails where the run belongs to another worker.
    async fn keep_sent_keys(&self, from: &KeptFrom, hashes: &[u64]) -> Result<(), Fault>;

    /// The hashes that were kept of one table of a run, in pieces of bounded size.
    fn sent_keys(&self, run: &JobId, table: &str) -> BoxStream<'static, Result<Vec<u64>, Fault>>;

    /// Yields at once, whenever something may have become due, and at least every few seconds.
    fn changes(&self) -> BoxStream<'static, ()>;
}

impl IntegrationAsk {
    /// The layout of keys that is asked for.
    pub fn key_template(&self) -> Result<Option<KeyTemplate>, crate::FieldProblem> {
        match self.template.as_deref() {
            None => Ok(None),
            Some("langfuse") => KeyTemplate::new(KeyTemplate::LANGFUSE).map(Some),
            Some("hive") => KeyTemplate::new(KeyTemplate::HIVE).map(Some),
            Some(text) => KeyTemplate::new(text).map(Some),
        }
    }

    /// Whether anything about files is asked for.
    pub fn names_files(&self) -> bool {
        let texts = [&self.format, &self.compression, &self.unicode, &self.prefix, &self.template];
        let switches = [self.neutralise_formulas, self.csv_header_always, self.event_ts];
        texts.into_iter().any(Option::is_some)
            || switches.into_iter().any(|switch| switch.is_some())
            || self.roll_bytes.flatten().is_some()
            || self.schema.is_some()
    }
}

impl FileSettings {
    /// Files of this format, everything else as usual.
    pub fn usual(format: &str) -> Self {
        Self {
            format: format.to_owned(),
            compression: "none".to_owned(),
            unicode: None,
            neutralise_formulas: false,
            csv_header_always: false,
            roll_bytes: None,
            prefix: String::new(),
            template: KeyTemplate::default(),
            event_ts: true,
            schema: SchemaRule::default(),
        }
    }
}
