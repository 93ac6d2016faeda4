//! Ids of events: UUIDs of version 5 over project and row, so that a row has the same one every time.
//!
//! The kind of the event is not a part of it, as in Langfuse: a trace and a score with one id share theirs.
//! Receivers tell them apart by the event's name, which is a part of what they compare.

use model::ProjectId;
use uuid::Uuid;

/// Makes the ids of one project's events for one receiver.
pub(crate) struct EventIds {
    namespace: Uuid,
    /// `<project>-`, and behind it the id of the last row.
    name: String,
    project_length: usize,
}

impl EventIds {
    pub(crate) fn new(namespace: Uuid, project: &ProjectId) -> Self {
        let name = format!("{project}-");
        Self { namespace, project_length: name.len(), name }
    }

    /// The id of a row's event.
    pub(crate) fn id(&mut self, row_id: &str) -> Uuid {
        self.name.truncate(self.project_length);
        self.name.push_str(row_id);
        Uuid::new_v5(&self.namespace, self.name.as_bytes())
    }
}
