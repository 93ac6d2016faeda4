//! A request over a grouped relation, prepared.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use model::{Aggregate, AggregateColumn, ByteCount, Cursor, Expr, Fault, Grouped, ReadRequest};

use super::aggregate::input;
use super::fetch::RowStarts;
use super::index::GroupIndex;
use crate::expr::{Program, root};
use crate::read::{Filter, ProjectFiles, Projection, read_schema};
use crate::scores::Scores;

/// A prepared request over groups.
pub(crate) struct GroupedScan {
    pub files: ProjectFiles,
    pub starts: RowStarts,
    pub index: GroupIndex,
    pub columns: Vec<AggregateColumn>,
    /// Which columns the filter or the projection needs.
    pub needed: Vec<bool>,
    /// Inputs of the accumulators of needed columns.
    pub inputs: Program,
    /// For every column the place of its input among the values of `inputs`.
    pub input_places: Vec<Option<usize>>,
    /// Whether a row is a root, where the table knows.
    pub root: Option<Program>,
    /// Places of the time and id columns, which rank rows within a group.
    pub time: usize,
    pub id: usize,
    pub filter: Filter,
    /// Values of first rows that the filter needs, and those that only the projection needs.
    pub filter_firsts: Firsts,
    pub other_firsts: Firsts,
    pub projection: Projection,
    pub scores: Arc<Scores>,
    pub schema: SchemaRef,
    pub cursor: Cursor,
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
        request: &ReadRequest,
        grouped: &Grouped,
        files: ProjectFiles,
        scores: Arc<Scores>,
    ) -> Result<Self, Fault> {
        let columns = grouped.columns.clone();
        let relation = Schema::new(
            columns.iter().map(|column| Field::new(column.name, column.kind.to_arrow(), true)).collect::<Vec<_>>(),
        );
        let filter = match &request.filter {
            Some(filter) => Filter::prepare(filter, &relation, None)?,
            None => Filter::default(),
        };
        let projection = Projection::compile(&request.columns, &relation)?;
        let filtered: Vec<&str> = filter.steps().flat_map(|step| step.program.input_names()).collect();
        let projected: Vec<&str> = projection.inputs().fields().iter().map(|field| field.name().as_str()).collect();
        let needed: Vec<bool> =
            columns.iter().map(|column| filtered.contains(&column.name) || projected.contains(&column.name)).collect();

        let mut inputs: Vec<(Expr, DataType)> = Vec::new();
        let input_places = columns
            .iter()
            .zip(&needed)
            .map(|(column, needed)| {
                let input = needed.then(|| input(&column.aggregate, &column.kind)).flatten()?;
                inputs.push(input);
                Some(inputs.len() - 1)
            })
            .collect();
        let inputs: Vec<(&Expr, DataType)> = inputs.iter().map(|(expr, kind)| (expr, kind.clone())).collect();
        let table = &grouped.over;
        let id = table.key.last().ok_or_else(|| Fault::bug("a stored table has no key"))?;
        let firsts = |wanted: &dyn Fn(&str) -> bool| Firsts::of(&columns, wanted, &files);
        Ok(Self {
            starts: RowStarts::of(&files),
            index: GroupIndex::build(request, grouped, &files)?,
            inputs: Program::values(&inputs, files.schema())?,
            input_places,
            root: root(table).map(|root| Program::predicate(&root, files.schema())).transpose()?,
            time: files.column(table.time)?,
            id: files.column(id)?,
            filter_firsts: firsts(&|name| filtered.contains(&name))?,
            other_firsts: firsts(&|name| projected.contains(&name) && !filtered.contains(&name))?,
            filter,
            projection,
            scores,
            schema: read_schema(&request.columns),
            cursor: request.cursor,
            batch_bytes_max: request.batch_bytes_max,
            row_bytes_max: request.row_bytes_max,
            needed,
            columns,
            files,
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
