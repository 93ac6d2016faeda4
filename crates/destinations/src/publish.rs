//! The manifest: what every kind checks before writing it, and its text.

use futures_util::future::try_join_all;
use model::{Destination, Fault, FaultKind, FileName, FileReceipt, Manifest, Receipt};

/// Files whose size and tag are asked for at the same time.
const HEADS_IN_FLIGHT: usize = 8;

/// Fails unless every file of the manifest is visible with the size and tag it was committed with.
pub(crate) async fn verify_files(destination: &dyn Destination, manifest: &Manifest) -> Result<(), Fault> {
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

/// The manifest as it is stored: indented JSON, keys in the order of the type, a newline at the end.
pub(crate) fn manifest_text(manifest: &Manifest) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(manifest).expect("a manifest has text keys only");
    text.push(b'\n');
    text
}

/// The receipt of a manifest that lies under `name`.
pub(crate) fn receipt(manifest: &Manifest, name: &FileName) -> Receipt {
    Receipt { manifest: manifest.clone(), manifest_key: Some(name.clone()) }
}
