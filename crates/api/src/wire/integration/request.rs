//! What somebody wants of an integration.
//!
//! The settings of a new one and of a change are the same fields of the body. They are read as a value of their own,
//! so that what is wrong in them is named by its path; `flatten` alone forgets where it is.

use std::collections::BTreeMap;

use model::{ByteCount, IntegrationAsk, Micros, RawSchedule, Secret};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::export::{Compression, Unicode};
use super::super::instant;
use super::super::rows::{Cursor, Filter};
use crate::problem::{Answer, Problem};

/// A new integration. A field that is not known is an error, not ignored.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, try_from = "Map<String, Value>")]
pub(crate) struct IntegrationRequest {
    /// Name for people.
    #[schema(max_length = 200)]
    name: String,
    /// Kind of the destination: one of `GET /api/v1/integration-kinds`.
    #[schema(example = "s3")]
    kind: String,
    /// Waits to be resumed before anything is exported.
    #[serde(default)]
    pub(crate) paused: bool,
    #[serde(flatten)]
    settings: Settings,
}

/// A change of an integration: what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, try_from = "Map<String, Value>")]
pub(crate) struct IntegrationChange {
    /// The version that the change was made from; another one by now is a conflict.
    pub(crate) version: u32,
    /// Name for people.
    #[serde(default)]
    #[schema(max_length = 200)]
    name: Option<String>,
    #[serde(flatten)]
    settings: Settings,
}

/// What goes where and when.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    /// Options of the kind without secrets, all of them.
    options: Option<BTreeMap<String, String>>,
    /// Secrets of the kind, by option. Those that are not given stay; null, or an empty text, takes one away.
    #[schema(value_type = Option<BTreeMap<String, Option<String>>>)]
    secrets: Option<BTreeMap<String, Option<SecretText>>>,
    /// Langfuse's name for a choice of tables, instead of `tables`.
    source: Option<Source>,
    /// Tables, in the order of the files. Events, traces and scores unless given.
    tables: Option<Vec<TableRequest>>,
    /// When windows end. Hourly in UTC unless given.
    schedule: Option<Schedule>,
    /// Timestamp that windows are measured on. `ingested` unless given: late and corrected rows fall into a later window.
    cursor: Option<Cursor>,
    /// Seconds between the end of a window and its export.
    #[schema(maximum = 604_800, default = 300)]
    lag_seconds: Option<u32>,
    /// Where the first window begins. Now unless given. It cannot be changed once a window is planned.
    start: Option<Start>,
    /// What becomes of rows that were deleted. They are counted unless given.
    deletions: Option<Deletions>,
    /// Windows of the past at the same time.
    #[schema(minimum = 1, maximum = 64, default = 4)]
    catch_up_max: Option<u32>,
    /// Format of files. Parquet unless given.
    #[schema(example = "parquet")]
    format: Option<String>,
    /// Compression of whole files.
    compression: Option<Compression>,
    /// What becomes of `\uXXXX` in text; the format's own rule where not given.
    unicode: Option<Unicode>,
    /// Neutralises what a spreadsheet would run as a formula.
    neutralise_formulas: Option<bool>,
    /// Writes the CSV header even where there is no row.
    csv_header_always: Option<bool>,
    /// A new file begins when one reaches this size; null for one file.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    roll_bytes: Option<Option<u64>>,
    /// Text that keys begin with, taken as it is.
    #[schema(example = "langfuse/")]
    prefix: Option<String>,
    /// How keys are made: `langfuse`, `hive`, or text with `{prefix}`, `{projectId}`, `{integrationId}`, `{table}`,
    /// `{date}`, `{hour}`, `{window}` and `{ext}`.
    #[schema(example = "langfuse")]
    template: Option<String>,
    /// Whether `event_ts`, by which readers tell versions of a row apart, is the last column. It is unless given.
    event_ts: Option<bool>,
    /// What a new column means.
    schema: Option<SchemaRule>,
}

/// A value that was given, null among them: in a change null takes away what absence leaves.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A secret on its way in.
#[derive(Deserialize)]
#[serde(transparent)]
struct SecretText(String);

/// One table of an integration.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TableRequest {
    /// Table.
    #[schema(example = "events")]
    table: String,
    /// Field groups, in order. All where neither these nor columns are given.
    #[serde(default)]
    groups: Vec<String>,
    /// Columns by name, in order, instead of groups.
    #[serde(default)]
    columns: Vec<String>,
    /// Filters that must all hold.
    #[serde(default)]
    #[schema(value_type = Vec<Filter>)]
    filter: Vec<Value>,
    /// Filters as text, which must hold too.
    #[serde(default, rename = "where")]
    wheres: Vec<String>,
    /// Mask rules, as on the command line.
    #[serde(default)]
    masks: Vec<String>,
}

/// Langfuse's names for choices of tables.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = IntegrationSource)]
enum Source {
    TracesObservations,
    TracesObservationsEvents,
    Events,
}

