//! Paging, and the web app's pages.

use axum::http::{Method, StatusCode, header};
use model::{ExportState, Role};

use super::{As, Service};

#[tokio::test]
async fn pages_join_without_gaps_and_a_forged_cursor_is_refused() {
    let service = Service::new();
    let viewer = service.key(Role::Viewer);
    for _ in 0..5 {
        service.world.add_export("p1", ExportState::Queued);
    }
    let mut ids = Vec::new();
    let mut path = "/api/v1/projects/p1/exports?limit=2".to_owned();
    loop {
        let page = service.get(&viewer, &path).await.ok().json();
        ids.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/projects/p1/exports?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(ids, ["e4", "e3", "e2", "e1", "e0"]);
    for list in ["exports", "comments", "tables/events/rows"] {
        let forged = service.get(&viewer, &format!("/api/v1/projects/p1/{list}?cursor=%7Bforged")).await;
        assert_eq!(forged.problem(400), "bad_request", "{list}");
    }
    let owner = service.key(Role::Owner);
    let forged = service.get(&owner, "/api/v1/projects/p1/audit?cursor=forged").await;
    assert_eq!(forged.problem(400), "bad_request");
}

/// Whether the web app was built or not, every address of it answers with a page and no call of the API does.
#[tokio::test]
async fn pages_of_the_web_app_are_served_for_every_address_of_it() {
    let service = Service::new();
    for path in ["/", "/projects/p1/exports", "/sign-in"] {
        let page = service.get(&As::Nobody, path).await.ok();
        assert_eq!(page.header(header::CONTENT_TYPE), "text/html; charset=utf-8", "{path}");
        assert!(page.text().contains("<title>Outgest"), "{path}");
    }
    assert_eq!(service.get(&As::Nobody, "/assets/none.js").await.problem(404), "not_found");
    assert_eq!(service.get(&As::Nobody, "/api").await.problem(404), "not_found");
    let posted = service.call(&As::Nobody, Method::POST, "/", None).await;
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
}
