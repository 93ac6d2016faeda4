//! Reads tokens by the grammar; conditions are given their type by the column they name.

use super::condition::{Column, Operator, Value, condition};
use super::lexer::{Token, TokenKind};
use super::{problem_at, too_deep};
use crate::filter::wire::{NESTING_MAX, WireFilter};
use crate::{CompareOp, FieldProblem, TableSpec};

/// Reads all tokens. A wrong word ends the reading; wrong columns and types are all reported.
pub(super) fn parse(table: &TableSpec, tokens: &[Token], at: &str) -> Result<WireFilter, Vec<FieldProblem>> {
    let end = tokens.last().map_or(1, |token| token.position + token.kind.shown().chars().count());
    let mut parser = Parser { table, tokens, at, next: 0, end, problems: Vec::new() };
    let filter = parser.any(NESTING_MAX).and_then(|filter| match parser.peek() {
        None => Ok(filter),
        Some(_) => Err(parser.unexpected("and, or, or the end")),
    });
    match filter {
        Ok(filter) if parser.problems.is_empty() => Ok(filter),
        Ok(_) => Err(parser.problems),
        Err(problem) => {
            parser.problems.push(problem);
            Err(parser.problems)
        }
    }
}

struct Parser<'a> {
    table: &'a TableSpec,
    tokens: &'a [Token],
    /// Name of the line in problems.
    at: &'a str,
    next: usize,
    /// Position behind the last token.
    end: usize,
    problems: Vec<FieldProblem>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a TokenKind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |token| token.position)
    }

    fn unexpected(&self, expected: &str) -> FieldProblem {
        let found = self.peek().map_or("the end".to_owned(), TokenKind::shown);
        problem_at(self.position(), format!("expected {expected}, found {found}"))
    }

    /// Whether the next words are these, whatever their case; takes them if so.
    fn take_words(&mut self, words: &[&str]) -> bool {
        let matches = words.iter().enumerate().all(|(offset, wanted)| {
            matches!(self.tokens.get(self.next + offset).map(|token| &token.kind),
                     Some(TokenKind::Word(word)) if word.eq_ignore_ascii_case(wanted))
        });
        self.next += if matches { words.len() } else { 0 };
        matches
    }

    fn take(&mut self, wanted: &TokenKind) -> bool {
        let taken = self.peek() == Some(wanted);
        self.next += usize::from(taken);
        taken
    }

    fn any(&mut self, levels: usize) -> Result<WireFilter, FieldProblem> {
        let mut parts = vec![self.all(levels)?];
        while self.take_words(&["or"]) {
            parts.push(self.all(levels)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { WireFilter::Or(parts) })
    }

    fn all(&mut self, levels: usize) -> Result<WireFilter, FieldProblem> {
        let mut parts = vec![self.one(levels)?];
        while self.take_words(&["and"]) {
            parts.push(self.one(levels)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { WireFilter::And(parts) })
    }

    fn one(&mut self, levels: usize) -> Result<WireFilter, FieldProblem> {
        let deeper = levels.checked_sub(1);
        if self.take_words(&["not"]) {
            return Ok(WireFilter::Not(Box::new(self.one(deeper.ok_or_else(too_deep)?)?)));
        }
        if self.take(&TokenKind::Open) {
            let inner = self.any(deeper.ok_or_else(too_deep)?)?;
            if !self.take(&TokenKind::Close) {
                return Err(self.unexpected("and, or, or a closing parenthesis"));
            }
            return Ok(inner);
        }
        self.condition()
    }

    fn condition(&mut self) -> Result<WireFilter, FieldProblem> {
        let (at, position) = (self.at, self.position());
        let column = match self.peek() {
            Some(TokenKind::Word(name) | TokenKind::Text(name)) => Column { at, position, name, key: None },
            Some(TokenKind::Path(name, key)) => Column { at, position, name, key: Some(key) },
            _ => return Err(self.unexpected("a column")),
        };
        self.next += 1;
        let operator = self.operator()?;
        let values = match operator {
            Operator::IsNull | Operator::IsNotNull => vec![],
            Operator::In | Operator::NotIn => self.values()?,
            _ => vec![self.value()?],
        };
        match condition(self.table, &column, operator, &values) {
            Ok(filter) => Ok(filter),
            Err(problem) => {
                // Reading goes on, so that every wrong column is reported; the line fails anyway.
                self.problems.push(problem);
                Ok(WireFilter::And(vec![]))
            }
        }
    }

    fn operator(&mut self) -> Result<Operator, FieldProblem> {
        if let Some(TokenKind::Operator(sign)) = self.peek() {
            self.next += 1;
            return Ok(Operator::Compare(match *sign {
                "=" => CompareOp::Eq,
                "!=" => CompareOp::NotEq,
                "<" => CompareOp::Less,
                "<=" => CompareOp::LessEq,
                ">" => CompareOp::Greater,
                _ => CompareOp::GreaterEq,
            }));
        }
        let spellings: [(&[&str], Operator); 9] = [
            (&["contains"], Operator::Contains),
            (&["does", "not", "contain"], Operator::DoesNotContain),
            (&["starts", "with"], Operator::StartsWith),
            (&["ends", "with"], Operator::EndsWith),
            (&["matches"], Operator::Matches),
            (&["in"], Operator::In),
            (&["not", "in"], Operator::NotIn),
            (&["is", "null"], Operator::IsNull),
            (&["is", "not", "null"], Operator::IsNotNull),
        ];
        for (words, operator) in spellings {
            if self.take_words(words) {
                return Ok(operator);
            }
        }
        Err(self.unexpected("an operator (= != < <= > >= contains in)"))
    }

    fn values(&mut self) -> Result<Vec<Value>, FieldProblem> {
        if !self.take(&TokenKind::Open) {
            return Err(self.unexpected("an opening parenthesis"));
        }
        let mut values = vec![self.value()?];
        while self.take(&TokenKind::Comma) {
            values.push(self.value()?);
        }
        if !self.take(&TokenKind::Close) {
            return Err(self.unexpected("a comma or a closing parenthesis"));
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<Value, FieldProblem> {
        let value = match self.peek() {
            Some(TokenKind::Text(text)) => Value::Text(text.clone()),
            Some(TokenKind::Number(number)) => Value::Number(number.clone()),
            Some(TokenKind::Word(word)) if word.eq_ignore_ascii_case("true") => Value::Bool(true),
            Some(TokenKind::Word(word)) if word.eq_ignore_ascii_case("false") => Value::Bool(false),
            Some(TokenKind::Word(word)) => {
                return Err(self.unexpected("a value").hint(format!("texts stand in quotes: \"{word}\"")));
            }
            _ => return Err(self.unexpected("a text, a number, true or false")),
        };
        self.next += 1;
        Ok(value)
    }
}
