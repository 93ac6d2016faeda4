//! Rows that are counted instead of shown: by value of a column, and over time.

use model::{FacetAsk, HistogramAsk};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::instant;
use super::rows::{Bound, RowsRequest};
use crate::problem::{Answer, Problem};

/// Values of a column to be counted.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FacetsRequest {
    /// Of these rows; all where not given. Columns, limit and cursor in it have no use here and are refused.
    #[serde(default)]
    rows: Option<RowsRequest>,
    /// Id of a filter column.
    #[schema(example = "name")]
    column: String,
    /// Values under this key, for columns that have keys. Without it the keys are counted.
    #[serde(default)]
    key: Option<String>,
    /// Only values that contain this text, ignoring case.
    #[serde(default)]
    contains: Option<String>,
    /// At most so many values, the most frequent ones.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// Values that one call counts at most: more than a list of suggestions shows.
const FACET_VALUES_MAX: u32 = 1_000;

/// Bars of a histogram at most: one per pixel of a wide screen.
const BARS_MAX: u32 = 2_000;

impl FacetsRequest {
    pub(crate) fn into_ask(self, table: String) -> Answer<FacetAsk> {
        let values_max = bounded("limit", self.limit, 50, FACET_VALUES_MAX)?;
        let rows = self.rows.unwrap_or_default().into_counted(table)?;
        Ok(FacetAsk { rows, column: self.column, key: self.key, contains: self.contains, values_max })
    }
}

fn bounded(field: &str, asked: Option<u32>, usual: u32, most: u32) -> Answer<u32> {
    let number = asked.unwrap_or(usual);
    if (1..=most).contains(&number) {
        return Ok(number);
    }
    Err(Problem::of_field(field, format!("{number} is not between 1 and {most}")))
}

/// Values of a column.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facets {
    /// Values, most frequent first.
    values: Vec<FacetValue>,
    /// Whether there are more values.
    more: bool,
    /// Rows that were looked at.
    rows: u64,
    /// The bound that ended the count before every row was seen; the newest rows were.
    #[schema(required)]
    stopped: Option<Bound>,
}

/// A value and its count.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FacetValue {
    /// The value as a filter would name it.
    value: String,
    /// Rows that have it.
    rows: u64,
}

impl From<model::Facets> for Facets {
    fn from(facets: model::Facets) -> Self {
        let value = |found: model::FacetValue| FacetValue { value: found.value, rows: found.rows.get() };
        Self {
            values: facets.values.into_iter().map(value).collect(),
            more: facets.more,
            rows: facets.rows.get(),
            stopped: facets.stopped.map(Into::into),
        }
    }
}

/// Rows to be counted over time.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HistogramRequest {
    /// Of these rows; all where not given. Columns, limit and cursor in it have no use here and are refused.
    #[serde(default)]
    rows: Option<RowsRequest>,
    /// At most so many bars.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 2000, default = 100)]
    bars: Option<u32>,
}

impl HistogramRequest {
    pub(crate) fn into_ask(self, table: String) -> Answer<HistogramAsk> {
        let bars_max = bounded("bars", self.bars, 100, BARS_MAX)?;
        Ok(HistogramAsk { rows: self.rows.unwrap_or_default().into_counted(table)?, bars_max })
    }
}

/// Rows by start time.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Histogram {
    /// Width of a bar.
    step_seconds: f64,
    /// Bars that are not empty, oldest first.
    bars: Vec<HistogramBar>,
    /// The bound that ended the count before every row was seen.
    #[schema(required)]
    stopped: Option<Bound>,
    /// Bars from this instant on are complete; null where all are.
    #[schema(required, format = DateTime)]
    complete_from: Option<String>,
}

/// One bar.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HistogramBar {
    /// Its first instant.
    #[schema(format = DateTime)]
    from: String,
    /// Rows that start in it.
    rows: u64,
}

impl From<model::Histogram> for Histogram {
    fn from(histogram: model::Histogram) -> Self {
        let bar = |bar: model::HistogramBar| HistogramBar { from: instant(bar.from), rows: bar.rows.get() };
        Self {
            step_seconds: histogram.step.as_secs_f64(),
            bars: histogram.bars.into_iter().map(bar).collect(),
            stopped: histogram.stopped.map(Into::into),
            complete_from: histogram.complete_from.map(instant),
        }
    }
}
