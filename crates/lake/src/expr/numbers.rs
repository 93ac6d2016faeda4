//! Arithmetic: doubles of exact numbers, quotients, milliseconds between instants.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use datafusion::common::DataFusionError;

use super::function::{Kernel, unexpected};

/// The double nearest to an exact number.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ToDouble;

impl Kernel for ToDouble {
    const NAME: &'static str = "outgest_to_double";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Float64)
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let array = &arguments[0];
        let doubles: Float64Array = match array.data_type() {
            DataType::Float64 => return Ok(Arc::clone(array)),
            DataType::Int64 => array.as_primitive::<Int64Type>().unary(|value| value as f64),
            DataType::UInt64 => array.as_primitive::<UInt64Type>().unary(|value| value as f64),
            DataType::Decimal128(_, scale) => {
                let scale = *scale;
                array.as_primitive::<Decimal128Type>().unary(|value| decimal_to_double(value, scale))
            }
            other => return unexpected(Self::NAME, other),
        };
        Ok(Arc::new(doubles))
    }
}

/// The double nearest to `unscaled * 10^-scale`.
pub(crate) fn decimal_to_double(unscaled: i128, scale: i8) -> f64 {
    const EXACT_INTEGER_MAX: u128 = 1 << 53;
    const EXACT_POWER_MAX: i8 = 22;
    // Both operands are exact, so the one rounding of the division is the right one.
    if (0..=EXACT_POWER_MAX).contains(&scale) && unscaled.unsigned_abs() <= EXACT_INTEGER_MAX {
        return unscaled as f64 / 10_f64.powi(i32::from(scale));
    }
    format!("{unscaled}e{}", -i32::from(scale)).parse().expect("an integer with an exponent is a double's text")
}

/// The quotient of two doubles by IEEE rules.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Divide;

impl Kernel for Divide {
    const NAME: &'static str = "outgest_divide";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Float64)
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let [Some(numerator), Some(denominator)] =
            [&arguments[0], &arguments[1]].map(|argument| argument.as_primitive_opt::<Float64Type>())
        else {
            return unexpected(Self::NAME, arguments[0].data_type());
        };
        let nulls = NullBuffer::union(numerator.nulls(), denominator.nulls());
        let values = numerator.values().iter().zip(denominator.values()).map(|(upper, lower)| upper / lower).collect();
        Ok(Arc::new(Float64Array::new(values, nulls)))
    }
}

/// Whole milliseconds between two instants, each first cut to milliseconds.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct MillisBetween;

impl Kernel for MillisBetween {
    const NAME: &'static str = "outgest_millis_between";

    fn returns(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Int64)
    }

    fn run(&self, arguments: &[ArrayRef]) -> Result<ArrayRef, DataFusionError> {
        let [Some(from), Some(to)] =
            [&arguments[0], &arguments[1]].map(|argument| argument.as_primitive_opt::<TimestampMicrosecondType>())
        else {
            return unexpected(Self::NAME, arguments[0].data_type());
        };
        let nulls = NullBuffer::union(from.nulls(), to.nulls());
        let millis = |micros: i64| micros.div_euclid(1000);
        let values = from.values().iter().zip(to.values()).map(|(from, to)| millis(*to) - millis(*from)).collect();
        Ok(Arc::new(Int64Array::new(values, nulls)))
    }
}
