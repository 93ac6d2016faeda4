//! What the API may ask before anything is stored: is it right, does it work, what comes next.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use destinations::Guard;
use model::{
    ByteCount, CheckStep, CheckedIntegration, CommentLookup, Cursor, Deletions, Delivery, ExportEstimate, Fault,
    FaultKind, FieldProblem, FileName, Integration, IntegrationAsk, IntegrationDesk, IntegrationId, IntegrationKind,
    IntegrationSettings, KeyTemplate, Micros, NextWindow, PeopleStore, ProjectId, RawSchedule, RowCount, RunId,
    Schedule, Source, Span, Start, Takes, Window, WindowName,
};
use url::Url;

use super::ask::{bounds, files, kind_of_name, name, no_files, secrets, tables, take};
use super::begun::PLACE;
use super::kinds;
use super::places::Places;
use super::reads::{self, read_of};
use super::window::layout;
use crate::config::connect::check_file;
use crate::deliver::Looks;
use crate::export::{Request, problems_in, table_of};

/// The option that names another server than the kind's own.
const ENDPOINT: &str = "endpoint";

/// Hosts of kinds whose own servers know a bucket by its name alone, in whatever region it is asked for.
const OWN_HOSTS: [(&str, &str); 2] = [("gcs", "storage.googleapis.com"), ("s3", "amazonaws.com")];

/// Checks what is asked of integrations.
pub struct IntegrationsDesk {
    /// Where rows come from.
    pub source: Arc<dyn Source>,
    /// Where comments come from.
    pub comments: Arc<dyn CommentLookup>,
    /// Where projects are kept.
    pub people: Arc<dyn PeopleStore>,
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
        people: Arc<dyn PeopleStore>,
        places: Arc<dyn Places>,
        guard: Guard,
    ) -> Self {
        Self { source, comments, people, places, guard }
    }
}

#[async_trait]
impl IntegrationDesk for IntegrationsDesk {
    fn kinds(&self) -> &[IntegrationKind] {
        kinds::all()
    }

    async fn check(
        &self,
        project: &ProjectId,
        ask: &IntegrationAsk,
        existing: Option<&Integration>,
        now: Micros,
    ) -> Result<CheckedIntegration, Fault> {
        let checked = self.checked(project, ask, existing, now).await?;
        self.admit(&checked.settings).await?;
        self.connect(&checked, existing).await.map_err(as_asked)?;
        Ok(checked)
    }

    async fn check_for_test(
        &self,
        project: &ProjectId,
        ask: &IntegrationAsk,
        existing: Option<&Integration>,
        now: Micros,
    ) -> Result<CheckedIntegration, Fault> {
        let checked = self.checked(project, ask, existing, now).await?;
        self.connect(&checked, existing).await.map_err(as_asked)?;
        Ok(checked)
    }

    async fn test(
        &self,
        project: &ProjectId,
        checked: &CheckedIntegration,
        existing: Option<&Integration>,
        now: Micros,
        report: &mut (dyn FnMut(CheckStep) + Send),
    ) {
        // Receivers of events take this step themselves.
        if checked.settings.files.is_some() {
            report(CheckStep::begun("address policy"));
            let admitted = self.admit(&checked.settings).await;
            report(CheckStep::ended("address policy", &admitted));
            if admitted.is_err() {
                return;
            }
        }
        let connected = match self.connect(checked, existing).await {
            Ok(connected) => connected,
            Err(fault) => {
                report(CheckStep::ended::<()>("credentials", &Err(fault)));
                return;
            }
        };
        let checked = match connected {
            Delivery::Files(destination) => match self.test_file(project, &checked.settings, existing, now) {
                Ok(file) => destination.check(&file, report).await,
                Err(fault) => {
                    report(CheckStep::ended::<()>("open", &Err(fault)));
                    return;
                }
            },
            Delivery::Events(destination) => destination.check(report).await,
        };
        // The step that failed says why; the fault says nothing more.
        drop(checked);
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
            let (of, run) = ((project, settings, table), RunId::new("estimate"));
            let read = read_of(of, span.window(), &run, now, self.comments.as_ref()).await?;
            let reading = self.source.prepare(read).await?;
            let plan = reading.plan(None).await;
            pipeline::end_reading(&*reading).await;
            let plan = plan?;
            estimate.rows_max += plan.rows();
            estimate.bytes_max += plan.bytes();
        }
        Ok(estimate)
    }
}

