//! Who may do what: every route of the document, tried by everybody.
//!
//! The document is made from the routes, and says of each what it needs; so a route that is added is tried here
//! without a word in this file.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::World;
use super::http::{Answer, Caller, Shows};

super::on_both_databases!(every_route_lets_in_exactly_whom_the_document_says);

/// A route of the document.
struct Route {
    method: String,
    path: String,
    need: String,
    has_body: bool,
}

/// Routes that would take away what later ones need; tried at the end, in this order.
const LAST: [(&str, &str); 2] = [("DELETE", "/api/v1/projects/{project}"), ("DELETE", "/api/v1/session")];

/// Somebody who tries routes, and the needs that he meets in project `p`.
struct Visitor {
    name: &'static str,
    caller: Caller,
    meets: &'static [&'static str],
}

fn every_route_lets_in_exactly_whom_the_document_says(world: World) {
    world.project("p", 5);
    world.project("q", 0);
    for role in ["viewer", "member", "owner"] {
        world.user(&format!("{role}@example.com"), &["--project", "p", "--role", role]);
    }
    world.user("foreign@example.com", &["--project", "q", "--role", "owner"]);
    world.user("admin@example.com", &["--admin"]);
    let keys: BTreeMap<&str, (String, String)> =
        ["viewer", "member", "owner"].into_iter().map(|role| (role, world.key("p", role))).collect();
    let (_, foreign) = world.key("q", "owner");
    let serve = world.serve_with(&["--roles", "api"]);
    let program = |role: &str| serve.caller(Shows::Bearer(keys[role].1.clone()));
    let person = |name: &str| serve.sign_in(&format!("{name}@example.com"));
    let pair = serve.caller(Shows::Basic(keys["owner"].0.clone(), keys["owner"].1.clone()));
    let mixed = serve.caller(Shows::Basic(keys["viewer"].0.clone(), keys["owner"].1.clone()));
    let visitor = |name, caller, meets| Visitor { name, caller, meets };
    let visitors = [
        visitor("nobody", serve.caller(Shows::Nothing), &["nobody"][..]),
        visitor("a made-up key", serve.caller(Shows::Bearer("sk-og-0".to_owned())), &["nobody"]),
        visitor("halves of two keys", mixed, &["nobody"]),
        visitor("another project's key", serve.caller(Shows::Bearer(foreign)), &["nobody", "anybody"]),
        visitor("another project's owner", person("foreign"), &["nobody", "anybody", "person"]),
        visitor("a viewer's key", program("viewer"), &["nobody", "anybody", "viewer"]),
        visitor("a member's key", program("member"), &["nobody", "anybody", "viewer", "member"]),
        visitor("an owner's key", program("owner"), &["nobody", "anybody", "viewer", "member", "owner"]),
        visitor("both halves of an owner's key", pair, &["nobody", "anybody", "viewer", "member", "owner"]),
        visitor("a viewer", person("viewer"), &["nobody", "anybody", "person", "viewer"]),
        visitor("a member", person("member"), &["nobody", "anybody", "person", "viewer", "member"]),
        visitor("an owner", person("owner"), &["nobody", "anybody", "person", "viewer", "member", "owner"]),
        visitor(
            "an administrator",
            person("admin"),
            &["nobody", "anybody", "person", "admin", "viewer", "member", "owner"],
        ),
    ];
    let routes = routes(&visitors[0].caller.get("/api/v1/openapi.json").expect(200));
    assert!(routes.len() > 40, "only {} routes", routes.len());
    let mut tried = 0;
    for route in &routes {
        // Who may delete the project does so once, after everybody else was sent away.
        let (inside, outside): (Vec<_>, Vec<_>) =
            visitors.iter().partition(|visitor| visitor.meets.contains(&route.need.as_str()));
        let inside = if route.place_at_the_end() == 1 { &inside[inside.len() - 1..] } else { &inside[..] };
        for visitor in &outside {
            let answer = route.call(&visitor.caller);
            // Keys go with their project, so in the end they are not known any more.
            let expected = match visitor.meets == ["nobody"] {
                true => 401..=401,
                false if route.place_at_the_end() == LAST.len() => 401..=403,
                false => 403..=403,
            };
            assert!(
                expected.contains(&answer.status),
                "{} {} by {}: {} {}",
                route.method,
                route.path,
                visitor.name,
                answer.status,
                answer.text()
            );
            tried += 1;
        }
        for visitor in inside {
            let answer = route.call(&visitor.caller);
            assert!(
                // Signing in with nothing is refused for what it says, not for who says it.
                !matches!(answer.status, 401 | 403 | 405 | 500..),
                "{} {} by {}: {} {}",
                route.method,
                route.path,
                visitor.name,
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
            tried += 1;
        }
    }
    assert_eq!(
        tried,
        routes.len() * visitors.len() - (visitors.iter().filter(|v| v.meets.contains(&"owner")).count() - 1)
    );
}

impl Route {
    fn call(&self, caller: &Caller) -> Answer {
        let path = self.path.replace("{project}", "p").replace("{table}", "events").replace("{file}", "0");
        let path = path.split('/').map(|part| if part.starts_with('{') { "none" } else { part });
        let body = json!({});
        caller.call(&self.method, &path.collect::<Vec<_>>().join("/"), self.has_body.then_some(&body))
    }

    /// Its place among the last routes, from 1; 0 for all others.
    fn place_at_the_end(&self) -> usize {
        let place =
            LAST.iter().position(|(method, path)| (self.method.as_str(), self.path.as_str()) == (*method, *path));
        place.map_or(0, |place| place + 1)
    }
}

fn routes(document: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let need = operation["x-outgest-role"].as_str();
            let need = need.unwrap_or_else(|| panic!("{method} {path} does not say what it needs")).to_owned();
            let has_body = operation.get("requestBody").is_some();
            routes.push(Route { method: method.to_uppercase(), path: path.clone(), need, has_body });
        }
    }
    routes.sort_by_key(Route::place_at_the_end);
    routes
}
