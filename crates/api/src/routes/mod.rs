//! Every route and who may call it. Handlers live in the modules, one per kind of thing.

mod audit;
mod comments;
mod exports;
mod imports;
mod integrations;
mod keys;
mod members;
mod projects;
mod rows;
mod server;
mod session;

use model::Role;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Need, needing};
use crate::app::App;

/// The table of routes. A route that is not in it does not exist, and one in it has exactly this need.
pub(crate) fn routes() -> OpenApiRouter<App> {
    let open = OpenApiRouter::default()
        .routes(routes!(session::sign_in))
        .routes(routes!(session::accept_invitation))
        .routes(routes!(exports::download::follow_link));
    let anybody = OpenApiRouter::default()
        .routes(routes!(server::catalog))
        .routes(routes!(integrations::look::kinds))
        .routes(routes!(session::session))
        .routes(routes!(projects::list));
    let person = OpenApiRouter::default().routes(routes!(session::sign_out)).routes(routes!(session::change_password));
    let admin = OpenApiRouter::default().routes(routes!(projects::create)).routes(routes!(audit::list_of_server));
    let viewer = OpenApiRouter::default()
        .routes(routes!(projects::get))
        .routes(routes!(projects::storage))
        .routes(routes!(members::list))
        .routes(routes!(exports::list))
        .routes(routes!(exports::get))
        .routes(routes!(exports::events::events))
        .routes(routes!(exports::look::estimate))
        .routes(routes!(exports::look::preview))
        .routes(routes!(rows::list))
        .routes(routes!(rows::search))
        .routes(routes!(rows::get))
        .routes(routes!(rows::facets))
        .routes(routes!(rows::histogram))
        .routes(routes!(comments::list))
        .routes(routes!(integrations::list))
        .routes(routes!(integrations::get))
        .routes(routes!(integrations::look::preview))
        .routes(routes!(integrations::runs::list))
        .routes(routes!(integrations::runs::get))
        .routes(routes!(integrations::runs::coverage))
        .routes(routes!(integrations::backfills::list))
        .routes(routes!(integrations::backfills::estimate))
        .routes(routes!(integrations::letters::list));
    let member = OpenApiRouter::default()
        .routes(routes!(exports::create::create))
        .routes(routes!(exports::cancel))
        .routes(routes!(exports::retry))
        .routes(routes!(exports::delete))
        .routes(routes!(exports::download::link))
        .routes(routes!(exports::download::file))
        .routes(routes!(comments::create))
        .routes(routes!(imports::import))
        .routes(routes!(integrations::pause))
        .routes(routes!(integrations::resume))
        .routes(routes!(integrations::runs::run))
        .routes(routes!(integrations::backfills::create))
        .routes(routes!(integrations::backfills::cancel))
        .routes(routes!(integrations::letters::replay));
    let owner = OpenApiRouter::default()
        .routes(routes!(projects::change))
        .routes(routes!(projects::delete))
        .routes(routes!(members::add))
        .routes(routes!(members::remove))
        .routes(routes!(members::invite))
        .routes(routes!(keys::list))
        .routes(routes!(keys::create))
        .routes(routes!(keys::delete))
        .routes(routes!(audit::list))
        .routes(routes!(integrations::create))
        .routes(routes!(integrations::change))
        .routes(routes!(integrations::delete))
        .routes(routes!(integrations::test::test_new))
        .routes(routes!(integrations::test::test))
        .routes(routes!(integrations::look::preview_new));
    OpenApiRouter::default()
        .merge(probes())
        .merge(needing(Need::Nobody, open))
        .merge(needing(Need::Anybody, anybody))
        .merge(needing(Need::Person, person))
        .merge(needing(Need::Admin, admin))
        .merge(needing(Need::Role(Role::Viewer), viewer))
        .merge(needing(Need::Role(Role::Member), member))
        .merge(needing(Need::Role(Role::Owner), owner))
}

/// What monitoring asks, whatever the process does.
pub(crate) fn probes() -> OpenApiRouter<App> {
    let probes = OpenApiRouter::default()
        .routes(routes!(server::health))
        .routes(routes!(server::readiness))
        .routes(routes!(server::metrics));
    needing(Need::Nobody, probes)
}
