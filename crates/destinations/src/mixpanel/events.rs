//! A row as a Mixpanel event.
//!
//! Mixpanel refuses ids that mean nobody (`null`, `anonymous`, …) for the user of an event; such an event has
//! no user, which Mixpanel writes as an empty one.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use model::{ByteCount, Dialect, EncodedEvent, EncodedEvents, EventEncoder, EventKind, EventStream, Fault, ProjectId};
use uuid::{Uuid, uuid};

use crate::analytics::{EventIds, Layout, Rows, means_nobody, write_string};

/// Namespace of the ids of Mixpanel's events.
const NAMESPACE: Uuid = uuid!("8f7c3e42-9a1b-4d5f-8e2a-1c6b9d3f4e7a");

/// Ids that Mixpanel takes for nobody, in lower case, whatever space is around them.
const NOBODY: [&str; 18] = [
    "undefined",
    "null",
    "nil",
    "none",
    "unknown",
    "n/a",
    "na",
    "anon",
    "anonymous",
    "false",
    "true",
    "0",
    "-1",
    "00000000-0000-0000-0000-000000000000",
    "<nil>",
    "[]",
    "{}",
    "lmy47d",
];

/// About as many bytes as an event has.
const EVENT_BYTES: usize = 1_280;

/// Encodes the events of one delivery.
pub(super) struct MixpanelEvents {
    layout: Layout,
    project: ProjectId,
    event_bytes_max: ByteCount,
    /// `{"event":"…","properties":{"time":`
    start: String,
}

impl MixpanelEvents {
    pub(super) fn new(stream: &EventStream, schema: &SchemaRef, event_bytes_max: ByteCount) -> Result<Self, Fault> {
        Ok(Self {
            layout: Layout::new(schema, stream.dialect)?,
            project: stream.project.clone(),
            event_bytes_max,
            start: format!(r#"{{"event":"{}","properties":{{"time":"#, name(stream.kind, stream.dialect)),
        })
    }

    /// Appends the event of a row.
    fn write(&self, rows: &mut Rows<'_>, row: usize, insert_id: Uuid, out: &mut Vec<u8>) {
        let user = rows.user(row).filter(|user| is_somebody(user));
        out.extend_from_slice(self.start.as_bytes());
        // Milliseconds; what is finer is a property.
        out.extend_from_slice(itoa::Buffer::new().format(rows.instant(row).0.div_euclid(1_000)).as_bytes());
        out.extend_from_slice(br#","distinct_id":"#);
        write_string(user.unwrap_or_default(), out);
        out.extend_from_slice(br#","$insert_id":""#);
        out.extend_from_slice(insert_id.hyphenated().encode_lower(&mut [0; 36]).as_bytes());
        out.push(b'"');
        if let Some(user) = user {
            out.extend_from_slice(br#","$user_id":"#);
            write_string(user, out);
        }
        if let Some(session) = rows.mixpanel_session(row).or_else(|| rows.session(row)) {
            out.extend_from_slice(br#","session_id":"#);
            write_string(session, out);
        }
        rows.write_properties(row, out);
        out.extend_from_slice(b"}}");
    }
}

impl EventEncoder for MixpanelEvents {
    fn encode(&self, batch: &RecordBatch) -> Result<EncodedEvents, Fault> {
        let mut rows = self.layout.bind(batch)?;
        let mut ids = EventIds::new(NAMESPACE, &self.project);
        let mut text = Vec::with_capacity(rows.len() * EVENT_BYTES);
        let mut events = Vec::with_capacity(rows.len());
        let mut refused = Vec::new();
        for row in 0..rows.len() {
            let (from, id) = (text.len(), ids.id(rows.id(row)));
            self.write(&mut rows, row, id, &mut text);
            let bytes = ByteCount::from(text.len() - from);
            if bytes > self.event_bytes_max {
                refused.push((row, format!("the event has {bytes} bytes, Mixpanel takes {}", self.event_bytes_max)));
            }
            text.push(b',');
            let end = u32::try_from(text.len()).map_err(|_| Fault::bug("a batch became more than 4 GiB of events"))?;
            events.push(EncodedEvent { end, id });
        }
        Ok(EncodedEvents { text: Bytes::from(text), events, refused })
    }
}

/// The name of events of a kind.
fn name(kind: EventKind, dialect: Dialect) -> &'static str {
    match (kind, dialect) {
        (EventKind::Trace, _) => "[Langfuse] Trace",
        (EventKind::Generation, _) => "[Langfuse] Generation",
        (EventKind::Observation, Dialect::Langfuse) => "[Langfuse] Observation",
        (EventKind::Observation, Dialect::Event) => "[Langfuse] Event",
        (EventKind::Score, _) => "[Langfuse] Score",
    }
}

/// Whether an id means a user.
fn is_somebody(user: &str) -> bool {
    !means_nobody(user, &NOBODY)
}

#[cfg(test)]
mod tests {
    use super::is_somebody;

    #[test]
    fn ids_that_mean_nobody_are_known_in_any_case_and_with_space_around_them() {
        for nobody in ["null", " N/A\t", "\u{feff}Anonymous ", "un\u{212a}nown", "[]", "-1", "LMY47D"] {
            assert!(!is_somebody(nobody), "{nobody:?}");
        }
        for somebody in ["anonymous1", "   ", "N\u{130}L", "\u{85}null", "user@example.com", "null null"] {
            assert!(is_somebody(somebody), "{somebody:?}");
        }
    }
}
