//! Settings of what the program tells about itself.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::value::{Place, SecretText};

/// Log lines, which go to stderr.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// Least severe lines that are printed: `error`, `warn`, `info` or `debug`.
    #[schemars(extend("flag" = "--log"))]
    pub level: LogLevel,
    /// `text` for people, `json` for collectors: one object per line.
    #[schemars(extend("flag" = "--log-format"))]
    pub format: LogForm,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: LogLevel::Warn, format: LogForm::Text }
    }
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// A person should look.
    Error,
    /// Something went wrong and was dealt with.
    Warn,
    /// What happens, in a few lines per export.
    Info,
    /// Everything.
    Debug,
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogForm {
    /// One line for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Figures for Prometheus at `/metrics`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// Whether `/metrics` answers.
    pub enabled: bool,
    /// Bearer token that a scraper must send.
    #[schemars(extend("unset" = "everybody who reaches the server may read"))]
    pub token: Option<SecretText>,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self { enabled: true, token: None }
    }
}

/// Traces for an OpenTelemetry collector, over HTTP with protobuf bodies.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpSettings {
    /// The collector's address; `/v1/traces` is added.
    #[schemars(example = "http://collector.example.com:4318", extend("unset" = "no traces"))]
    #[schemars(extend("variables" = ["OTEL_EXPORTER_OTLP_ENDPOINT"]))]
    pub endpoint: Option<Place>,
    /// Headers that are sent along, `name=value` separated by commas.
    #[schemars(extend("unset" = "none", "variables" = ["OTEL_EXPORTER_OTLP_HEADERS"]))]
    pub headers: Option<SecretText>,
}
