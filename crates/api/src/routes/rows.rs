//! Rows of every table.

use axum::Json;
use axum::extract::State;
use model::{BrowseBounds, Fault, FaultKind, RowKey};
use serde::Deserialize;

use crate::access::InProject;
use crate::app::App;
use crate::input::{self, page_request};
use crate::problem::{Answer, Problem};
use crate::wire;

/// A table in a path.
#[derive(Deserialize)]
pub(crate) struct TablePath {
    table: String,
}

/// A row in a path.
#[derive(Deserialize)]
pub(crate) struct RowPath {
    table: String,
    key: String,
}

/// List rows
///
/// Newest first, or oldest first where `order` says so. Every call is bounded in time and bytes; where a bound ends a
/// search early, `stopped` says so and `next` goes on.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/tables/{table}/rows",
    operation_id = "list_rows",
    tag = "rows",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("table" = String, Path, description = "Name of the table"),
        wire::RowsQuery
    ),
    responses((status = 200, body = wire::RowPage))
)]
pub(crate) async fn list(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<TablePath>,
    input::QueryString(query): input::QueryString<wire::RowsQuery>,
) -> Answer<Json<wire::RowPage>> {
    page(&app, &access, path.table, query.into_request()?).await
}

/// Search rows
///
/// The same with a body, for filters that are too long for a query string.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/tables/{table}/rows/search",
    operation_id = "search_rows",
    tag = "rows",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("table" = String, Path, description = "Name of the table")
    ),
    request_body = wire::RowsRequest,
    responses((status = 200, body = wire::RowPage))
)]
pub(crate) async fn search(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<TablePath>,
    input::Json(request): input::Json<wire::RowsRequest>,
) -> Answer<Json<wire::RowPage>> {
    page(&app, &access, path.table, request).await
}

async fn page(app: &App, access: &InProject, table: String, request: wire::RowsRequest) -> Answer<Json<wire::RowPage>> {
    let page = page_request(request.limit, request.cursor.clone())?;
    let (ask, shown) = request.into_parts(table);
    let bounds = &app.settings.browse;
    let found = in_time(bounds, app.ports.browse.rows(&access.project, &ask, &shown, &page, bounds)).await?;
    Ok(Json(wire::RowPage::new(found)?))
}

/// Get a row
///
/// Whole, with every column.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/tables/{table}/rows/{key}",
    operation_id = "get_row",
    tag = "rows",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("table" = String, Path, description = "Name of the table"),
        ("key" = String, Path, description = "The row's `key`")
    ),
    responses((status = 200, body = wire::Row))
)]
pub(crate) async fn get(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<RowPath>,
) -> Answer<Json<wire::Row>> {
    let key = RowKey(path.key);
    let bounds = &app.settings.browse;
    let row = app.ports.browse.row(&access.project, &path.table, &key, bounds);
    let row = in_time(bounds, row).await?.ok_or_else(|| {
        Problem::not_found("there is no such row").hint("it may have been deleted, or moved to another start time")
    })?;
    Ok(Json(wire::Row::new(row)?))
}

/// Count the values of a column
///
/// For suggestions: the most frequent values of a filter column among the rows that are meant.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/tables/{table}/facets",
    operation_id = "count_values",
    tag = "rows",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("table" = String, Path, description = "Name of the table")
    ),
    request_body = wire::FacetsRequest,
    responses((status = 200, body = wire::Facets))
)]
pub(crate) async fn facets(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<TablePath>,
    input::Json(request): input::Json<wire::FacetsRequest>,
) -> Answer<Json<wire::Facets>> {
    let ask = request.into_ask(path.table)?;
    let bounds = &app.settings.browse;
    let facets = in_time(bounds, app.ports.browse.facets(&access.project, &ask, bounds)).await?;
    Ok(Json(facets.into()))
}

/// Count rows over time
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/tables/{table}/histogram",
    operation_id = "count_over_time",
    tag = "rows",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("table" = String, Path, description = "Name of the table")
    ),
    request_body = wire::HistogramRequest,
    responses((status = 200, body = wire::Histogram))
)]
pub(crate) async fn histogram(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<TablePath>,
    input::Json(request): input::Json<wire::HistogramRequest>,
) -> Answer<Json<wire::Histogram>> {
    let ask = request.into_ask(path.table)?;
    let bounds = &app.settings.browse;
    let histogram = in_time(bounds, app.ports.browse.histogram(&access.project, &ask, bounds)).await?;
    Ok(Json(histogram.into()))
}

/// Twice the time that the call itself keeps to: a source that does not answer at all must not hold it.
async fn in_time<T>(bounds: &BrowseBounds, call: impl Future<Output = Result<T, Fault>>) -> Answer<T> {
    match tokio::time::timeout(bounds.time * 2, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Problem::from(
            Fault::new(FaultKind::Timeout, "the source did not answer in time").hint("ask for a shorter time range"),
        )),
    }
}
