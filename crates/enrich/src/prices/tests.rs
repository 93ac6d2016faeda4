use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use async_trait::async_trait;
use model::{ColumnType, Enrichment, Fault, Lookups, ModelPrices, PriceLookup, ProjectId};

use super::Prices;
use crate::test_rows::{self, NoComments, Row};

const COLUMNS: &[(&str, ColumnType)] =
    &[("id", ColumnType::Text), ("inputPrice", ColumnType::Text), ("totalPrice", ColumnType::Text)];

/// Knows models `a` and `b`, and what was asked of it.
#[derive(Default)]
struct Given {
    asked: AtomicUsize,
    largest: Mutex<usize>,
}

#[async_trait]
impl PriceLookup for Given {
    async fn prices(&self, project: &ProjectId, models: &[&str]) -> Result<Vec<ModelPrices>, Fault> {
        assert_eq!(project.as_str(), "p");
        assert!(models.is_sorted_by(|a, b| a < b), "a model is asked for twice");
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut largest = self.largest.lock().unwrap();
        *largest = (*largest).max(models.len());
        let known = [
            ModelPrices { model_id: "a".into(), input: Some(15), total: Some(7), ..ModelPrices::default() },
            ModelPrices { model_id: "b".into(), input: None, ..ModelPrices::default() },
        ];
        Ok(known.into_iter().filter(|known| models.contains(&&*known.model_id)).collect())
    }
}

async fn priced(lookup: &Arc<Given>, rows: &[Row]) -> arrow_array::RecordBatch {
    let request = test_rows::request(test_rows::table(COLUMNS), COLUMNS);
    let batch = test_rows::batch(COLUMNS, rows);
    let lookups = Lookups { prices: Arc::clone(lookup) as _, ..test_rows::lookups(vec![], Arc::new(NoComments)) };
    let step = Prices.prepare(&request, &batch.schema(), &lookups).await.unwrap();
    let out = step.apply(batch).await.unwrap();
    assert_eq!(&out.schema(), step.schema());
    out
}

#[tokio::test]
async fn the_id_of_a_model_becomes_its_price_or_null() {
    let lookup = Arc::new(Given::default());
    let rows = ["a", "unknown", "b", "a"].map(|model| Row::new("t", model));
    let out = priced(&lookup, &rows).await;
    let prices = |column: usize| {
        let prices = out.column(column).as_primitive::<Decimal128Type>();
        assert_eq!(prices.data_type(), &ColumnType::PRICE.to_arrow());
        prices.iter().collect::<Vec<_>>()
    };
    assert_eq!(prices(1), [Some(15), None, None, Some(15)]);
    assert_eq!(prices(2), [Some(7), None, None, Some(7)]);
    assert_eq!(out.column(0).as_string::<i32>().value(0), "a", "other columns stay");
    assert_eq!(lookup.asked.load(Ordering::SeqCst), 1, "one look-up for all columns");
}

#[tokio::test]
async fn no_look_up_names_more_than_a_thousand_models() {
    let lookup = Arc::new(Given::default());
    let rows: Vec<Row> = (0..2_500).map(|n| Row::new("t", &format!("m{n}"))).collect();
    priced(&lookup, &rows).await;
    assert_eq!((lookup.asked.load(Ordering::SeqCst), *lookup.largest.lock().unwrap()), (3, 1_000));
}
