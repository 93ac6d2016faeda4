//! PostHog: events to `/batch/`, whose answer covers the whole request.
//!
//! An answer of 200 says that PostHog took the events; it says no more. One event that it does not like
//! makes it refuse the request, which the pipeline then bisects. `sent_at` is not sent: it would move
//! timestamps by the difference of the clocks, and a replay would no longer be recognised.

mod events;
mod fault;
mod options;
mod request;

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use model::{
    Answer, CheckStep, Dialect, EventDestination, EventEncoder, EventKind, EventRun, EventStream, Fault, RequestLimits,
    Secret,
};
use url::Url;

use self::events::PostHogEvents;
use crate::analytics::{Exchange, Probe};
use crate::guard::Guard;

pub(crate) use self::options::KIND;

/// A PostHog project.
pub(crate) struct PostHog {
    guard: Guard,
    exchange: Exchange,
    /// `<host>/batch/`
    url: Url,
    key: Secret,
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
        // A request without events is refused as empty by whoever knows the way to read one.
        let stream = EventStream {
            project: model::ProjectId::new("check"),
            kind: EventKind::Observation,
            dialect: Dialect::Event,
            historical: false,
        };
        probe.finish("credentials", report, async { self.send(&stream, &[]).await.map(drop) }).await
    }

    fn encoder(&self, stream: &EventStream, schema: &SchemaRef) -> Result<Arc<dyn EventEncoder>, Fault> {
        Ok(Arc::new(PostHogEvents::new(stream, schema, self.limits.event_bytes_max)?))
    }

    async fn send(&self, stream: &EventStream, events: &[EventRun]) -> Result<Answer, Fault> {
        let body = request::body(&self.key, stream.historical, events).await?;
        let reply = self.exchange.post(self.url.clone(), None, body).await?;
        fault::read(&self.exchange, &reply)
    }
}

impl fmt::Display for PostHog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostHog at {}", self.url.origin().ascii_serialization())
    }
}

#[cfg(test)]
mod tests;