impl IntegrationsDesk {
    /// What is asked, over what there is already, held against kinds, tables and formats.
    async fn checked(
        &self,
        project: &ProjectId,
        ask: &IntegrationAsk,
        existing: Option<&Integration>,
        now: Micros,
    ) -> Result<CheckedIntegration, Fault> {
        let mut problems = Vec::new();
        let name = take(&mut problems, name(ask, existing));
        let kind_name = existing.map(|known| known.settings.kind.clone()).or_else(|| ask.kind.clone());
        let kind = take(&mut problems, kind_of_name(&kind_name.unwrap_or_default()));
        let schedule = match &ask.schedule {
            Some(raw) => Schedule::new(raw.clone()).map_err(|found| problems.extend(found)).ok(),
            None => existing.map(|known| known.settings.schedule.clone()),
        };
        let takes = kind.map_or(Takes::Files, |kind| kind.takes);
        let tables = take(&mut problems, tables(ask, existing, takes));
        let files = match takes {
            Takes::Files => take(&mut problems, files(ask, existing)),
            Takes::Events => {
                problems.extend(kind.map_or(Vec::new(), |kind| no_files(ask, &kind.descriptor)));
                None
            }
        };
        let (lag, catch_up) = bounds(ask, existing, &mut problems);
        let (Some(name), Some(kind), Some(tables)) = (name, kind, tables) else {
            return Err(Fault::of_problems(problems));
        };
        if files.is_none() && takes == Takes::Files {
            return Err(Fault::of_problems(problems));
        }
        problems.extend(secrets(ask, &kind.descriptor));
        let schedule = schedule.or_else(|| Schedule::new(RawSchedule::utc(model::Cadence::Hour)).ok());
        let Some(schedule) = schedule.filter(|_| problems.is_empty()) else {
            return Err(Fault::of_problems(problems));
        };
        let known = existing.map(|known| &known.settings);
        let settings = IntegrationSettings {
            kind: kind.descriptor.name.to_owned(),
            options: self.options(project, ask, existing, takes).await?,
            tables,
            schedule,
            cursor: ask.cursor.or_else(|| known.map(|known| known.cursor)).unwrap_or(Cursor::Ingested),
            lag_seconds: lag,
            start: ask.start.or_else(|| known.map(|known| known.start)).unwrap_or(Start::Now),
            deletions: ask.deletions.or_else(|| known.map(|known| known.deletions)).unwrap_or(Deletions::Count),
            catch_up_max: catch_up,
            files,
        };
        if settings.deletions == Deletions::Include && takes == Takes::Events {
            let problem = FieldProblem::new("deletions", format!("{} cannot be told of them", kind.descriptor.title));
            problems.push(problem.hint("leave it out; they are counted"));
        }
        problems.extend(table_problems(project, &settings, existing));
        if !problems.is_empty() {
            return Err(Fault::of_problems(problems));
        }
        self.check_comments(project, &settings, now).await?;
        endpoint(&settings)?;
        let (target, keys) = targets(project, &settings);
        let warnings = warnings(&settings, now);
        Ok(CheckedIntegration { name, settings, secrets: ask.secrets.clone(), target, keys, warnings })
    }

    /// The options that are asked for, or those that there are.
    async fn options(
        &self,
        project: &ProjectId,
        ask: &IntegrationAsk,
        existing: Option<&Integration>,
        takes: Takes,
    ) -> Result<BTreeMap<String, String>, Fault> {
        let known = || existing.map(|known| known.settings.options.clone());
        let mut options = ask.options.clone().or_else(known).unwrap_or_default();
        if takes != Takes::Events {
            return Ok(options);
        }
        // Noted once, and not looked up by each run: a project may be renamed, and an event that is sent again is to
        // be the same.
        if let Some(known) = existing {
            Looks::keep_name(&mut options, &known.settings.options);
        } else if let Some(project) = self.people.project(project).await? {
            Looks::name_project(&mut options, project.name);
        }
        Ok(options)
    }

    /// Connects the destination: options and credentials are read as a run will read them; nothing is sent.
    async fn connect(&self, checked: &CheckedIntegration, existing: Option<&Integration>) -> Result<Delivery, Fault> {
        self.places.connect(&checked.settings, &checked.secrets, existing.map(|known| &known.id)).await
    }

    /// The file that a test writes: beside those of the next window.
    fn test_file(
        &self,
        project: &ProjectId,
        settings: &IntegrationSettings,
        existing: Option<&Integration>,
        now: Micros,
    ) -> Result<FileName, Fault> {
        let next = self.next_windows(project, settings, existing, now, 1)?;
        let first = next.first().and_then(|window| window.files.first());
        let first = first.ok_or_else(|| Fault::bug("a window without files comes next"))?;
        check_file(first.rsplit_once('/').map_or("", |(folder, _)| folder))
    }

