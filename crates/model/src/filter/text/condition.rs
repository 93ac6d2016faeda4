//! The wire form of one written condition, by the kind of the column it names.

use serde_json::Number;

use super::{FIELD, problem_at};
use crate::filter::compile::unknown_column;
use crate::filter::wire::{OptionsOp, StringOp, Test, WireFilter};
use crate::{CompareOp, FieldProblem, FilterKind, Micros, TableSpec, TracePosition};

/// The column as written.
pub(super) struct Column<'a> {
    /// Name of the line in problems.
    pub(super) at: &'a str,
    pub(super) position: usize,
    pub(super) name: &'a str,
    pub(super) key: Option<&'a String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operator {
    Compare(CompareOp),
    Contains,
    DoesNotContain,
    StartsWith,
    EndsWith,
    Matches,
    In,
    NotIn,
    IsNull,
    IsNotNull,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(Number),
    Bool(bool),
}

/// Gives the condition its wire form, or says what the column takes instead.
pub(super) fn condition(
    table: &TableSpec,
    column: &Column<'_>,
    operator: Operator,
    values: &[Value],
) -> Result<WireFilter, FieldProblem> {
    if operator == Operator::Compare(CompareOp::NotEq) {
        // The complement of equality, whatever the column.
        let equal = condition(table, column, Operator::Compare(CompareOp::Eq), values)?;
        return Ok(WireFilter::Not(Box::new(equal)));
    }
    let Some(filter) = table.filter_column(column.name) else {
        let problem = unknown_column(table, FIELD, column.name);
        let message = format!("at character {}: {}", column.position, problem.message);
        return Err(FieldProblem { message, ..problem });
    };
    let written = Written { column, operator, values };
    let keyed = matches!(filter.kind, FilterKind::TextPairs { .. } | FilterKind::TextMap(_) | FilterKind::Score { .. });
    match (keyed, column.key) {
        (true, None) => {
            let problem = problem_at(column.position, format!("{} is looked at by key", column.name));
            return Err(problem.hint(format!("write {}.key, or {}.\"any key\"", column.name, column.name)));
        }
        (false, Some(key)) => {
            return Err(problem_at(column.position, format!("{} has no keys such as {key:?}", column.name)));
        }
        _ => {}
    }
    match &filter.kind {
        FilterKind::Text { .. } | FilterKind::CommentContent => written.text(),
        FilterKind::Number { .. } | FilterKind::CommentCount => written.number(),
        FilterKind::Time(_) => written.time(),
        FilterKind::Bool(_) => written.boolean(),
        FilterKind::TextList(_) => written.list(),
        FilterKind::TextPairs { .. } | FilterKind::TextMap(_) => written.text_under_key(),
        FilterKind::Score { .. } => written.score(),
        FilterKind::TracePosition => written.trace_position(),
    }
}

struct Written<'a> {
    column: &'a Column<'a>,
    operator: Operator,
    values: &'a [Value],
}

