//! What the commands read of an export that the server shows.

use model::{ByteCount, Fault, FaultKind, RowCount};
use serde::Deserialize;
use serde_json::Value;

/// An export, as far as the commands look at it. What else the server says is passed on as it came.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownExport {
    /// Id.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Where it stands: `queued`, `running`, `completed`, `failed`, `cancelled`, `expired`.
    pub state: String,
    /// When it was asked for.
    pub created_at: String,
    /// When its files are removed.
    pub expires_at: Option<String>,
    /// When it is tried again after a failure.
    pub retry_at: Option<String>,
    /// How far it has come.
    pub progress: ShownProgress,
    /// Whether a limit cut rows.
    pub truncated: bool,
    /// What the reader should know.
    pub warnings: Vec<String>,
    /// Its files, once it is completed.
    pub files: Vec<ShownFile>,
    /// Why the last attempt failed.
    pub failure: Option<ShownFailure>,
}

/// How far an export has come.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ShownProgress {
    /// Part of the planned bytes that was passed, from 0 to 1.
    pub share: f64,
    /// Rows written.
    pub rows: RowCount,
    /// Bytes written.
    pub bytes: ByteCount,
}

/// A file of an export.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ShownFile {
    /// Its number, from 0.
    pub index: usize,
    /// Name.
    pub name: String,
    /// Size.
    pub bytes: ByteCount,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ShownFailure {
    /// What was being done.
    pub step: Option<String>,
    /// What went wrong.
    pub message: String,
    /// What can be changed.
    pub hint: Option<String>,
}

impl ShownExport {
    /// Reads an export of an answer.
    pub fn read(value: &Value) -> Result<Self, Fault> {
        Self::deserialize(value).map_err(|error| {
            Fault::new(FaultKind::Corrupt, "the server shows exports in a way this outgest does not know")
                .hint("use the outgest of the server's version")
                .because(error)
        })
    }

    /// Whether nothing more happens to it by itself.
    pub fn is_final(&self) -> bool {
        !["queued", "running"].contains(&self.state.as_str())
    }

    /// The fault of an export that has not come to files.
    pub fn fault(&self) -> Option<Fault> {
        if self.state == "completed" {
            return None;
        }
        let Some(failure) = self.failure.as_ref().filter(|_| self.state == "failed") else {
            let fault = Fault::new(FaultKind::Conflict, format!("export {} is {}", self.id, self.state));
            return Some(if self.is_final() { fault } else { fault.hint("wait with outgest exports watch") });
        };
        let step = failure.step.as_ref().map(|step| format!(" while {step}")).unwrap_or_default();
        // Trying again is the server's business; here the export has failed.
        let fault = Fault::new(FaultKind::Rejected, format!("export {} failed{step}: {}", self.id, failure.message));
        Some(match &failure.hint {
            Some(hint) => fault.hint(hint.as_str()),
            None => fault,
        })
    }
}