    /// Refuses an endpoint in a network that may not be reached, as early as that can be told.
    async fn admit(&self, settings: &IntegrationSettings) -> Result<(), Fault> {
        match endpoint(settings)? {
            Some((field, url)) => self.guard.check(&field, &url).await.map_err(|fault| of_field(&field, fault)),
            None => Ok(()),
        }
    }

    /// Refuses filters on comments where the source has none, which only looking them up tells.
    async fn check_comments(
        &self,
        project: &ProjectId,
        settings: &IntegrationSettings,
        now: Micros,
    ) -> Result<(), Fault> {
        let mut problems = Vec::new();
        for (index, table) in settings.tables.iter().enumerate() {
            let (of, run) = ((project, settings, table), RunId::new("check"));
            if let Err(fault) = read_of(of, Window::default(), &run, now, self.comments.as_ref()).await {
                let problem = FieldProblem::new(format!("tables[{index}].filter"), fault.public_message());
                problems.push(match fault.public_hint() {
                    Some(hint) => problem.hint(hint),
                    None => problem,
                });
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Fault::of_problems(problems)) }
    }
}

/// What the guard says of an address is a mistake in the field that names it, and none in how the server is set up.
fn of_field(field: &str, fault: Fault) -> Fault {
    let said = fault.public_message();
    let problem = FieldProblem::new(field, said.strip_prefix(&format!("{field}: ")).unwrap_or(said));
    Fault::of_problems(vec![match fault.public_hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }])
}

/// What is missing of credentials is missing of what was asked: nothing of the server's own is used.
fn as_asked(fault: Fault) -> Fault {
    match fault.kind() {
        FaultKind::Credentials => Fault::of_problems(problems_in("secrets", &fault)),
        _ => fault,
    }
}

/// The address that a user named, and its field, where one was named.
fn endpoint(settings: &IntegrationSettings) -> Result<Option<(String, Url)>, Fault> {
    let option = if settings.files.is_some() { ENDPOINT } else { "host" };
    let Some(address) = settings.options.get(option).filter(|address| !address.is_empty()) else {
        return Ok(None);
    };
    let field = format!("options.{option}");
    match Url::parse(address) {
        Ok(url) => Ok(Some((field, url))),
        Err(error) => {
            let problem = FieldProblem::new(&field, format!("this is not an address: {error}"));
            Err(Fault::of_problems(vec![problem.hint("write https://host:port")]))
        }
    }
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
        match reads::check(project, settings, table) {
            Err(fault) => problems.extend(problems_in(&place, &fault)),
            Ok(_) if index > 0 => {}
            Ok(_) => {
                if let Err(fault) = next_window(integration, settings, hour) {
                    let wrong = problems_in("prefix", &fault).into_iter();
                    problems.extend(wrong.map(|problem| problem.hint("write one such as langfuse/")));
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
        backfills_active: 0,
    }
}

/// Where manifests and files go, so that two integrations cannot write over each other. Manifests have one place for
/// all templates; files may lie elsewhere.
fn targets(project: &ProjectId, settings: &IntegrationSettings) -> (Option<String>, Option<String>) {
    let Some(files) = &settings.files else { return (None, None) };
    let place = PLACE.map(|name| {
        let text = settings.options.get(name).map_or("", |text| text.trim());
        if name == ENDPOINT { endpoint_alike(&settings.kind, text) } else { text.to_owned() }
    });
    let place = place.join("|");
    let at = |keys: String| [settings.kind.clone(), place.clone(), keys].join("|");
    let manifests = KeyTemplate::manifests(&files.prefix, project);
    (Some(at(manifests)), files.template.of_integration(&files.prefix, project).map(at))
}

/// An endpoint in the same words however it is written: none where it is the one that its kind has by itself.
fn endpoint_alike(kind: &str, text: &str) -> String {
    let Ok(url) = Url::parse(text) else { return text.to_owned() };
    let host = url.host_str().unwrap_or_default();
    let is_at = |own: &str| host.strip_suffix(own).is_some_and(|before| before.is_empty() || before.ends_with('.'));
    if OWN_HOSTS.iter().any(|&(of, own)| of == kind && is_at(own)) {
        return String::new();
    }
    url.as_str().trim_end_matches('/').to_owned()
}

fn warnings(settings: &IntegrationSettings, now: Micros) -> Vec<String> {
    let mut warnings = Vec::new();
    if settings.cursor == Cursor::StartTime {
        warnings.push(
            "Rows that arrive after their window was compared with its source are counted, not exported.".to_owned(),
        );
    }
    if let Start::Date { at } = settings.start
        && at > now
    {
        warnings.push(format!("Nothing is exported before {at}."));
    }
    warnings
}
