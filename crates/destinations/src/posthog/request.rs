//! The body of a request.

use model::{EventRun, Fault, Secret};

use crate::analytics::{gzip, write_string};

/// `{"api_key":…,"batch":[…]}`, compressed. Backfills say that they are historical, so that PostHog keeps them
/// away from what happens now.
pub(super) async fn body(key: &Secret, historical: bool, events: &[EventRun]) -> Result<Vec<u8>, Fault> {
    let bytes: usize = events.iter().map(|run| run.text().len() + 1).sum();
    let mut body = Vec::with_capacity(bytes + key.reveal().len() + 64);
    body.extend_from_slice(br#"{"api_key":"#);
    write_string(key.reveal(), &mut body);
    if historical {
        body.extend_from_slice(br#","historical_migration":true"#);
    }
    body.extend_from_slice(br#","batch":["#);
    for (index, run) in events.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(run.text());
    }
    body.extend_from_slice(b"]}");
    gzip(body).await
}
