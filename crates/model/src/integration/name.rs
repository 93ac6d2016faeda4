//! What the files of a window are called: a name that no other window of the integration has.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Fault, FieldProblem, FileName, IntegrationId, Micros, ProjectId, Schedule, Span};

/// The part of a key that tells windows apart.
///
/// A window of the grid is named by its end alone, to the second where that is exact and else to the
/// microsecond; any other window by both ends. Two windows of one grid never end at the same time, and a
/// name with both ends is not one with one, so no two windows share a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowName {
    /// The window.
    pub span: Span,
    /// Whether it lies between neighbouring boundaries.
    pub on_grid: bool,
    /// 1 for the first export of the window.
    pub revision: u32,
}

impl WindowName {
    /// The name of a window of an integration whose first schedule is `grid`.
    pub fn new(grid: &Schedule, span: Span, revision: u32) -> Self {
        Self { span, on_grid: grid.is_on_grid(span), revision }
    }

    /// `2026-08-01T12-00-00`, `2026-08-01T11-07-00_2026-08-01T12-00-00`, `2026-08-01T12-00-00.r2`.
    pub fn stem(&self) -> String {
        let mut stem = match self.on_grid {
            true => instant(self.span.to),
            false => format!("{}_{}", instant(self.span.from), instant(self.span.to)),
        };
        if self.revision > 1 {
            stem.push_str(&format!(".r{}", self.revision));
        }
        stem
    }
}

/// An instant as keys have it: without colons, which some stores and tools refuse.
fn instant(at: Micros) -> String {
    let at_second = at.0.rem_euclid(Micros::PER_SECOND) == 0;
    let form = if at_second { "%Y-%m-%dT%H-%M-%S" } else { "%Y-%m-%dT%H-%M-%S.%6f" };
    at.to_utc().format(form).to_string()
}

/// How keys are made: text with fields in braces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyTemplate(String);

/// Fields of a template.
const FIELDS: [&str; 8] = ["prefix", "projectId", "integrationId", "table", "date", "hour", "window", "ext"];

impl KeyTemplate {
    /// How Langfuse lays files out.
    pub const LANGFUSE: &'static str = "{prefix}{projectId}/{table}/{window}.{ext}";

    /// How Hive, and everything that reads partitions, lays files out. Date and hour are those of the end.
    pub const HIVE: &'static str = "{prefix}project={projectId}/table={table}/date={date}/hour={hour}/{window}.{ext}";

    /// Checks a template.
    pub fn new(text: impl Into<String>) -> Result<Self, FieldProblem> {
        let text = text.into();
        let bad = |why: String| {
            Err(FieldProblem::new("files.template", format!("cannot name files by {text:?}: {why}")).hint(format!(
                "use {}; {} is the usual one",
                FIELDS.map(|field| format!("{{{field}}}")).join(", "),
                Self::LANGFUSE
            )))
        };
        let mut rest = text.as_str();
        while let Some(open) = rest.find('{') {
            let Some(close) = rest[open..].find('}') else { return bad("a { is not closed".to_owned()) };
            let field = &rest[open + 1..open + close];
            if !FIELDS.contains(&field) {
                return bad(format!("{{{field}}} is not known"));
            }
            rest = &rest[open + close + 1..];
        }
        for field in ["projectId", "table", "window", "ext"] {
            if !text.contains(&format!("{{{field}}}")) {
                return bad(format!("without {{{field}}} two files could have one name"));
            }
        }
        if !text.ends_with("{window}.{ext}") {
            return bad("it must end in {window}.{ext}".to_owned());
        }
        Ok(Self(text))
    }

    /// The key of a table's file without its extension, and thus of what stands in front of `-part-00001`.
    pub fn stem(
        &self,
        prefix: &str,
        ids: (&ProjectId, &IntegrationId),
        table: &str,
        window: &WindowName,
    ) -> Result<FileName, Fault> {
        let end = window.span.to.to_utc();
        let (project, integration) = ids;
        let without_extension = self.0.trim_end_matches(".{ext}");
        let key = without_extension
            .replace("{prefix}", prefix)
            .replace("{projectId}", &segment(project.as_str()))
            .replace("{integrationId}", &segment(integration.as_str()))
            .replace("{table}", table)
            .replace("{date}", &end.format("%Y-%m-%d").to_string())
            .replace("{hour}", &end.format("%H").to_string())
            .replace("{window}", &window.stem());
        FileName::new(key)
    }

    /// What all keys of an integration have in common: the template with prefix and project in it. `None` where the
    /// integration's id tells its keys from those of all others.
    pub fn of_integration(&self, prefix: &str, project: &ProjectId) -> Option<String> {
        let own = self.0.contains("{integrationId}");
        let rendered = || self.0.replace("{prefix}", prefix).replace("{projectId}", &segment(project.as_str()));
        (!own).then(rendered)
    }

    /// What the keys of all manifests of an integration begin with, whatever the template.
    pub fn manifests(prefix: &str, project: &ProjectId) -> String {
        format!("{prefix}{}", segment(project.as_str()))
    }

    /// The key of the manifest of a window: beside the tables, where Langfuse has it.
    pub fn manifest(prefix: &str, project: &ProjectId, window: &WindowName) -> Result<FileName, Fault> {
        FileName::new(format!("{}/manifests/{}.json", Self::manifests(prefix, project), window.stem()))
    }
}

/// An id as a part of a key: a slash in it would move the file.
fn segment(id: &str) -> String {
    id.replace(['/', '\\'], "-")
}

impl Default for KeyTemplate {
    fn default() -> Self {
        Self(Self::LANGFUSE.to_owned())
    }
}

impl fmt::Display for KeyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyTemplate {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        Self::new(text).map_err(|problem| Fault::of_problems(vec![problem]))
    }
}

impl From<KeyTemplate> for String {
    fn from(template: KeyTemplate) -> Self {
        template.0
    }
}
