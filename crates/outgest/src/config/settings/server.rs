//! Settings of `outgest serve` towards its callers.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::value::{AllowedNetwork, Period, Size};

/// Who serves what, and where.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// Address and port that are listened on. `0.0.0.0:8080` listens on every interface.
    ///
    /// A process without the role `api` answers health and metrics there, and nothing else.
    #[schemars(with = "String", extend("flag" = "--listen", "form" = "address and port"))]
    pub listen: SocketAddr,
    /// The address under which people reach the server; links in mails start with it.
    #[schemars(with = "Option<String>", example = "https://exports.example.com")]
    #[schemars(extend("form" = "address", "flag" = "--public-url", "unset" = "`http://` and `server.listen`"))]
    pub public_url: Option<Url>,
    /// Proxies in front of the server, whose `X-Forwarded-For` says who calls. Failed sign-ins and calls without
    /// credentials are counted by that address, and the audit log names it; without this all callers behind a proxy
    /// count as one.
    #[schemars(example = ["10.20.0.0/16"])]
    pub trusted_proxies: Vec<AllowedNetwork>,
    /// What this process does: `api` answers requests, `schedule` turns due windows into jobs, `work`
    /// carries jobs out.
    #[schemars(extend("flag" = "--roles"))]
    pub roles: BTreeSet<Role>,
    /// How long running work may take to hand itself over when the process is asked to end.
    pub drain: Period,
    /// How long a sign-in lasts.
    pub session: Period,
    /// Largest body of a request, imports left out.
    pub body_bytes_max: Size,
    /// Largest body of an import.
    pub import_bytes_max: Size,
    /// Requests that one key or person may send per minute; the answer to more is 429.
    pub requests_per_minute: u32,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers requests.
    Api,
    /// Turns due windows into jobs.
    Schedule,
    /// Carries jobs out.
    Work,
}

impl ServerSettings {
    /// The start of every link, without a slash at its end.
    pub fn public_url(&self) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.listen),
        }
    }
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            // Nobody else's machine reaches a server that nobody has set up yet.
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            trusted_proxies: Vec::new(),
            roles: BTreeSet::from([Role::Api, Role::Schedule, Role::Work]),
            // Longer than a checkpoint takes, shorter than what supervisors wait before they kill.
            drain: Period::seconds(20),
            session: Period::hours(24 * 7),
            body_bytes_max: "1MiB".parse().expect("the size is well formed"),
            import_bytes_max: "1GiB".parse().expect("the size is well formed"),
            requests_per_minute: 6_000,
        }
    }
}
