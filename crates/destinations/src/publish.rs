//! What every kind checks before it writes a manifest.

use futures_util::future::try_join_all;
use model::{Destination, Fault, FaultKind, FileReceipt, Published};

/// Files whose size and tag are asked for at the same time.
const HEADS_IN_FLIGHT: usize = 8;

/// Fails unless every file of the manifest is visible with the size and tag it was committed with.
pub(crate) async fn verify_files(destination: &dyn Destination, manifest: &Published) -> Result<(), Fault> {
    for files in manifest.files.chunks(HEADS_IN_FLIGHT) {
        try_join_all(files.iter().map(|file| verify_file(destination, file))).await?;
    }
    Ok(())
}

async fn verify_file(destination: &dyn Destination, file: &FileReceipt) -> Result<(), Fault> {
    let changed = |what: String| {
        let message = format!("cannot publish the run: {} in {destination} {what}", file.key);
        Err(Fault::new(FaultKind::Conflict, message).hint("something else writes there; export again"))
    };
    let Some(head) = destination.head(&file.key).await? else {
        return changed("is missing".to_owned());
    };
    if head.bytes != file.head.bytes {
        return changed(format!("has {} bytes, not the {} written", head.bytes, file.head.bytes));
    }
    if head.tag != file.head.tag {
        return changed("was overwritten since it was committed".to_owned());
    }
    Ok(())
}
