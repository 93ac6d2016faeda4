//! What the end of a job means for its export.

use model::{ExportFile, Fault, JobProgress, Micros, Receipt};
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, Set};

use crate::native::entities::export;
use crate::native::json::{self, count_to_column};
use crate::native::statement_failed;

/// Keeps what was written, and returns when it is to be removed.
pub(in crate::native) async fn completed(
    tx: &impl ConnectionTrait,
    id: &str,
    result: &serde_json::Value,
    progress: &mut JobProgress,
    now: Micros,
) -> Result<i64, Fault> {
    let receipt: Receipt = serde_json::from_value(result.clone())
        .map_err(|error| Fault::bug(format!("the result of export {id} is no receipt")).because(error))?;
    let manifest = receipt.manifest;
    progress.rows = manifest.rows;
    progress.bytes = manifest.bytes;
    let files: Vec<ExportFile> = manifest
        .files
        .into_iter()
        .map(|file| ExportFile {
            name: file.key,
            content_type: file.content_type,
            bytes: file.head.bytes,
            rows: file.rows,
            sha256: file.sha256,
        })
        .collect();
    let row = row(tx, id).await?;
    let expires_at = now.0.saturating_add(row.keep);
    let mut done: export::ActiveModel = row.into();
    done.expires_at = Set(Some(expires_at));
    done.truncated = Set(manifest.truncated);
    done.warnings = Set(json::to_text(&manifest.warnings)?);
    done.files = Set(json::to_text(&files)?);
    done.manifest = Set(receipt.manifest_key.map(|name| name.as_str().to_owned()));
    done.rows = Set(count_to_column(manifest.rows.get()));
    done.bytes = Set(count_to_column(manifest.bytes.get()));
    done.update(tx).await.map_err(statement_failed("complete the export"))?;
    Ok(expires_at)
}

/// How long, in microseconds, what a failed export left is kept for another try.
pub(in crate::native) async fn kept(tx: &impl ConnectionTrait, id: &str) -> Result<i64, Fault> {
    Ok(row(tx, id).await?.keep)
}

/// Whether the export is out of sight and counts for no quota any more, so that it can be forgotten.
/// One that wrote bytes is remembered for a day, or deleting it would give its bytes back.
pub(in crate::native) async fn is_forgettable(tx: &impl ConnectionTrait, id: &str) -> Result<bool, Fault> {
    let row = row(tx, id).await?;
    Ok(row.deleted && row.bytes == 0)
}

async fn row(tx: &impl ConnectionTrait, id: &str) -> Result<export::Model, Fault> {
    let row = export::Entity::find_by_id(id).one(tx).await.map_err(statement_failed("look for the export"))?;
    row.ok_or_else(|| Fault::corrupt(format!("job {id} has no export")))
}