impl Written<'_> {
    fn is(&self, test: Test) -> WireFilter {
        let Column { at, position, name, .. } = self.column;
        WireFilter::condition(format!("{at}[{position}]"), *name, test)
    }

    fn refuse<T>(&self, takes: &str) -> Result<T, FieldProblem> {
        Err(problem_at(self.column.position, format!("{} takes {takes}", self.column.name)))
    }

    /// The key; its presence was checked against the column's kind.
    fn key(&self) -> String {
        self.column.key.cloned().unwrap_or_default()
    }

    fn texts(&self) -> Option<Vec<String>> {
        let text = |value: &Value| if let Value::Text(text) = value { Some(text.clone()) } else { None };
        self.values.iter().map(text).collect()
    }

    fn numbers(&self) -> Option<Vec<Number>> {
        let number = |value: &Value| if let Value::Number(number) = value { Some(number.clone()) } else { None };
        self.values.iter().map(number).collect()
    }

    fn string_op(&self) -> Option<StringOp> {
        match self.operator {
            Operator::Compare(CompareOp::Eq) => Some(StringOp::Equals),
            Operator::Contains => Some(StringOp::Contains),
            Operator::DoesNotContain => Some(StringOp::DoesNotContain),
            Operator::StartsWith => Some(StringOp::StartsWith),
            Operator::EndsWith => Some(StringOp::EndsWith),
            Operator::Matches => Some(StringOp::Matches),
            _ => None,
        }
    }

    /// `is null` and `is not null`, where it is one of them.
    fn null(&self) -> Option<WireFilter> {
        match self.operator {
            Operator::IsNull => Some(self.is(Test::IsNull)),
            Operator::IsNotNull => Some(self.is(Test::IsNotNull)),
            _ => None,
        }
    }

    /// `in` and `not in` for types that have no list on the wire: one equality for each value.
    fn each<T>(&self, values: Vec<T>, equal: impl Fn(T) -> Test) -> WireFilter {
        let mut parts: Vec<WireFilter> = values.into_iter().map(|value| self.is(equal(value))).collect();
        let any = if parts.len() == 1 { parts.remove(0) } else { WireFilter::Or(parts) };
        if self.operator == Operator::NotIn { WireFilter::Not(Box::new(any)) } else { any }
    }

    fn options_op(&self) -> Option<OptionsOp> {
        match self.operator {
            Operator::In => Some(OptionsOp::AnyOf),
            Operator::NotIn => Some(OptionsOp::NoneOf),
            _ => None,
        }
    }

    fn text(&self) -> Result<WireFilter, FieldProblem> {
        if let Some(filter) = self.null() {
            return Ok(filter);
        }
        match (self.texts(), self.options_op(), self.string_op()) {
            (Some(values), Some(op), _) => Ok(self.is(Test::StringOptions { op, values })),
            (Some(mut values), None, Some(op)) if values.len() == 1 => {
                Ok(self.is(Test::String { op, value: values.remove(0) }))
            }
            _ => {
                self.refuse("= != contains \"does not contain\" \"starts with\" \"ends with\" in and a text in quotes")
            }
        }
    }

    fn number(&self) -> Result<WireFilter, FieldProblem> {
        if let Some(filter) = self.null() {
            return Ok(filter);
        }
        match (self.operator, self.numbers()) {
            (Operator::Compare(op), Some(mut values)) if values.len() == 1 => {
                Ok(self.is(Test::Number { op, value: values.remove(0) }))
            }
            (Operator::In | Operator::NotIn, Some(values)) => {
                Ok(self.each(values, |value| Test::Number { op: CompareOp::Eq, value }))
            }
            _ => self.refuse("= != < <= > >= in and a number"),
        }
    }

    fn time(&self) -> Result<WireFilter, FieldProblem> {
        if let Some(filter) = self.null() {
            return Ok(filter);
        }
        let instant = self.texts().and_then(|texts| Micros::parse_text(texts.first()?));
        match (self.operator, instant) {
            (Operator::Compare(CompareOp::Eq), Some(value)) => Ok(WireFilter::And(vec![
                self.is(Test::Datetime { op: CompareOp::GreaterEq, value }),
                self.is(Test::Datetime { op: CompareOp::LessEq, value }),
            ])),
            (Operator::Compare(op), Some(value)) => Ok(self.is(Test::Datetime { op, value })),
            _ => self.refuse("= != < <= > >= and a time in quotes, such as \"2026-08-01T00:00:00Z\""),
        }
    }

    fn boolean(&self) -> Result<WireFilter, FieldProblem> {
        if let Some(filter) = self.null() {
            return Ok(filter);
        }
        match (self.operator, self.values) {
            (Operator::Compare(CompareOp::Eq), [Value::Bool(value)]) => {
                Ok(self.is(Test::Boolean { op: CompareOp::Eq, value: *value }))
            }
            _ => self.refuse("= or != and true or false"),
        }
    }

    fn list(&self) -> Result<WireFilter, FieldProblem> {
        if let Some(filter) = self.null() {
            return Ok(filter);
        }
        let op = match self.operator {
            Operator::Contains => Some(OptionsOp::AnyOf),
            Operator::DoesNotContain => Some(OptionsOp::NoneOf),
            _ => self.options_op(),
        };
        match (op, self.texts()) {
            (Some(op), Some(values)) => Ok(self.is(Test::ArrayOptions { op, values })),
            _ => self.refuse("contains or in and texts in quotes: it is a list"),
        }
    }

    fn text_under_key(&self) -> Result<WireFilter, FieldProblem> {
        let test = |op, value| Test::StringObject { key: self.key(), op, value };
        // Whether the key is there: every text contains the empty one.
        let present = || self.is(test(StringOp::Contains, String::new()));
        match (self.operator, self.texts(), self.string_op()) {
            (Operator::IsNotNull, _, _) => Ok(present()),
            (Operator::IsNull, _, _) => Ok(WireFilter::Not(Box::new(present()))),
            (Operator::In | Operator::NotIn, Some(values), _) => {
                Ok(self.each(values, |value| test(StringOp::Equals, value)))
            }
            (_, Some(mut values), Some(op)) if values.len() == 1 => Ok(self.is(test(op, values.remove(0)))),
            _ => self.refuse("= != contains \"starts with\" \"ends with\" in and a text in quotes"),
        }
    }

    fn score(&self) -> Result<WireFilter, FieldProblem> {
        let key = self.key();
        match (self.operator, self.numbers()) {
            (Operator::Compare(op), Some(mut numbers)) if numbers.len() == 1 => {
                return Ok(self.is(Test::NumberObject { key, op, value: numbers.remove(0) }));
            }
            (Operator::In | Operator::NotIn, Some(numbers)) => {
                let equal = |value| Test::NumberObject { key: key.clone(), op: CompareOp::Eq, value };
                return Ok(self.each(numbers, equal));
            }
            _ => {}
        }
        match (self.operator, self.values, self.texts()) {
            (Operator::Compare(CompareOp::Eq), [Value::Bool(value)], _) => {
                Ok(self.is(Test::BooleanObject { key, op: CompareOp::Eq, value: *value }))
            }
            (Operator::Compare(CompareOp::Eq) | Operator::In, [_, ..], Some(values)) => {
                Ok(self.is(Test::CategoryOptions { key, op: OptionsOp::AnyOf, values }))
            }
            (Operator::NotIn, [_, ..], Some(values)) => {
                Ok(self.is(Test::CategoryOptions { key, op: OptionsOp::NoneOf, values }))
            }
            _ => self.refuse("a number with = != < <= > >=, a text with = != in, or true and false with = !="),
        }
    }

    fn trace_position(&self) -> Result<WireFilter, FieldProblem> {
        let whole = |number: &Number| number.as_i64().and_then(|count| u32::try_from(count.unsigned_abs()).ok());
        let position = match (self.operator, self.values) {
            (Operator::Compare(CompareOp::Eq), [Value::Text(text)]) => match text.as_str() {
                "root" => Some(TracePosition::Root),
                "first" => Some(TracePosition::FromStart(1)),
                "last" => Some(TracePosition::FromEnd(1)),
                _ => None,
            },
            (Operator::Compare(CompareOp::Eq), [Value::Number(number)]) => match (whole(number), number.as_i64()) {
                (Some(count), Some(1..)) => Some(TracePosition::FromStart(count)),
                (Some(count), Some(..=-1)) => Some(TracePosition::FromEnd(count)),
                _ => None,
            },
            _ => None,
        };
        match position {
            Some(position) => Ok(self.is(Test::PositionInTrace(position))),
            None => self.refuse("= and \"root\", \"first\", \"last\", a place from 1, or a place from the end from -1"),
        }
    }
}
