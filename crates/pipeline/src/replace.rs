//! What becomes of an earlier export under the names of this one.
//!
//! A file is replaced when one of its name is committed. What is not written again must go as well, or the
//! files of two exports would lie mixed: it is found and recorded before the first commit, and removed when
//! every file is complete, in front of the manifest. Where more than one file is replaced the earlier manifest
//! goes first, so that none ever tells of files that are not there. Files that no manifest lists are found
//! where their numbers follow each other.

use std::collections::BTreeSet;

use bytes::BytesMut;
use futures_util::TryStreamExt;
use model::{Destination, Fault, FaultKind, FileName, FileReceipt, Manifest};

use crate::FileLayout;
use crate::retry::Retrying;

/// A manifest of more bytes, about a hundred thousand files, is not one of ours.
const MANIFEST_BYTES_MAX: usize = 1 << 28;

/// What a run finds under its names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Earlier {
    /// Nothing: whoever started it has looked.
    #[default]
    Nothing,
    /// An export that it replaces.
    Replaced {
        /// Where the manifest of that export may lie.
        manifests: Vec<FileName>,
        /// Those of its files that are known from an attempt which ended.
        known: Vec<FileName>,
    },
}

/// The files of the earlier export, those that are known among them, sorted.
pub(crate) async fn files(
    destination: &dyn Destination,
    layout: &FileLayout,
    manifests: &[FileName],
    known: &[FileName],
    retrying: &Retrying,
) -> Result<Vec<FileName>, Fault> {
    let mut found: BTreeSet<FileName> = known.iter().cloned().collect();
    for manifest in manifests {
        let listed = retrying.until_ok("looking at the export that is replaced", || listed(destination, manifest));
        // A manifest is a file like any other: it may name what is none of our business.
        found.extend(listed.await?.into_iter().filter(|name| layout.may_name(name)));
    }
    for number in 1.. {
        let name = layout.file(number)?;
        let head = retrying.until_ok("looking for files that are replaced", || destination.head(&name)).await?;
        if head.is_none() {
            break;
        }
        found.insert(name);
        if layout.roll_bytes.is_none() {
            break;
        }
    }
    Ok(found.into_iter().collect())
}

/// Whether the earlier export is one file and a manifest that those of this one replace: then nothing has to be
/// removed.
pub(crate) fn in_place(replaced: &[FileName], manifest: &FileName, layout: &FileLayout) -> bool {
    layout.roll_bytes.is_none()
        && layout.manifest.as_ref() == Some(manifest)
        && replaced.iter().all(|name| layout.names(name))
}

/// Removes the files that were not written again.
pub(crate) async fn remove_surplus(
    destination: &dyn Destination,
    replaced: &[FileName],
    written: &[FileReceipt],
    retrying: &Retrying,
) -> Result<(), Fault> {
    let written: BTreeSet<&FileName> = written.iter().map(|file| &file.key).collect();
    for name in replaced.iter().filter(|name| !written.contains(name)) {
        remove(destination, name, retrying).await?;
    }
    Ok(())
}

/// Removes a file of the earlier export, which may be gone already.
pub(crate) async fn remove(destination: &dyn Destination, name: &FileName, retrying: &Retrying) -> Result<(), Fault> {
    // Not every account that may write may remove: asked for only where there is something.
    let found = retrying.until_ok("looking for files that are replaced", || destination.head(name)).await?;
    if found.is_none() {
        return Ok(());
    }
    if retrying.until_ok("removing files that are replaced", || destination.remove(name)).await? {
        return Ok(());
    }
    Err(Fault::new(FaultKind::Configuration, format!("cannot remove {name}, which is replaced, from {destination}"))
        .hint("give another output"))
}

/// The files that the earlier manifest lists; none where there is no manifest or something else has its name.
async fn listed(destination: &dyn Destination, manifest: &FileName) -> Result<Vec<FileName>, Fault> {
    let mut stream = match destination.head(manifest).await? {
        Some(_) => destination.read(manifest).await?,
        None => return Ok(Vec::new()),
    };
    let mut bytes = BytesMut::new();
    while let Some(chunk) = stream.try_next().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MANIFEST_BYTES_MAX {
            break;
        }
    }
    match serde_json::from_slice::<Manifest>(&bytes) {
        Ok(manifest) => Ok(manifest.files.into_iter().map(|file| file.key).collect()),
        Err(error) => {
            tracing::warn!(file = %manifest, cause = %error, "what is replaced is no manifest: files that it lists stay");
            Ok(Vec::new())
        }
    }
}
