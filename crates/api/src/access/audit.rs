//! Noting what callers did.

use model::{NewAuditEntry, ProjectId};
use serde_json::Value;

use super::{Caller, InProject};
use crate::app::App;
use crate::problem::Answer;

impl InProject {
    /// Notes something that was done in the project.
    pub(crate) async fn note(&self, app: &App, action: &str, object: &str, details: Value) -> Answer<()> {
        self.caller.note(app, Some(&self.project), action, object, details).await
    }
}

impl Caller {
    /// Notes something that was done. Where that fails the call fails too: nobody acts unseen.
    pub(crate) async fn note(
        &self,
        app: &App,
        project: Option<&ProjectId>,
        action: &str,
        object: &str,
        details: Value,
    ) -> Answer<()> {
        let entry = NewAuditEntry {
            project: project.cloned(),
            actor: self.actor(),
            action: action.to_owned(),
            object: object.to_owned(),
            details,
            client: Some(self.client.clone()),
        };
        Ok(app.ports.audit.audit(entry).await?)
    }
}
