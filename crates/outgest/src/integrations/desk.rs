//! What the API may ask before anything is stored: is it right, does it work, what comes next.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use destinations::Guard;
use model::{
    ByteCount, CheckStep, CheckedIntegration, CommentLookup, Cursor, Deletions, ExportEstimate, Fault, FieldProblem,
    FileSettings, Integration, IntegrationAsk, IntegrationDesk, IntegrationId, IntegrationSettings, IntegrationTable,
    KeyTemplate, KindDescriptor, Micros, NextWindow, ProjectId, RawSchedule, RowCount, RunId, Schedule, Source,
    SourcePreset, Span, Start, Window, WindowName, nearest,
};
use url::Url;

use super::kinds;
use super::places::Places;
use super::window::layout;
use crate::export::{Request, problems_in, read_request, table_of};

/// Tables of a new integration unless others are named.
const USUAL_TABLES: [&str; 3] = ["events", "traces", "scores"];

/// Longest name.
const NAME_CHARACTERS_MAX: usize = 200;

/// Most windows of the past at the same time.
const CATCH_UP_MAX: u32 = 64;

/// Checks what is asked of integrations.
pub struct IntegrationsDesk {
    kinds: Vec<KindDescriptor>,
    /// Where rows come from.
    pub source: Arc<dyn Source>,
    /// Where comments come from.
    pub comments: Arc<dyn CommentLookup>,
    /// Connects destinations.
    pub places: Arc<dyn Places>,
    /// Which hosts may be named.
    pub guard: Guard,
}

impl IntegrationsDesk {
    /// A desk over a source and destinations.
    pub fn new(
        source: Arc<dyn Source>,
        comments: Arc<dyn CommentLookup>,
        places: Arc<dyn Places>,
        guard: Guard,
    ) -> Self {
        Self { kinds: kinds::all(), source, comments, places, guard }
    }

    fn kind(&self, name: &str) -> Result<&KindDescriptor, FieldProblem> {
        let names = || self.kinds.iter().map(|kind| kind.name);
        self.kinds.iter().find(|kind| kind.name == name).ok_or_else(|| {
            let problem = FieldProblem::new("kind", format!("there is no kind of destination {name:?}"));
            match nearest(name, names()) {
                Some(close) => problem.hint(format!("did you mean {close}?")),
                None => problem.hint(format!("kinds: {}", names().collect::<Vec<_>>().join(", "))),
            }
        })
    }
}

#[async_trait]
impl IntegrationDesk for IntegrationsDesk {
    fn kinds(&self) -> &[KindDescriptor] {
        &self.kinds
    }

    async fn check(
        &self,
        project: &ProjectId,
        ask: &IntegrationAsk,
        existing: Option<&Integration>,
        now: Micros,
    ) -> Result<CheckedIntegration, Fault> {
        let mut problems = Vec::new();
        let name = take(&mut problems, name(ask, existing));
        let kind_name = existing.map(|known| known.settings.kind.clone()).or_else(|| ask.kind.clone());
        let kind = take(&mut problems, self.kind(&kind_name.unwrap_or_default()));
        let schedule = match &ask.schedule {
            Some(raw) => Schedule::new(raw.clone()).map_err(|found| problems.extend(found)).ok(),
            None => existing.map(|known| known.settings.schedule.clone()),
        };
        let tables = take(&mut problems, tables(ask, existing));
        let files = take(&mut problems, files(ask, existing));
        let (lag, catch_up) = bounds(ask, existing, &mut problems);
        let (Some(name), Some(kind), Some(tables), Some(files)) = (name, kind, tables, files) else {
            return Err(Fault::of_problems(problems));
        };
        problems.extend(secrets(ask, kind));
        let schedule = schedule.or_else(|| Schedule::new(RawSchedule::utc(model::Cadence::Hour)).ok());
        let Some(schedule) = schedule.filter(|_| problems.is_empty()) else {
            return Err(Fault::of_problems(problems));
        };
        let known = existing.map(|known| &known.settings);
        let settings = IntegrationSettings {
            kind: kind.name.to_owned(),
            options: ask.options.clone().or_else(|| known.map(|known| known.options.clone())).unwrap_or_default(),
            tables,
            schedule,
            cursor: ask.cursor.or_else(|| known.map(|known| known.cursor)).unwrap_or(Cursor::Ingested),
            lag_seconds: lag,
            start: ask.start.or_else(|| known.map(|known| known.start)).unwrap_or(Start::Now),
            deletions: ask.deletions.or_else(|| known.map(|known| known.deletions)).unwrap_or(Deletions::Count),
            catch_up_max: catch_up,
            files: Some(files),
        };
        if settings.deletions == Deletions::Include && !self.source.capabilities().deletions {
            let problem = FieldProblem::new("deletions", "this source cannot read deletions");
            problems.push(problem.hint("leave them out"));
        }
        problems.extend(table_problems(project, &settings, existing));
        if !problems.is_empty() {
            return Err(Fault::of_problems(problems));
        }
        self.check_endpoint(&settings).await?;
        // Options and credentials are read as a run will read them; nothing is sent.
        self.places.connect(&settings, &ask.secrets, existing.map(|known| &known.id)).await?;
        let target = target(project, &settings);
        let warnings = warnings(&settings, now);
        Ok(CheckedIntegration { name, settings, secrets: ask.secrets.clone(), target, warnings })
    }

