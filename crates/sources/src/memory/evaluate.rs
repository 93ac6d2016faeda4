//! What an expression means, row by row: the reference that every other reading is compared with.
//!
//! Each arm is the sentence of [`Expr`]'s documentation in code. Nothing here is fast.

use std::cmp::Ordering;

use model::{CaseRule, CompareOp, Expr, TextOp};

use super::position::Position;
use super::scores::ScoreEntry;
use super::value::Value;

/// A row as expressions see it: its columns, and what surrounds it.
pub trait Row {
    /// The value of a column of the relation.
    ///
    /// # Panics
    /// Panics where there is no such column; preparing a read has checked every name.
    fn value(&self, column: &str) -> &Value;

    /// The score entries that hang on the row.
    fn scores(&self) -> &[ScoreEntry];

    /// The place of the row in its trace.
    fn position(&self) -> Position;
}

/// The value of an expression; predicates give a boolean.
///
/// # Panics
/// Panics where types do not fit, and on a comment test, which is resolved before a source sees it.
pub fn evaluate(expr: &Expr, row: &dyn Row) -> Value {
    match expr {
        Expr::Column(name) => row.value(name).clone(),
        Expr::Literal(literal) => literal.into(),
        Expr::NullIfEmpty(inner) => match evaluate(inner, row) {
            Value::Text(text) if text.is_empty() => Value::Null,
            other => other,
        },
        Expr::Coalesce(parts) => {
            parts.iter().map(|part| evaluate(part, row)).find(|value| !value.is_null()).unwrap_or(Value::Null)
        }
        Expr::If { when, then, otherwise } => {
            if holds(when, row) {
                evaluate(then, row)
            } else {
                evaluate(otherwise, row)
            }
        }
        Expr::MillisBetween { from, to } => match (evaluate(from, row), evaluate(to, row)) {
            (Value::Timestamp(from), Value::Timestamp(to)) => {
                Value::Int(to.0.div_euclid(1_000) - from.0.div_euclid(1_000))
            }
            _ => Value::Null,
        },
        Expr::Divide { numerator, denominator } => {
            match (evaluate(numerator, row).to_f64(), evaluate(denominator, row).to_f64()) {
                (Some(numerator), Some(denominator)) => Value::Float(numerator / denominator),
                _ => Value::Null,
            }
        }
        Expr::MapGet { map, key } => match evaluate(map, row) {
            Value::Map(entries) => {
                entries.into_iter().find(|(name, _)| **name == **key).map_or(Value::Null, |(_, value)| value)
            }
            _ => Value::Null,
        },
        Expr::MapSumWhereKeyContains { map, needle } => match evaluate(map, row) {
            Value::Map(entries) => sum(entries
                .into_iter()
                .filter(|(name, _)| name.to_ascii_lowercase().contains(&**needle))
                .map(|(_, value)| value)),
            _ => Value::Null,
        },
        Expr::MapKeys(map) => match evaluate(map, row) {
            Value::Map(entries) => Value::List(entries.into_iter().map(|(name, _)| Value::Text(name)).collect()),
            _ => Value::Null,
        },
        Expr::Length(inner) => match evaluate(inner, row) {
            Value::List(items) => Value::Int(items.len() as i64),
            Value::Map(entries) => Value::Int(entries.len() as i64),
            _ => Value::Null,
        },
        Expr::ZipMap { names, values } => match (texts(names, row), texts(values, row)) {
            (Some(names), Some(values)) => {
                Value::Map(names.into_iter().zip(values.into_iter().map(Value::Text)).collect())
            }
            _ => Value::Null,
        },
        Expr::ZipGet { names, values, key } => match (texts(names, row), texts(values, row)) {
            (Some(names), Some(values)) => names
                .into_iter()
                .zip(values)
                .find(|(name, _)| **name == **key)
                .map_or(Value::Null, |(_, value)| Value::Text(value)),
            _ => Value::Null,
        },
        predicate => Value::Bool(holds(predicate, row)),
    }
}

