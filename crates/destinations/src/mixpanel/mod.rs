//! Mixpanel: events to `/import`, whose answer names the events it did not take.
//!
//! `strict=1` makes Mixpanel check every event and say which ones it refused; the others are stored. It tells
//! events apart by `$insert_id`, name, time and `distinct_id`, which depend on the row alone.

mod events;
mod fault;
mod options;
mod request;

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use model::{Answer, CheckStep, EventDestination, EventEncoder, EventRun, EventStream, Fault, RequestLimits};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use url::Url;

use self::events::MixpanelEvents;
use crate::analytics::{Exchange, Probe};
use crate::guard::Guard;

pub(crate) use self::options::KIND;

/// A Mixpanel project.
pub(crate) struct Mixpanel {
    guard: Guard,
    exchange: Exchange,
    /// `<host>/import?strict=1`
    url: Url,
    authorization: HeaderValue,
    limits: RequestLimits,
}

#[async_trait]
impl EventDestination for Mixpanel {
    fn limits(&self) -> RequestLimits {
        self.limits
    }

    async fn check(&self, report: &mut (dyn FnMut(CheckStep) + Send)) -> Result<(), Fault> {
        let probe = Probe { guard: &self.guard, exchange: &self.exchange, url: &self.url };
        probe.run(report).await?;
        probe.finish("dry event", report, self.send_dry_event()).await
    }

    fn encoder(&self, stream: &EventStream, schema: &SchemaRef) -> Result<Arc<dyn EventEncoder>, Fault> {
        Ok(Arc::new(MixpanelEvents::new(stream, schema, self.limits.event_bytes_max)?))
    }

    async fn send(&self, _stream: &EventStream, events: &[EventRun]) -> Result<Answer, Fault> {
        let body = request::body(events).await?;
        let reply = self.exchange.post(self.url.clone(), self.headers(), body).await?;
        fault::read(&self.exchange, &reply, events)
    }
}

impl Mixpanel {
    fn headers(&self) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, self.authorization.clone())])
    }

    /// Sends an event without time and id, which Mixpanel reads, checks and does not store.
    async fn send_dry_event(&self) -> Result<(), Fault> {
        let body = request::dry().await?;
        let reply = self.exchange.post(self.url.clone(), self.headers(), body).await?;
        fault::read(&self.exchange, &reply, &[]).map(drop)
    }
}

impl fmt::Display for Mixpanel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mixpanel at {}", self.url.origin().ascii_serialization())
    }
}

#[cfg(test)]
mod tests;
