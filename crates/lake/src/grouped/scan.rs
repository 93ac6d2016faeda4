//! A request over a grouped relation, prepared.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use model::{Aggregate, AggregateColumn, ByteCount, Cursor, Expr, Fault, Grouped, ReadRequest, Stop};

use super::fold::Folding;
use super::index::GroupIndex;
use crate::expr::Program;
use crate::lake::Lake;
use crate::read::{Filter, ProjectFiles, Projection, read_schema};
use crate::scores::Scores;

/// A prepared request over groups.
pub(crate) struct GroupedScan {
    pub folding: Folding,
    pub filter: Filter,
    /// Values of first rows that the filter needs, and those that only the projection needs.
    pub filter_firsts: Firsts,
    pub other_firsts: Firsts,
    pub projection: Projection,
    pub scores: Arc<Scores>,
    pub schema: SchemaRef,
    pub cursor: Cursor,
    /// Whether any column is asked for.
    pub has_columns: bool,
    pub batch_bytes_max: ByteCount,
    pub row_bytes_max: ByteCount,
}

/// Columns that are values of a group's first row.
pub(crate) struct Firsts {
    /// Columns of the relation.
    pub columns: Vec<usize>,
    /// Their expressions over stored columns.
    pub program: Program,
    /// The stored columns that the program reads.
    pub places: Vec<usize>,
}

impl GroupedScan {
    /// Compiles the request and finds its groups.
    pub(crate) fn prepare(
        lake: &Lake,
        request: &ReadRequest,
        grouped: &Grouped,
        files: ProjectFiles,
        scores: Arc<Scores>,
        stop: &Stop,
    ) -> Result<Self, Fault> {
        let columns = &grouped.columns;
        let relation = Schema::new(
            columns.iter().map(|column| Field::new(column.name, column.kind.to_arrow(), true)).collect::<Vec<_>>(),
        );
        let filter = match &request.filter {
            Some(filter) => Filter::prepare(filter, &relation, None, &|_| false)?,
            None => Filter::default(),
        };
        let projection = Projection::compile(&request.columns, &relation)?;
        let filtered: Vec<&str> = filter.steps().flat_map(|step| step.program.input_names()).collect();
        let projected: Vec<&str> = projection.inputs().fields().iter().map(|field| field.name().as_str()).collect();
        let firsts = |wanted: &dyn Fn(&str) -> bool| Firsts::of(columns, wanted, &files);
        let filter_firsts = firsts(&|name| filtered.contains(&name))?;
        let other_firsts = firsts(&|name| projected.contains(&name) && !filtered.contains(&name))?;
        let needed = |name: &str| filtered.contains(&name) || projected.contains(&name);
        let index = GroupIndex::build(lake, request, grouped, &files, stop)?;
        let folding = Folding::prepare(grouped, &needed, files, index)?;
        Ok(Self {
            folding,
            filter_firsts,
            other_firsts,
            filter,
            projection,
            scores,
            schema: read_schema(&request.columns),
            cursor: request.cursor,
            has_columns: !request.columns.is_empty(),
            batch_bytes_max: request.batch_bytes_max,
            row_bytes_max: request.row_bytes_max,
        })
    }
}

impl Firsts {
    fn of(columns: &[AggregateColumn], wanted: &dyn Fn(&str) -> bool, files: &ProjectFiles) -> Result<Self, Fault> {
        let mut places = Vec::new();
        let mut values: Vec<(&Expr, DataType)> = Vec::new();
        for (place, column) in columns.iter().enumerate() {
            if let Aggregate::First(expr) = &column.aggregate
                && wanted(column.name)
            {
                places.push(place);
                values.push((expr, column.kind.to_arrow()));
            }
        }
        let program = Program::values(&values, files.schema())?;
        let read = files.columns(program.input_names())?;
        Ok(Self { columns: places, program, places: read })
    }
}
