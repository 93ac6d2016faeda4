//! The kinds of destinations that integrations can have, as forms and the API see them.

use destinations::remote;
use model::KindDescriptor;
use serde_json::{Value, json};

/// Option that names the bucket or container: in addresses it is the host.
pub const BUCKET: &str = "bucket";

/// Kinds behind hosts, with the bucket as an option and without what would read this machine's files.
pub fn all() -> Vec<KindDescriptor> {
    remote().into_iter().map(of_integration).collect()
}

fn of_integration(kind: &KindDescriptor) -> KindDescriptor {
    let mut kind = kind.clone();
    if let Some(Value::Object(properties)) = kind.options.get_mut("properties") {
        properties.retain(|name, _| !names_a_file(name));
        let bucket = json!({"type": "string", "description": "Name of the bucket or container."});
        properties.shift_insert(0, BUCKET.to_owned(), bucket);
    }
    let required = kind.options.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let required: Vec<Value> = std::iter::once(json!(BUCKET)).chain(required).collect();
    kind.options["required"] = Value::Array(required);
    kind
}

/// How addresses of a kind begin.
pub fn scheme(kind: &str) -> Option<&'static str> {
    remote().into_iter().find(|known| known.name == kind)?.schemes.first().copied()
}

/// Whether an option is the path of a file on this machine.
pub fn names_a_file(option: &str) -> bool {
    option.ends_with("_file") || option == "file"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_asks_for_its_bucket_and_for_no_file_of_the_server() {
        let names: Vec<&str> = all().iter().map(|kind| kind.name).collect();
        assert_eq!(names, ["azure", "gcs", "s3"]);
        for kind in all() {
            let properties = kind.options["properties"].as_object().unwrap();
            assert_eq!(properties.keys().next().map(String::as_str), Some(BUCKET));
            assert!(!properties.keys().any(|name| names_a_file(name)), "{}", kind.name);
            assert!(!kind.secrets.is_empty());
        }
    }
}
