//! From [`model::Expr`] to DataFusion's logical expressions, types made explicit on the way.
//!
//! DataFusion's planner would coerce types by rules of its own; here every operand has its final type
//! before an operator sees it, because exactness (decimals, doubles, NaN) is part of the contract.

use arrow_schema::{DataType, Schema};
use datafusion::common::{Column, DataFusionError, ScalarValue};
use datafusion::logical_expr::expr_fn::{binary_expr, cast, in_list, is_not_null, is_null, not, when};
use datafusion::logical_expr::{Expr as Logical, Operator, lit};
use model::{CompareOp, Expr, Fault, Literal};

use super::compare::{CompareDoubles, CompareExact};
use super::function::call;
use super::lists::{Length, ListTest, Wanted};
use super::maps::{MapGet, MapKeys, MapSum, value_type};
use super::numbers::{Divide, MillisBetween, ToDouble, decimal_to_double};
use super::pairs::{ZipGet, ZipMap};
use super::text::{NullIfEmpty, TextTest};
use super::tokens::HasAllTokens;

/// An expression with its type.
pub(super) struct Typed {
    pub expr: Logical,
    pub kind: DataType,
    pub nullable: bool,
}

impl Typed {
    fn new(expr: Logical, kind: DataType, nullable: bool) -> Self {
        Self { expr, kind, nullable }
    }

    /// As a value of this type; numbers are converted where that is exact or asked for as doubles.
    pub(super) fn into_type(self, wanted: &DataType) -> Result<Self, Fault> {
        if self.kind == *wanted {
            return Ok(self);
        }
        let expr = match (&self.kind, wanted) {
            (DataType::Null, _) => Logical::Literal(typed_null(wanted)?, None),
            (from, DataType::Float64) if is_number(from) => call(ToDouble, vec![self.expr]),
            (from, to) if is_number(from) && is_number(to) => cast(self.expr, to.clone()),
            (from, to) => return Err(Fault::bug(format!("an expression gives {from} where {to} is needed"))),
        };
        Ok(Self::new(expr, wanted.clone(), self.nullable))
    }
}

/// What a value of an expression is, over the columns of `schema`.
pub(super) fn value(expr: &Expr, schema: &Schema) -> Result<Typed, Fault> {
    let value = |expr: &Expr| value(expr, schema);
    Ok(match expr {
        Expr::Column(name) => {
            let field =
                schema.field_with_name(name).map_err(|_| Fault::bug(format!("there is no stored column {name:?}")))?;
            let column = Logical::Column(Column::new_unqualified(name.as_ref()));
            Typed::new(column, field.data_type().clone(), field.is_nullable())
        }
        Expr::Literal(literal) => constant(literal)?,
        Expr::NullIfEmpty(inner) => {
            let text = strict(vec![value(inner)?], |_| Ok(DataType::Utf8), |args| call(NullIfEmpty, args))?;
            Typed { nullable: true, ..text }
        }
        Expr::Coalesce(parts) => coalesce(parts.iter().map(value).collect::<Result<_, _>>()?)?,
        Expr::If { when: test, then, otherwise } => {
            let (then, otherwise) = (value(then)?, value(otherwise)?);
            let kind = common_type(&then.kind, &otherwise.kind)?;
            let nullable = then.nullable || otherwise.nullable;
            let (then, otherwise) = (then.into_type(&kind)?, otherwise.into_type(&kind)?);
            let expr = when(predicate(test, schema)?, then.expr).otherwise(otherwise.expr).map_err(failed)?;
            Typed::new(expr, kind, nullable)
        }
        Expr::MillisBetween { from, to } => {
            strict(vec![value(from)?, value(to)?], |_| Ok(DataType::Int64), |args| call(MillisBetween, args))?
        }
        Expr::Divide { numerator, denominator } => {
            let operands = vec![
                value(numerator)?.into_type(&DataType::Float64)?,
                value(denominator)?.into_type(&DataType::Float64)?,
            ];
            strict(operands, |_| Ok(DataType::Float64), |args| call(Divide, args))?
        }
        Expr::MapGet { map, key } => {
            let found = strict(
                vec![value(map)?],
                |kinds| value_type("a map look-up", &kinds[0]).map_err(failed),
                |args| call(MapGet { key: key.clone() }, args),
            )?;
            Typed { nullable: true, ..found }
        }
        Expr::MapSumWhereKeyContains { map, needle } => strict(
            vec![value(map)?],
            |kinds| {
                Ok(match value_type("a map sum", &kinds[0]).map_err(failed)? {
                    DataType::Decimal128(_, scale) => DataType::Decimal128(38, scale),
                    other => other,
                })
            },
            |args| call(MapSum { needle: needle.clone() }, args),
        )?,
        Expr::MapKeys(map) => {
            strict(vec![value(map)?], |_| Ok(model::ColumnType::text_list().to_arrow()), |args| call(MapKeys, args))?
        }
        Expr::Length(inner) => strict(vec![value(inner)?], |_| Ok(DataType::Int64), |args| call(Length, args))?,
        Expr::ZipMap { names, values } => strict(
            vec![value(names)?, value(values)?],
            |_| Ok(model::ColumnType::text_map().to_arrow()),
            |args| call(ZipMap, args),
        )?,
        Expr::ZipGet { names, values, key } => {
            let found = strict(
                vec![value(names)?, value(values)?],
                |_| Ok(DataType::Utf8),
                |args| call(ZipGet { key: key.clone() }, args),
            )?;
            Typed { nullable: true, ..found }
        }
        test => Typed::new(predicate(test, schema)?, DataType::Boolean, false),
    })
}

