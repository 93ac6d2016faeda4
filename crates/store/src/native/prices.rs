//! Prices of models: stored by import, read by exports.

use std::collections::BTreeMap;

use async_trait::async_trait;
use model::{Fault, ModelPrices, PriceLookup, ProjectId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, Set};

use super::entities::model_price;
use super::lookup::lookup_ids;
use super::{NativeStore, statement_failed};

/// Rows per INSERT: SQLite takes 32,766 values, a row has five.
const ROWS_PER_INSERT: usize = 1_000;

/// Prices to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPrices {
    /// The project whose model it is; every project's where `None`.
    pub project: Option<ProjectId>,
    /// The prices.
    pub prices: ModelPrices,
}

impl NativeStore {
    /// Stores prices in one transaction. Those of a model that has prices already are replaced; of a
    /// model that comes twice the last ones stay.
    pub async fn put_prices(&self, prices: &[NewPrices]) -> Result<(), Fault> {
        use model_price::Column;
        // No statement may change a row twice.
        let by_model: BTreeMap<&str, &NewPrices> = prices.iter().map(|new| (&*new.prices.model_id, new)).collect();
        let prices: Vec<&NewPrices> = by_model.into_values().collect();
        let failed = || statement_failed("store prices");
        let change = self.change().await.map_err(failed())?;
        for chunk in prices.chunks(ROWS_PER_INSERT) {
            let rows = chunk.iter().map(|new| {
                let text = |price: Option<i128>| Set(price.map(|price| price.to_string()));
                model_price::ActiveModel {
                    model_id: Set(new.prices.model_id.clone()),
                    project_id: Set(new.project.as_ref().map(|project| project.as_str().to_owned())),
                    input: text(new.prices.input),
                    output: text(new.prices.output),
                    total: text(new.prices.total),
                }
            });
            let replace = OnConflict::column(Column::ModelId)
                .update_columns([Column::ProjectId, Column::Input, Column::Output, Column::Total])
                .to_owned();
            let insert = model_price::Entity::insert_many(rows).on_conflict(replace);
            insert.exec_without_returning(&change.tx).await.map_err(failed())?;
        }
        change.commit().await.map_err(failed())
    }
}

#[async_trait]
impl PriceLookup for NativeStore {
    async fn prices(&self, project: &ProjectId, models: &[&str]) -> Result<Vec<ModelPrices>, Fault> {
        use model_price::Column;
        let models = lookup_ids("price", models)?;
        let visible = Condition::any().add(Column::ProjectId.is_null()).add(Column::ProjectId.eq(project.as_str()));
        let rows = model_price::Entity::find()
            .filter(Column::ModelId.is_in(models))
            .filter(visible)
            .all(&self.database)
            .await
            .map_err(statement_failed("read prices"))?;
        rows.into_iter().map(to_prices).collect()
    }
}

fn to_prices(row: model_price::Model) -> Result<ModelPrices, Fault> {
    let price = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| Fault::corrupt(format!("the stored price {text:?} of model {} is no number", row.model_id))),
    };
    let (input, output, total) = (price(&row.input)?, price(&row.output)?, price(&row.total)?);
    Ok(ModelPrices { model_id: row.model_id, input, output, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(model: &str, project: Option<&str>, input: i128) -> NewPrices {
        NewPrices {
            project: project.map(ProjectId::new),
            prices: ModelPrices { model_id: model.into(), input: Some(input), ..ModelPrices::default() },
        }
    }

    #[tokio::test]
    async fn a_project_sees_its_own_prices_and_those_of_everybody() {
        let data = tempfile::tempdir().unwrap();
        let store = NativeStore::open(data.path()).await.unwrap();
        let largest = 10_i128.pow(38) - 1;
        let own = [prices("own", Some("p"), largest), prices("ours", None, 2), prices("theirs", Some("q"), 3)];
        store.put_prices(&own).await.unwrap();
        store.put_prices(&[prices("ours", None, 4), prices("ours", None, 5)]).await.unwrap();

        let mut found = store.prices(&ProjectId::new("p"), &["ours", "own", "theirs", "unknown"]).await.unwrap();

        found.sort_by(|a, b| a.model_id.cmp(&b.model_id));
        assert_eq!(found, [prices("ours", None, 5).prices, prices("own", None, largest).prices]);
        assert_eq!(store.prices(&ProjectId::new("p"), &[]).await.unwrap(), []);
    }
}
