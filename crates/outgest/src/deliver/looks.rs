//! How events look, whatever receiver they go to: the options that every kind of receiver has in an
//! integration, beside its own.

use std::collections::BTreeMap;

use model::{Dialect, FieldProblem};
use schemars::JsonSchema;
use serde_json::{Map, Value};
use url::Url;

const DIALECT: &str = "dialect";
const BASE_URL: &str = "base_url";
const PROJECT_NAME: &str = "project_name";

/// Options of how events look.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "the schema is what is used: options are read by the names in it")]
struct LookOptions {
    /// Names and contents of events: `langfuse` as Langfuse sends them, `event` with one unit per property and
    /// null where nothing is known. Default `langfuse`.
    #[schemars(with = "Option<String>")]
    dialect: Option<Dialect>,
    /// Address of the tracing product, which links in events begin with. Without it, and without the server's
    /// setting `source.base_url`, events have no links.
    base_url: Option<String>,
    /// Name of the project as a property of events, in the dialect `langfuse`. Default the name that the project
    /// has when the integration is made; empty for none. An event that is sent again after it was changed here is
    /// another one to its receiver.
    project_name: Option<String>,
}

/// How events look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Names and contents.
    pub dialect: Dialect,
    /// What links begin with; without it there are none.
    pub base_url: Option<String>,
    /// Name of the project.
    pub project_name: Option<String>,
}

impl Looks {
    /// The options as properties of a JSON schema.
    pub fn properties() -> Map<String, Value> {
        match schemars::schema_for!(LookOptions).to_value()["properties"].take() {
            Value::Object(properties) => properties,
            _ => Map::new(),
        }
    }

    /// Gives events the name of their project, in the dialect that has it and where nothing was said of it.
    pub fn name_project(options: &mut BTreeMap<String, String>, name: String) {
        let looks = Self::take(&mut options.clone());
        if looks.is_ok_and(|looks| looks.dialect == Dialect::Langfuse) {
            options.entry(PROJECT_NAME.to_owned()).or_insert(name);
        }
    }

    /// Keeps the name that events have where other options are asked for and nothing is said of it.
    pub fn keep_name(options: &mut BTreeMap<String, String>, known: &BTreeMap<String, String>) {
        if let Some(name) = known.get(PROJECT_NAME) {
            options.entry(PROJECT_NAME.to_owned()).or_insert_with(|| name.clone());
        }
    }

    /// Takes the options of looks away from those of a receiver, and reports every problem with them.
    pub fn take(options: &mut BTreeMap<String, String>) -> Result<Self, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut text = |name| options.remove(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let dialect = match text(DIALECT) {
            None => Dialect::default(),
            Some(name) => Dialect::of_name(&name).unwrap_or_else(|| {
                let problem = FieldProblem::new(format!("options.{DIALECT}"), format!("{name:?} is no dialect"));
                problems.push(problem.hint("use langfuse or event"));
                Dialect::default()
            }),
        };
        let base_url = text(BASE_URL);
        if let Some(address) = &base_url {
            problems.extend(base_url_problem(&format!("options.{BASE_URL}"), address));
        }
        let project_name = text(PROJECT_NAME);
        if problems.is_empty() { Ok(Self { dialect, base_url, project_name }) } else { Err(problems) }
    }
}

/// What is wrong with an address that links are to begin with.
pub fn base_url_problem(field: &str, address: &str) -> Option<FieldProblem> {
    let is_fine = Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    (!is_fine).then(|| {
        FieldProblem::new(field, format!("{address:?} is not an http or https address"))
            .hint("write https://tracing.example.com")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(options: &[(&str, &str)]) -> (Result<Looks, Vec<String>>, Vec<String>) {
        let mut options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let looks = Looks::take(&mut options);
        let fields = |problems: Vec<FieldProblem>| problems.into_iter().map(|problem| problem.field).collect();
        (looks.map_err(fields), options.into_keys().collect())
    }

    #[test]
    fn looks_are_taken_from_among_the_options_of_a_receiver() {
        let (looks, left) = take(&[("dialect", "event"), ("host", "h"), ("project_name", " Shop "), ("base_url", "")]);
        let expected = Looks { dialect: Dialect::Event, base_url: None, project_name: Some("Shop".to_owned()) };
        assert_eq!((looks, left), (Ok(expected), vec!["host".to_owned()]));
        assert_eq!(take(&[]).0, Ok(Looks::default()));
    }

    #[test]
    fn a_name_that_was_taken_away_is_not_given_back() {
        let shop = BTreeMap::from([(PROJECT_NAME.to_owned(), "Shop".to_owned())]);
        let mut options = BTreeMap::from([(PROJECT_NAME.to_owned(), String::new())]);
        Looks::keep_name(&mut options, &shop);
        Looks::name_project(&mut options, "Shop".to_owned());
        assert_eq!(options.get(PROJECT_NAME).map(String::as_str), Some(""));
        assert_eq!(Looks::take(&mut options), Ok(Looks::default()));
        // One that nothing was said of is kept.
        Looks::keep_name(&mut options, &shop);
        assert_eq!(options, shop);
    }

    #[test]
    fn every_problem_with_looks_is_told() {
        let (looks, _) = take(&[("dialect", "events"), ("base_url", "tracing.example.com")]);
        assert_eq!(looks, Err(vec!["options.dialect".to_owned(), "options.base_url".to_owned()]));
    }

    #[test]
    fn every_option_of_looks_is_documented() {
        let properties = Looks::properties();
        let names: Vec<&String> = properties.keys().collect();
        assert_eq!(names, ["dialect", "base_url", "project_name"]);
        assert!(properties.values().all(|property| property["description"].as_str().is_some_and(|doc| doc.len() > 20)));
    }
}