/// A predicate over the columns of `schema`: true or false, never null.
pub(super) fn predicate(expr: &Expr, schema: &Schema) -> Result<Logical, Fault> {
    let value = |expr: &Expr| value(expr, schema);
    Ok(match expr {
        Expr::IsTrue(inner) => known(value(inner)?, |expr| expr)?,
        Expr::Compare { left, op, right } => compare(value(left)?, *op, value(right)?)?,
        Expr::In { accepted, .. } if accepted.is_empty() => lit(false),
        Expr::In { value: text, accepted } => {
            let accepted = accepted.iter().map(|text| lit(text.as_str())).collect();
            known(value(text)?, |expr| in_list(expr, accepted, false))?
        }
        Expr::Text { value: text, op, needle, case } => {
            tested(value(text)?, |args| call(TextTest { op: *op, needle: needle.clone(), case: *case }, args))
        }
        Expr::HasAllTokens { value: text, tokens } => {
            tested(value(text)?, |args| call(HasAllTokens { tokens: tokens.clone() }, args))
        }
        Expr::HasAny { list, texts } => {
            tested(value(list)?, |args| call(ListTest { wanted: Wanted::Any, texts: texts.clone() }, args))
        }
        Expr::HasAll { list, texts } => {
            tested(value(list)?, |args| call(ListTest { wanted: Wanted::All, texts: texts.clone() }, args))
        }
        Expr::IsNull(inner) => match value(inner)? {
            Typed { kind: DataType::Null, .. } => lit(true),
            Typed { nullable: false, .. } => lit(false),
            Typed { expr, .. } => is_null(expr),
        },
        Expr::And(parts) => joined(parts, schema, Operator::And, true)?,
        Expr::Or(parts) => joined(parts, schema, Operator::Or, false)?,
        Expr::Not(inner) => not(predicate(inner, schema)?),
        Expr::InTracePosition(_) | Expr::Score(_) | Expr::Comment(_) => {
            return Err(Fault::bug(format!("{expr:?} was not resolved before it was compiled")));
        }
        Expr::Literal(Literal::Bool(truth)) => lit(*truth),
        boolean => known(value(boolean)?, |expr| expr)?,
    })
}

/// `and` or `or` of all parts, as a tree of little depth whatever their number.
fn joined(parts: &[Expr], schema: &Schema, operator: Operator, empty: bool) -> Result<Logical, Fault> {
    Ok(match parts {
        [] => lit(empty),
        [single] => predicate(single, schema)?,
        several => {
            let (left, right) = several.split_at(several.len() / 2);
            binary_expr(joined(left, schema, operator, empty)?, operator, joined(right, schema, operator, empty)?)
        }
    })
}

