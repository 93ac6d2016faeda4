//! A cell as a plain value, and the one order that comparisons of values follow.
//!
//! Nothing is optimised: a value owns what it holds, and exactness comes from integers alone.

use std::cmp::Ordering;

use model::{Literal, Micros};

/// A cell, whatever its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// Signed integer.
    Int(i64),
    /// Unsigned integer.
    UInt(u64),
    /// Double.
    Float(f64),
    /// `unscaled * 10^-scale`.
    Decimal {
        /// Digits as an integer.
        unscaled: i128,
        /// Digits after the point, 0 to 38.
        scale: u8,
    },
    /// Text.
    Text(String),
    /// Instant.
    Timestamp(Micros),
    /// List of values that are not null.
    List(Vec<Value>),
    /// Entries in stored order, duplicates kept.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// The text, where this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The instant, where this is one.
    pub fn as_timestamp(&self) -> Option<Micros> {
        match self {
            Self::Timestamp(instant) => Some(*instant),
            _ => None,
        }
    }

    /// Whether this is a true boolean or an integer other than zero: how deletions are marked.
    pub fn is_set(&self) -> bool {
        matches!(self, Self::Bool(true))
            || matches!(self, Self::Int(n) if *n != 0)
            || matches!(self, Self::UInt(n) if *n != 0)
    }

    /// The nearest double of a number.
    pub fn to_f64(&self) -> Option<f64> {
        match self {
            Self::Int(n) => Some(*n as f64),
            Self::UInt(n) => Some(*n as f64),
            Self::Float(n) => Some(*n),
            // Printing and reading rounds once, correctly; dividing doubles would round twice.
            Self::Decimal { unscaled, scale } => format!("{unscaled}e-{scale}").parse().ok(),
            _ => None,
        }
    }

    /// An integer or decimal as digits and their scale.
    pub fn to_decimal(&self) -> Option<(i128, u8)> {
        match self {
            Self::Int(n) => Some((i128::from(*n), 0)),
            Self::UInt(n) => Some((i128::from(*n), 0)),
            Self::Decimal { unscaled, scale } => Some((*unscaled, *scale)),
            _ => None,
        }
    }

    /// How two values compare; `None` where either is null or NaN.
    ///
    /// # Panics
    /// Panics where the types cannot be compared: the tables crate never builds such a tree.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (a, b) => match (a.to_decimal(), b.to_decimal()) {
                (Some(a), Some(b)) => Some(compare_decimals(a, b)),
                _ => match (a.to_f64(), b.to_f64()) {
                    (Some(a), Some(b)) => a.partial_cmp(&b),
                    _ => panic!("cannot compare {self:?} with {other:?}"),
                },
            },
        }
    }
}

impl From<&Literal> for Value {
    fn from(literal: &Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Text(text) => Self::Text(text.clone()),
            Literal::Bool(truth) => Self::Bool(*truth),
            Literal::Int(n) => Self::Int(*n),
            Literal::Decimal { unscaled, scale } => Self::Decimal { unscaled: *unscaled, scale: *scale },
            Literal::Float(n) => Self::Float(*n),
            Literal::Timestamp(instant) => Self::Timestamp(*instant),
        }
    }
}

/// Compares exactly, without a common scale that could overflow: whole parts first, then fractions.
fn compare_decimals((a, a_scale): (i128, u8), (b, b_scale): (i128, u8)) -> Ordering {
    let parts = |unscaled: i128, scale: u8| {
        let one = 10_i128.pow(u32::from(scale));
        // A fraction is below `one`, so raised to 38 digits it stays below 10^38 and fits.
        (unscaled.div_euclid(one), unscaled.rem_euclid(one) * 10_i128.pow(38 - u32::from(scale)))
    };
    parts(a, a_scale).cmp(&parts(b, b_scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(unscaled: i128, scale: u8) -> Value {
        Value::Decimal { unscaled, scale }
    }

    #[test]
    fn decimals_and_integers_compare_exactly() {
        assert_eq!(decimal(10, 1).compare(&Value::Int(1)), Some(Ordering::Equal));
        assert_eq!(decimal(-15, 1).compare(&Value::Int(-1)), Some(Ordering::Less));
        assert_eq!(decimal(-5, 1).compare(&decimal(-49, 2)), Some(Ordering::Less));
        assert_eq!(Value::UInt(u64::MAX).compare(&Value::Int(-1)), Some(Ordering::Greater));
        assert_eq!(Value::UInt((1 << 53) + 1).compare(&Value::UInt(1 << 53)), Some(Ordering::Greater));
        assert_eq!(decimal(i128::MAX, 0).compare(&decimal(i128::MAX, 38)), Some(Ordering::Greater));
    }

    #[test]
    fn doubles_compare_as_doubles_and_nan_with_nothing() {
        assert_eq!(Value::Float((1_u64 << 53) as f64).compare(&Value::UInt((1 << 53) + 1)), Some(Ordering::Equal));
        assert_eq!(decimal(1, 1).compare(&Value::Float(0.1)), Some(Ordering::Equal));
        assert_eq!(Value::Float(f64::NAN).compare(&Value::Int(0)), None);
        assert_eq!(Value::Null.compare(&Value::Int(0)), None);
    }
}
