//! What the files of a window were begun with.
//!
//! Settings are read by every attempt, and may change between two of them. An attempt goes on with files that were
//! begun as it would begin them; any others it removes, so that no window mixes settings. They lie where the
//! integration exported to by then. The stored rows that they were read from may be gone as well, where a window
//! waited for long: then files begin again, while events go on behind the last one with the rows that there are.

use model::{
    Begun, Checkpoint, Destination, Fault, FaultKind, FileSettings, Integration, KeyTemplate, RunLog, Snapshot, Source,
    WindowJob,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::window::{Piece, WindowRunner};
use crate::export::hex;

/// Options that say where files lie; the others say how they get there.
pub const PLACE: [&str; 3] = ["bucket", "endpoint", "account"];

/// What the pieces of a window are begun with.
pub(super) fn of(
    integration: &Integration,
    files: &FileSettings,
    window: &WindowJob,
    pieces: &[Piece],
) -> Result<Begun, Fault> {
    let settings = &integration.settings;
    let manifest = KeyTemplate::manifest(&files.prefix, &integration.project, &window.name())?;
    let piece = |piece: &Piece| {
        let layout = &piece.layout;
        json!([piece.table.as_str(), piece.request.query, layout.stem, layout.extension, layout.roll_bytes])
    };
    let pieces: Vec<_> = pieces.iter().map(piece).collect();
    let whole = json!([settings.kind, settings.options, manifest.as_str(), pieces]);
    Ok(Begun { fingerprint: hex(&Sha256::digest(whole.to_string())), options: settings.options.clone(), manifest })
}

impl WindowRunner {
    /// What an earlier attempt left, to go on with; nothing where it was begun with other settings, or from rows that
    /// are gone. Then it is removed.
    pub(super) async fn left(
        &self,
        integration: &Integration,
        begun: &Begun,
        checkpoint: Option<Checkpoint>,
        (log, destination): (&dyn RunLog, &dyn Destination),
    ) -> Result<Option<Checkpoint>, Fault> {
        let Some(left) = checkpoint else { return Ok(None) };
        // Checkpoints of older versions do not tell what they were begun with.
        let before = left.begun.clone().unwrap_or_else(|| begun.clone());
        let why = match (before.fingerprint == begun.fingerprint, self.is_kept(left.snapshot.as_ref()).await?) {
            (true, true) => return Ok(Some(left)),
            (true, false) => "the stored rows are gone",
            (false, _) => "settings have changed",
        };
        tracing::info!(integration.id = %integration.id, why, "the files of a window begin again");
        // Where they change back meanwhile, nobody may go on with files that are gone.
        let going = Begun { fingerprint: String::new(), ..before };
        log.record(&Checkpoint { begun: Some(going), ..left.clone() }).await?;
        self.remove_left(integration, &left, Some(destination)).await?;
        let (version, as_of) = (left.version, left.as_of);
        log.record(&Checkpoint { version, as_of, begun: Some(begun.clone()), ..Checkpoint::default() }).await?;
        Ok(None)
    }

    /// What an earlier attempt left of a window of events: the position holds whatever became of the rows as it read
    /// them. What is behind it is read as it is now, under the same ids, and what differs is found by the comparison.
    pub(super) async fn left_of_events(
        &self,
        integration: &Integration,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Option<Checkpoint>, Fault> {
        let Some(left) = checkpoint else { return Ok(None) };
        if self.is_kept(left.snapshot.as_ref()).await? {
            return Ok(Some(left));
        }
        tracing::info!(integration.id = %integration.id, "the stored rows are gone: events go on with those there are");
        Ok(Some(Checkpoint { snapshot: None, ..left }))
    }

    /// A fault of an attempt that reads this snapshot. Where it went meanwhile, the next attempt does without.
    pub(super) async fn of_reading(&self, fault: Fault, snapshot: Option<Snapshot>) -> Fault {
        // Whoever cannot tell has the fault itself to say.
        if fault.kind() != FaultKind::NotFound || self.is_kept(snapshot.as_ref()).await.unwrap_or(true) {
            return fault;
        }
        Fault::new(FaultKind::Unavailable, "the stored rows that the window was read from were replaced").because(fault)
    }

    async fn is_kept(&self, snapshot: Option<&Snapshot>) -> Result<bool, Fault> {
        match snapshot {
            Some(snapshot) => self.source.keeps(snapshot).await,
            None => Ok(true),
        }
    }

    /// Removes what a checkpoint names, where it lies. What lies where the integration does not export to any more is
    /// removed if that place still lets us.
    pub(super) async fn remove_left(
        &self,
        integration: &Integration,
        left: &Checkpoint,
        here: Option<&dyn Destination>,
    ) -> Result<(), Fault> {
        let now = &integration.settings.options;
        let then = left.begun.as_ref().map_or(now, |begun| &begun.options);
        if PLACE.iter().all(|option| then.get(*option) == now.get(*option)) {
            return match here {
                Some(destination) => remove(destination, left).await,
                None => remove(&*self.places.connect_files(integration).await?, left).await,
            };
        }
        let mut before = integration.clone();
        before.settings.options = then.clone();
        let removed = async { remove(&*self.places.connect_files(&before).await?, left).await };
        if let Err(fault) = removed.await {
            let files = left.done.len();
            tracing::warn!(integration.id = %integration.id, files, fault = %fault,
                "files of a window are left where the integration exported to before");
        }
        Ok(())
    }
}

async fn remove(destination: &dyn Destination, left: &Checkpoint) -> Result<(), Fault> {
    let failed = |fault: Fault| fault.during("removing a file");
    // The manifest goes first, so that none ever names files that are not there.
    if let Some(begun) = &left.begun {
        destination.remove(&begun.manifest).await.map_err(failed)?;
    }
    if let Some(open) = &left.open {
        let discarded = destination.discard(&open.upload).await;
        discarded.map_err(|fault| fault.during("removing an unfinished file"))?;
        // It may have become visible after it was recorded last.
        destination.remove(&open.name).await.map_err(failed)?;
    }
    for file in &left.done {
        destination.remove(&file.key).await.map_err(failed)?;
    }
    Ok(())
}