/// The built-in predicate of a value, false where the value is null.
fn known(value: Typed, test: impl FnOnce(Logical) -> Logical) -> Result<Logical, Fault> {
    Ok(match value {
        Typed { kind: DataType::Null, .. } => lit(false),
        Typed { expr, nullable: false, .. } => test(expr),
        Typed { expr, .. } => binary_expr(is_not_null(expr.clone()), Operator::And, test(expr)),
    })
}

/// The predicate of ours on a value; ours are false for null by themselves.
fn tested(value: Typed, test: impl FnOnce(Vec<Logical>) -> Logical) -> Logical {
    if value.kind == DataType::Null { lit(false) } else { test(vec![value.expr]) }
}

/// A function that is null where any operand is.
fn strict(
    operands: Vec<Typed>,
    returns: impl FnOnce(&[DataType]) -> Result<DataType, Fault>,
    function: impl FnOnce(Vec<Logical>) -> Logical,
) -> Result<Typed, Fault> {
    if operands.iter().any(|operand| operand.kind == DataType::Null) {
        return constant(&Literal::Null);
    }
    let kinds: Vec<DataType> = operands.iter().map(|operand| operand.kind.clone()).collect();
    let nullable = operands.iter().any(|operand| operand.nullable);
    Ok(Typed::new(function(operands.into_iter().map(|operand| operand.expr).collect()), returns(&kinds)?, nullable))
}

/// The first value that is not null, as nested conditions.
fn coalesce(parts: Vec<Typed>) -> Result<Typed, Fault> {
    let mut kind = DataType::Null;
    for part in &parts {
        kind = common_type(&kind, &part.kind)?;
    }
    let mut result = constant(&Literal::Null)?.into_type(&kind)?;
    for part in parts.into_iter().rev() {
        let part = part.into_type(&kind)?;
        result = if part.nullable {
            let test = is_not_null(part.expr.clone());
            Typed::new(when(test, part.expr).otherwise(result.expr).map_err(failed)?, kind.clone(), result.nullable)
        } else {
            part
        };
    }
    Ok(result)
}

fn constant(literal: &Literal) -> Result<Typed, Fault> {
    let scalar = match literal {
        Literal::Null => ScalarValue::Null,
        Literal::Text(text) => ScalarValue::Utf8(Some(text.clone())),
        Literal::Bool(truth) => ScalarValue::Boolean(Some(*truth)),
        Literal::Int(number) => ScalarValue::Int64(Some(*number)),
        Literal::Decimal { unscaled, scale } => {
            let scale = i8::try_from(*scale).ok().filter(|scale| *scale <= 38);
            let scale = scale.ok_or_else(|| Fault::bug("a decimal has more than 38 digits after the point"))?;
            ScalarValue::Decimal128(Some(*unscaled), 38, scale)
        }
        Literal::Float(number) => ScalarValue::Float64(Some(*number)),
        Literal::Timestamp(instant) => ScalarValue::TimestampMicrosecond(Some(instant.0), Some("UTC".into())),
    };
    let (kind, nullable) = (scalar.data_type(), scalar.is_null());
    Ok(Typed::new(Logical::Literal(scalar, None), kind, nullable))
}

fn typed_null(kind: &DataType) -> Result<ScalarValue, Fault> {
    ScalarValue::try_from(kind).map_err(failed)
}

/// `left op right` with the rules of [`Expr::Compare`].
fn compare(left: Typed, op: CompareOp, right: Typed) -> Result<Logical, Fault> {
    if left.kind == DataType::Null || right.kind == DataType::Null {
        return Ok(lit(false));
    }
    let numbers = is_number(&left.kind) && is_number(&right.kind);
    if numbers && (left.kind == DataType::Float64 || right.kind == DataType::Float64) {
        let (left, right) = (as_double(left)?, as_double(right)?);
        return Ok(call(CompareDoubles { op }, vec![left, right]));
    }
    // A constant in the column's own type keeps the comparison built in, so that files can be skipped by it.
    let (left, right) = match (literal_as(&left, &right.kind), literal_as(&right, &left.kind)) {
        (Some(left), _) => (left, right),
        (_, Some(right)) => (left, right),
        _ => (left, right),
    };
    if left.kind == right.kind {
        let nullable: Vec<Logical> = [&left, &right]
            .into_iter()
            .filter(|side| side.nullable)
            .map(|side| is_not_null(side.expr.clone()))
            .collect();
        let test = binary_expr(left.expr, operator(op), right.expr);
        return Ok(nullable.into_iter().rev().fold(test, |test, present| binary_expr(present, Operator::And, test)));
    }
    if numbers {
        return Ok(call(CompareExact { op }, vec![left.expr, right.expr]));
    }
    Err(Fault::bug(format!("cannot compare {} with {}", left.kind, right.kind)))
}

