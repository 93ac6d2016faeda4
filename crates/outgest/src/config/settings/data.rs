//! Settings of what is stored and read.

use std::num::NonZeroU32;

use model::RawOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::value::{Period, Place, SecretText, Size};

/// Where rows are read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SourceSettings {
    /// The store: another data directory, or the address of a ClickHouse that holds Langfuse's tables.
    ///
    /// `clickhouses://` speaks TLS. `clickhouse://` alone means the server that Langfuse's own exports read:
    /// `CLICKHOUSE_EVENTS_READ_ONLY_URL`, else `CLICKHOUSE_READ_ONLY_URL`, else `CLICKHOUSE_URL`. `--source` of a
    /// command names another one.
    #[schemars(example = "clickhouse://outgest@clickhouse.example.com:8123/langfuse")]
    #[schemars(extend("unset" = "the embedded store in the data directory"))]
    pub url: Option<Place>,
    /// Name that ClickHouse knows us by.
    #[schemars(example = &"outgest", extend("unset" = "default", "variables" = ["CLICKHOUSE_USER"]))]
    pub user: Option<String>,
    /// Password of that user.
    #[schemars(extend("unset" = "no password", "variables" = ["CLICKHOUSE_PASSWORD"]))]
    pub password: Option<SecretText>,
    /// Database that holds the tables.
    #[schemars(example = &"langfuse", extend("unset" = "default", "variables" = ["CLICKHOUSE_DB"]))]
    pub database: Option<String>,
    /// Whose comments exports and comment filters see: `own` are those of our metadata store, `none` are none.
    #[schemars(extend("unset" = "own for the embedded store, none for ClickHouse"))]
    pub comments: Option<CommentsOf>,
    /// Address of the tracing product that shows these rows: links in events for PostHog and Mixpanel begin with it.
    #[schemars(with = "Option<String>", example = "https://tracing.example.com")]
    #[schemars(extend("form" = "address", "flag" = "--base-url", "unset" = "events have no links"))]
    pub base_url: Option<Url>,
    /// Queries that run on ClickHouse at the same time, over all workers.
    ///
    /// Each worker has one at least, and may run one look-up beside its share.
    #[schemars(example = 4, extend("unset" = "4"))]
    pub queries_max: Option<NonZeroU32>,
    /// Threads that ClickHouse may use per query.
    #[schemars(example = 2, extend("unset" = "2"))]
    pub threads_max: Option<NonZeroU32>,
    /// Bytes that are read from ClickHouse per second.
    #[schemars(example = "50MiB", extend("unset" = "no limit"))]
    pub bytes_per_second: Option<Size>,
}

/// Whose comments are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommentsOf {
    /// Those of our metadata store.
    Own,
    /// None: comment filters are refused.
    None,
}

impl CommentsOf {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::None => "none",
        }
    }
}

impl SourceSettings {
    /// What links begin with, without a slash at its end.
    pub fn base_url(&self) -> Option<String> {
        self.base_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned())
    }

    /// What is set, under the names of a ClickHouse source's options.
    pub fn options(&self) -> RawOptions {
        let number = |value: Option<NonZeroU32>| value.map(|value| value.to_string());
        let options = [
            ("user", self.user.clone()),
            ("password", self.password.as_ref().map(|password| password.0.reveal().to_owned())),
            ("database", self.database.clone()),
            ("comments", self.comments.map(|comments| comments.as_str().to_owned())),
            ("queries_max", number(self.queries_max)),
            ("threads_max", number(self.threads_max)),
            ("bytes_per_second_max", self.bytes_per_second.map(|size| size.0.get().to_string())),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        RawOptions(given.collect())
    }
}

/// When stored things are removed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSettings {
    /// Age at which rows of the embedded store are removed.
    #[schemars(example = "90d", extend("unset" = "never"))]
    pub rows: Option<Period>,
    /// How long the embedded store keeps files that were merged into others or whose rows were removed.
    ///
    /// Whoever reads them keeps them for as long as that takes, so it matters in two cases: an export that was
    /// killed can be resumed within this time, and so long may take what reads a data directory that it
    /// cannot write to.
    pub replaced_files: Period,
    /// Age at which ended exports leave the list. Their files are deleted at `export.expiry` already.
    pub exports: Period,
    /// Age at which entries of the audit log are removed.
    #[schemars(example = "730d", extend("unset" = "never"))]
    pub audit: Option<Period>,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self { rows: None, replaced_files: Period::hours(1), exports: Period::hours(24 * 30), audit: None }
    }
}

/// The key that secrets in the metadata store are sealed with (AES-256-GCM).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SealSettings {
    /// 32 random bytes in base64, as `openssl rand -base64 32` prints them.
    ///
    /// Without it secrets cannot be read again: keep a copy where backups are not kept. Every process that
    /// shares a Postgres needs the same one.
    #[schemars(extend("unset" = "`seal.key` in the data directory, made at the first start"))]
    pub key: Option<SecretText>,
    /// Earlier keys, which still open what they sealed. Secrets are sealed anew when they are next saved.
    pub previous_keys: Vec<SecretText>,
}
