//! Options of a PostHog project.

use std::sync::Arc;

use model::{ByteCount, Fault, FaultKind, Fields, KindDescriptor, Micros, Secret};
use schemars::JsonSchema;

use super::PostHog;
use super::api::Api;
use crate::analytics::{Bounds, Exchange};
use crate::fields::DestinationFields;
use crate::guard::Guard;
use crate::{EventsConnection, EventsKind};

pub(crate) const KIND: EventsKind = EventsKind { describe, connect };

const CREDENTIALS_HINT: &str = "check the project API key (it starts with phc_) and that the host is the region's";

/// Servers read requests of up to 20 MB, older ones of 2 MB; those say so, and requests are cut smaller then.
/// Five mebibytes are some four thousand events, and several such requests fit into 128 MiB with everything else.
const BOUNDS: Bounds = Bounds {
    events_default: 10_000,
    events_max: 50_000,
    bytes_default: ByteCount::mebibytes(5),
    bytes_max: ByteCount(19_000_000),
    // A larger message is dropped behind the endpoint that took it.
    event_bytes_max: ByteCount(1_000_000),
    in_flight_default: 3,
};

/// Options of a PostHog project.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "the schema is what is used: fields are read by the names in it")]
struct PostHogOptions {
    /// Address of the server: `https://us.i.posthog.com`, `https://eu.i.posthog.com` or your own.
    host: String,
    /// API key of the project, which starts with `phc_`. Else `POSTHOG_API_KEY`.
    api_key: Option<Secret>,
    /// How events are handed over: `batch`, which every server knows, or `v1`, whose answer says what became of each
    /// event. Default `batch`.
    api: Option<String>,
    /// Whether a server beyond this machine may be plain `http`.
    allow_http: bool,
    /// Most events in a request, up to 50000. Default 10000.
    request_events: Option<u32>,
    /// Most bytes of events in a request, before compression, such as `2MB`. Default 5 MiB.
    request_bytes: Option<String>,
    /// Requests that may wait for their answers at once, up to 16. Default 3.
    requests_in_flight: Option<u32>,
    /// Most events a second, all windows of an integration together that one process carries out; unbounded unless
    /// given.
    events_per_second: Option<u32>,
}

fn describe() -> KindDescriptor {
    KindDescriptor {
        name: "posthog",
        title: "PostHog",
        doc: "Sends events to a PostHog project. Their ids are derived from project and row, so sending one twice \
              does no harm.",
        schemes: &[],
        options: schemars::schema_for!(PostHogOptions).to_value(),
        secrets: &["api_key"],
    }
}

fn connect(fields: &mut Fields<'_>, guard: &Guard, now: fn() -> Micros) -> EventsConnection {
    let allow_http = fields.flag_or("allow_http", &[]);
    let host = fields.endpoint("host", &[], allow_http);
    let key = fields.secret_or("api_key", &["POSTHOG_API_KEY"]);
    let limits = BOUNDS.read(fields);
    let api = fields.text("api").unwrap_or_else(|| Api::NAMES[0].0.to_owned());
    let known = Api::NAMES.into_iter().find(|(name, _)| *name == api).map(|(_, known)| known);
    if known.is_none() {
        fields.problem("api", format!("{api:?} is no way to hand events over"), "write batch or v1");
    }
    if key.as_ref().is_some_and(|key| key.reveal().starts_with("phx_")) {
        fields.problem("api_key", "it is a personal key, which sends no events", "use the project's, phc_…");
    }
    fields.check()?;
    let Some(host) = host else {
        fields.problem("host", "it is not given", "write https://us.i.posthog.com or https://eu.i.posthog.com");
        return fields.check().and(Err(Fault::bug("a host that is not given has no problem")));
    };
    let Some(key) = key else {
        return Err(Fault::new(FaultKind::Credentials, "there is no API key for PostHog").hint(CREDENTIALS_HINT));
    };
    let Some(api) = known else { return Err(Fault::bug("an unknown way to hand events over has no problem")) };
    let mut url = host;
    url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), api.path()));
    let exchange = Exchange {
        name: "PostHog",
        client: guard.client()?,
        secrets: vec![key.clone()],
        credentials_hint: CREDENTIALS_HINT,
    };
    Ok(Arc::new(PostHog { guard: guard.clone(), exchange, api, url, key, now, limits }))
}
