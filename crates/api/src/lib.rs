//! The REST API and its OpenAPI document, progress as server-sent events, and the built web app.
//!
//! [`router`] turns [`Ports`] and [`Settings`] into a service. [`routes`] is the table of every route and of who
//! may call it; the same table makes the OpenAPI document ([`openapi_json`]), so the two cannot drift apart.
//! Requests pass through [`layers`], are admitted by [`access`], read by [`input`], answered in the shapes of
//! [`wire`], and what cannot be answered becomes a [`problem`].
//!
//! It never runs an export: it meets the worker in the job store only. Rows, tables and formats reach it
//! through traits and descriptors; it knows none of them by name.

mod access;
mod app;
mod input;
mod layers;
mod listen;
mod openapi;
mod problem;
mod routes;
mod signing;
mod web;
mod wire;

#[cfg(test)]
mod tests;

pub use app::{Catalog, Integrations, Ports, Readiness, Settings, SourceState};
pub use listen::serve;
pub use openapi::openapi_json;

/// The service: API, documentation, health, metrics and web app. [`serve`] serves it.
pub fn router(ports: Ports, settings: Settings) -> axum::Router {
    let app = app::App::new(ports, settings);
    let (routes, _) = routes::routes().split_for_parts();
    let routes =
        routes.merge(openapi::routes()).fallback(web::serve).method_not_allowed_fallback(problem::wrong_method);
    layers::around(routes, &app).with_state(app)
}

/// Health, readiness and metrics alone, for a process that does not answer the API.
pub fn probes(ports: Ports, settings: Settings) -> axum::Router {
    let app = app::App::new(ports, settings);
    let (routes, _) = routes::probes().split_for_parts();
    let routes = routes.fallback(problem::no_such_call).method_not_allowed_fallback(problem::wrong_method);
    layers::around(routes, &app).with_state(app)
}