/// Whether a predicate holds. A comparison with null does not, and `Not` is the plain complement.
pub fn holds(predicate: &Expr, row: &dyn Row) -> bool {
    match predicate {
        Expr::IsTrue(inner) => evaluate(inner, row) == Value::Bool(true),
        Expr::Compare { left, op, right } => {
            evaluate(left, row).compare(&evaluate(right, row)).is_some_and(|order| compares(*op, order))
        }
        Expr::In { value, accepted } => text(value, row).is_some_and(|value| accepted.contains(&value)),
        Expr::Text { value, op, needle, case } => {
            text(value, row).is_some_and(|value| text_passes(&value, *op, needle, *case))
        }
        Expr::HasAllTokens { value, tokens } => text(value, row).is_some_and(|value| {
            let lowered = value.to_ascii_lowercase();
            let present: Vec<&str> = lowered.split(is_separator).collect();
            tokens.iter().all(|token| present.contains(&token.as_str()))
        }),
        Expr::HasAny { list, texts: wanted } => {
            texts(list, row).is_some_and(|items| wanted.iter().any(|text| items.contains(text)))
        }
        Expr::HasAll { list, texts: wanted } => {
            texts(list, row).is_some_and(|items| wanted.iter().all(|text| items.contains(text)))
        }
        Expr::IsNull(inner) => evaluate(inner, row).is_null(),
        Expr::And(parts) => parts.iter().all(|part| holds(part, row)),
        Expr::Or(parts) => parts.iter().any(|part| holds(part, row)),
        Expr::Not(inner) => !holds(inner, row),
        Expr::Score(test) => row.scores().iter().any(|entry| entry.passes(test)),
        Expr::InTracePosition(position) => row.position().is(*position),
        Expr::Comment(_) => panic!("comment tests are resolved before a source sees them"),
        value => panic!("{value:?} is no predicate"),
    }
}

/// Whether two values in this order satisfy the operator.
pub fn compares(op: CompareOp, order: Ordering) -> bool {
    match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::NotEq => order.is_ne(),
        CompareOp::Less => order.is_lt(),
        CompareOp::LessEq => order.is_le(),
        CompareOp::Greater => order.is_gt(),
        CompareOp::GreaterEq => order.is_ge(),
    }
}

fn text_passes(value: &str, op: TextOp, needle: &str, case: CaseRule) -> bool {
    let (value, needle) = match case {
        CaseRule::Exact => (value.to_owned(), needle.to_owned()),
        CaseRule::Folded => (fold(value), fold(needle)),
    };
    match op {
        TextOp::Contains => value.contains(&needle),
        TextOp::StartsWith => value.starts_with(&needle),
        TextOp::EndsWith => value.ends_with(&needle),
    }
}

/// Lower case, code point by code point, where that is one code point.
fn fold(text: &str) -> String {
    text.chars()
        .map(|c| {
            let mut lower = c.to_lowercase();
            match (lower.next(), lower.next()) {
                (Some(single), None) => single,
                _ => c,
            }
        })
        .collect()
}

/// Whether a character ends a token: ASCII that is neither letter nor digit.
fn is_separator(c: char) -> bool {
    c.is_ascii() && !c.is_ascii_alphanumeric()
}

/// The sum of numbers of one type: integers modulo their range, decimals exactly. For none it is an
/// integer zero, which adds to any type.
pub fn sum(values: impl Iterator<Item = Value>) -> Value {
    values
        .reduce(|total, next| match (total, next) {
            (Value::UInt(0), other) | (other, Value::UInt(0)) => other,
            (Value::UInt(a), Value::UInt(b)) => Value::UInt(a.wrapping_add(b)),
            (Value::Int(a), Value::Int(b)) => Value::Int(a.wrapping_add(b)),
            (Value::Float(a), Value::Float(b)) => Value::Float(a + b),
            (Value::Decimal { unscaled: a, scale: s }, Value::Decimal { unscaled: b, scale: t }) if s == t => {
                Value::Decimal { unscaled: a.wrapping_add(b), scale: s }
            }
            (a, b) => panic!("cannot add {a:?} and {b:?}"),
        })
        .unwrap_or(Value::UInt(0))
}

fn text(expr: &Expr, row: &dyn Row) -> Option<String> {
    match evaluate(expr, row) {
        Value::Null => None,
        Value::Text(text) => Some(text),
        other => panic!("{other:?} is no text"),
    }
}

fn texts(expr: &Expr, row: &dyn Row) -> Option<Vec<String>> {
    match evaluate(expr, row) {
        Value::Null => None,
        Value::List(items) => Some(
            items
                .into_iter()
                .map(|item| match item {
                    Value::Text(text) => text,
                    other => panic!("{other:?} is no text"),
                })
                .collect(),
        ),
        other => panic!("{other:?} is no list"),
    }
}
