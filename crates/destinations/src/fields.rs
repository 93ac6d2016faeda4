//! Options as the user wrote them, read field by field into a valid value.
//!
//! Every problem is collected and reported at once. A field comes from the address, from the options
//! beside it, or from the environment; giving it twice is a problem, and so is a name that the kind
//! does not have. Values are repeated in a message only where the field is not a secret.

use std::collections::BTreeMap;

use model::{ByteCount, Fault, FieldProblem, KindDescriptor, RawOptions, nearest};

use crate::secret::Secret;

/// The fields of one destination while they are read.
pub(crate) struct Fields<'a> {
    values: BTreeMap<String, String>,
    environment: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<FieldProblem>,
}

impl<'a> Fields<'a> {
    /// Merges the address's query with `options` and refuses names that `descriptor` does not have.
    pub(crate) fn new(
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
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.values.remove(name).filter(|value| !value.is_empty())
    }

    /// The value of an option or else of the first variable that is set.
    pub(crate) fn text_or(&mut self, name: &str, variables: &[&str]) -> Option<String> {
        self.text(name).or_else(|| variables.iter().find_map(|variable| self.variable(variable)))
    }

    /// A secret option or else the first variable that is set.
    pub(crate) fn secret_or(&mut self, name: &str, variables: &[&str]) -> Option<Secret> {
        self.text_or(name, variables).map(Secret::new)
    }

    /// A variable of the environment; empty counts as unset.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// A switch; unset is off.
    pub(crate) fn flag_or(&mut self, name: &str, variables: &[&str]) -> bool {
        match self.text_or(name, variables).as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("false" | "0" | "no") => false,
            Some("true" | "1" | "yes") => true,
            Some(_) => {
                self.problem(name, "it is neither true nor false", "write true or false");
                false
            }
        }
    }

    /// A size such as `16777216`, `16MiB` or `64 MB`.
    pub(crate) fn bytes(&mut self, name: &str) -> Option<ByteCount> {
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
        if size.is_none() {
            self.problem(name, format!("{text:?} is not a size"), "write bytes, or a unit such as 16MiB");
        }
        size.map(ByteCount)
    }

    /// An `http` or `https` address of a server. Plain `http` leaves the machine only where
    /// `allow_http` says so, since file contents would be readable on the way.
    pub(crate) fn endpoint(&mut self, name: &str, variables: &[&str], allow_http: bool) -> Option<url::Url> {
        let text = self.text_or(name, variables)?;
        let url = match url::Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
            _ => {
                self.problem(name, "it is not an http or https address", "write https://host:port");
                return None;
            }
        };
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            self.problem(name, "it holds a user name, a password or a query", "write https://host:port");
            return None;
        }
        let is_here = match url.host() {
            Some(url::Host::Domain(host)) => host == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if url.scheme() == "http" && !allow_http && !is_here {
            self.problem(name, "it is not encrypted", "use https, or set allow_http=true");
            return None;
        }
        Some(url)
    }

    /// Notes a problem that only the kind can see.
    pub(crate) fn problem(&mut self, name: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(FieldProblem::new(name, message).hint(hint));
    }

    /// Fails with every problem noted so far.
    pub(crate) fn check(&mut self) -> Result<(), Fault> {
        match std::mem::take(&mut self.problems) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(Fault::of_problems(problems)),
        }
    }
}
