//! The OpenAPI document: checked in, complete, and the same as what is served.

use std::path::Path;

use model::Role;
use serde_json::Value;

use super::{As, Service};
use crate::openapi_json;

const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

/// `cargo xtask openapi` runs this test with the variable set: then the file is written, not compared.
#[test]
fn the_checked_in_document_is_the_code_s() {
    let made = openapi_json();
    if std::env::var_os("OUTGEST_WRITE_GOLDENS").is_some() {
        std::fs::write(CHECKED_IN, &made).unwrap();
    }
    let known = std::fs::read_to_string(Path::new(CHECKED_IN)).unwrap_or_default();
    assert!(known == made, "crates/api/openapi.json is not what the routes say: run cargo xtask openapi");
}

#[tokio::test]
async fn the_document_and_its_page_are_open_and_need_no_other_host() {
    let service = Service::new();
    let served = service.get(&As::Nobody, "/api/v1/openapi.json").await.ok();
    assert_eq!(served.text(), openapi_json());
    let page = service.get(&As::Nobody, "/api/v1/docs").await.ok();
    for part in [page.text(), include_str!("../docs/page.js"), include_str!("../docs/page.css")] {
        assert!(!part.contains("https://") && !part.contains("http://"), "the page loads something from elsewhere");
    }
    assert!(page.header("content-security-policy").contains("script-src 'self'"));
    assert!(!page.text().contains("<script>"), "the policy forbids scripts in the page");
    for file in ["page.js", "page.css"] {
        service.get(&As::Nobody, &format!("/api/v1/docs/{file}")).await.ok();
    }
}

#[test]
fn every_operation_says_who_may_call_it_and_what_a_problem_looks_like() {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let known = ["nobody", "anybody", "person", "admin", "viewer", "member", "owner"];
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            let need = operation["x-outgest-role"].as_str().unwrap_or_else(|| panic!("{place} has no role"));
            assert!(known.contains(&need), "{place}");
            assert_eq!(operation["security"].as_array().unwrap().is_empty(), need == "nobody", "{place}");
            let in_project = path.starts_with("/api/v1/projects/{project}");
            assert_eq!(Role::of_name(need).is_some(), in_project, "{place} needs {need}");
            assert!(operation["responses"]["default"]["content"]["application/problem+json"].is_object(), "{place}");
            assert_eq!(operation["tags"].as_array().unwrap().len(), 1, "{place}");
            assert!(operation["summary"].is_string(), "{place}");
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "an operation id is used twice");
    assert!(count >= 40, "{count} operations");
}

/// Every schema that is named is there, so that a client can be generated.
#[test]
fn every_reference_leads_somewhere() {
    let document: Value = serde_json::from_str(&openapi_json()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(to)) = object.get("$ref") {
                    found.push(to.clone());
                }
                object.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(&document, &mut found);
    assert!(!found.is_empty());
    for to in found {
        let name = to.strip_prefix("#/components/schemas/").unwrap_or_else(|| panic!("{to}"));
        assert!(schemas.contains_key(name), "{to} leads nowhere");
    }
}
