//! PostHog: events to `/batch/`, whose answer covers the whole request, or to the newer endpoint, which answers
//! for each event.
//!
//! `{"status":"Ok"}`, the answer of `/batch/`, says that PostHog took the events; it says no more, and anything else is
//! none of its answers. One event that it does not like makes it refuse the request, which the pipeline then bisects.
//! `sent_at` is not sent: it would move timestamps by the difference of the clocks, and a replay would no longer be
//! recognised; the newer endpoint is told to leave them alone.

mod api;
mod events;
mod fault;
mod options;
mod request;

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use model::{
    Answer, CheckStep, Dialect, EventDestination, EventEncoder, EventKind, EventRun, EventStream, Fault, Micros,
    RequestLimits, Secret,
};
use url::Url;

use self::api::{Api, text_of};
use self::events::PostHogEvents;
use self::request::Head;
use crate::analytics::{Exchange, Probe};
use crate::guard::Guard;

pub(crate) use self::options::KIND;

/// What a check cannot find out without leaving an event.
const KEY_NOT_TOLD: &str = "PostHog does not tell whether a project has this key: look for the first events there";

/// A PostHog project.
pub(crate) struct PostHog {
    guard: Guard,
    exchange: Exchange,
    api: Api,
    /// `<host>/batch/`
    url: Url,
    key: Secret,
    now: fn() -> Micros,
    limits: RequestLimits,
}

#[async_trait]
impl EventDestination for PostHog {
    fn limits(&self) -> RequestLimits {
        self.limits
    }

    async fn check(&self, report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault> {
        let probe = Probe { guard: &self.guard, exchange: &self.exchange, url: &self.url };
        probe.run(report).await?;
        // A request without events is refused as empty by whoever knows the way to read one, before its key is looked
        // at. Of keys only the form is; events with one that no project has are taken, and dropped behind the endpoint.
        let stream = EventStream {
            project: model::ProjectId::new("check"),
            kind: EventKind::Observation,
            dialect: Dialect::Event,
            historical: false,
        };
        let report = &mut |step: CheckStep| report(step.leaving_open(KEY_NOT_TOLD));
        probe.finish("request", report, async { self.send(&stream, &[]).await.map(drop) }).await
    }

    fn encoder(&self, stream: &EventStream, schema: &SchemaRef) -> Result<Arc<dyn EventEncoder>, Fault> {
        Ok(Arc::new(PostHogEvents::new(stream, schema, self.limits.event_bytes_max, self.api)?))
    }

    async fn send(&self, stream: &EventStream, events: &[EventRun]) -> Result<Answer, Fault> {
        let now = (self.now)();
        let (at, headers) = (text_of(now), self.api.headers(&self.key, events, now)?);
        let head = match self.api {
            Api::Batch => Head::Key(&self.key),
            Api::V1 => Head::CreatedAt(&at),
        };
        let body = request::body(head, stream.historical, events).await?;
        let reply = self.exchange.post(self.url.clone(), headers, body).await?;
        match self.api {
            Api::Batch => fault::read(&self.exchange, &reply),
            Api::V1 => fault::read_each(&self.exchange, &reply, events),
        }
    }
}

impl fmt::Display for PostHog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostHog at {}", self.url.origin().ascii_serialization())
    }
}

#[cfg(test)]
mod tests;
