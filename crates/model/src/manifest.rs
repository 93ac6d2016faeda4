//! The manifest: what a run wrote, file by file, and the proof that it is complete.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{ByteCount, Cursor, FileName, KeyDigest, Micros, ObjectHead, OrderKey, ProjectId, RowCount, TableName};

/// Version of the manifest's shape that this build writes.
pub const MANIFEST_VERSION: u16 = 2;

/// Everything about one run's files. Writing it is the commit of the run (promise 7).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this shape.
    pub manifest_version: u16,
    /// Version of the product that wrote it.
    pub product_version: String,
    /// Project whose rows were exported.
    pub project_id: ProjectId,
    /// The window, and the timestamp it is measured on.
    pub window: ManifestWindow,
    /// When the run was planned.
    pub exported_at: Micros,
    /// SHA-256 of the request in canonical form: table, columns, filter, search, window, limit, masks.
    pub query_fingerprint: String,
    /// The request itself, readable and repeatable; it holds no secret.
    pub query: serde_json::Value,
    /// Version of the column schema; grows when columns of the same integration change.
    pub schema_version: u32,
    /// Columns of the files, in order.
    pub columns: Vec<ManifestColumn>,
    /// Files in row order.
    pub files: Vec<FileReceipt>,
    /// Rows in all files.
    pub rows: RowCount,
    /// Bytes of all files.
    pub bytes: ByteCount,
    /// Whether a limit cut rows.
    pub truncated: bool,
    /// Where a limit cut rows, the position of the last one that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_after: Option<OrderKey>,
    /// Rows that were changed at the source while the run read them; each is there once, as it was met. None
    /// where the source reads one stored state.
    #[serde(default, skip_serializing_if = "RowCount::is_zero")]
    pub changed_during_run: RowCount,
    /// Notes for the reader: columns that were null because the source lacks them, and the like.
    pub warnings: Vec<String>,
    /// 1 for the first export of a window, counted up when it is exported again.
    pub revision: u32,
    /// The manifest that this one replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<FileName>,
}

/// A manifest on its way to a destination: its text, and the files that must be there before it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The files it names.
    pub files: Vec<FileReceipt>,
    /// Indented JSON with a newline at its end.
    pub text: Bytes,
}

impl Published {
    /// A manifest over these files; keys come in the order of its type.
    pub fn new(files: Vec<FileReceipt>, manifest: &impl Serialize) -> Self {
        let mut text = serde_json::to_vec_pretty(manifest).expect("a manifest has text keys only");
        text.push(b'\n');
        Self { files, text: text.into() }
    }
}

impl Manifest {
    /// What a destination publishes.
    pub fn to_published(&self) -> Published {
        Published::new(self.files.clone(), self)
    }

    /// The manifest of a run whose files were written by several workers, from the manifests of its
    /// parts in row order. `None` where there are none, or where they do not agree about the request or
    /// the columns.
    pub fn joined(parts: Vec<Self>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut whole = parts.next()?;
        for part in parts {
            let same = part.query_fingerprint == whole.query_fingerprint
                && part.exported_at == whole.exported_at
                && part.columns == whole.columns;
            if !same {
                return None;
            }
            whole.rows += part.rows;
            whole.bytes += part.bytes;
            whole.truncated |= part.truncated;
            whole.cut_after = part.cut_after.or(whole.cut_after);
            whole.changed_during_run += part.changed_during_run;
            whole.files.extend(part.files);
            let more = part.warnings.into_iter().filter(|warning| !whole.warnings.contains(warning));
            let more: Vec<String> = more.collect();
            whole.warnings.extend(more);
        }
        Some(whole)
    }
}

/// The window of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestWindow {
    /// First instant inside; absent where unbounded.
    pub from: Option<Micros>,
    /// First instant after; absent where unbounded.
    pub to: Option<Micros>,
    /// The timestamp it is measured on.
    pub cursor: Cursor,
}

/// A column of the files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestColumn {
    /// Name.
    pub name: String,
    /// Arrow type in its own notation.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether it is there because of the data: a score column.
    pub dynamic: bool,
}

/// Proof that one file is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReceipt {
    /// Key below the destination's root.
    pub key: FileName,
    /// Table its rows are of.
    pub table: TableName,
    /// Format.
    pub format: String,
    /// Compression.
    pub compression: String,
    /// Media type.
    pub content_type: String,
    /// Size and the store's tag.
    #[serde(flatten)]
    pub head: ObjectHead,
    /// Rows.
    pub rows: RowCount,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// Smallest cursor value of its rows.
    pub cursor_min: Option<Micros>,
    /// Largest cursor value of its rows.
    pub cursor_max: Option<Micros>,
    /// Digest of the keys of its rows.
    pub key_digest: KeyDigest,
}

/// Proof that a run is visible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// What was written.
    pub manifest: Manifest,
    /// Where the manifest lies; `None` where the user asked for none.
    pub manifest_key: Option<FileName>,
}
