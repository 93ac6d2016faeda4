//! Regular expressions that replace, within bounds of time and memory.
//!
//! The engine matches in time linear in the text and never backtracks. What is left to bound is the
//! size of the compiled pattern, which each byte of text may have to visit, and the growth of a cell.

use std::borrow::Cow;

use model::{ByteCount, Fault, FaultKind};
use regex::{Regex, RegexBuilder};

use super::escapes::decoded;

/// Longest pattern and longest replacement, as written. A rule, not a program.
const WRITTEN_BYTES_MAX: usize = 1_000;

/// Largest compiled pattern: room for Unicode classes, not for `(a{1000}){1000}`.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// A cell may double and grow by this much more; a run's memory is planned for cells of their size.
const GROWTH_BYTES_MAX: usize = 64 * 1024;

/// A pattern and what its matches become.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: Regex,
    replacement: String,
    /// Whether the replacement refers to groups.
    expands: bool,
}

/// Why a text is no pattern.
#[derive(Debug)]
pub(super) struct PatternProblem {
    pub message: String,
    pub hint: String,
}

impl Pattern {
    /// Reads `pattern/replacement` with an optional slash at the end; `\/` is a slash in either part.
    pub fn parse(text: &str) -> Result<Self, PatternProblem> {
        let problem = |message: &str, hint: &str| PatternProblem { message: message.into(), hint: hint.into() };
        let parts = split(text);
        let (pattern, replacement) = match parts.as_slice() {
            [pattern, replacement] => (pattern, replacement),
            [pattern, replacement, end] if end.is_empty() => (pattern, replacement),
            [_] => return Err(problem("the replacement is missing", "write /pattern/replacement")),
            _ => return Err(problem("it has too many slashes", "write \\/ for a slash in a pattern or replacement")),
        };
        if pattern.is_empty() {
            return Err(problem("it is empty", "write /pattern/replacement"));
        }
        if pattern.len() > WRITTEN_BYTES_MAX || replacement.len() > WRITTEN_BYTES_MAX {
            return Err(PatternProblem {
                message: format!("it is longer than {WRITTEN_BYTES_MAX} bytes"),
                hint: "use several shorter rules".into(),
            });
        }
        let compiled = RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build();
        let regex = compiled.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                problem("it becomes too large when compiled", "use smaller repetition counts")
            }
            other => PatternProblem {
                message: other.to_string().lines().last().unwrap_or_default().trim().to_owned(),
                hint: "look-around and back-references are not supported".into(),
            },
        })?;
        Ok(Self { regex, expands: replacement.contains('$'), replacement: replacement.clone() })
    }

    /// Appends the text with every match replaced. What is matched is the text with its `\uXXXX` decoded,
    /// and so is what is written where something matched.
    pub fn replace_into(&self, text: &str, output: &mut String) -> Result<(), Fault> {
        let readable = decoded(text);
        if matches!(readable, Cow::Owned(_)) && !self.regex.is_match(&readable) {
            output.push_str(text);
            return Ok(());
        }
        let text = &*readable;
        let most = output.len() + 2 * text.len() + GROWTH_BYTES_MAX;
        let mut copied = 0;
        let mut step = |output: &mut String, from: usize, to: usize, expand: &dyn Fn(&mut String)| {
            output.push_str(&text[copied..from]);
            expand(output);
            copied = to;
            if output.len() > most { Err(too_large(text.len())) } else { Ok(()) }
        };
        if self.expands {
            for captures in self.regex.captures_iter(text) {
                let whole = captures.get_match();
                step(output, whole.start(), whole.end(), &|output| captures.expand(&self.replacement, output))?;
            }
        } else {
            for found in self.regex.find_iter(text) {
                step(output, found.start(), found.end(), &|output| output.push_str(&self.replacement))?;
            }
        }
        output.push_str(&text[copied..]);
        Ok(())
    }
}

fn too_large(bytes: usize) -> Fault {
    let limit = ByteCount::from(2 * bytes + GROWTH_BYTES_MAX);
    Fault::new(
        FaultKind::TooLarge { limit: Some(limit) },
        format!("a mask pattern makes a cell of {} grow beyond {}", ByteCount::from(bytes).human(), limit.human()),
    )
    .hint("use a shorter replacement, or a pattern that matches less often")
}

/// The parts between slashes that are not escaped.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let part = parts.last_mut().expect("there is always a last part");
        match character {
            '/' => parts.push(String::new()),
            '\\' => match characters.next() {
                Some('/') => part.push('/'),
                Some(other) => part.extend(['\\', other]),
                None => part.push('\\'),
            },
            other => part.push(other),
        }
    }
    parts
}
