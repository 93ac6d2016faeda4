//! Price columns: what the model of a row costs by default.
//!
//! Sources read the model's id in the place of each price; here it becomes the price, or null where
//! the model is unknown, belongs to another project or has no such price. Prices are looked up once
//! for all models of a batch. What was charged for an event is not of interest here: that is stored
//! with it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Decimal128Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use model::{
    ColumnType, Enricher, Enrichment, Fault, FieldRole, Lookups, ModelPrices, PriceLookup, PriceOf, ProjectId,
    ReadRequest, field,
};

/// Ids of one look-up: the contract of [`PriceLookup`].
const IDS_MAX: usize = 1_000;

/// Puts prices in the place of model ids, where they are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prices;

#[async_trait]
impl Enrichment for Prices {
    async fn prepare(
        &self,
        request: &ReadRequest,
        input: &SchemaRef,
        lookups: &Lookups,
    ) -> Result<Arc<dyn Enricher>, Fault> {
        let mut fields = input.fields().to_vec();
        let mut columns = Vec::new();
        for (place, given) in fields.iter_mut().enumerate() {
            let FieldRole::Price(of) = field::role(given) else { continue };
            if *given.data_type() != DataType::Utf8 {
                return Err(Fault::bug(format!("column {} was to be read as the id of a model", given.name())));
            }
            columns.push((place, of));
            *given = Arc::new(Field::new(given.name(), ColumnType::PRICE.to_arrow(), true));
        }
        Ok(Arc::new(PriceColumns {
            project: request.project.clone(),
            lookup: Arc::clone(&lookups.prices),
            columns,
            schema: Arc::new(Schema::new_with_metadata(fields, input.metadata().clone())),
        }))
    }
}

struct PriceColumns {
    project: ProjectId,
    lookup: Arc<dyn PriceLookup>,
    /// Where prices stand, and which.
    columns: Vec<(usize, PriceOf)>,
    schema: SchemaRef,
}

#[async_trait]
impl Enricher for PriceColumns {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn apply(&self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        let (_, mut arrays, _) = batch.into_parts();
        let mut models = BTreeSet::new();
        for (place, _) in &self.columns {
            models.extend(ids(&arrays[*place])?.flatten());
        }
        let models: Vec<&str> = models.into_iter().collect();
        let mut prices: HashMap<String, ModelPrices> = HashMap::new();
        for models in models.chunks(IDS_MAX) {
            for found in self.lookup.prices(&self.project, models).await? {
                prices.insert(found.model_id.clone(), found);
            }
        }
        let priced = self.columns.iter().map(|(place, of)| Ok((*place, column(&arrays[*place], *of, &prices)?)));
        for (place, column) in priced.collect::<Result<Vec<_>, Fault>>()? {
            arrays[place] = column;
        }
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| Fault::bug("price columns do not fit their schema").because(error))
    }
}

fn ids(array: &ArrayRef) -> Result<impl Iterator<Item = Option<&str>>, Fault> {
    let texts = array.as_string_opt::<i32>().ok_or_else(|| Fault::bug("a model's id is no text"))?;
    Ok(texts.iter())
}

fn column(models: &ArrayRef, of: PriceOf, prices: &HashMap<String, ModelPrices>) -> Result<ArrayRef, Fault> {
    let price = |model: Option<&str>| {
        let prices = prices.get(model?)?;
        match of {
            PriceOf::Input => prices.input,
            PriceOf::Output => prices.output,
            PriceOf::Total => prices.total,
        }
    };
    let values: Decimal128Array = ids(models)?.map(price).collect();
    Ok(Arc::new(values.with_data_type(ColumnType::PRICE.to_arrow())))
}
