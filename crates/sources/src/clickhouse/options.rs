//! What `--source clickhouse://…` can say, as a valid value.
//!
//! Every problem is reported at once, and no message repeats a secret. What the address leaves out
//! comes from the variables of a Langfuse deployment, read through the function that is handed in.
//! Nothing is connected here.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use model::{ByteCount, Fault, FieldProblem, Fields, KindDescriptor, RawOptions, Secret};
use schemars::JsonSchema;
use url::Url;

/// Scheme without and with TLS.
const SCHEMES: &[&str] = &["clickhouse", "clickhouses"];
/// The HTTP port of a server, without and with TLS, unless configured otherwise.
const PORT: u16 = 8123;
const PORT_TLS: u16 = 8443;

/// Where Langfuse's own exports read, most specific first: replicas that are kept for reading.
const URL_VARIABLES: &[&str] = &["CLICKHOUSE_EVENTS_READ_ONLY_URL", "CLICKHOUSE_READ_ONLY_URL", "CLICKHOUSE_URL"];

/// Options of a ClickHouse source, for forms and documentation.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "the schema is what is used: fields are read by the names in it")]
struct Documented {
    /// Database. Else the address's, else `CLICKHOUSE_DB`, else `default`.
    database: Option<String>,
    /// User. Else the address's, else `CLICKHOUSE_USER`, else `default`.
    user: Option<String>,
    /// Password. Else the address's, else `CLICKHOUSE_PASSWORD`.
    password: Option<Secret>,
    /// Cluster whose shards hold the tables; they are then read through `cluster()`. Else
    /// `CLICKHOUSE_CLUSTER_NAME` where `CLICKHOUSE_CLUSTER_ENABLED` is `true`.
    cluster: Option<String>,
    /// Layout of the tables that are read: `v4` (`events_full`), `v3` (`observations`, `traces`), or `auto`, the
    /// newest that holds rows. Default `auto`.
    layout: Option<String>,
    /// Compression on the wire: `none`, `zstd`, or `auto`, which is none for this machine and private
    /// networks and zstd otherwise. Default `auto`.
    compression: Option<String>,
    /// File with certificates (PEM) that are trusted besides the system's, for `clickhouses://`.
    ca: Option<String>,
    /// Queries that run at the same time, over all workers. Each has one at least, and may run one look-up beside its
    /// share. Default 4.
    queries_max: Option<u32>,
    /// Threads the server may use for one query. Default 2.
    threads_max: Option<u32>,
    /// Rank of our queries among those that have one: greater yields to smaller. Default none.
    priority: Option<u32>,
    /// Bytes that are received in a second at most, over all exports of all workers: `50MB`. Default none.
    bytes_per_second_max: Option<String>,
    /// Memory the server may use for one query: `1GiB`. A slice that needs more is halved. Default 2 GiB.
    memory_bytes_max: Option<String>,
    /// Seconds one query may take. A slice that needs more is halved. Default 600.
    seconds_max: Option<u64>,
    /// Seconds without a byte after which the server is asked whether the query makes progress; without
    /// progress for as long the query is given up. Default 20.
    silence_seconds_max: Option<u64>,
    /// Where comments on the rows come from: `none`, or `own` for the comments in the data directory.
    /// Default `none`.
    comments: Option<String>,
}

/// Valid options of a ClickHouse source.
#[derive(Clone, Debug)]
pub struct ClickHouseOptions {
    /// Whether TLS is spoken.
    pub(crate) tls: bool,
    /// Name or address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path in front of the server's, such as `/clickhouse`; empty in most deployments.
    pub(crate) path: String,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) password: Secret,
    pub(crate) cluster: Option<String>,
    /// The layout that is read; `None` for the newest that holds rows.
    pub(crate) layout: Option<&'static str>,
    pub(crate) compression: WireCompression,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) queries_max: usize,
    pub(crate) threads_max: u32,
    pub(crate) priority: Option<u32>,
    pub(crate) bytes_per_second_max: Option<ByteCount>,
    pub(crate) memory_bytes_max: ByteCount,
    pub(crate) time_max: Duration,
    pub(crate) silence_max: Duration,
    /// Where comments come from.
    pub comments: CommentsFrom,
}

