//! Options by name, read one by one; every problem is collected.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use model::{ByteCount, Fault, FieldProblem, KindDescriptor, RawOptions, nearest};

/// The options of one source while they are read.
pub(super) struct Fields<'a> {
    values: BTreeMap<String, String>,
    environment: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<FieldProblem>,
}

impl<'a> Fields<'a> {
    /// Takes an address's query and what it does not say from `defaults`, and refuses names that
    /// `descriptor` does not have.
    pub(super) fn new(
        descriptor: &KindDescriptor,
        query: &[(String, String)],
        defaults: &RawOptions,
        environment: &'a dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let known: Vec<&str> = match descriptor.options.get("properties") {
            Some(serde_json::Value::Object(properties)) => properties.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let mut fields = Self { values: BTreeMap::new(), environment, problems: Vec::new() };
        let defaults = defaults.0.iter().filter(|(name, _)| !query.iter().any(|(known, _)| known == *name));
        for (name, value) in query.iter().map(|(name, value)| (name, value)).chain(defaults) {
            if !known.contains(&name.as_str()) {
                let problem = FieldProblem::new(name, format!("{} has no such option", descriptor.title));
                fields.problems.push(match nearest(name, known.iter().copied()) {
                    Some(close) => problem.hint(format!("did you mean {close}?")),
                    None => problem.hint(format!("its options are {}", known.join(", "))),
                });
            } else if fields.values.insert(name.clone(), value.trim().to_owned()).is_some() {
                fields.problems.push(FieldProblem::new(name, "it is given twice"));
            }
        }
        fields
    }

    /// The value of an option, where it was given and is not empty.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.values.remove(name).filter(|value| !value.is_empty())
    }

    /// A variable of the environment; empty counts as unset.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A whole number.
    pub(super) fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let text = self.text(name)?;
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let hint = format!("write a whole number from {} to {}", range.start(), range.end());
            self.problem(name, format!("{text:?} is not allowed"), hint);
        }
        number
    }

    /// A size such as `16777216`, `16MiB` or `64 MB`.
    pub(super) fn bytes(&mut self, name: &str) -> Option<ByteCount> {
        let text = self.text(name)?;
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let unit: Option<u64> = match text[digits..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => Some(1),
            "kb" => Some(1000),
            "mb" => Some(1_000_000),
            "gb" => Some(1_000_000_000),
            "kib" => Some(1 << 10),
            "mib" => Some(1 << 20),
            "gib" => Some(1 << 30),
            _ => None,
        };
        let size = text[..digits].parse::<u64>().ok().zip(unit).and_then(|(count, unit)| count.checked_mul(unit));
        let size = size.filter(|size| *size > 0);
        if size.is_none() {
            self.problem(name, format!("{text:?} is not a size"), "write bytes, or a unit such as 16MiB");
        }
        size.map(ByteCount)
    }

    /// Notes a problem.
    pub(super) fn problem(&mut self, name: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(FieldProblem::new(name, message).hint(hint));
    }

    /// Fails with every problem noted so far.
    pub(super) fn check(&mut self) -> Result<(), Fault> {
        match std::mem::take(&mut self.problems) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(Fault::of_problems(problems)),
        }
    }
}