    async fn test(
        &self,
        _: &ProjectId,
        checked: &CheckedIntegration,
        existing: Option<&Integration>,
    ) -> Result<Vec<CheckStep>, Fault> {
        let mut steps = Vec::new();
        let policy = self.check_endpoint(&checked.settings).await;
        let failure = policy.as_ref().err().map(|fault| fault.public_message().to_owned());
        steps.push(CheckStep { name: "address policy", failure });
        if policy.is_err() {
            return Ok(steps);
        }
        let id = existing.map(|known| &known.id);
        let destination = match self.places.connect(&checked.settings, &checked.secrets, id).await {
            Ok(destination) => destination,
            Err(fault) => {
                let failure = Some(fault.public_message().to_owned());
                steps.push(CheckStep { name: "credentials", failure });
                return Ok(steps);
            }
        };
        // The step that failed says why; the fault says nothing more.
        drop(destination.check(&mut |step| steps.push(step)).await);
        Ok(steps)
    }

    fn next_windows(
        &self,
        project: &ProjectId,
        settings: &IntegrationSettings,
        existing: Option<&Integration>,
        now: Micros,
        count: usize,
    ) -> Result<Vec<NextWindow>, Fault> {
        let unmade = unmade(project, settings);
        let integration = existing.unwrap_or(&unmade);
        let begin = match (integration.planned_upto, settings.start) {
            (Some(planned), _) => planned,
            (None, Start::Date { at }) => at,
            // Where a whole history begins nobody knows yet: these are the windows that come after it.
            (None, Start::Now | Start::History) => now,
        };
        let spans = settings.schedule.windows_due(begin, Micros(i64::MAX), count);
        spans.into_iter().map(|span| next_window(integration, settings, span)).collect()
    }

    async fn estimate(
        &self,
        project: &ProjectId,
        settings: &IntegrationSettings,
        span: Span,
        now: Micros,
    ) -> Result<ExportEstimate, Fault> {
        let mut estimate = ExportEstimate { rows_max: RowCount::ZERO, bytes_max: ByteCount::ZERO };
        for table in &settings.tables {
            let request = Request::scheduled(project, settings, table, span.window())?;
            let read = read_request(&request, &RunId::new("estimate"), now, self.comments.as_ref()).await?;
            let reading = self.source.prepare(read).await?;
            let plan = reading.plan(None).await;
            reading.close().await?;
            let plan = plan?;
            estimate.rows_max += plan.rows();
            estimate.bytes_max += plan.bytes();
        }
        Ok(estimate)
    }
}

impl IntegrationsDesk {
    /// Refuses an endpoint in a network that may not be reached, as early as that can be told.
    async fn check_endpoint(&self, settings: &IntegrationSettings) -> Result<(), Fault> {
        let Some(endpoint) = settings.options.get("endpoint").filter(|endpoint| !endpoint.is_empty()) else {
            return Ok(());
        };
        let url = Url::parse(endpoint).map_err(|error| {
            Fault::of_problems(vec![
                FieldProblem::new("options.endpoint", format!("this is not an address: {error}"))
                    .hint("write https://host:port"),
            ])
        })?;
        self.guard.check("options.endpoint", &url).await
    }
}