/// Compression of answers on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireCompression {
    /// None where the server's address is private, else zstd.
    Auto,
    None,
    Zstd,
}

/// Where comments on the rows of a bare ClickHouse come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommentsFrom {
    /// There are none: a filter on them cannot be honoured.
    None,
    /// The metadata store in the data directory.
    Own,
}

impl ClickHouseOptions {
    /// Whether `address` is one of this kind.
    pub fn recognises(address: &str) -> bool {
        address.split_once("://").is_some_and(|(scheme, _)| SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()))
    }

    /// Reads an address such as `clickhouse://user:password@host:8123/database?threads_max=4`. What it does
    /// not say is taken from `defaults`, then from the environment; `clickhouse://` alone says nothing.
    pub fn read(
        address: &str,
        defaults: &RawOptions,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Fault> {
        let place = Place::parse(address, environment)?;
        // The address decides where both say something.
        let mut defaults = defaults.clone();
        defaults.0.retain(|name, _| !place.query.iter().any(|(given, _)| given == name));
        let mut fields = Fields::new(&descriptor(), &place.query, &defaults, environment);
        let mut named = |place: Option<String>, name, variable| {
            let option = fields.text(name);
            place.or(option).or_else(|| fields.variable(variable))
        };
        let user = named(place.user, "user", "CLICKHOUSE_USER");
        let password = named(place.password, "password", "CLICKHOUSE_PASSWORD");
        let database = named(place.database, "database", "CLICKHOUSE_DB");
        let cluster = fields.text("cluster").or_else(|| {
            let enabled = fields.variable("CLICKHOUSE_CLUSTER_ENABLED").is_some_and(|enabled| enabled == "true");
            if enabled { fields.variable("CLICKHOUSE_CLUSTER_NAME") } else { None }
        });
        let layout = match fields.text("layout").as_deref() {
            None | Some("auto") => None,
            Some("v3") => Some("v3"),
            Some("v4") => Some("v4"),
            Some(other) => {
                fields.problem("layout", format!("{other:?} is not known"), "write auto, v3 or v4");
                None
            }
        };
        let compression = match fields.text("compression").as_deref() {
            None | Some("auto") => WireCompression::Auto,
            Some("none") => WireCompression::None,
            Some("zstd") => WireCompression::Zstd,
            Some(other) => {
                fields.problem("compression", format!("{other:?} is not known"), "write auto, none or zstd");
                WireCompression::Auto
            }
        };
        let comments = match fields.text("comments").as_deref() {
            None | Some("none") => CommentsFrom::None,
            Some("own") => CommentsFrom::Own,
            Some(other) => {
                fields.problem("comments", format!("{other:?} is not known"), "write none or own");
                CommentsFrom::None
            }
        };
        let read = Self {
            tls: place.tls,
            host: place.host,
            port: place.port,
            path: place.path,
            database: database.unwrap_or_else(|| "default".to_owned()),
            user: user.unwrap_or_else(|| "default".to_owned()),
            password: Secret::new(password.unwrap_or_default()),
            cluster,
            layout,
            compression,
            ca: fields.text("ca").map(PathBuf::from),
            // Four streams keep one exporter busy; two threads each leave the server to its own users.
            queries_max: fields.number("queries_max", 1..=64).unwrap_or(4) as usize,
            threads_max: fields.number("threads_max", 1..=256).unwrap_or(2),
            priority: fields.number("priority", 1..=1_000_000),
            bytes_per_second_max: fields.bytes("bytes_per_second_max"),
            // Four such queries fit into a small server; a slice is planned for a hundredth of it.
            memory_bytes_max: fields.bytes("memory_bytes_max").unwrap_or(ByteCount::mebibytes(2048)),
            // A slice takes seconds; what takes ten minutes is a server in trouble or a slice to halve.
            time_max: Duration::from_secs(fields.number("seconds_max", 1..=86_400).unwrap_or(600).into()),
            silence_max: Duration::from_secs(fields.number("silence_seconds_max", 1..=3_600).unwrap_or(20).into()),
            comments,
        };
        fields.check()?;
        Ok(read)
    }

    /// The address of the server's HTTP interface.
    pub(crate) fn endpoint(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:{}{}/", self.host, self.port, self.path)
    }

    /// What limits are shared by: the server as this user sees it.
    pub(crate) fn identity(&self) -> String {
        format!("{}@{}:{}{}", self.user, self.host, self.port, self.path)
    }
}

