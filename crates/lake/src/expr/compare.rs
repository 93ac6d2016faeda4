//! Comparisons that DataFusion lacks: doubles by IEEE rules, and exact numbers of different types.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{NullBuffer, i256};
use arrow_schema::DataType;
use datafusion::common::DataFusionError;
use model::CompareOp;

use super::function::{Kernel, predicate, unexpected};

/// Compares two doubles; false where either is NaN. (Arrow's own order ranks NaN and tells -0 from 0.)
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CompareDoubles {
    pub op: CompareOp,
}

impl Kernel for CompareDoubles {
    const NAME: &'static str = "outgest_compare_doubles";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Boolean)
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let [Some(left), Some(right)] =
            [&arguments[0], &arguments[1]].map(|argument| argument.as_primitive_opt::<Float64Type>())
        else {
            return unexpected(Self::NAME, arguments[0].data_type());
        };
        let nulls = NullBuffer::union(left.nulls(), right.nulls());
        Ok(predicate(left.len(), nulls.as_ref(), |row| compare_doubles(left.value(row), self.op, right.value(row))))
    }
}

/// Whether `left op right` by IEEE rules, with NaN unequal to everything and `!=` false as well.
pub(crate) fn compare_doubles(left: f64, op: CompareOp, right: f64) -> bool {
    left.partial_cmp(&right).is_some_and(|ordering| holds(op, ordering))
}

/// Whether an operator accepts how two values are ordered.
pub(super) fn holds(op: CompareOp, ordering: Ordering) -> bool {
    match op {
        CompareOp::Eq => ordering.is_eq(),
        CompareOp::NotEq => ordering.is_ne(),
        CompareOp::Less => ordering.is_lt(),
        CompareOp::LessEq => ordering.is_le(),
        CompareOp::Greater => ordering.is_gt(),
        CompareOp::GreaterEq => ordering.is_ge(),
    }
}

/// Compares integers and decimals of any two scales without rounding.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CompareExact {
    pub op: CompareOp,
}

impl Kernel for CompareExact {
    const NAME: &'static str = "outgest_compare_exact";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Boolean)
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let scales = [scale(&arguments[0])?, scale(&arguments[1])?];
        let common = scales[0].max(scales[1]);
        let left = widened(&arguments[0], common - scales[0])?;
        let right = widened(&arguments[1], common - scales[1])?;
        let nulls = NullBuffer::union(arguments[0].nulls(), arguments[1].nulls());
        Ok(predicate(left.len(), nulls.as_ref(), |row| holds(self.op, left[row].cmp(&right[row]))))
    }
}

fn scale(array: &ArrayRef) -> Result<i8, DataFusionError> {
    match array.data_type() {
        DataType::Int64 | DataType::UInt64 => Ok(0),
        DataType::Decimal128(_, scale) if *scale >= 0 => Ok(*scale),
        other => unexpected(CompareExact::NAME, other),
    }
}

/// Values times `10^shift`. 38 digits shifted by at most 38 fit 256 bits.
fn widened(array: &ArrayRef, shift: i8) -> Result<Vec<i256>, DataFusionError> {
    let factor = i256::from_i128(10).wrapping_pow(shift as u32);
    let widen = |value: i128| i256::from_i128(value).wrapping_mul(factor);
    Ok(match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().values().iter().map(|&v| widen(v.into())).collect(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().values().iter().map(|&v| widen(v.into())).collect(),
        DataType::Decimal128(_, _) => {
            array.as_primitive::<Decimal128Type>().values().iter().map(|&v| widen(v)).collect()
        }
        other => return unexpected(CompareExact::NAME, other),
    })
}
