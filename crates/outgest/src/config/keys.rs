//! The settings as a flat list of keys, read from the schema of [`Settings`].

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::settings::Settings;

/// One setting: how it is called everywhere, and what is written about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Its path in `outgest.toml`: `worker.threads`.
    pub path: String,
    /// What it is for, in Markdown.
    pub doc: String,
    /// Form of its value: `length of time`, `list of network`.
    pub form: String,
    /// Values it may have, where they are few.
    pub choices: Vec<String>,
    /// Value where nothing is set; null where there is none.
    pub default: Value,
    /// What holds where there is no value.
    pub unset: Option<String>,
    /// A value somebody might write.
    pub example: Option<Value>,
    /// Whether its value is never shown.
    pub secret: bool,
    /// Whether its value may stand in a file of its own, named `@/path`.
    pub in_file: bool,
    /// Its own variable: `OUTGEST_WORKER_THREADS`.
    pub variable: String,
    /// Variables of other programs that mean the same.
    pub foreign_variables: Vec<String>,
    /// The option of the same meaning.
    pub flag: Option<String>,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text,
    List,
    /// Numbers and booleans, which JSON spells as people do.
    Plain,
}

/// A section of `outgest.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// Its name; empty for what stands above the first section.
    pub name: String,
    /// What it is for, in Markdown.
    pub doc: String,
    /// Its settings.
    pub keys: Vec<Key>,
}

static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(read_schema);

/// Every section, in the order of the structs.
pub fn sections() -> &'static [Section] {
    &SECTIONS
}

/// Every setting.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    sections().iter().flat_map(|section| &section.keys)
}

/// The setting at a path.
pub fn find(path: &str) -> Option<&'static Key> {
    keys().find(|key| key.path == path)
}

impl Key {
    /// Reads a value from text that has no type of its own: a variable, an option.
    pub fn read_text(&self, text: &str) -> Value {
        match self.shape {
            Shape::Text => Value::from(text),
            Shape::List => text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect(),
            // What is not a number stays text, and the type's own message says what was expected.
            Shape::Plain => serde_json::from_str(text.trim()).unwrap_or_else(|_| Value::from(text)),
        }
    }

    /// The path within its section.
    pub fn name(&self) -> &str {
        self.path.rsplit_once('.').map_or(&self.path, |(_, name)| name)
    }
}

fn read_schema() -> Vec<Section> {
    let mut generator = SchemaSettings::default().with(|settings| settings.inline_subschemas = true).into_generator();
    let schema = generator.root_schema_for::<Settings>();
    let defaults = serde_json::to_value(Settings::default()).expect("settings are plain data");
    let mut top = Section { name: String::new(), doc: String::new(), keys: Vec::new() };
    let mut sections = Vec::new();
    for (name, property) in properties(schema.as_value()) {
        if property.get("properties").is_none() {
            top.keys.push(read_key(name.clone(), property, &defaults[name]));
            continue;
        }
        let key = |(key, schema): (&String, &Value)| read_key(format!("{name}.{key}"), schema, &defaults[name][key]);
        let keys = properties(property).iter().map(key).collect();
        sections.push(Section { name: name.clone(), doc: text(property, "description").unwrap_or_default(), keys });
    }
    sections.insert(0, top);
    sections
}

fn properties(schema: &Value) -> &Map<String, Value> {
    schema["properties"].as_object().expect("a struct of settings has properties")
}

fn read_key(path: String, schema: &Value, default: &Value) -> Key {
    let item = if has_type(schema, "array") { &schema["items"] } else { schema };
    let shape = match () {
        () if has_type(schema, "array") => Shape::List,
        () if has_type(schema, "integer") || has_type(schema, "number") || has_type(schema, "boolean") => Shape::Plain,
        () => Shape::Text,
    };
    let secret = text_is(item, "form", "secret");
    let form = text(schema, "form").or_else(|| text(item, "form")).unwrap_or_else(|| {
        let plain = if has_type(item, "integer") {
            // Zero is refused by the type where it would mean nothing.
            if item["minimum"] == 1 || any_of(item).any(|schema| schema["minimum"] == 1) {
                "whole number from 1"
            } else {
                "whole number"
            }
        } else if has_type(item, "boolean") {
            "true or false"
        } else {
            "text"
        };
        plain.to_owned()
    });
    Key {
        variable: format!("OUTGEST_{}", path.replace('.', "_").to_uppercase()),
        path,
        doc: text(schema, "description").unwrap_or_default(),
        form: if shape == Shape::List { format!("list of {form}") } else { form },
        choices: choices(item),
        default: default.clone(),
        unset: text(schema, "unset"),
        example: schema["examples"].get(0).cloned(),
        secret,
        in_file: secret || text_is(item, "form", "path or address"),
        foreign_variables: strings(&schema["variables"]),
        flag: text(schema, "flag"),
        shape,
    }
}

/// Whether a schema, or one of those it is made of, takes values of this JSON type.
fn has_type(schema: &Value, name: &str) -> bool {
    let own = &schema["type"];
    own == name
        || own.as_array().is_some_and(|types| types.iter().any(|found| found == name))
        || any_of(schema).any(|schema| has_type(schema, name))
}

fn any_of(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf"].into_iter().filter_map(|name| schema[name].as_array()).flatten()
}

/// An enum is a list of constants where its values have docs of their own, else a list of names; where it
/// may be unset, it is one of two.
fn choices(schema: &Value) -> Vec<String> {
    let mut found = strings(&schema["enum"]);
    found.extend(schema["const"].as_str().map(str::to_owned));
    found.extend(any_of(schema).flat_map(choices));
    found
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text_is(schema: &Value, name: &str, value: &str) -> bool {
    text(schema, name).is_some_and(|text| text == value)
}

fn text(schema: &Value, name: &str) -> Option<String> {
    let own = schema[name].as_str().map(str::to_owned);
    own.or_else(|| any_of(schema).find_map(|schema| schema[name].as_str().map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_documented_and_says_what_holds_without_it() {
        assert!(keys().count() > 40);
        for key in keys() {
            assert!(key.doc.ends_with('.'), "{}: {:?}", key.path, key.doc);
            assert!(!key.default.is_null() || key.unset.is_some(), "{} has no default and does not say so", key.path);
        }
    }

    #[test]
    fn names_of_variables_are_unique() {
        let mut names: Vec<&str> = keys().map(|key| key.variable.as_str()).collect();
        names.extend(keys().flat_map(|key| &key.foreign_variables).map(String::as_str));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn text_becomes_what_the_setting_takes() {
        let read = |path, text| find(path).unwrap().read_text(text);
        assert_eq!(read("worker.threads", "3"), 3);
        assert_eq!(read("worker.threads", "many"), "many");
        assert_eq!(read("metrics.enabled", "false"), false);
        assert_eq!(read("export.expiry", "24h"), "24h");
        assert_eq!(read("server.roles", "api, work"), serde_json::json!(["api", "work"]));
        assert_eq!(read("egress.allow", ""), serde_json::json!([]));
        assert!(
            find("smtp.url").is_some_and(|key| !key.secret) && find("webhook.secret").is_some_and(|key| key.secret)
        );
        assert!(find("seal.previous_keys").is_some_and(|key| key.secret));
        assert_eq!(find("log.level").unwrap().choices, ["error", "warn", "info", "debug"]);
        assert_eq!(find("source.comments").unwrap().choices, ["own", "none"]);
    }
}
