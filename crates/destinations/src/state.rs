//! The recorded form of an upload: versioned JSON that only its own kind reads back.

use model::{Fault, UploadState};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Wraps what a kind remembers of an upload under its name.
pub(crate) fn record<S: Serialize>(kind: &str, upload: &S) -> UploadState {
    let upload = serde_json::to_value(upload).expect("upload states are plain structs with text keys");
    UploadState(serde_json::json!({ "kind": kind, "version": 1, "upload": upload }))
}

/// Reads back what [`record`] wrote; a state of another kind or version is a fault.
pub(crate) fn recall<S: DeserializeOwned>(kind: &str, state: &UploadState) -> Result<S, Fault> {
    let is_ours = state.0["kind"] == kind && state.0["version"] == 1;
    let upload = is_ours.then(|| serde_json::from_value(state.0["upload"].clone()).ok()).flatten();
    upload.ok_or_else(|| foreign(&format!("it is not an upload of kind {kind}")))
}

/// The fault for a state that was recorded for another place.
pub(crate) fn foreign(why: &str) -> Fault {
    Fault::bad_request(format!("cannot continue the recorded upload: {why}"))
        .hint("resume with the destination that the run was started with")
}
