//! Rows, counts and comments over HTTP.

use model::Role;
use serde_json::json;

use super::Service;

const ROWS: &str = "/api/v1/projects/p1/tables/events/rows";

#[tokio::test]
async fn rows_are_listed_and_searched_with_the_same_words() {
    let service = Service::new();
    let viewer = service.key(Role::Viewer);
    let query = format!("{ROWS}?where=name%20%3D%20%22chat%22&columns=id,%20input&charactersMax=10&limit=2");
    let listed = service.get(&viewer, &query).await.ok().json();
    let body = json!({"where": ["name = \"chat\""], "columns": ["id", "input"], "charactersMax": 10, "limit": 2});
    let searched = service.post(&viewer, &format!("{ROWS}/search"), body).await.ok().json();
    assert_eq!(listed, searched);
    assert_eq!(listed["columns"], json!(["id", "input"]));
    assert_eq!(listed["rows"][0]["cells"]["where"], json!(["name = \"chat\""]));
    assert_eq!(listed["rows"][0]["cut"], json!([{"column": "input", "bytes": 11}]));
    assert_eq!((&listed["next"], &listed["stopped"]), (&json!("2"), &json!(null)));
    for wrong in ["filter=nothing", "searchTypes=all", "columns=id&order=asc", "timestamp=now"] {
        assert_eq!(service.get(&viewer, &format!("{ROWS}?{wrong}")).await.problem(400), "bad_request", "{wrong}");
    }
}

#[tokio::test]
async fn one_row_is_whole_and_its_numbers_keep_their_digits() {
    let service = Service::new();
    let viewer = service.key(Role::Viewer);
    let row = service.get(&viewer, &format!("{ROWS}/r1")).await.ok();
    assert!(row.text().contains("0.100000000000000000001"), "{}", row.text());
    assert_eq!(service.get(&viewer, &format!("{ROWS}/r2")).await.problem(404), "not_found");
}

#[tokio::test]
async fn values_and_times_are_counted_within_bounds() {
    let service = Service::new();
    let viewer = service.key(Role::Viewer);
    let path = |what: &str| format!("/api/v1/projects/p1/tables/events/{what}");
    let facets = service.post(&viewer, &path("facets"), json!({"column": "name"})).await.ok().json();
    assert_eq!(facets["values"], json!([{"value": "name/50", "rows": 7}]));
    assert_eq!(facets["stopped"], "time");
    let histogram = service.post(&viewer, &path("histogram"), json!({"bars": 10})).await.ok().json();
    assert_eq!((&histogram["stepSeconds"], &histogram["bars"][0]["rows"]), (&json!(1.5), &json!(10)));
    for (what, body, field) in [
        ("facets", json!({"column": "name", "limit": 1001}), "limit"),
        ("facets", json!({"column": "name", "rows": {"columns": ["id"]}}), "rows.columns"),
        ("histogram", json!({"bars": 0}), "bars"),
        ("histogram", json!({"rows": {"cursor": "x"}}), "rows.cursor"),
    ] {
        let wrong = service.post(&viewer, &path(what), body).await;
        wrong.problem(400);
        assert_eq!(wrong.json()["field"], field);
    }
}

#[tokio::test]
async fn comments_are_written_and_listed() {
    let service = Service::new();
    let member = service.person(Role::Member);
    let path = "/api/v1/projects/p1/comments";
    let body = |content: &str| json!({"objectType": "OBSERVATION", "objectId": "o1", "content": content});
    let made = service.post(&member, path, body("why so slow?")).await.ok().json();
    assert_eq!((&made["authorEmail"], &made["objectType"]), (&json!("u0@example.com"), &json!("OBSERVATION")));
    let listed = service.get(&member, &format!("{path}?objectType=OBSERVATION&objectId=o1")).await.ok().json();
    assert_eq!(listed["items"], json!([made]));
    let none = service.get(&member, &format!("{path}?objectType=TRACE")).await.ok().json();
    assert_eq!(none["items"], json!([]));
    for wrong in [body(" "), body(&"x".repeat(5_001)), json!({"objectType": "X", "objectId": "o", "content": "y"})] {
        assert_eq!(service.post(&member, path, wrong).await.problem(400), "bad_request");
    }
}