fn take<T>(problems: &mut Vec<FieldProblem>, found: Result<T, FieldProblem>) -> Option<T> {
    found.map_err(|problem| problems.push(problem)).ok()
}

fn name(ask: &IntegrationAsk, existing: Option<&Integration>) -> Result<String, FieldProblem> {
    let name = ask.name.clone().or_else(|| existing.map(|known| known.name.clone())).unwrap_or_default();
    let bad =
        name.trim().is_empty() || name.chars().count() > NAME_CHARACTERS_MAX || name.chars().any(char::is_control);
    if bad {
        let message = format!("it must have 1 to {NAME_CHARACTERS_MAX} characters and no control characters");
        return Err(FieldProblem::new("name", message));
    }
    Ok(name)
}

fn tables(ask: &IntegrationAsk, existing: Option<&Integration>) -> Result<Vec<IntegrationTable>, FieldProblem> {
    let named = |names: &[&str]| {
        let table = |name: &&str| IntegrationTable { table: (*name).to_owned(), ..IntegrationTable::default() };
        names.iter().map(table).collect::<Vec<_>>()
    };
    let tables = match (&ask.tables, &ask.source) {
        (Some(_), Some(_)) => {
            let problem = FieldProblem::new("source", "tables are given as well");
            return Err(problem.hint("give a source or tables, not both"));
        }
        (Some(tables), None) => tables.clone(),
        (None, Some(source)) => {
            let preset = SourcePreset::of_name(source).ok_or_else(|| {
                let names = SourcePreset::ALL.map(SourcePreset::as_str).join(", ");
                FieldProblem::new("source", format!("there is no source {source:?}")).hint(format!("sources: {names}"))
            })?;
            named(preset.tables())
        }
        (None, None) => match existing {
            Some(known) => known.settings.tables.clone(),
            None => named(&USUAL_TABLES),
        },
    };
    if tables.is_empty() {
        return Err(FieldProblem::new("tables", "names no table").hint("leave it out for events, traces and scores"));
    }
    for (index, table) in tables.iter().enumerate() {
        if tables[..index].iter().any(|before| before.table == table.table) {
            return Err(FieldProblem::new("tables", format!("table {:?} is named twice", table.table)));
        }
    }
    Ok(tables)
}

fn files(ask: &IntegrationAsk, existing: Option<&Integration>) -> Result<FileSettings, FieldProblem> {
    let known = existing.and_then(|known| known.settings.files.clone());
    let mut files = known.unwrap_or_else(|| FileSettings::usual("parquet"));
    if let Some(template) = ask.key_template()? {
        files.template = template;
    }
    if ask.roll_bytes.is_some_and(|bytes| bytes.get() == 0) {
        return Err(FieldProblem::new("rollBytes", "0 bytes").hint("leave it out for a single file"));
    }
    files.format = ask.format.clone().unwrap_or(files.format);
    files.compression = ask.compression.clone().unwrap_or(files.compression);
    files.unicode = ask.unicode.clone().or(files.unicode);
    files.neutralise_formulas = ask.neutralise_formulas.unwrap_or(files.neutralise_formulas);
    files.csv_header_always = ask.csv_header_always.unwrap_or(files.csv_header_always);
    files.roll_bytes = ask.roll_bytes.or(files.roll_bytes);
    files.prefix = ask.prefix.clone().unwrap_or(files.prefix);
    files.event_ts = ask.event_ts.unwrap_or(files.event_ts);
    files.schema = ask.schema.unwrap_or(files.schema);
    Ok(files)
}

/// Lag and windows of the past at the same time.
fn bounds(ask: &IntegrationAsk, existing: Option<&Integration>, problems: &mut Vec<FieldProblem>) -> (u32, u32) {
    let known = existing.map(|known| &known.settings);
    let lag = ask.lag_seconds.or_else(|| known.map(|known| known.lag_seconds));
    let lag = lag.unwrap_or(IntegrationSettings::LAG_SECONDS);
    if lag > IntegrationSettings::LAG_SECONDS_MAX {
        let message = format!("{lag} seconds are more than a week");
        problems.push(FieldProblem::new("lagSeconds", message).hint("rows that late are caught by cursor ingested"));
    }
    let catch_up = ask.catch_up_max.or_else(|| known.map(|known| known.catch_up_max));
    let catch_up = catch_up.unwrap_or(IntegrationSettings::CATCH_UP);
    if !(1..=CATCH_UP_MAX).contains(&catch_up) {
        problems.push(FieldProblem::new("catchUpMax", format!("{catch_up} is not between 1 and {CATCH_UP_MAX}")));
    }
    (lag, catch_up)
}

