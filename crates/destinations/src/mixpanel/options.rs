//! Options of a Mixpanel project.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{ByteCount, Fault, FaultKind, Fields, KindDescriptor, Micros, Secret};
use reqwest::header::HeaderValue;
use schemars::JsonSchema;
use url::Url;

use super::Mixpanel;
use crate::analytics::{Bounds, Exchange};
use crate::fields::DestinationFields;
use crate::guard::Guard;
use crate::{EventsConnection, EventsKind};

pub(crate) const KIND: EventsKind = EventsKind { describe, connect };

const CREDENTIALS_HINT: &str = "give the project's token, or service_account, service_account_secret and project_id; \
                                check that the region is the project's";

/// Where projects live, by what users call it.
const REGIONS: [(&str, &str); 3] =
    [("us", "https://api.mixpanel.com"), ("eu", "https://api-eu.mixpanel.com"), ("in", "https://api-in.mixpanel.com")];

/// Mixpanel reads 2,000 events and 10 MB at once, by older documents 2 MB; a server says so, and requests are
/// cut smaller then.
const BOUNDS: Bounds = Bounds {
    events_default: 1_000,
    events_max: 2_000,
    bytes_default: ByteCount(2_000_000),
    bytes_max: ByteCount(10_000_000),
    event_bytes_max: ByteCount(1_000_000),
    in_flight_default: 8,
};

/// Options of a Mixpanel project.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "the schema is what is used: fields are read by the names in it")]
struct MixpanelOptions {
    /// Where the project's data lives: `us`, `eu` or `in`. Default `us`.
    region: Option<String>,
    /// Address of a server instead of the region's.
    host: Option<String>,
    /// Token of the project. Else `MIXPANEL_PROJECT_TOKEN`.
    project_token: Option<Secret>,
    /// Name of a service account, instead of the token; it needs `project_id`.
    service_account: Option<String>,
    /// Secret of the service account. Else `MIXPANEL_SERVICE_ACCOUNT_SECRET`.
    service_account_secret: Option<Secret>,
    /// Number of the project, for a service account.
    project_id: Option<String>,
    /// Whether a server beyond this machine may be plain `http`.
    allow_http: bool,
    /// Most events in a request, up to 2000. Default 1000.
    request_events: Option<u32>,
    /// Most bytes of events in a request, before compression, such as `2MB`. Default 2 MB.
    request_bytes: Option<String>,
    /// Requests that may wait for their answers at once, up to 16. Default 8.
    requests_in_flight: Option<u32>,
    /// Most events a second, all windows of an integration together that one process carries out; unbounded unless
    /// given.
    events_per_second: Option<u32>,
}

fn describe() -> KindDescriptor {
    KindDescriptor {
        name: "mixpanel",
        title: "Mixpanel",
        doc: "Imports events into a Mixpanel project. Their ids are derived from project and row, so sending one \
              twice does no harm. Events that Mixpanel refuses are kept with its reason.",
        schemes: &[],
        options: schemars::schema_for!(MixpanelOptions).to_value(),
        secrets: &["project_token", "service_account_secret"],
    }
}

/// Who asks: a user and a password of HTTP, and the project that a service account means.
struct Credentials {
    user: String,
    password: Secret,
    project_id: Option<String>,
}

fn connect(fields: &mut Fields<'_>, guard: &Guard, _: fn() -> Micros) -> EventsConnection {
    let allow_http = fields.flag_or("allow_http", &[]);
    let region = fields.text("region");
    let host = fields.endpoint("host", &[], allow_http);
    let limits = BOUNDS.read(fields);
    let url = host.or_else(|| region_url(fields, region.as_deref()));
    let credentials = credentials(fields);
    fields.check()?;
    let Some(mut url) = url else { return Err(Fault::bug("a region without an address has no problem")) };
    let Some(Credentials { user, password, project_id }) = credentials else {
        let message = "there are no credentials for Mixpanel";
        return Err(Fault::new(FaultKind::Credentials, message).hint(CREDENTIALS_HINT));
    };
    url.set_path(&format!("{}/import", url.path().trim_end_matches('/')));
    url.query_pairs_mut().append_pair("strict", "1");
    if let Some(project_id) = &project_id {
        url.query_pairs_mut().append_pair("project_id", project_id);
    }
    let encoded = STANDARD.encode(format!("{user}:{}", password.reveal()));
    let mut authorization = HeaderValue::from_str(&format!("Basic {encoded}"))
        .map_err(|error| Fault::bug("credentials do not fit into a header").because(error))?;
    authorization.set_sensitive(true);
    // A token stands where the user's name would, and is as secret as a password.
    let name = if project_id.is_none() { vec![Secret::new(user)] } else { Vec::new() };
    let exchange = Exchange {
        name: "Mixpanel",
        client: guard.client()?,
        secrets: [vec![password, Secret::new(encoded)], name].concat(),
        credentials_hint: CREDENTIALS_HINT,
    };
    Ok(Arc::new(Mixpanel { guard: guard.clone(), exchange, url, authorization, limits }))
}

fn region_url(fields: &mut Fields<'_>, region: Option<&str>) -> Option<Url> {
    let region = region.unwrap_or(REGIONS[0].0);
    let found = REGIONS.iter().find(|(name, _)| *name == region);
    if found.is_none() {
        fields.problem("region", format!("{region:?} is no region"), "write us, eu or in");
    }
    found.and_then(|(_, address)| Url::parse(address).ok())
}

fn credentials(fields: &mut Fields<'_>) -> Option<Credentials> {
    let token = fields.secret_or("project_token", &[]);
    let account = fields.text("service_account");
    let secret = fields.secret_or("service_account_secret", &["MIXPANEL_SERVICE_ACCOUNT_SECRET"]);
    let project_id = fields.text("project_id");
    let Some(user) = account else {
        let token = token.or_else(|| fields.variable("MIXPANEL_PROJECT_TOKEN").map(Secret::new))?;
        return Some(Credentials { user: token.reveal().to_owned(), password: Secret::new(""), project_id: None });
    };
    if token.is_some() {
        fields.problem("project_token", "a service account is given as well", "give one of the two");
    }
    if user.contains(':') {
        fields.problem("service_account", "it holds a colon", "write the account's name alone");
    }
    if !project_id.as_deref().is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())) {
        fields.problem("project_id", "it is not the number of a project", "write the number of the project's settings");
    }
    if secret.is_none() {
        fields.problem("service_account_secret", "it is not given", "write the secret of the service account");
    }
    Some(Credentials { user, password: secret?, project_id })
}
