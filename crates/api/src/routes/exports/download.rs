//! Finished files: links that live ten minutes, and files that are streamed through us.

use std::ops::Range;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::{Export, ExportFile, ExportState, JobId, Micros, ProjectId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::ExportPath;
use crate::access::InProject;
use crate::app::App;
use crate::input;
use crate::layers::FILE_MEDIA_TYPE;
use crate::problem::{Answer, Problem};
use crate::signing::{sign, verified};
use crate::wire::{self, instant};

/// A link is made for one click; it outlives a slow start, not a chat message.
const LINK_VALID: Duration = Duration::from_secs(600);

/// A file in a path.
#[derive(Deserialize)]
pub(crate) struct FilePath {
    export: JobId,
    file: usize,
}

/// Which file is wanted.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DownloadRequest {
    /// Number of the file; the first where not given.
    file: usize,
}

/// What a link of ours says, signed.
#[derive(Serialize, Deserialize)]
struct Pass {
    project: String,
    export: String,
    file: usize,
    until: i64,
}

/// Make a download link
///
/// It lives ten minutes and needs no credentials, so that it can be given to a browser or a program. It leads to
/// the object store, or to this server where files lie on its disk.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/exports/{export}/download",
    operation_id = "download_export",
    tag = "exports",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("export" = String, Path, description = "Id of the export")
    ),
    request_body = DownloadRequest,
    responses((status = 200, body = wire::DownloadLink))
)]
pub(crate) async fn link(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<ExportPath>,
    input::Json(request): input::Json<DownloadRequest>,
) -> Answer<Json<wire::DownloadLink>> {
    let export = app.ports.exports.export(&access.project, &path.export).await?;
    let file = file_of(&export, request.file)?;
    note(&app, &access, &export, request.file, "link").await?;
    let until = Micros(app.now().0 + i64::try_from(LINK_VALID.as_micros()).unwrap_or(i64::MAX));
    let url = match app.ports.downloads.link(file, LINK_VALID).await? {
        Some(url) => url,
        None => {
            let pass = Pass {
                project: access.project.as_str().to_owned(),
                export: path.export.as_str().to_owned(),
                file: request.file,
                until: until.0,
            };
            format!("{}/api/v1/downloads/{}", app.settings.public_url, sign(&app.settings.link_key, &pass)?)
        }
    };
    Ok(Json(wire::DownloadLink {
        url,
        expires_at: instant(until),
        file_name: file.name.last_segment().to_owned(),
        bytes: file.bytes.get(),
        sha256: file.sha256.clone(),
    }))
}

/// Download a file
///
/// The bytes themselves, or a redirect to the object store. `Range` is honoured.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{project}/exports/{export}/files/{file}",
    operation_id = "download_file",
    tag = "exports",
    params(
        ("project" = String, Path, description = "Id of the project"),
        ("export" = String, Path, description = "Id of the export"),
        ("file" = u32, Path, description = "Number of the file, from 0"),
        ("Range" = Option<String>, Header, description = "`bytes=` and one range")
    ),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream", description = "The range"),
        (status = 302, description = "To a link that lives ten minutes", headers(("Location" = String)))
    )
)]
pub(crate) async fn file(
    State(app): State<App>,
    access: InProject,
    input::Segments(path): input::Segments<FilePath>,
    headers: HeaderMap,
) -> Answer<Response> {
    let export = app.ports.exports.export(&access.project, &path.export).await?;
    let file = file_of(&export, path.file)?;
    note(&app, &access, &export, path.file, "file").await?;
    match app.ports.downloads.link(file, LINK_VALID).await? {
        Some(url) => Ok((StatusCode::FOUND, [(header::LOCATION, crate::signing::path_header(&url))]).into_response()),
        None => stream(&app, file, &headers).await,
    }
}

/// Follow a download link
///
/// One of this server's own links. The link itself is the right to download; `Range` is honoured.
#[utoipa::path(
    get,
    path = "/api/v1/downloads/{link}",
    operation_id = "follow_link",
    tag = "exports",
    params(
        ("link" = String, Path, description = "The signed end of a download link"),
        ("Range" = Option<String>, Header, description = "`bytes=` and one range")
    ),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream", description = "The range")
    )
)]
pub(crate) async fn follow_link(
    State(app): State<App>,
    input::Segments(link): input::Segments<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    let pass: Option<Pass> = verified(&app.settings.link_key, &link);
    let pass = pass.ok_or_else(|| Problem::not_found("this is not a download link of this server"))?;
    if pass.until <= app.now().0 {
        let problem = Problem::new(StatusCode::GONE, "expired", "this link lived ten minutes and is over");
        return Err(problem.hint("make a new one on the exports page"));
    }
    // Looked up again: what was deleted or has expired since cannot be downloaded any more.
    let export = app.ports.exports.export(&ProjectId::new(pass.project), &JobId::new(pass.export)).await?;
    stream(&app, file_of(&export, pass.file)?, &headers).await
}

