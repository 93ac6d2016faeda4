//! Which row groups cannot hold a row that passes a filter, judged by their statistics alone.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow_schema::{Schema, SchemaRef};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::RowGroupMetaData;
use parquet::schema::types::SchemaDescriptor;

use super::Program;

/// Skips row groups by a filter.
#[derive(Debug)]
pub(crate) struct Pruner {
    predicate: PruningPredicate,
    inputs: SchemaRef,
}

impl Pruner {
    /// A pruner for a program of one predicate; `None` where statistics can never decide it.
    pub(crate) fn of(filter: &Program) -> Option<Self> {
        let condition = Arc::clone(filter.condition()?);
        let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(filter.inputs()));
        // A predicate that cannot be turned into tests of bounds prunes nothing; reading stays right.
        let predicate = builder.try_build(condition).ok().filter(|predicate| !predicate.always_true())?;
        Some(Self { predicate, inputs: Arc::clone(filter.inputs()) })
    }

    /// For each row group whether rows of it may pass.
    pub(crate) fn may_pass(
        &self,
        groups: &[&RowGroupMetaData],
        arrow: &Schema,
        parquet: &SchemaDescriptor,
    ) -> Vec<bool> {
        let bounds = Bounds { groups, arrow, parquet, inputs: &self.inputs };
        self.predicate.prune(&bounds).unwrap_or_else(|_| vec![true; groups.len()])
    }
}

/// The statistics of row groups in the shape DataFusion asks for.
struct Bounds<'a> {
    groups: &'a [&'a RowGroupMetaData],
    arrow: &'a Schema,
    parquet: &'a SchemaDescriptor,
    inputs: &'a Schema,
}

impl Bounds<'_> {
    /// The converter of a column that is stored as expressions see it; others have no usable bounds.
    fn converter(&self, column: &Column) -> Option<StatisticsConverter<'_>> {
        let stored = self.arrow.field_with_name(&column.name).ok()?;
        let seen = self.inputs.field_with_name(&column.name).ok()?;
        if stored.data_type() != seen.data_type() || stored.data_type().is_nested() {
            return None;
        }
        StatisticsConverter::try_new(&column.name, self.arrow, self.parquet).ok()
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.converter(column)?.row_group_mins(self.groups.iter().copied()).ok()
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.converter(column)?.row_group_maxes(self.groups.iter().copied()).ok()
    }

    fn num_containers(&self) -> usize {
        self.groups.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        // A count that was not written is unknown, not zero.
        let converter = self.converter(column)?.with_missing_null_counts_as_zero(false);
        let counts = converter.row_group_null_counts(self.groups.iter().copied()).ok()?;
        (counts.null_count() < counts.len()).then(|| Arc::new(counts) as ArrayRef)
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.groups.iter().map(|group| Some(group.num_rows() as u64)).collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