/// When windows end, aligned to the clock.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Schedule {
    /// How often.
    every: Every,
    /// Minutes of a window, from 1 to 1,440; with `minutes` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_440)]
    minutes: Option<u32>,
    /// Five fields: minute, hour, day of month, month, day of week; with `cron` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "30 6 * * 1-5")]
    expression: Option<String>,
    /// IANA time zone that hours, days and cron expressions are of. UTC unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Berlin")]
    zone: Option<String>,
}

/// How often windows end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Every {
    /// Every `minutes`.
    Minutes,
    /// At every full hour.
    Hour,
    /// When a day begins.
    Day,
    /// When a Monday begins.
    Week,
    /// When `expression` matches.
    Cron,
}

/// Where the first window begins.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Start {
    /// From when.
    from: StartFrom,
    /// With `date` alone: the first instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    at: Option<String>,
}

/// From when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum StartFrom {
    /// The first row that any of the tables has.
    History,
    /// When the integration is made.
    Now,
    /// `at`.
    Date,
}

/// What becomes of rows that were deleted.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Deletions {
    /// They are counted and left out.
    Count,
    /// They are rows whose `is_deleted` is true and whose payload is empty.
    Include,
}

/// What a column means that earlier files did not have. Scores are rows, and exported whatever their names are.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SchemaRule {
    /// It is exported, and the run says so.
    Follow,
    /// It is left out, and the run says so.
    Frozen,
}

impl TryFrom<Map<String, Value>> for IntegrationRequest {
    type Error = String;

    fn try_from(mut body: Map<String, Value>) -> Result<Self, String> {
        let name = needed(&mut body, "name")?;
        let kind = needed(&mut body, "kind")?;
        let paused = taken(&mut body, "paused")?.unwrap_or_default();
        Ok(Self { name, kind, paused, settings: located(Value::Object(body), None)? })
    }
}

impl TryFrom<Map<String, Value>> for IntegrationChange {
    type Error = String;

    fn try_from(mut body: Map<String, Value>) -> Result<Self, String> {
        let version = needed(&mut body, "version")?;
        let name = taken(&mut body, "name")?;
        Ok(Self { version, name, settings: located(Value::Object(body), None)? })
    }
}

/// Takes a field out of a body; `None` where it is not given or null.
fn taken<T: DeserializeOwned>(body: &mut Map<String, Value>, field: &str) -> Result<Option<T>, String> {
    body.remove(field).map_or(Ok(None), |value| located(value, Some(field)))
}

fn needed<T: DeserializeOwned>(body: &mut Map<String, Value>, field: &str) -> Result<T, String> {
    taken(body, field)?.ok_or_else(|| format!("{field}: it is missing"))
}

/// Reads a value; what is wrong begins with the path to it. Of secrets nothing is repeated.
fn located<T: DeserializeOwned>(value: Value, field: Option<&str>) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inside = Some(error.path().to_string()).filter(|path| path != ".");
        let path: Vec<&str> = field.into_iter().chain(inside.as_deref()).collect();
        let path = path.join(".");
        match path.strip_prefix("secrets") {
            _ if path.is_empty() => error.inner().to_string(),
            Some("") => format!("{path}: it has to be an object with the text of each secret, by option"),
            Some(rest) if rest.starts_with('.') => format!("{path}: it has to be a text"),
            _ => format!("{path}: {}", error.inner()),
        }
    })
}

impl IntegrationRequest {
    pub(crate) fn ask(self) -> Answer<IntegrationAsk> {
        Ok(IntegrationAsk { name: Some(self.name), kind: Some(self.kind), ..self.settings.ask()? })
    }
}

impl IntegrationChange {
    pub(crate) fn ask(self) -> Answer<IntegrationAsk> {
        Ok(IntegrationAsk { name: self.name, ..self.settings.ask()? })
    }
}

impl Settings {
    fn ask(self) -> Answer<IntegrationAsk> {
        let source = |source| match source {
            Source::TracesObservations => "TRACES_OBSERVATIONS",
            Source::TracesObservationsEvents => "TRACES_OBSERVATIONS_EVENTS",
            Source::Events => "EVENTS",
        };
        let tables = self.tables.map(|tables| tables.into_iter().map(TableRequest::into_model).collect());
        let text = |secret: Option<SecretText>| Secret::new(secret.map(|secret| secret.0).unwrap_or_default());
        let secrets = self.secrets.into_iter().flatten().map(|(name, secret)| (name, text(secret)));
        Ok(IntegrationAsk {
            name: None,
            kind: None,
            options: self.options,
            secrets: secrets.collect(),
            source: self.source.map(source).map(str::to_owned),
            tables,
            schedule: self.schedule.map(Schedule::into_model).transpose()?,
            cursor: self.cursor.map(Into::into),
            lag_seconds: self.lag_seconds,
            start: self.start.map(Start::into_model).transpose()?,
            deletions: self.deletions.map(Into::into),
            catch_up_max: self.catch_up_max,
            format: self.format,
            compression: self.compression.map(|compression| compression.as_str().to_owned()),
            unicode: self.unicode.map(|unicode| unicode.as_str().to_owned()),
            neutralise_formulas: self.neutralise_formulas,
            csv_header_always: self.csv_header_always,
            roll_bytes: self.roll_bytes.map(|bytes| bytes.map(ByteCount)),
            prefix: self.prefix,
            template: self.template,
            event_ts: self.event_ts,
            schema: self.schema.map(Into::into),
        })
    }
}