/// The file of this number, of an export that has files.
fn file_of(export: &Export, number: usize) -> Answer<&ExportFile> {
    match export.state {
        ExportState::Completed => export.files.get(number).ok_or_else(|| {
            let count = export.files.len();
            let files = if count == 1 { "file" } else { "files" };
            Problem::not_found(format!("this export has {count} {files}, numbered from 0; there is no file {number}"))
        }),
        ExportState::Expired => Err(Problem::new(StatusCode::GONE, "expired", "the files of this export are deleted")
            .hint("create the export again")),
        state => Err(Problem::new(
            StatusCode::CONFLICT,
            "conflict",
            format!("this export is {}; only completed ones can be downloaded", state.as_str()),
        )),
    }
}

async fn note(app: &App, access: &InProject, export: &Export, file: usize, how: &str) -> Answer<()> {
    access.note(app, "export.download", export.id.as_str(), json!({"file": file, "how": how})).await?;
    Ok(app.ports.exports.note_download(&access.project, &export.id).await?)
}

async fn stream(app: &App, file: &ExportFile, headers: &HeaderMap) -> Answer<Response> {
    let size = file.bytes.get();
    let tag = format!("\"{}\"", file.sha256);
    let (status, range) = match wanted_range(headers, size, &tag) {
        Wanted::All => (StatusCode::OK, 0..size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => {
            let problem = Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range_not_satisfiable",
                format!("the file has {size} bytes"),
            );
            let mut response = problem.into_response();
            response.headers_mut().insert(header::CONTENT_RANGE, text(format!("bytes */{size}")));
            return Ok(response);
        }
    };
    let (first, length) = (range.start, range.end - range.start);
    let bytes = app.ports.downloads.read(file, range).await?;
    let mut response = (status, Body::from_stream(bytes)).into_response();
    let headers = response.headers_mut();
    let name = file.name.last_segment();
    let fixed: [(HeaderName, String); 6] = [
        // The browser saves it whatever it is; nothing that people stored is shown as a page.
        (header::CONTENT_TYPE, FILE_MEDIA_TYPE.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", ascii(name))),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, tag),
        (HeaderName::from_static("x-content-sha256"), file.sha256.clone()),
    ];
    for (header, value) in fixed {
        headers.insert(header, text(value));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(header::CONTENT_RANGE, text(format!("bytes {first}-{}/{size}", first + length - 1)));
    }
    Ok(response)
}

fn text(value: String) -> HeaderValue {
    HeaderValue::from_str(&value).expect("the value is made of visible ASCII")
}

/// The name with everything replaced that a quoted header could not hold.
fn ascii(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\') { c } else { '_' }).collect()
}

/// What of a file is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    Nothing,
}

/// Reads `Range`. One that we do not understand, of several parts, or of an older file counts as none, as RFC 9110
/// says.
fn wanted_range(headers: &HeaderMap, size: u64, tag: &str) -> Wanted {
    let of = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(spec) = of(header::RANGE).and_then(|range| range.strip_prefix("bytes=")) else { return Wanted::All };
    if of(header::IF_RANGE).is_some_and(|known| known != tag) {
        return Wanted::All;
    }
    let Some((first, last)) = spec.split_once('-').map(|(first, last)| (first.trim(), last.trim())) else {
        return Wanted::All;
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let range = match (first.is_empty(), last.is_empty()) {
        (true, true) => return Wanted::All,
        (true, false) => number(last).map(|count| size.saturating_sub(count)..size),
        (false, true) => number(first).map(|first| first..size),
        (false, false) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Some(first..last.saturating_add(1).min(size)),
            _ => None,
        },
    };
    match range {
        None => Wanted::All,
        Some(range) if range.start < range.end => Wanted::Part(range),
        Some(_) => Wanted::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let wanted = |range: &str| {
            let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_str(range).unwrap())]);
            wanted_range(&headers, 100, "\"t\"")
        };
        assert_eq!(wanted("bytes=0-9"), Wanted::Part(0..10));
        assert_eq!(wanted("bytes=90-"), Wanted::Part(90..100));
        assert_eq!(wanted("bytes=90-1000"), Wanted::Part(90..100));
        assert_eq!(wanted("bytes=-10"), Wanted::Part(90..100));
        assert_eq!(wanted("bytes=-1000"), Wanted::Part(0..100));
        for beyond in ["bytes=100-", "bytes=100-200", "bytes=-0"] {
            assert_eq!(wanted(beyond), Wanted::Nothing, "{beyond}");
        }
        for none in ["bytes=9-0", "bytes=a-b", "bytes=0-1,5-6", "lines=0-1", "bytes=-", "bytes=5"] {
            assert_eq!(wanted(none), Wanted::All, "{none}");
        }
    }

    #[test]
    fn a_range_of_an_older_file_is_the_whole_new_one() {
        let of = |tag: &'static str| {
            let mut headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=0-9"))]);
            headers.insert(header::IF_RANGE, HeaderValue::from_static(tag));
            wanted_range(&headers, 100, "\"new\"")
        };
        assert_eq!(of("\"new\""), Wanted::Part(0..10));
        assert_eq!(of("\"old\""), Wanted::All);
    }
}
