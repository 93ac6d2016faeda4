//! The OpenAPI document, made from the routes themselves, and a page to read it with.

use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Contact, InfoBuilder, License, OpenApi, OpenApiBuilder, Tag};
use utoipa::{PartialSchema, ToSchema};

use crate::access::SESSION_COOKIE;
use crate::app::App;
use crate::problem::ProblemBody;
use crate::routes;

/// Scheme of sessions.
pub(crate) const SESSION_SCHEME: &str = "session";

/// Schemes of keys.
pub(crate) const KEY_SCHEMES: [&str; 2] = ["secretKey", "keyPair"];

const DESCRIPTION: &str = include_str!("docs/description.md");
const PAGE: &str = include_str!("docs/page.html");
const SCRIPT: &str = include_str!("docs/page.js");
const STYLE: &str = include_str!("docs/page.css");

/// Groups of calls, in the order they are shown.
const TAGS: [(&str, &str); 11] = [
    ("exports", "Ask for files, watch them being made, take them away."),
    ("integrations", "Export window after window, by themselves."),
    ("rows", "Look at rows before they are exported."),
    ("comments", "Comments on rows."),
    ("import", "Bring rows in."),
    ("projects", "Projects, their bounds and what they store."),
    ("members", "Who may do what."),
    ("keys", "Keys for programs."),
    ("audit", "Who did what."),
    ("session", "Signing in."),
    ("server", "The server itself."),
];

/// The document as it is served and checked in, ending with a line break.
pub fn openapi_json() -> String {
    let mut text = serde_json::to_string_pretty(&document()).expect("the document has a JSON form");
    text.push('\n');
    text
}

fn document() -> OpenApi {
    let (_, mut document) = routes::routes().split_for_parts();
    let info = InfoBuilder::new()
        .title("Outgest")
        .version("1")
        .description(Some(DESCRIPTION))
        .license(Some(License::new("Apache-2.0")))
        .contact(None::<Contact>)
        .build();
    document.info = info;
    document.tags = Some(
        TAGS.map(|(name, doc)| {
            let mut tag = Tag::new(name);
            tag.description = Some(doc.to_owned());
            tag
        })
        .to_vec(),
    );
    let components = document.components.get_or_insert_default();
    // Every operation refers to it by name, and none returns it as its own type.
    let mut problem = vec![(ProblemBody::name().into_owned(), ProblemBody::schema())];
    ProblemBody::schemas(&mut problem);
    components.schemas.extend(problem);
    let cookie =
        ApiKeyValue::with_description(SESSION_COOKIE, "Set by signing in; mutating calls also send X-CSRF-Token.");
    components.add_security_scheme(SESSION_SCHEME, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let keys = [
        (HttpAuthScheme::Bearer, "The secret half of a project's key."),
        (HttpAuthScheme::Basic, "A project's key: its public half as user name, its secret half as password."),
    ];
    for (name, (scheme, doc)) in KEY_SCHEMES.into_iter().zip(keys) {
        let mut http = Http::new(scheme);
        http.description = Some(doc.to_owned());
        components.add_security_scheme(name, SecurityScheme::Http(http));
    }
    OpenApiBuilder::from(document).build()
}

/// The document and the page.
pub(crate) fn routes() -> Router<App> {
    // Made once: it is the same for every caller.
    let json: &'static str = Box::leak(openapi_json().into_boxed_str());
    let text = |media_type: &'static str, text: &'static str| {
        get(move || async move { ([(header::CONTENT_TYPE, media_type)], text).into_response() })
    };
    Router::new()
        .route("/api/v1/openapi.json", text("application/json", json))
        .route("/api/v1/docs", get(|| async { Html(PAGE) }))
        .route("/api/v1/docs/page.js", text("text/javascript; charset=utf-8", SCRIPT))
        .route("/api/v1/docs/page.css", text("text/css; charset=utf-8", STYLE))
}