fn operator(op: CompareOp) -> Operator {
    match op {
        CompareOp::Eq => Operator::Eq,
        CompareOp::NotEq => Operator::NotEq,
        CompareOp::Less => Operator::Lt,
        CompareOp::LessEq => Operator::LtEq,
        CompareOp::Greater => Operator::Gt,
        CompareOp::GreaterEq => Operator::GtEq,
    }
}

/// The nearest double; a constant is converted once.
fn as_double(number: Typed) -> Result<Logical, Fault> {
    if let Logical::Literal(scalar, _) = &number.expr {
        let double = match scalar {
            ScalarValue::Int64(Some(value)) => Some(*value as f64),
            ScalarValue::Decimal128(Some(value), _, scale) => Some(decimal_to_double(*value, *scale)),
            _ => None,
        };
        if let Some(double) = double {
            return Ok(lit(double));
        }
    }
    Ok(number.into_type(&DataType::Float64)?.expr)
}

/// The constant integer or decimal as a value of another exact type, where it is one.
fn literal_as(typed: &Typed, wanted: &DataType) -> Option<Typed> {
    let (unscaled, scale) = match &typed.expr {
        Logical::Literal(ScalarValue::Int64(Some(value)), _) => (i128::from(*value), 0),
        Logical::Literal(ScalarValue::Decimal128(Some(value), _, scale), _) => (*value, u32::try_from(*scale).ok()?),
        _ => return None,
    };
    let at_scale = |to: u32| -> Option<i128> {
        if to >= scale {
            unscaled.checked_mul(10_i128.checked_pow(to - scale)?)
        } else {
            let divisor = 10_i128.checked_pow(scale - to)?;
            (unscaled % divisor == 0).then_some(unscaled / divisor)
        }
    };
    let scalar = match wanted {
        DataType::Int64 => ScalarValue::Int64(Some(at_scale(0)?.try_into().ok()?)),
        DataType::UInt64 => ScalarValue::UInt64(Some(at_scale(0)?.try_into().ok()?)),
        DataType::Decimal128(precision, to) => {
            let value = at_scale(u32::try_from(*to).ok()?)?;
            let bound = 10_i128.checked_pow(u32::from(*precision))?;
            (value.abs() < bound).then_some(ScalarValue::Decimal128(Some(value), *precision, *to))?
        }
        _ => return None,
    };
    Some(Typed::new(Logical::Literal(scalar, None), wanted.clone(), false))
}

fn is_number(kind: &DataType) -> bool {
    matches!(kind, DataType::Int64 | DataType::UInt64 | DataType::Float64 | DataType::Decimal128(_, _))
}

/// The type that holds the values of both.
fn common_type(left: &DataType, right: &DataType) -> Result<DataType, Fault> {
    Ok(match (left, right) {
        (left, right) if left == right => left.clone(),
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (left, right) if is_number(left) && is_number(right) => {
            if *left == DataType::Float64 || *right == DataType::Float64 {
                DataType::Float64
            } else {
                let scale = |kind: &DataType| if let DataType::Decimal128(_, scale) = kind { *scale } else { 0 };
                DataType::Decimal128(38, scale(left).max(scale(right)))
            }
        }
        (left, right) => return Err(Fault::bug(format!("{left} and {right} have no common type"))),
    })
}

fn failed(cause: DataFusionError) -> Fault {
    Fault::bug("cannot build an expression").because(cause)
}
