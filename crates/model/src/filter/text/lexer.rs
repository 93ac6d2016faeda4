//! Cuts a line into tokens, each with the character it begins at.

use serde_json::Number;

use super::problem_at;
use crate::FieldProblem;

/// A token and its position, counted in characters from 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) position: usize,
    pub(super) kind: TokenKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// An unquoted name or keyword.
    Word(String),
    /// A name, quoted or not, with a key behind a dot.
    Path(String, String),
    /// A quoted text; in the place of a column, its name.
    Text(String),
    Number(Number),
    /// `=`, `!=`, `<`, `<=`, `>`, `>=`.
    Operator(&'static str),
    Open,
    Close,
    Comma,
}

impl TokenKind {
    /// The token as a message names it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(word) => word.clone(),
            Self::Path(name, key) => format!("{name}.{key}"),
            Self::Text(text) => format!("{text:?}"),
            Self::Number(number) => number.to_string(),
            Self::Operator(operator) => (*operator).to_owned(),
            Self::Open => "(".to_owned(),
            Self::Close => ")".to_owned(),
            Self::Comma => ",".to_owned(),
        }
    }
}

/// Cuts the line, or says where it cannot be cut.
pub(super) fn tokens(line: &str) -> Result<Vec<Token>, FieldProblem> {
    let mut lexer = Lexer { chars: line.chars().collect(), next: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.token()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer {
    chars: Vec<char>,
    next: usize,
}

impl Lexer {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.next).copied()
    }

    fn take_if(&mut self, wanted: char) -> bool {
        let taken = self.peek() == Some(wanted);
        self.next += usize::from(taken);
        taken
    }

    fn take_while(&mut self, accepted: impl Fn(char) -> bool) -> String {
        let start = self.next;
        while self.peek().is_some_and(&accepted) {
            self.next += 1;
        }
        self.chars[start..self.next].iter().collect()
    }

    fn token(&mut self) -> Result<Option<Token>, FieldProblem> {
        self.take_while(char::is_whitespace);
        let position = self.next + 1;
        let Some(first) = self.peek() else { return Ok(None) };
        let kind = match first {
            '(' | ')' | ',' => {
                self.next += 1;
                match first {
                    '(' => TokenKind::Open,
                    ')' => TokenKind::Close,
                    _ => TokenKind::Comma,
                }
            }
            '=' | '!' | '<' | '>' => self.operator(position)?,
            '"' | '\'' => {
                let text = self.quoted()?;
                self.with_key(text, TokenKind::Text)?
            }
            '-' | '0'..='9' => self.number(position)?,
            letter if letter.is_alphabetic() || letter == '_' => {
                let word = self.take_while(|c| c.is_alphanumeric() || c == '_');
                self.with_key(word, TokenKind::Word)?
            }
            other => return Err(problem_at(position, format!("{other:?} has no meaning here"))),
        };
        Ok(Some(Token { position, kind }))
    }

    fn operator(&mut self, position: usize) -> Result<TokenKind, FieldProblem> {
        let signs = self.take_while(|c| matches!(c, '=' | '!' | '<' | '>'));
        match ["=", "!=", "<", "<=", ">", ">="].into_iter().find(|known| *known == signs) {
            Some(known) => Ok(TokenKind::Operator(known)),
            None => Err(problem_at(position, format!("{signs} is not an operator"))
                .hint("operators are = != < <= > >= contains in")),
        }
    }

    fn number(&mut self, position: usize) -> Result<TokenKind, FieldProblem> {
        let digits = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
        serde_json::from_str(&digits)
            .map(TokenKind::Number)
            .map_err(|_| problem_at(position, format!("{digits} is not a number")))
    }

    /// The name, with its key where a dot follows at once.
    fn with_key(&mut self, name: String, alone: impl FnOnce(String) -> TokenKind) -> Result<TokenKind, FieldProblem> {
        if !self.take_if('.') {
            return Ok(alone(name));
        }
        if matches!(self.peek(), Some('"' | '\'')) {
            return Ok(TokenKind::Path(name, self.quoted()?));
        }
        let key = self.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '$' | '/'));
        if key.is_empty() {
            return Err(problem_at(self.next + 1, format!("a key must follow {name}.")));
        }
        Ok(TokenKind::Path(name, key))
    }

    /// Reads a text in single or double quotes, with JSON's escapes.
    fn quoted(&mut self) -> Result<String, FieldProblem> {
        let start = self.next + 1;
        let quote = self.chars[self.next];
        self.next += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.peek() else {
                return Err(problem_at(start, format!("the text has no closing {quote}")));
            };
            self.next += 1;
            match c {
                c if c == quote => return Ok(text),
                '\\' => text.push(self.escape()?),
                c => text.push(c),
            }
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Result<char, FieldProblem> {
        let position = self.next;
        let letter = self.peek();
        self.next += 1;
        Ok(match letter {
            Some(c @ ('"' | '\'' | '\\' | '/')) => c,
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('u') => return self.unicode_escape(position),
            _ => {
                return Err(problem_at(position, "a backslash escapes nothing here")
                    .hint(r#"write \\ for a backslash, \" for a quote, \n for a new line"#));
            }
        })
    }

    /// Reads four hex digits, and a second escape where they are half of a surrogate pair.
    fn unicode_escape(&mut self, position: usize) -> Result<char, FieldProblem> {
        let bad = || problem_at(position, "\\u needs four hexadecimal digits that make a character");
        let first = self.hex_unit().ok_or_else(bad)?;
        if let Some(c) = char::from_u32(first.into()) {
            return Ok(c);
        }
        let second = (self.take_if('\\') && self.take_if('u')).then(|| self.hex_unit()).flatten().ok_or_else(bad)?;
        char::decode_utf16([first, second]).next().and_then(Result::ok).ok_or_else(bad)
    }

    fn hex_unit(&mut self) -> Option<u16> {
        let digits: String = self.chars.get(self.next..self.next + 4)?.iter().collect();
        let all_hex = digits.chars().all(|c| c.is_ascii_hexdigit());
        self.next += 4;
        if all_hex { u16::from_str_radix(&digits, 16).ok() } else { None }
    }
}
