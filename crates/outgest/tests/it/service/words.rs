//! What refusals say: every one in one shape, with the field that is wrong, in words of the API.

use serde_json::{Value, json};

use super::World;
use super::http::{Answer, Shows, send};
use super::project::text;
use super::world::PASSWORD;

#[test]
fn refusals_name_the_field_that_is_wrong() {
    let world = World::on_sqlite();
    world.project("p", 0);
    world.user("admin@example.com", &["--admin"]);
    let (_, secret) = world.key("p", "owner");
    let serve = world.serve_with(&["--roles", "api"]);
    let (p, admin, nobody) =
        (serve.project("p", &secret), serve.sign_in("admin@example.com"), serve.caller(Shows::Nothing));
    let invited = p.post("invitations", &json!({"role": "viewer"})).expect(201);
    let token = text(&invited["url"]).split_once('#').unwrap().1;
    let account = |email: &str, password: &str| {
        let account = json!({"token": token, "email": email, "name": "Ann", "password": password});
        nobody.post("/api/v1/invitations/accept", &account)
    };
    let import = |query: &str, row: &str| {
        send(p.caller.request("POST", &p.path(&format!("import{query}"))).body(row.to_owned()))
    };
    let near = json!({"name": "n", "kind": "s3", "options": {"bucket": "b", "endpoint": "http://169.254.169.254/"}});
    let cases: [(&str, Answer); 13] = [
        ("name", p.post("exports", &json!({"table": "events", "name": ""}))),
        ("name", p.post("exports", &json!({"table": "events", "name": "x".repeat(201)}))),
        ("table", p.post("exports", &json!({"table": "evnts"}))),
        ("limit", p.post("exports", &json!({"table": "events", "limit": "7"}))),
        ("cursor", p.get("exports?cursor=forged")),
        ("cursor", p.get("tables/events/rows?cursor=forged")),
        ("table", import("?table=foo", r#"{"id": "x"}"#)),
        ("email", account("no address", PASSWORD)),
        ("password", account("ann@example.com", "short")),
        ("id", admin.post("/api/v1/projects", &json!({"id": " q ", "name": "Q"}))),
        ("name", admin.post("/api/v1/projects", &json!({"id": "q", "name": ""}))),
        ("new", admin.post("/api/v1/session/password", &json!({"current": PASSWORD, "new": "short"}))),
        ("options.endpoint", p.post("integrations", &near)),
    ];
    for (field, answer) in cases {
        assert_eq!(answer.problem(400), "bad_request");
        let problem = answer.json();
        assert_eq!(problem["field"], field, "{problem:#}");
        assert_eq!(problem["problems"][0]["field"], field, "{problem:#}");
    }
}

#[test]
fn a_refused_import_speaks_of_the_call_and_of_no_command_line() {
    let world = World::on_sqlite();
    world.project("p", 0);
    let (_, secret) = world.key("p", "member");
    let serve = world.serve_with(&["--roles", "api"]);
    let p = serve.project("p", &secret);
    let foreign = r#"{"id":"s","traceId":"t","startTime":"2026-01-01T00:00:00Z","project_id":"q"}"#;
    for (row, said) in [
        (foreign, "the row belongs to another project than p (q)"),
        (r#"{"id":"s","traceId":"t","startTime":"yesterday"}"#, "startTime"),
        (r#"{"hello":"world"}"#, "cannot tell which table"),
        (r#"{"id":"s""#, "no JSON object"),
    ] {
        let answer = send(p.caller.request("POST", &p.path("import")).body(row));
        assert_eq!(answer.problem(400), "bad_request");
        let problem = answer.json();
        assert!(text(&problem["detail"]).contains(said), "{problem:#}");
        assert!(problem["hint"].is_string(), "{problem:#}");
        assert!(!answer.text().contains("--"), "an option of a command line: {problem:#}");
    }
}

#[test]
fn a_method_that_a_path_does_not_have_is_a_problem_like_any_other() {
    let world = World::on_sqlite();
    for roles in ["api", "work"] {
        let serve = world.serve_with(&["--roles", roles]);
        let answer = serve.caller(Shows::Nothing).call("PUT", "/health", None);
        assert_eq!(answer.problem(405), "method_not_allowed");
        assert!(answer.header("allow").contains("GET"), "{:?}", answer.headers);
        assert_eq!(serve.caller(Shows::Nothing).get("/api/v1/none").problem(404), "not_found");
    }
}

/// Rows of this size: fifty of them are far more than one call may show.
const LARGE: usize = 4 << 20;

#[test]
fn a_preview_of_large_rows_shows_as_many_as_one_call_may() {
    let world = World::on_sqlite();
    world.project("p", 0);
    let (_, secret) = world.key("p", "member");
    let row = |n: usize| {
        let start = format!("2026-01-01T00:00:{n:02}Z");
        json!({"id": format!("s{n:02}"), "traceId": "t", "startTime": start, "input": "x".repeat(LARGE)}).to_string()
    };
    let rows: Vec<String> = (0..24).map(row).collect();
    world.bench.write("rows.jsonl", rows.join("\n"));
    world.ok(&["import", "--project", "p", "rows.jsonl"]);
    let serve = world.serve_with(&["--roles", "api"]);
    let p = serve.project("p", &secret);
    let preview = p.post("exports/preview", &json!({"table": "events"})).expect(200);
    let shown = preview["rows"].as_array().unwrap();
    assert!((1..=16).contains(&shown.len()), "{} rows", shown.len());
    assert_eq!((&shown[0]["id"], &preview["more"]), (&Value::from("s23"), &Value::from(true)));
    let narrow = p.post("exports/preview", &json!({"table": "events", "columns": ["id"]})).expect(200);
    assert_eq!((narrow["rows"].as_array().unwrap().len(), &narrow["more"]), (24, &Value::from(false)));
}
