//! The body of a request.

use model::{EventRun, Fault};

use crate::analytics::gzip;

/// `[…]`, compressed.
pub(super) async fn body(events: &[EventRun]) -> Result<Vec<u8>, Fault> {
    let bytes: usize = events.iter().map(|run| run.text().len() + 1).sum();
    let mut body = Vec::with_capacity(bytes + 2);
    body.push(b'[');
    for (index, run) in events.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(run.text());
    }
    body.push(b']');
    gzip(body).await
}

/// An event that cannot be stored: it has neither time nor id.
pub(super) async fn dry() -> Result<Vec<u8>, Fault> {
    gzip(br#"[{"event":"outgest check","properties":{"distinct_id":""}}]"#.to_vec()).await
}
