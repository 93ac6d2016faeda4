//! Masking: columns, or single keys of maps, that leave the house changed or not at all.
//!
//! A [`Mask`] is read from options such as `input,metadata.email:hash` and checked against a table
//! ([`rule`]); applying it rewrites cells and never adds, moves or retypes a column. Key columns are
//! not masked: they are removed before encoding. Absent and empty texts stay as they are, so a mask
//! shows whether there was something, except with `drop`.

mod cells;
mod escapes;
mod pattern;
mod rule;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use model::{Enricher, Enrichment, Fault, FieldProblem, FieldRole, Lookups, ReadRequest, TableSpec, field};

use rule::Rule;

/// What is masked, and how.
#[derive(Clone, Debug)]
pub struct Mask {
    rules: Arc<[Rule]>,
}

impl Mask {
    /// Reads `--mask` options; `None` where there are none. Reports every problem at once.
    ///
    /// An option is a list `column[.key][:action]`, separated by commas, where the action is `redact`
    /// (the default: the text becomes `[REDACTED]`), `hash` (the first 16 hexadecimal digits of its
    /// SHA-256) or `drop` (null or empty); or it is `column[.key]:/pattern/replacement`, which replaces
    /// every match of a regular expression in the text with its `\uXXXX` decoded. Several rules for a column apply in their order.
    ///
    /// Matching takes time linear in the text, whatever the pattern.
    pub fn parse(options: &[String], table: &TableSpec) -> Result<Option<Self>, Vec<FieldProblem>> {
        let mut rules = Vec::new();
        let mut problems = Vec::new();
        for option in options {
            rule::parse(option, table, &mut rules, &mut problems);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok((!rules.is_empty()).then(|| Self { rules: rules.into() }))
    }

    /// The columns that are masked, in the order of the rules.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.column)
    }
}

#[async_trait]
impl Enrichment for Mask {
    async fn prepare(&self, _: &ReadRequest, input: &SchemaRef, _: &Lookups) -> Result<Arc<dyn Enricher>, Fault> {
        // A masked column that is not exported has nothing to hide.
        let places = self.rules.iter().enumerate().filter_map(|(rule, Rule { column, .. })| {
            let (place, field) = input.column_with_name(column)?;
            let is_json = matches!(field::role(field), FieldRole::Json);
            Some(Place { rule, column: place, is_json })
        });
        let places = places.collect();
        Ok(Arc::new(Masked { rules: Arc::clone(&self.rules), places, schema: Arc::clone(input) }))
    }
}

/// Where a rule applies.
struct Place {
    rule: usize,
    column: usize,
    /// Whether texts are JSON and have to stay so.
    is_json: bool,
}

struct Masked {
    rules: Arc<[Rule]>,
    places: Vec<Place>,
    schema: SchemaRef,
}

#[async_trait]
impl Enricher for Masked {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    async fn apply(&self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        let (_, mut arrays, _) = batch.into_parts();
        for place in &self.places {
            let nullable = self.schema.field(place.column).is_nullable();
            let array = &mut arrays[place.column];
            *array = cells::masked(array, &self.rules[place.rule], nullable, place.is_json)?;
        }
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| Fault::bug("masked columns do not fit their schema").because(error))
    }
}
