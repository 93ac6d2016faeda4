//! Options as the user wrote them, read field by field into a valid value.
//!
//! Every problem is collected and reported at once. A field comes from the address, from the options
//! beside it, or from the environment; giving it twice is a problem, and so is a name that the kind
//! does not have. Values are repeated in a message only where the field is not a secret.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::kind::{KindDescriptor, RawOptions};
use crate::{ByteCount, Fault, FieldProblem, nearest};

/// The options of one source or destination while they are read.
pub struct Fields<'a> {
    values: BTreeMap<String, String>,
    environment: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<FieldProblem>,
}

impl<'a> Fields<'a> {
    /// Merges the address's query with `options` and refuses names that `descriptor` does not have.
    pub fn new(
        descriptor: &KindDescriptor,
        query: &[(String, String)],
        options: &RawOptions,
        environment: &'a dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let known: Vec<&str> = match descriptor.options.get("properties") {
            Some(serde_json::Value::Object(properties)) => properties.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let mut fields = Self { values: BTreeMap::new(), environment, problems: Vec::new() };
        for (name, value) in query.iter().map(|(name, value)| (name, value)).chain(&options.0) {
            if !known.contains(&name.as_str()) {
                let problem = FieldProblem::new(name, format!("{} has no such option", descriptor.title));
                fields.problems.push(match nearest(name, known.iter().copied()) {
                    Some(close) => problem.hint(format!("did you mean {close}?")),
                    None if known.is_empty() => problem.hint("it has none"),
                    None => problem.hint(format!("its options are {}", known.join(", "))),
                });
            } else if fields.values.insert(name.clone(), value.trim().to_owned()).is_some() {
                fields.problems.push(FieldProblem::new(name, "it is given twice"));
            }
        }
        fields
    }

    /// The value of an option, where it was given and is not empty.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.values.remove(name).filter(|value| !value.is_empty())
    }

    /// The value of an option or else of the first variable that is set.
    pub fn text_or(&mut self, name: &str, variables: &[&str]) -> Option<String> {
        self.text(name).or_else(|| variables.iter().find_map(|variable| self.variable(variable)))
    }

    /// A variable of the environment; empty counts as unset.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A switch; unset is off.
    pub fn flag_or(&mut self, name: &str, variables: &[&str]) -> bool {
        match self.text_or(name, variables).as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0" | "no") => false,
            Some("true" | "1" | "yes") => true,
            Some(_) => {
                self.problem(name, "it is neither true nor false", "write true or false");
                false
            }
        }
    }

    /// A whole number.
    pub fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let text = self.text(name)?;
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let hint = format!("write a whole number from {} to {}", range.start(), range.end());
            self.problem(name, format!("{text:?} is not allowed"), hint);
        }
        number
    }

    /// A size such as `16777216`, `16MiB` or `64 MB`.
    pub fn bytes(&mut self, name: &str) -> Option<ByteCount> {
        let text = self.text(name)?;
        let size = ByteCount::parse(&text);
        if size.is_none() {
            self.problem(name, format!("{text:?} is not a size"), "write bytes, or a unit such as 16MiB");
        }
        size
    }

    /// Notes a problem that only the kind can see.
    pub fn problem(&mut self, name: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(FieldProblem::new(name, message).hint(hint));
    }

    /// Fails with every problem noted so far.
    pub fn check(&mut self) -> Result<(), Fault> {
        match std::mem::take(&mut self.problems) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(Fault::of_problems(problems)),
        }
    }
}
