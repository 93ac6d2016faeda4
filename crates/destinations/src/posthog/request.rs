//! The body of a request.

use model::{EventRun, Fault, Secret};

use crate::analytics::{gzip, write_string};

/// Who asks and when, as the body says it.
pub(super) enum Head<'a> {
    /// `"api_key":…`
    Key(&'a Secret),
    /// `"created_at":…`; the key is in a header.
    CreatedAt(&'a str),
}

/// `{"api_key":…,"batch":[…]}`, compressed. Backfills say that they are historical, so that PostHog keeps them
/// away from what happens now.
pub(super) async fn body(head: Head<'_>, historical: bool, events: &[EventRun]) -> Result<Vec<u8>, Fault> {
    let bytes: usize = events.iter().map(|run| run.text().len() + 1).sum();
    let (name, value) = match head {
        Head::Key(key) => (&br#"{"api_key":"#[..], key.reveal()),
        Head::CreatedAt(instant) => (&br#"{"created_at":"#[..], instant),
    };
    let mut body = Vec::with_capacity(bytes + value.len() + 64);
    body.extend_from_slice(name);
    write_string(value, &mut body);
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
