//! Models, of which the metadata store keeps the prices.
//!
//! Rows are those of Langfuse's models API or of a table `models` with its prices. Prices are those of
//! the default tier, per unit; of all usage types `input`, `output` and `total` are kept, because no
//! export shows others.

use std::borrow::Cow;
use std::collections::BTreeMap;

use model::{ColumnType, ModelPrices, ProjectId};
use serde_json::value::RawValue;

use super::json::text;
use super::problem::Problem;
use crate::rows::{decimal, syntax_problem};

/// Models handed over at once.
pub(super) const MODELS_AT_ONCE: usize = 1_000;

/// The prices of a model to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewModel {
    /// Its project; every project's where `None`.
    pub project: Option<ProjectId>,
    /// What it costs.
    pub prices: ModelPrices,
}

/// The values of a row by name, as they are written.
type Cells<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// What else a model has, none of which an export needs.
const UNNEEDED: &[&str] = &[
    "created_at",
    "createdAt",
    "isLangfuseManaged",
    "match_pattern",
    "matchPattern",
    "model_name",
    "modelName",
    "pricingTiers",
    "start_date",
    "startDate",
    "tokenizer_config",
    "tokenizer_id",
    "tokenizerConfig",
    "tokenizerId",
    "unit",
    "updated_at",
    "updatedAt",
];

/// Whether a row with these names is a model.
pub(super) fn fit(names: &[String]) -> bool {
    names.iter().any(|name| matches!(name.as_str(), "prices" | "input_price" | "inputPrice"))
}

/// Reads one model; `project` is its project where it names none.
pub(super) fn read(bytes: &[u8], project: Option<&ProjectId>) -> Result<NewModel, Problem> {
    let mut row: Cells<'_> =
        serde_json::from_str(text(bytes)?).map_err(|error| Problem::of_row(syntax_problem(&error)))?;
    row.retain(|name, _| !UNNEEDED.contains(&&**name));
    let model_id = words(&mut row, &["id"])?.ok_or_else(|| Problem::of_column("id", "the model has none"))?;
    let project = match (words(&mut row, &["project_id", "projectId"])?, project) {
        (Some(given), Some(project)) if given != project.as_str() => {
            return Err(Problem::of_foreign_row("project_id", &given, project.as_str()));
        }
        (Some(given), _) => Some(ProjectId::new(given)),
        (None, project) => project.cloned(),
    };
    let tier: Option<Cells<'_>> = match row.remove("prices") {
        None => None,
        Some(prices) => serde_json::from_str(prices.get())
            .map_err(|_| Problem::of_column("prices", "expected an object").value(prices.get()))?,
    };
    let mut price = |usage: &str, names: &[&str]| {
        let single = take(&mut row, names);
        let written = match &tier {
            Some(tier) => tier.get(usage).copied(),
            None => single,
        };
        written.map_or(Ok(None), |written| price(names[0], written))
    };
    let prices = ModelPrices {
        input: price("input", &["input_price", "inputPrice"])?,
        output: price("output", &["output_price", "outputPrice"])?,
        total: price("total", &["total_price", "totalPrice"])?,
        model_id,
    };
    match row.keys().next() {
        Some(name) => Err(Problem::of_column(name, "no model has this column")),
        None => Ok(NewModel { project, prices }),
    }
}

/// The value under the first of these names.
fn take<'a>(row: &mut Cells<'a>, names: &[&str]) -> Option<&'a RawValue> {
    names.iter().filter_map(|name| row.remove(*name)).next()
}

/// A text that is neither null nor empty.
fn words(row: &mut Cells<'_>, names: &[&str]) -> Result<Option<String>, Problem> {
    let Some(value) = take(row, names) else { return Ok(None) };
    let text: Option<String> = serde_json::from_str(value.get())
        .map_err(|_| Problem::of_column(names[0], "expected a text").value(value.get()))?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// A price as it is stored, exact.
fn price(column: &str, value: &RawValue) -> Result<Option<i128>, Problem> {
    // By itself, or in an object: `{"price":0.5}`.
    let written = match serde_json::from_str::<Cells<'_>>(value.get()) {
        Ok(cells) => cells.get("price").copied().unwrap_or(value),
        Err(_) => value,
    };
    if written.get() == "null" {
        return Ok(None);
    }
    let ColumnType::Decimal { scale, precision } = ColumnType::PRICE else {
        return Err(Problem::of_column(column, "prices are decimals"));
    };
    let bad = |why: String| Problem::of_column(column, why).value(written.get());
    let number = written.get().trim_matches('"');
    let unscaled = decimal(number, scale).map_err(bad)?;
    if unscaled.unsigned_abs() >= 10_u128.pow(precision.into()) {
        return Err(bad("the price is too large".to_owned()));
    }
    Ok(Some(unscaled))
}
