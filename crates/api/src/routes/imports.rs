//! Rows that come in.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Json;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::State;
use futures_util::{Stream, StreamExt};
use model::{ByteCount, Fault, FaultKind};
use serde_json::json;
use tokio::time::Sleep;

use crate::access::InProject;
use crate::app::App;
use crate::input;
use crate::problem::{Answer, Problem};
use crate::wire;

/// Import rows
///
/// The body is JSONL, a JSON array or CSV, compressed with gzip or zstd or not. Every row is stored or none: the
/// first bad row ends the import and is named in the problem. Rows that name no project get this one.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{project}/import",
    operation_id = "import_rows",
    tag = "import",
    params(("project" = String, Path, description = "Id of the project"), wire::ImportQuery),
    request_body(content(("application/x-ndjson"), ("application/gzip"), ("application/octet-stream"))),
    responses((status = 200, body = wire::Imported))
)]
pub(crate) async fn import(
    State(app): State<App>,
    access: InProject,
    input::QueryString(query): input::QueryString<wire::ImportQuery>,
    body: Body,
) -> Answer<Json<wire::Imported>> {
    let Some(ingest) = &app.ports.ingest else {
        return Err(Problem::from(
            Fault::new(FaultKind::Conflict, "rows cannot be imported: the source belongs to somebody else")
                .hint("import into a server that has an embedded store"),
        ));
    };
    let limit = app.settings.import_bytes_max;
    let silence_max = app.settings.import_silence_max;
    let body = Limited { body: body.into_data_stream(), limit, left: limit, silence_max, silence: None };
    let rows = body.boxed();
    let ingested = ingest.ingest(&access.project, query.table.as_deref(), rows).await?;
    let stored = ingested.stored.iter().map(|(table, rows)| json!({"table": table, "rows": rows})).collect::<Vec<_>>();
    access.note(&app, "import", access.project.as_str(), json!({"stored": stored})).await?;
    Ok(Json(ingested.into()))
}

/// A body that may not be larger than this, nor pause for long.
struct Limited {
    body: BodyDataStream,
    limit: ByteCount,
    left: ByteCount,
    silence_max: Duration,
    /// Ends when the pause has lasted too long; only while bytes are waited for.
    silence: Option<Pin<Box<Sleep>>>,
}

impl Stream for Limited {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Poll::Ready(next) = self.body.poll_next_unpin(context) else {
            let silence_max = self.silence_max;
            let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(silence_max)));
            return silence.as_mut().poll(context).map(|()| Some(Err(silent(silence_max))));
        };
        self.silence = None;
        Poll::Ready(match next {
            None => None,
            Some(Ok(bytes)) if bytes.len() as u64 <= self.left.get() => {
                self.left = self.left.saturating_sub(ByteCount::from(bytes.len()));
                Some(Ok(bytes))
            }
            Some(Ok(_)) => Some(Err(Fault::new(
                FaultKind::TooLarge { limit: Some(self.limit) },
                format!("the body is larger than the {} that this server takes at once", self.limit.human()),
            )
            .hint("import in several calls, or have the setting server.import_bytes_max raised"))),
            Some(Err(error)) => Some(Err(Fault::bad_request("the body ended before it was complete").because(error))),
        })
    }
}

fn silent(pause: Duration) -> Fault {
    Fault::bad_request(format!("no byte of the body came for {pause:?}")).hint("send it without long pauses")
}
