//! The kinds of destinations that integrations can have, as forms and the API see them.

use std::sync::LazyLock;

use destinations::{all_events, remote};
use model::{IntegrationKind, KindDescriptor, Takes};
use serde_json::{Value, json};
use tables::analytics::EVENT_TABLES;

use crate::deliver::Looks;

/// Option that names the bucket or container: in addresses it is the host.
pub const BUCKET: &str = "bucket";

static KINDS: LazyLock<Vec<IntegrationKind>> = LazyLock::new(|| {
    let mut kinds: Vec<IntegrationKind> = remote().into_iter().map(of_files).collect();
    kinds.extend(all_events().iter().map(of_events));
    kinds.sort_by_key(|kind| kind.descriptor.name);
    kinds
});

/// Every kind, sorted by name.
pub fn all() -> &'static [IntegrationKind] {
    &KINDS
}

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static IntegrationKind> {
    all().iter().find(|kind| kind.descriptor.name == name)
}

/// A kind behind a host, with the bucket as an option and without what would read this machine's files.
fn of_files(kind: &KindDescriptor) -> IntegrationKind {
    let mut kind = kind.clone();
    if let Some(Value::Object(properties)) = kind.options.get_mut("properties") {
        properties.retain(|option, _| !names_a_file(kind.name, option));
        let bucket = json!({"type": "string", "description": "Name of the bucket or container."});
        properties.shift_insert(0, BUCKET.to_owned(), bucket);
    }
    let required: Vec<Value> = std::iter::once(json!(BUCKET)).chain(required(&kind.options)).collect();
    kind.options["required"] = Value::Array(required);
    let tables = tables::scheduled::all().iter().map(|table| table.name).collect();
    IntegrationKind { descriptor: kind, takes: Takes::Files, tables }
}

/// A receiver of events, with what events look like among its options.
fn of_events(kind: &KindDescriptor) -> IntegrationKind {
    let mut kind = kind.clone();
    if let Some(Value::Object(properties)) = kind.options.get_mut("properties") {
        properties.extend(Looks::properties());
    }
    kind.options["required"] = Value::Array(required(&kind.options));
    IntegrationKind { descriptor: kind, takes: Takes::Events, tables: EVENT_TABLES.to_vec() }
}

/// The options that must be given. Switches are off where they are not, though their structs always have them.
fn required(options: &Value) -> Vec<Value> {
    let named = options["required"].as_array().into_iter().flatten();
    let is_switch = |name: &Value| options["properties"][name.as_str().unwrap_or_default()]["type"] == "boolean";
    named.filter(|name| !is_switch(name)).cloned().collect()
}

/// How addresses of a kind begin.
pub fn scheme(kind: &str) -> Option<&'static str> {
    remote().into_iter().find(|known| known.name == kind)?.schemes.first().copied()
}

/// Whether an option of a kind is the path of a file on this machine.
pub fn names_a_file(kind: &str, option: &str) -> bool {
    let of_google = kind == "gcs" && matches!(option, "service_account" | "application_credentials");
    of_google || option.ends_with("_file") || option == "file"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(kind: &IntegrationKind) -> Vec<&str> {
        kind.descriptor.options["properties"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn kinds_are_found_by_name_sorted_and_described_with_their_secrets() {
        let names: Vec<&str> = all().iter().map(|kind| kind.descriptor.name).collect();
        assert_eq!(names, ["azure", "gcs", "mixpanel", "posthog", "s3"]);
        for kind in all() {
            let properties = properties(kind);
            assert!(
                !properties.iter().any(|name| names_a_file(kind.descriptor.name, name)),
                "{}",
                kind.descriptor.name
            );
            let required = kind.descriptor.options["required"].as_array().unwrap();
            assert_eq!(required.len(), usize::from(kind.descriptor.name != "mixpanel"), "{}", kind.descriptor.name);
            assert!(!kind.descriptor.secrets.is_empty());
            assert!(kind.descriptor.secrets.iter().all(|secret| properties.contains(secret)));
            let described = kind.descriptor.options["properties"].as_object().unwrap().values();
            assert!(described.into_iter().all(|property| property["description"].is_string()));
        }
        assert!(find("stdout").is_none());
    }

    #[test]
    fn kinds_of_files_ask_for_a_bucket_and_kinds_of_events_for_looks() {
        for kind in all() {
            let properties = properties(kind);
            let (bucket, dialect) = (properties[0] == BUCKET, properties.contains(&"dialect"));
            assert_eq!((bucket, dialect), (kind.takes == Takes::Files, kind.takes == Takes::Events));
            assert_eq!(kind.tables.contains(&"generations"), kind.takes == Takes::Events);
        }
    }
}
