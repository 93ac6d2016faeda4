//! Predicates: 0 or 1 for every row, never null, so that `NOT` is the complement.

use model::{CaseRule, ColumnType, CompareOp, Expr, Fault, Literal, TextOp};

use super::fold::pattern;
use super::number::operator;
use super::time::{has_a_minute, micros_of};
use super::{Printer, Term, is_composite};

impl Printer<'_> {
    /// Prints a predicate.
    pub(crate) fn predicate(&mut self, expr: &Expr) -> Result<String, Fault> {
        Ok(match expr {
            Expr::IsTrue(inner) => format!("ifNull({}, false)", self.value(inner)?.sql),
            Expr::Compare { left, op, right } => self.compare(left, *op, right)?,
            Expr::In { value, accepted } => {
                if accepted.is_empty() {
                    return Ok("0".into());
                }
                let value = self.value(value)?.sql;
                let lists = self.parameters.texts(accepted.iter().map(String::as_str))?;
                joined("OR", "0", lists.into_iter().map(|list| format!("ifNull({value} IN {list}, 0)")))
            }
            Expr::Text { value, op, needle, case } => {
                let value = self.value(value)?.sql;
                self.text(&value, *op, needle, *case)
            }
            Expr::HasAllTokens { value, tokens } => {
                let value = self.value(value)?.sql;
                let lists = self.parameters.texts(tokens.iter().map(String::as_str))?;
                let has = |list| format!("hasAll(tokens(lower(ifNull({value}, ''))), {list})");
                let has = joined("AND", "1", lists.into_iter().map(has));
                format!("(isNotNull({value}) AND {has})")
            }
            Expr::HasAny { list, texts } => self.has(list, texts, "hasAny", "OR")?,
            Expr::HasAll { list, texts } => self.has(list, texts, "hasAll", "AND")?,
            Expr::IsNull(inner) => match self.value(inner)? {
                Term { kind, absent, .. } if is_composite(&kind) => absent.unwrap_or_else(|| "0".into()),
                term => format!("isNull({})", term.sql),
            },
            Expr::And(parts) => self.all(parts, "AND", "1")?,
            Expr::Or(parts) => self.all(parts, "OR", "0")?,
            // In parentheses of its own: older servers take `NOT (a, b) IN …` for a call of `not` with two arguments.
            Expr::Not(inner) => format!("(NOT ({}))", self.predicate(inner)?),
            Expr::Score(test) => match self.surroundings {
                Some(surroundings) => surroundings.score(test, self.parameters)?,
                None => return Err(Fault::bug("scores are tested where there are none")),
            },
            Expr::InTracePosition(position) => match self.surroundings {
                Some(surroundings) => surroundings.position(*position, self.parameters)?,
                None => return Err(Fault::bug("a place in a trace is tested where there is none")),
            },
            Expr::Comment(_) => return Err(Fault::bug("a comment filter reached the source unresolved")),
            value => return Err(Fault::bug(format!("{value:?} is no predicate"))),
        })
    }

    fn all(&mut self, parts: &[Expr], operator: &str, none: &str) -> Result<String, Fault> {
        let parts = parts.iter().map(|part| self.predicate(part)).collect::<Result<Vec<_>, _>>()?;
        Ok(joined(operator, none, parts.into_iter()))
    }

    fn compare(&mut self, left: &Expr, op: CompareOp, right: &Expr) -> Result<String, Fault> {
        let kind = self.kind_of(left).or_else(|| self.kind_of(right));
        let is_number = match &kind {
            Some(kind) => matches!(
                kind,
                ColumnType::Int64 | ColumnType::UInt64 | ColumnType::Float64 | ColumnType::Decimal { .. }
            ),
            None => matches!(left, Expr::Literal(Literal::Int(_) | Literal::Decimal { .. } | Literal::Float(_))),
        };
        if is_number {
            return self.compare_numbers(left, op, right);
        }
        let is_beyond = |side: &Expr| matches!(side, Expr::Literal(Literal::Timestamp(at)) if !has_a_minute(*at));
        let by_number = is_beyond(left) || is_beyond(right);
        let mut side = |side: &Expr| -> Result<String, Fault> {
            Ok(match side {
                Expr::Literal(Literal::Timestamp(instant)) if by_number => self.parameters.int(instant.0),
                side if by_number => micros_of(&self.value_as(side, kind.as_ref())?.sql),
                side => self.value_as(side, kind.as_ref())?.sql,
            })
        };
        let (left, right) = (side(left)?, side(right)?);
        Ok(format!("ifNull({left} {} {right}, 0)", operator(op)))
    }

    fn text(&mut self, value: &str, op: TextOp, needle: &str, case: CaseRule) -> String {
        if needle.is_empty() {
            return format!("isNotNull({value})");
        }
        if case == CaseRule::Folded {
            let pattern = self.parameters.text(&pattern(op, needle));
            return format!("ifNull(match({value}, {pattern}), 0)");
        }
        let needle = self.parameters.text(needle);
        match op {
            TextOp::Contains => format!("ifNull(position({value}, {needle}) > 0, 0)"),
            TextOp::StartsWith => format!("ifNull(startsWith({value}, {needle}), 0)"),
            TextOp::EndsWith => format!("ifNull(endsWith({value}, {needle}), 0)"),
        }
    }

    fn has(&mut self, list: &Expr, texts: &[String], function: &str, operator: &str) -> Result<String, Fault> {
        let list = self.value(list)?;
        let wanted = self.parameters.texts(texts.iter().map(String::as_str))?;
        let has = wanted.into_iter().map(|wanted| format!("{function}({}, {wanted})", list.sql));
        let has = joined(operator, "0", has);
        Ok(match list.absent {
            None => has,
            Some(absent) => format!("(NOT {absent} AND {has})"),
        })
    }
}

/// Predicates joined by an operator; `none` where there are none.
pub(in crate::clickhouse) fn joined(operator: &str, none: &str, parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    match &parts[..] {
        [] => none.to_owned(),
        [single] => single.clone(),
        several => format!("({})", several.join(&format!(" {operator} "))),
    }
}

#[cfg(test)]
mod tests {
    use model::{ScoreTest, TracePosition};

    use super::*;
    use crate::clickhouse::sql::{Parameters, Surroundings};

    struct Pairs;

    impl Surroundings for Pairs {
        fn score(&self, _: &ScoreTest, _: &mut Parameters) -> Result<String, Fault> {
            Err(Fault::bug("no score is asked for"))
        }

        fn position(&self, _: TracePosition, _: &mut Parameters) -> Result<String, Fault> {
            Ok("(a, b) IN (SELECT 1, 2)".to_owned())
        }
    }

    /// `NOT (a, b) IN …` is a call with two arguments to 26.1.
    #[test]
    fn what_is_negated_stands_in_parentheses() {
        let mut parameters = Parameters::default();
        let mut printer = Printer { names: &|_| None, parameters: &mut parameters, surroundings: Some(&Pairs) };
        let negated = Expr::Not(Box::new(Expr::InTracePosition(TracePosition::Root)));
        assert_eq!(printer.predicate(&negated).unwrap(), "(NOT ((a, b) IN (SELECT 1, 2)))");
    }
}