/// The address without user, password and options.
impl fmt::Display for ClickHouseOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { SCHEMES[1] } else { SCHEMES[0] };
        write!(f, "{scheme}://{}:{}{}/{}", self.host, self.port, self.path, self.database)
    }
}

/// How the kind introduces itself.
pub fn descriptor() -> KindDescriptor {
    KindDescriptor {
        name: "clickhouse",
        title: "ClickHouse",
        doc: "The tables of a Langfuse deployment, read over HTTP: clickhouse://user:password@host:8123/database, \
              clickhouses:// with TLS. A user that may only read is enough.",
        schemes: SCHEMES,
        options: schemars::schema_for!(Documented).to_value(),
        secrets: &["password"],
    }
}

/// What the address itself names.
struct Place {
    tls: bool,
    host: String,
    port: u16,
    path: String,
    database: Option<String>,
    user: Option<String>,
    password: Option<String>,
    query: Vec<(String, String)>,
}

impl Place {
    fn parse(address: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        let (scheme, rest) = address.split_once("://").ok_or_else(not_an_address)?;
        let scheme = scheme.to_ascii_lowercase();
        if rest.is_empty() || rest.starts_with('?') {
            return Self::of_environment(&scheme, rest, environment);
        }
        let url = Url::parse(address).map_err(|_| not_an_address())?;
        let tls = scheme == SCHEMES[1];
        let port = url.port().unwrap_or(if tls { PORT_TLS } else { PORT });
        let mut place = Self::of_url(&url, tls, port)?;
        let path = url.path().trim_matches('/');
        if path.contains('/') {
            return Err(Fault::bad_request("--source: the address has more behind the host than the database")
                .hint("write clickhouse://host:8123/database"));
        }
        place.database = Some(decoded(path)).filter(|database| !database.is_empty());
        place.path = String::new();
        Ok(place)
    }

    /// The server that Langfuse itself reads from.
    fn of_environment(scheme: &str, query: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, Fault> {
        let found = URL_VARIABLES.iter().find_map(|name| environment(name).map(|value| (*name, value)));
        let Some((name, value)) = found else {
            return Err(Fault::bad_request("--source: the address names no host, and CLICKHOUSE_URL is not set")
                .hint("write clickhouse://user:password@host:8123/database, or set CLICKHOUSE_URL"));
        };
        let url = Url::parse(value.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| {
            FieldProblem::new(name, "it is not an http or https address").hint("write http://host:8123")
        });
        let url = url.map_err(|problem| Fault::of_problems(vec![problem]))?;
        let tls = url.scheme() == "https" || scheme == SCHEMES[1];
        // An address of the web: without a port it means the web's own.
        let port = url.port_or_known_default().unwrap_or(PORT);
        let mut place = Self::of_url(&url, tls, port)?;
        place.query = pairs(query.strip_prefix('?').unwrap_or_default());
        Ok(place)
    }

    fn of_url(url: &Url, tls: bool, port: u16) -> Result<Self, Fault> {
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(not_an_address)?;
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            path: url.path().trim_end_matches('/').to_owned(),
            database: None,
            user: Some(decoded(url.username())).filter(|user| !user.is_empty()),
            password: url.password().map(decoded),
            query: pairs(url.query().unwrap_or_default()),
        })
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Text behind percent escapes.
fn decoded(text: &str) -> String {
    // A plus is itself here, other than in a form.
    let escaped = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(escaped.as_bytes()).map(|(name, _)| name.into_owned()).next().unwrap_or_default()
}

/// The value is not repeated: it may hold a password.
fn not_an_address() -> Fault {
    Fault::bad_request("--source: this is not the address of a ClickHouse server")
        .hint("write clickhouse://user:password@host:8123/database, with %40 for @ in a password")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str, environment: &[(&str, &str)]) -> Result<ClickHouseOptions, Fault> {
        let lookup =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        ClickHouseOptions::read(address, &RawOptions::default(), &lookup)
    }

