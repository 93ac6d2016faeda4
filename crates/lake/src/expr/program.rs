//! Several expressions bound to the columns they read, evaluated together over record batches.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::logical_expr::Expr as Logical;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use model::{Expr, Fault};

use super::compile::{predicate, value};

/// Compiled expressions and the columns they read.
#[derive(Debug)]
pub(crate) struct Program {
    inputs: SchemaRef,
    outputs: Vec<Output>,
}

#[derive(Debug)]
enum Output {
    /// An input as it is, not copied.
    Input(usize),
    Computed(Arc<dyn PhysicalExpr>),
}

impl Program {
    /// Compiles values of these types over the columns of `relation`.
    pub(crate) fn values(expressions: &[(&Expr, DataType)], relation: &Schema) -> Result<Self, Fault> {
        let inputs = read_by(expressions.iter().map(|(expr, _)| *expr), relation)?;
        let outputs = expressions
            .iter()
            .map(|(expr, kind)| match expr {
                Expr::Column(name) if inputs.field_with_name(name).is_ok_and(|field| field.data_type() == kind) => {
                    Ok(Output::Input(inputs.index_of(name).map_err(|cause| failed(cause.into()))?))
                }
                _ => bound(&value(expr, &inputs)?.into_type(kind)?.expr, &inputs).map(Output::Computed),
            })
            .collect::<Result<_, Fault>>()?;
        Ok(Self { inputs, outputs })
    }

    /// Compiles one predicate over the columns of `relation`.
    pub(crate) fn predicate(expr: &Expr, relation: &Schema) -> Result<Self, Fault> {
        let inputs = read_by([expr], relation)?;
        let output = Output::Computed(bound(&predicate(expr, &inputs)?, &inputs)?);
        Ok(Self { inputs, outputs: vec![output] })
    }

    /// The columns that [`Program::evaluate`] wants, in the relation's order.
    pub(crate) fn inputs(&self) -> &SchemaRef {
        &self.inputs
    }

    /// Names of the inputs.
    pub(crate) fn input_names(&self) -> impl Iterator<Item = &str> {
        self.inputs.fields().iter().map(|field| field.name().as_str())
    }

    /// The expression of a program of one predicate.
    pub(super) fn condition(&self) -> Option<&Arc<dyn PhysicalExpr>> {
        match &self.outputs[..] {
            [Output::Computed(expr)] => Some(expr),
            _ => None,
        }
    }

    /// The value of every expression for every row of a batch of [`Program::inputs`].
    pub(crate) fn evaluate(&self, inputs: &RecordBatch) -> Result<Vec<ArrayRef>, Fault> {
        self.outputs
            .iter()
            .map(|output| match output {
                Output::Input(index) => Ok(Arc::clone(inputs.column(*index))),
                Output::Computed(expr) => expr
                    .evaluate(inputs)
                    .and_then(|value| value.into_array(inputs.num_rows()))
                    .map_err(|cause| Fault::corrupt("cannot evaluate an expression over stored rows").because(cause)),
            })
            .collect()
    }

    /// The answers of a program of one predicate.
    pub(crate) fn test(&self, inputs: &RecordBatch) -> Result<BooleanArray, Fault> {
        let [answers] = &self.evaluate(inputs)?[..] else { return Err(Fault::bug("a filter is one predicate")) };
        let answers = answers.as_any().downcast_ref::<BooleanArray>();
        answers.cloned().ok_or_else(|| Fault::bug("a predicate did not answer with booleans"))
    }
}

/// The columns of `relation` that the expressions read.
fn read_by<'a>(expressions: impl IntoIterator<Item = &'a Expr>, relation: &Schema) -> Result<SchemaRef, Fault> {
    let mut used = vec![false; relation.fields().len()];
    let mut missing = None;
    for expr in expressions {
        expr.for_each_column(&mut |name| match relation.index_of(name) {
            Ok(index) => used[index] = true,
            Err(_) => missing = Some(name.to_owned()),
        });
    }
    if let Some(name) = missing {
        return Err(Fault::bad_request(format!("there is no stored column {name:?}")));
    }
    let fields = relation.fields().iter().zip(used).filter(|(_, used)| *used).map(|(field, _)| Arc::clone(field));
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

fn bound(expr: &Logical, inputs: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>, Fault> {
    let schema = DFSchema::try_from(Arc::clone(inputs)).map_err(failed)?;
    create_physical_expr(expr, &schema, &ExecutionProps::new(), &PhysicalPlanningContext::default()).map_err(failed)
}

fn failed(cause: DataFusionError) -> Fault {
    Fault::bug("cannot compile an expression").because(cause)
}
