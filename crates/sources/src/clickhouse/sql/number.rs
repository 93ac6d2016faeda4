//! Comparison of numbers: exact, or as doubles where one side is a double.
//!
//! Integers compare as the server does it, which is exact whatever their signs. Decimals of different
//! scales, and decimals with integers, meet as decimals of 76 digits, which hold every value of both.

use model::{ColumnType, CompareOp, Expr, Fault, Literal};

use super::value::decimal_text;
use super::{Printer, Term};

/// A number, by how it compares.
enum Number {
    /// A constant of these digits after the point.
    Constant { unscaled: i128, scale: u8 },
    /// An integer.
    Integer(String),
    /// A decimal of this scale.
    Decimal(String, u8),
    /// A double.
    Double(String),
    /// A double that is written down.
    DoubleConstant(f64),
    /// Nothing, which compares with nothing.
    Null,
}

impl Printer<'_> {
    /// Prints a comparison of numbers.
    pub(super) fn compare_numbers(&mut self, left: &Expr, op: CompareOp, right: &Expr) -> Result<String, Fault> {
        let (left, right) = (self.number(left)?, self.number(right)?);
        match (&left, &right) {
            (Number::Null, _) | (_, Number::Null) => Ok("0".into()),
            (Number::Double(_) | Number::DoubleConstant(_), _) | (_, Number::Double(_) | Number::DoubleConstant(_)) => {
                Ok(self.compare_doubles(&left, op, &right))
            }
            _ => Ok(self.compare_exactly(&left, op, &right)),
        }
    }

    fn number(&mut self, expr: &Expr) -> Result<Number, Fault> {
        Ok(match expr {
            Expr::Literal(Literal::Null) => Number::Null,
            Expr::Literal(Literal::Int(n)) => Number::Constant { unscaled: i128::from(*n), scale: 0 },
            Expr::Literal(Literal::Decimal { unscaled, scale }) => {
                Number::Constant { unscaled: *unscaled, scale: *scale }
            }
            Expr::Literal(Literal::Float(n)) => Number::DoubleConstant(*n),
            expr => {
                let term = self.value(expr)?;
                match term.kind {
                    ColumnType::Int64 | ColumnType::UInt64 => Number::Integer(term.sql),
                    ColumnType::Decimal { scale, .. } => Number::Decimal(term.sql, scale.unsigned_abs()),
                    ColumnType::Float64 => Number::Double(term.sql),
                    other => return Err(Fault::bug(format!("a value of {other:?} is compared as a number"))),
                }
            }
        })
    }

    fn compare_doubles(&mut self, left: &Number, op: CompareOp, right: &Number) -> String {
        let (left, right) = (self.double(left), self.double(right));
        let compared = format!("{left} {} {right}", operator(op));
        // Unlike every other operator, this one holds for what is no number.
        match op {
            CompareOp::NotEq => format!("ifNull({compared} AND NOT isNaN({left}) AND NOT isNaN({right}), 0)"),
            _ => format!("ifNull({compared}, 0)"),
        }
    }

    fn double(&mut self, number: &Number) -> String {
        match number {
            Number::Double(sql) => sql.clone(),
            Number::DoubleConstant(n) => self.parameters.float(*n),
            Number::Integer(sql) => format!("toFloat64({sql})"),
            Number::Decimal(sql, _) => double_of_decimal(sql),
            Number::Constant { unscaled, scale } => {
                // Reading the digits rounds once.
                let nearest = format!("{unscaled}e-{scale}").parse().unwrap_or(f64::NAN);
                self.parameters.float(nearest)
            }
            Number::Null => "CAST(NULL AS Nullable(Float64))".into(),
        }
    }

    fn compare_exactly(&mut self, left: &Number, op: CompareOp, right: &Number) -> String {
        let scale = left.scale().max(right.scale());
        let alike = match (left, right) {
            (Number::Decimal(_, one), Number::Decimal(_, other)) => one == other,
            (Number::Integer(_), Number::Integer(_)) => true,
            (Number::Integer(_), constant @ Number::Constant { .. })
            | (constant @ Number::Constant { .. }, Number::Integer(_)) => constant.is_small_integer(),
            _ => false,
        };
        let mut side = |number: &Number| match number {
            Number::Constant { unscaled, .. } if alike => self.parameters.bind("Int64", unscaled.to_string()),
            Number::Constant { unscaled, scale: own } => {
                self.parameters.bind(&format!("Decimal(76, {scale})"), decimal_text(*unscaled, *own))
            }
            Number::Integer(sql) | Number::Decimal(sql, _) if alike => sql.clone(),
            Number::Integer(sql) | Number::Decimal(sql, _) => format!("toDecimal256({sql}, {scale})"),
            Number::Double(_) | Number::DoubleConstant(_) | Number::Null => "NULL".into(),
        };
        let (left, right) = (side(left), side(right));
        format!("ifNull({left} {} {right}, 0)", operator(op))
    }
}

impl Number {
    fn scale(&self) -> u8 {
        match self {
            Self::Constant { scale, .. } | Self::Decimal(_, scale) => *scale,
            _ => 0,
        }
    }

    fn is_small_integer(&self) -> bool {
        matches!(self, Self::Constant { unscaled, scale: 0 } if i64::try_from(*unscaled).is_ok())
    }
}

impl Term {
    /// The nearest double of a number.
    pub(super) fn as_double(&self) -> Result<String, Fault> {
        Ok(match &self.kind {
            ColumnType::Float64 => self.sql.clone(),
            ColumnType::Int64 | ColumnType::UInt64 => format!("toFloat64({})", self.sql),
            ColumnType::Decimal { .. } => double_of_decimal(&self.sql),
            other => return Err(Fault::bug(format!("a value of {other:?} is divided"))),
        })
    }
}

/// The server's own conversion divides doubles and so rounds twice; its reader of JSON rounds once.
fn double_of_decimal(sql: &str) -> String {
    format!("JSONExtractFloat(toString({sql}))")
}

/// An operator as SQL writes it.
pub(in crate::clickhouse) fn operator(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::NotEq => "!=",
        CompareOp::Less => "<",
        CompareOp::LessEq => "<=",
        CompareOp::Greater => ">",
        CompareOp::GreaterEq => ">=",
    }
}