impl TableRequest {
    fn into_model(self) -> model::IntegrationTable {
        model::IntegrationTable {
            table: self.table,
            groups: self.groups,
            columns: self.columns,
            filter: if self.filter.is_empty() { Value::Null } else { Value::Array(self.filter) },
            wheres: self.wheres,
            masks: self.masks,
        }
    }
}

impl Schedule {
    pub(crate) fn into_model(self) -> Answer<RawSchedule> {
        let unused = |field, every| Problem::of_field(field, format!("it belongs to {every:?} alone, leave it out"));
        match self.every {
            Every::Minutes if self.minutes.is_none() => {
                return Err(Problem::of_field("schedule.minutes", "it is missing"));
            }
            Every::Cron if self.expression.is_none() => {
                return Err(Problem::of_field("schedule.expression", "it is missing"));
            }
            _ => {}
        }
        if self.minutes.is_some() && self.every != Every::Minutes {
            return Err(unused("schedule.minutes", "minutes"));
        }
        if self.expression.is_some() && self.every != Every::Cron {
            return Err(unused("schedule.expression", "cron"));
        }
        let cadence = match self.every {
            Every::Minutes => model::Cadence::Minutes { minutes: self.minutes.unwrap_or_default() },
            Every::Hour => model::Cadence::Hour,
            Every::Day => model::Cadence::Day,
            Every::Week => model::Cadence::Week,
            Every::Cron => model::Cadence::Cron { expression: self.expression.unwrap_or_default() },
        };
        Ok(RawSchedule { cadence, zone: self.zone.unwrap_or_else(|| "UTC".to_owned()) })
    }
}

impl From<RawSchedule> for Schedule {
    fn from(raw: RawSchedule) -> Self {
        let (every, minutes, expression) = match raw.cadence {
            model::Cadence::Minutes { minutes } => (Every::Minutes, Some(minutes), None),
            model::Cadence::Hour => (Every::Hour, None, None),
            model::Cadence::Day => (Every::Day, None, None),
            model::Cadence::Week => (Every::Week, None, None),
            model::Cadence::Cron { expression } => (Every::Cron, None, Some(expression)),
        };
        Self { every, minutes, expression, zone: Some(raw.zone) }
    }
}

impl Start {
    fn into_model(self) -> Answer<model::Start> {
        let date = |text: &str| {
            Micros::parse_text(text).ok_or_else(|| Problem::of_field("start.at", format!("{text:?} is not a time")))
        };
        match (self.from, self.at) {
            (StartFrom::Date, Some(at)) => Ok(model::Start::Date { at: date(&at)? }),
            (StartFrom::Date, None) => Err(Problem::of_field("start.at", "it is missing")),
            (_, Some(_)) => Err(Problem::of_field("start.at", "it belongs to \"date\" alone, leave it out")),
            (StartFrom::History, None) => Ok(model::Start::History),
            (StartFrom::Now, None) => Ok(model::Start::Now),
        }
    }
}

impl From<model::Start> for Start {
    fn from(start: model::Start) -> Self {
        match start {
            model::Start::History => Self { from: StartFrom::History, at: None },
            model::Start::Now => Self { from: StartFrom::Now, at: None },
            model::Start::Date { at } => Self { from: StartFrom::Date, at: Some(instant(at)) },
        }
    }
}

impl From<Deletions> for model::Deletions {
    fn from(deletions: Deletions) -> Self {
        match deletions {
            Deletions::Count => Self::Count,
            Deletions::Include => Self::Include,
        }
    }
}

impl From<model::Deletions> for Deletions {
    fn from(deletions: model::Deletions) -> Self {
        match deletions {
            model::Deletions::Count => Self::Count,
            model::Deletions::Include => Self::Include,
        }
    }
}

impl From<SchemaRule> for model::SchemaRule {
    fn from(rule: SchemaRule) -> Self {
        match rule {
            SchemaRule::Follow => Self::Follow,
            SchemaRule::Frozen => Self::Frozen,
        }
    }
}

impl From<model::SchemaRule> for SchemaRule {
    fn from(rule: model::SchemaRule) -> Self {
        match rule {
            model::SchemaRule::Follow => Self::Follow,
            model::SchemaRule::Frozen => Self::Frozen,
        }
    }
}
