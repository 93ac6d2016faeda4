//! A row as a PostHog event.
//!
//! Who did it is the user, or else the event itself, without a person. PostHog tells events apart by `uuid`,
//! name, timestamp and `distinct_id`; all four depend on the row alone. What `/batch/` reads from properties,
//! the endpoint that answers for each event wants beside them.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use model::{ByteCount, Dialect, EncodedEvent, EncodedEvents, EventEncoder, EventKind, EventStream, Fault, ProjectId};
use uuid::{Uuid, uuid};

use super::api::Api;
use crate::analytics::{EventIds, InstantText, Layout, Rows, means_nobody, write_string};

/// Namespace of the ids of PostHog's events.
const NAMESPACE: Uuid = uuid!("0f6c91df-d035-4813-b838-9741ba38ef0b");

/// Properties that say what sent the event. It is a server, whose own place in the world means nothing.
const SENDER: &[u8] = concat!(
    r#","$lib":"outgest","$lib_version":""#,
    env!("CARGO_PKG_VERSION"),
    r#"","$is_server":true,"$geoip_disable":true"#
)
.as_bytes();

/// PostHog drops events of longer ones without a word, or cuts them, depending on its version.
const DISTINCT_ID_CHARACTERS_MAX: usize = 200;

/// Ids that PostHog takes for a mistake of the sender, in lower case. `/batch/` makes one person of all who have
/// one of them; the newer endpoint drops their events.
const NOBODY: [&str; 20] = [
    "0",
    "00000000-0000-0000-0000-000000000000",
    "[object object]",
    "anonymous",
    "anonymous-user",
    "backend",
    "distinct_id",
    "distinctid",
    "email",
    "false",
    "guest",
    "id",
    "nan",
    "none",
    "not_authenticated",
    "null",
    "system",
    "true",
    "undefined",
    "user",
];

/// About as many bytes as an event has.
const EVENT_BYTES: usize = 1_280;

/// Encodes the events of one delivery.
pub(super) struct PostHogEvents {
    layout: Layout,
    project: ProjectId,
    event_bytes_max: ByteCount,
    api: Api,
    /// Whether ids that mean nobody are nobody. Langfuse sends them as they are.
    knows_nobody: bool,
    /// `{"event":"…","distinct_id":`
    start: String,
}

impl PostHogEvents {
    pub(super) fn new(
        stream: &EventStream,
        schema: &SchemaRef,
        event_bytes_max: ByteCount,
        api: Api,
    ) -> Result<Self, Fault> {
        Ok(Self {
            layout: Layout::new(schema, stream.dialect)?,
            project: stream.project.clone(),
            event_bytes_max,
            api,
            knows_nobody: api == Api::V1 || stream.dialect == Dialect::Event,
            start: format!(r#"{{"event":"{}","distinct_id":"#, name(stream.kind, stream.dialect)),
        })
    }

    /// Appends the event of a row.
    fn write(&self, rows: &mut Rows<'_>, row: usize, uuid: Uuid, instants: &mut InstantText, out: &mut Vec<u8>) {
        let mut uuid_text = [0; 36];
        let uuid_text = uuid.hyphenated().encode_lower(&mut uuid_text);
        let user = rows.user(row).filter(|user| is_short(user));
        let user = user.filter(|user| !(self.knows_nobody && means_nobody(user, &NOBODY)));
        out.extend_from_slice(self.start.as_bytes());
        write_string(user.unwrap_or(uuid_text), out);
        out.extend_from_slice(br#","uuid":""#);
        out.extend_from_slice(uuid_text.as_bytes());
        out.extend_from_slice(br#"","timestamp":""#);
        instants.write(rows.instant(row), out);
        out.push(b'"');
        let link = user.and(rows.user_link(row));
        if self.api == Api::V1 {
            // Timestamps are the rows' own, whatever the clock of whoever sends them says.
            out.extend_from_slice(br#","options":{"disable_skew_correction":true"#);
            if link.is_none() {
                out.extend_from_slice(br#","process_person_profile":false"#);
            }
            out.push(b'}');
            if let Some(session) = rows.posthog_session(row) {
                out.extend_from_slice(br#","session_id":"#);
                write_string(session, out);
            }
        }
        out.extend_from_slice(br#","properties":"#);
        let properties = out.len();
        rows.write_properties(row, out);
        // Each property brings the comma in front of it.
        out[properties] = b'{';
        if self.api == Api::Batch {
            out.extend_from_slice(br#","$session_id":"#);
            match rows.posthog_session(row) {
                Some(session) => write_string(session, out),
                None => out.extend_from_slice(b"null"),
            }
        }
        match link {
            Some(link) => {
                out.extend_from_slice(br#","$set":{"langfuse_user_url":"#);
                write_string(link, out);
                out.push(b'}');
            }
            None if self.api == Api::Batch => out.extend_from_slice(br#","$process_person_profile":false"#),
            None => {}
        }
        out.extend_from_slice(SENDER);
        out.extend_from_slice(b"}}");
    }
}

impl EventEncoder for PostHogEvents {
    fn encode(&self, batch: &RecordBatch) -> Result<EncodedEvents, Fault> {
        let mut rows = self.layout.bind(batch)?;
        let mut ids = EventIds::new(NAMESPACE, &self.project);
        let mut instants = InstantText::new(self.layout.instant_form());
        let mut text = Vec::with_capacity(rows.len() * EVENT_BYTES);
        let mut events = Vec::with_capacity(rows.len());
        let mut refused = Vec::new();
        for row in 0..rows.len() {
            let (from, id) = (text.len(), ids.id(rows.id(row)));
            self.write(&mut rows, row, id, &mut instants, &mut text);
            let bytes = ByteCount::from(text.len() - from);
            if bytes > self.event_bytes_max {
                refused.push((row, format!("the event has {bytes} bytes, PostHog takes {}", self.event_bytes_max)));
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
        (EventKind::Trace, _) => "langfuse trace",
        (EventKind::Generation, _) => "langfuse generation",
        (EventKind::Observation, Dialect::Langfuse) => "langfuse observation",
        (EventKind::Observation, Dialect::Event) => "langfuse event",
        (EventKind::Score, _) => "langfuse score",
    }
}

fn is_short(user: &str) -> bool {
    user.len() <= DISTINCT_ID_CHARACTERS_MAX || user.chars().count() <= DISTINCT_ID_CHARACTERS_MAX
}
