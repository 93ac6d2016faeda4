//! What crashes leave at a destination without a record: uploads that were begun, and whose id was lost with the
//! process or with an answer.
//!
//! They are found by the names of their files, so only where the destination lists uploads; elsewhere the log names
//! the file, and what was left is for the rule of the bucket that removes incomplete uploads.

use model::{Destination, Fault, FileName, Unrecorded, UploadState};

use crate::retry::Retrying;

/// Removes every upload of a file but the recorded one. Doing it twice is fine.
pub(crate) async fn discard_unrecorded(
    destination: &dyn Destination,
    file: &FileName,
    recorded: Option<&UploadState>,
    retrying: &Retrying,
) -> Result<(), Fault> {
    let discard = || destination.discard_unrecorded(file, recorded);
    match retrying.until_ok("looking for unfinished uploads", discard).await? {
        Unrecorded::Discarded(0) => {}
        Unrecorded::Discarded(uploads) => tracing::info!(%file, uploads, "removed uploads that nobody had recorded"),
        Unrecorded::NotListed => tracing::warn!(
            %file,
            %destination,
            "an attempt that died may have left an upload of this file, and uploads are not listed to us"
        ),
    }
    Ok(())
}
