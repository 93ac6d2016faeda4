//! The requested columns as a program over the relation, and the schema of what is read.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use model::{ColumnSpec, ColumnType, Expr, Fault, Reading};

use crate::expr::Program;

/// Makes the requested columns from columns of the relation.
#[derive(Debug)]
pub(crate) struct Projection {
    program: Program,
    /// Which requested columns are comments; no source knows those, so they are empty lists.
    comments: Vec<Option<DataType>>,
}

impl Projection {
    /// Compiles the columns over a relation.
    pub(crate) fn compile(columns: &[ColumnSpec], relation: &Schema) -> Result<Self, Fault> {
        let is_comments = |column: &ColumnSpec| column.kind == ColumnType::Comments;
        let values: Vec<(&Expr, DataType)> = columns
            .iter()
            .filter(|column| !is_comments(column))
            .map(|column| (&column.expr, column.kind.to_arrow()))
            .collect();
        let comments = columns.iter().map(|column| is_comments(column).then(|| column.kind.to_arrow())).collect();
        Ok(Self { program: Program::values(&values, relation)?, comments })
    }

    /// The columns of the relation that are read.
    pub(crate) fn inputs(&self) -> &SchemaRef {
        self.program.inputs()
    }

    /// The requested columns of a batch of [`Projection::inputs`].
    pub(crate) fn apply(&self, inputs: &RecordBatch) -> Result<Vec<ArrayRef>, Fault> {
        let mut values = self.program.evaluate(inputs)?.into_iter();
        self.comments
            .iter()
            .map(|comments| match comments {
                Some(kind) => empty_lists(kind, inputs.num_rows()),
                None => values.next().ok_or_else(|| Fault::bug("a requested column was not computed")),
            })
            .collect()
    }
}

fn empty_lists(kind: &DataType, rows: usize) -> Result<ArrayRef, Fault> {
    // A null list array has empty lists underneath; only its validity is dropped.
    let data = new_null_array(kind, rows).to_data().into_builder().nulls(None).build();
    data.map(arrow_array::make_array).map_err(|cause| Fault::bug("cannot make empty comment lists").because(cause))
}

/// The schema of a read: requested columns, then key columns.
pub(crate) fn read_schema(columns: &[ColumnSpec]) -> SchemaRef {
    let fields = columns.iter().map(ColumnSpec::to_field).chain(<dyn Reading>::key_fields());
    Arc::new(Schema::new(fields.collect::<Vec<Field>>()))
}

/// The schema of a tally: requested columns, then the time.
pub(crate) fn tally_schema(columns: &[ColumnSpec]) -> SchemaRef {
    let [time, ..] = <dyn Reading>::key_fields();
    let fields = columns.iter().map(ColumnSpec::to_field).chain([time]);
    Arc::new(Schema::new(fields.collect::<Vec<Field>>()))
}