fn secrets(ask: &IntegrationAsk, kind: &KindDescriptor) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    for name in ask.secrets.keys().filter(|name| !kind.secrets.contains(&name.as_str())) {
        let problem = FieldProblem::new(format!("secrets.{name}"), format!("{} has no such secret", kind.title));
        problems.push(problem.hint(format!("its secrets are {}", kind.secrets.join(", "))));
    }
    let options = ask.options.iter().flat_map(BTreeMap::keys);
    for name in options.filter(|name| kind.secrets.contains(&name.as_str())) {
        // The value is not repeated.
        let problem = FieldProblem::new(format!("options.{name}"), "it is a secret");
        problems.push(problem.hint("send it under secrets, where it is sealed"));
    }
    problems
}

/// Every table as a run will read it, and the keys of its files.
fn table_problems(
    project: &ProjectId,
    settings: &IntegrationSettings,
    existing: Option<&Integration>,
) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    let unmade = unmade(project, settings);
    let integration = existing.unwrap_or(&unmade);
    let hour = Span { from: Micros(0), to: Micros(3_600 * Micros::PER_SECOND) };
    for (index, table) in settings.tables.iter().enumerate() {
        let place = format!("tables[{index}]");
        match Request::scheduled(project, settings, table, hour.window()) {
            Err(fault) => problems.extend(problems_in(&place, &fault)),
            Ok(_) if index > 0 => {}
            Ok(_) => {
                if let Err(fault) = next_window(integration, settings, hour) {
                    problems.extend(problems_in("prefix", &fault));
                }
            }
        }
    }
    problems
}

fn next_window(integration: &Integration, settings: &IntegrationSettings, span: Span) -> Result<NextWindow, Fault> {
    let name = WindowName::new(&integration.grid, span, 1);
    let mut keys = Vec::new();
    if let Some(files) = &settings.files {
        for table in &settings.tables {
            let known = table_of(&table.table).map_err(|problem| Fault::of_problems(vec![problem]))?;
            let request = Request::scheduled(&integration.project, settings, table, Window::default())?;
            let layout = layout(integration, files, &name, &known.table.name, &request)?;
            keys.push(layout.file(1)?.as_str().to_owned());
        }
        keys.push(KeyTemplate::manifest(&files.prefix, &integration.project, &name)?.as_str().to_owned());
    }
    Ok(NextWindow { span, at: settings.ready_at(span.to), files: keys })
}

/// What an integration that is not stored yet would be.
fn unmade(project: &ProjectId, settings: &IntegrationSettings) -> Integration {
    Integration {
        id: IntegrationId::new("new"),
        project: project.clone(),
        name: String::new(),
        settings: settings.clone(),
        secrets: Vec::new(),
        version: 0,
        pause: None,
        cursor: None,
        planned_upto: None,
        next_at: None,
        grid: settings.schedule.clone(),
        created_by: model::Actor::System,
        created_at: Micros(0),
        updated_at: Micros(0),
        last_run: None,
        runs_active: 0,
    }
}

/// Where files go, so that two integrations cannot write over each other.
fn target(project: &ProjectId, settings: &IntegrationSettings) -> Option<String> {
    let files = settings.files.as_ref()?;
    // Manifests have one place for all templates, so the template does not tell integrations apart.
    let place = ["bucket", "endpoint", "account"].map(|name| settings.options.get(name).cloned().unwrap_or_default());
    let keys = format!("{}{project}", files.prefix);
    Some([settings.kind.clone(), place.join("|"), keys].join("|"))
}

fn warnings(settings: &IntegrationSettings, now: Micros) -> Vec<String> {
    let mut warnings = Vec::new();
    if settings.cursor == Cursor::StartTime {
        warnings.push("Rows that arrive after their window was exported are counted, not exported.".to_owned());
    }
    if let Start::Date { at } = settings.start
        && at > now
    {
        warnings.push(format!("Nothing is exported before {at}."));
    }
    warnings
}