    #[test]
    fn an_address_names_server_user_and_database() {
        let options = read("clickhouse://u%40x:p%3Aa%2B+s@ch.example.com:9999/lang%20fuse?threads_max=3", &[]).unwrap();
        assert_eq!(options.endpoint(), "http://ch.example.com:9999/");
        assert_eq!((options.user.as_str(), options.password.reveal()), ("u@x", "p:a++s"));
        assert_eq!((options.database.as_str(), options.threads_max), ("lang fuse", 3));
        assert_eq!(options.to_string(), "clickhouse://ch.example.com:9999/lang fuse");
    }

    #[test]
    fn ports_have_defaults_and_the_webs_own_can_be_written() {
        for (address, endpoint) in [
            ("clickhouse://h", "http://h:8123/"),
            ("clickhouses://h", "https://h:8443/"),
            ("clickhouse://h:80/x", "http://h:80/"),
            ("clickhouses://u:p:80@h:443/x", "https://h:443/"),
            ("clickhouse://[::1]", "http://[::1]:8123/"),
            ("clickhouse://[::1]:80", "http://[::1]:80/"),
        ] {
            assert_eq!(read(address, &[]).map(|options| options.endpoint()).unwrap_or_default(), endpoint, "{address}");
        }
    }

    #[test]
    fn what_the_address_leaves_out_comes_from_the_deployments_variables() {
        let environment = [
            ("CLICKHOUSE_URL", "http://primary:8123"),
            ("CLICKHOUSE_READ_ONLY_URL", "https://replica:8443/ch"),
            ("CLICKHOUSE_USER", "lf"),
            ("CLICKHOUSE_PASSWORD", "hunter2"),
            ("CLICKHOUSE_DB", "langfuse"),
            ("CLICKHOUSE_CLUSTER_ENABLED", "true"),
            ("CLICKHOUSE_CLUSTER_NAME", "main"),
        ];
        let options = read("clickhouse://?queries_max=2", &environment).unwrap();
        assert_eq!(options.endpoint(), "https://replica:8443/ch/");
        assert_eq!((options.user.as_str(), options.password.reveal()), ("lf", "hunter2"));
        assert_eq!((options.database.as_str(), options.queries_max), ("langfuse", 2));
        assert_eq!(options.cluster.as_deref(), Some("main"));

        // Of several the one that is kept for events, then the one that is kept for reading.
        for (events, reading, expected) in [
            (Some("http://events"), Some("http://replica"), "http://events:80/"),
            (None, Some("http://replica"), "http://replica:80/"),
            (Some("http://events"), None, "http://events:80/"),
            (None, None, "http://primary:8123/"),
        ] {
            let mut variables = vec![("CLICKHOUSE_URL", "http://primary:8123")];
            variables.extend(events.map(|url| ("CLICKHOUSE_EVENTS_READ_ONLY_URL", url)));
            variables.extend(reading.map(|url| ("CLICKHOUSE_READ_ONLY_URL", url)));
            assert_eq!(read("clickhouse://", &variables).unwrap().endpoint(), expected);
        }

        let options = read("clickhouse://other@host/db", &environment).unwrap();
        assert_eq!((options.user.as_str(), options.database.as_str(), options.host.as_str()), ("other", "db", "host"));
    }

    #[test]
    fn problems_are_told_together_without_secrets() {
        let fault =
            read("clickhouse://u:hunter2@h/d?thread_max=2&compression=gzip&layout=v5&queries_max=0", &[]).unwrap_err();
        let told = fault.to_string();
        for part in ["thread_max", "compression", "layout", "queries_max"] {
            assert!(told.contains(part), "{told}");
        }
        assert!(fault.public_hint().is_some_and(|hint| hint.contains("threads_max")));
        for bad in
            ["clickhouse://", "clickhouse://u:hunter2@", "clickhouse://u:hunter2@h/a/b", "clickhouse://u:hunter2@:x"]
        {
            let fault = read(bad, &[]).unwrap_err();
            assert!(!format!("{fault:?}").contains("hunter2"), "{fault:?}");
        }
        let options = read("clickhouse://u:hunter2@h/d", &[]).unwrap();
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
