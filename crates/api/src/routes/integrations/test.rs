//! Testing a destination: what a run will do, step by step. The steps are told as they are taken where the caller
//! wants a stream, and all at once where not.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{FutureExt, Stream, StreamExt, future, stream};
use model::{
    CheckState, CheckStep, CheckedIntegration, Fault, FaultKind, Integration, IntegrationDesk, Micros, ProjectId,
};
use serde_json::json;
use tokio::sync::mpsc;

use super::{IntegrationPath, ports};
use crate::access::InProject;
use crate::app::App;
use crate::input;
use crate::problem::{Answer, Problem};
use crate::wire::{self, TestReport, TestStep};

/// Time for a test: an answer may take a minute, and there are a few steps.
const TEST_TIME: Duration = Duration::from_secs(180);

/// Something is sent at least this often, so that proxies do not close a quiet connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Messages that wait to be sent: more than there are steps, so that telling of one never waits.
const MESSAGES_MAX: usize = 64;

const EVENTS: &str = "text/event-stream";

/// Test a destination
///
/// Of an integration that is not stored yet: does what a run will do, and removes what it wrote. A step that
/// fails is no failure of the call. It is in the audit log, since it writes to where it is told.
///
/// With `Accept: text/event-stream` the steps are told as they are taken: `begun` carries the name of a step, `step`
/// how it ended, and the last event is `report` with the whole answer, or `problem` where there is none.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/test",
    operation_id = "test_new_integration",
    tag = "integrations",
    params(("project" = String, Path, description = "Id of the project")),
    request_body = wire::IntegrationRequest,
    responses((status = 200, content((TestReport = "application/json"), (String = "text/event-stream"))))
)]
pub(crate) async fn test_new(
    State(app): State<App>,
    access: InProject,
    headers: HeaderMap,
    input::Json(request): input::Json<wire::IntegrationRequest>,
) -> Answer<Response> {
    let desk = &ports(&app)?.desk;
    let checked = desk.check_for_test(&access.project, &request.ask()?, None, app.now()).await?;
    access.note(&app, "integration.test", "", json!({"kind": checked.settings.kind})).await?;
    let (desk, project) = (Arc::clone(desk), access.project.clone());
    Test { desk, project, checked, existing: None, now: app.now() }.answer(&app, &headers).await
}

/// Test an integration
///
/// With a change that is not stored yet, or as it is where the change is empty. Secrets that are not given are
/// those that are stored. Steps are told as they are taken in the same way as for an integration that is not stored.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/integrations/{integration}/test",
    operation_id = "test_integration",
    tag = "integrations",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("integration" = String, Path, description = "Id of the integration")
    ),
    request_body = wire::IntegrationChange,
    responses((status = 200, content((TestReport = "application/json"), (String = "text/event-stream"))))
)]
pub(crate) async fn test(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<IntegrationPath>,
    headers: HeaderMap,
    input::Json(request): input::Json<wire::IntegrationChange>,
) -> Answer<Response> {
    let integrations = ports(&app)?;
    let existing = integrations.store.integration(&access.project, &path.integration).await?;
    let (desk, ask) = (Arc::clone(&integrations.desk), request.ask()?);
    let checked = desk.check_for_test(&access.project, &ask, Some(&existing), app.now()).await?;
    let details = json!({"kind": checked.settings.kind});
    access.note(&app, "integration.test", path.integration.as_str(), details).await?;
    let project = access.project.clone();
    Test { desk, project, checked, existing: Some(existing), now: app.now() }.answer(&app, &headers).await
}

/// A test that is about to be made.
struct Test {
    desk: Arc<dyn IntegrationDesk>,
    project: ProjectId,
    checked: CheckedIntegration,
    existing: Option<Integration>,
    now: Micros,
}

/// What is told of a test under way.
enum Message {
    Step(CheckStep),
    End(Result<TestReport, Fault>),
}

impl Test {
    async fn answer(self, app: &App, headers: &HeaderMap) -> Answer<Response> {
        if !wants_events(headers) {
            return Ok(Json(self.run(&mut |_| {}).await?).into_response());
        }
        let events = self.told().map(|message| Ok::<_, Infallible>(event(message)));
        let events = events.take_until(app.ports.closing.raised());
        let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
        // Nginx would collect events before it passes them on.
        Ok(([(HeaderName::from_static("x-accel-buffering"), "no")], stream).into_response())
    }

    /// Makes the test, which may not take forever.
    async fn run(&self, tell: &mut (dyn FnMut(CheckStep) + Send)) -> Result<TestReport, Fault> {
        let mut steps = Vec::new();
        let mut note = |step: CheckStep| {
            steps.extend(ended(&step));
            tell(step);
        };
        let test = self.desk.test(&self.project, &self.checked, self.existing.as_ref(), self.now, &mut note);
        match tokio::time::timeout(TEST_TIME, test).await {
            Ok(()) => Ok(TestReport::of(steps)),
            Err(_) => Err(Fault::new(FaultKind::Timeout, "the destination did not answer in time")
                .hint("see whether it can be reached")),
        }
    }

    /// Makes the test while the stream is read; whoever stops reading ends it.
    fn told(self) -> impl Stream<Item = Message> {
        let (tell, mut told) = mpsc::channel(MESSAGES_MAX);
        let test = async move {
            let report = self.run(&mut |step| drop(tell.try_send(Message::Step(step)))).await;
            drop(tell.send(Message::End(report)).await);
        };
        let messages = stream::poll_fn(move |context| told.poll_recv(context));
        stream::select(messages, test.into_stream().filter_map(|()| future::ready(None)))
    }
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    accepted.flat_map(|accept| accept.split(',')).any(|range| range.split(';').next().map(str::trim) == Some(EVENTS))
}

/// How a step ended; `None` while it is being taken.
fn ended(step: &CheckStep) -> Option<TestStep> {
    let failure = match &step.state {
        CheckState::Begun => return None,
        CheckState::Passed => None,
        CheckState::Failed(said) => Some(said.clone()),
    };
    Some(TestStep { name: step.name.to_owned(), failure, note: step.note.map(str::to_owned) })
}

fn event(message: Message) -> Event {
    let (name, written) = match message {
        Message::Step(step) => match ended(&step) {
            Some(ended) => ("step", serde_json::to_string(&ended)),
            None => ("begun", serde_json::to_string(step.name)),
        },
        Message::End(Ok(report)) => ("report", serde_json::to_string(&report)),
        Message::End(Err(fault)) => ("problem", serde_json::to_string(&Problem::from(fault).body())),
    };
    Event::default().event(name).data(written.unwrap_or_else(|_| "null".to_owned()))
}
