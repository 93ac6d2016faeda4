//! The manifest of a window: version 1 as Langfuse writes it, with everything else beside it.
//!
//! Readers of Langfuse's manifests find every field they know, with its meaning; the one difference is that
//! the window is half-open, so that no row lies in two. What version 1 lacks is added: digests, checksums,
//! columns and the request of every table, late and deleted rows.

use serde::{Deserialize, Serialize};

use crate::{
    ByteCount, Cursor, FileName, FileReceipt, IntegrationId, KeyDigest, MANIFEST_VERSION, Manifest, ManifestColumn,
    ManifestWindow, Micros, ObjectHead, ProjectId, Published, RowCount, Span, TableName,
};

/// What one window's files are. Writing it is the commit of the window (promise 7).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowManifest {
    /// Always 1: the version of the shape that Langfuse has.
    pub version: u16,
    /// Project whose rows were exported.
    pub project_id: ProjectId,
    /// Langfuse's name for the choice of tables, `CUSTOM` where it has none.
    pub export_source: String,
    /// The window.
    pub window: WindowBounds,
    /// The end of the window.
    pub max_timestamp: Millis,
    /// When the run was planned.
    pub created_at: Millis,
    /// Tables in the order of the files, each once.
    pub tables: Vec<String>,
    /// Files, in row order within a table.
    pub files: Vec<WindowFile>,
    /// Version of what is added to version 1.
    pub manifest_version: u16,
    /// Version of the product that wrote it.
    pub product_version: String,
    /// The integration.
    pub integration_id: IntegrationId,
    /// What every table's files are.
    pub exports: Vec<TableExport>,
    /// Rows in all files.
    pub rows: RowCount,
    /// Bytes of all files.
    pub bytes: ByteCount,
    /// Rows that started before the window; with cursor `start_time` rows of windows exported before that
    /// were stored since: a revision has those that the comparison finds, no file the others.
    pub late_rows: RowCount,
    /// Deletions of the window; rows of the files where the integration includes them.
    #[serde(deserialize_with = "RowCount::of_null")]
    pub deleted_rows: RowCount,
    /// 1 for the first export of the window, counted up when it is exported again.
    pub revision: u32,
    /// The manifest that this one completes or replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<FileName>,
}

/// The window of a run, in both notations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowBounds {
    /// First instant inside, to the millisecond.
    pub min_timestamp: Millis,
    /// First instant after, to the millisecond.
    pub max_timestamp: Millis,
    /// First instant inside.
    pub from: Micros,
    /// First instant after.
    pub to: Micros,
    /// The timestamp it is measured on.
    pub cursor: Cursor,
}

/// What one table's files are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableExport {
    /// Table, as the files have it.
    pub table: TableName,
    /// SHA-256 of the request in canonical form.
    pub query_fingerprint: String,
    /// The request itself, readable and repeatable; it holds no secret.
    pub query: serde_json::Value,
    /// Grows when the columns change.
    pub schema_version: u32,
    /// Columns of the files, in order.
    pub columns: Vec<ManifestColumn>,
    /// Rows.
    pub rows: RowCount,
    /// Bytes.
    pub bytes: ByteCount,
    /// Whether a limit cut rows.
    pub truncated: bool,
    /// Rows that were changed at the source while the run read them.
    #[serde(default, skip_serializing_if = "RowCount::is_zero")]
    pub changed_during_run: RowCount,
    /// Notes for the reader.
    pub warnings: Vec<String>,
}

/// A file, with the names that version 1 has for what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowFile {
    /// Key below the destination's root.
    pub key: FileName,
    /// Table, as the key has it.
    pub table: TableName,
    /// `CSV`, `JSON`, `JSONL` or `PARQUET`.
    pub file_type: String,
    /// `csv-gzip`, `jsonl-raw`, `parquet`.
    pub format: String,
    /// Whether the file as a whole is compressed.
    pub compressed: bool,
    /// Media type.
    pub content_type: String,
    /// Size as it is stored.
    pub size_bytes: ByteCount,
    /// Rows; of Parquet too.
    pub row_count: RowCount,
    /// Compression of the whole file.
    pub compression: String,
    /// The store's tag.
    pub tag: Option<String>,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
    /// Smallest cursor value of its rows.
    pub cursor_min: Option<Micros>,
    /// Largest cursor value of its rows.
    pub cursor_max: Option<Micros>,
    /// Digest of the keys of its rows.
    pub key_digest: KeyDigest,
}

/// An instant as JavaScript prints dates: milliseconds and `Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Millis(pub Micros);

impl From<Millis> for String {
    fn from(at: Millis) -> Self {
        at.0.to_utc().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }
}

impl TryFrom<String> for Millis {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Micros::parse_text(&text).map(Self).ok_or_else(|| format!("{text:?} is not a time"))
    }
}

/// What a window's manifest says besides what its tables came to.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowFacts {
    /// The integration.
    pub integration: IntegrationId,
    /// Langfuse's name for the choice of tables.
    pub export_source: Option<&'static str>,
    /// The window.
    pub span: Span,
    /// When the run was planned.
    pub planned_at: Micros,
    /// Rows that came late.
    pub late_rows: RowCount,
    /// Deletions of the window.
    pub deleted_rows: RowCount,
    /// Which export of the window it is.
    pub revision: u32,
    /// The manifest that this one completes or replaces.
    pub supersedes: Option<FileName>,
}

impl WindowManifest {
    /// The manifest over what the tables of a window came to, in order. `None` where there is no table.
    pub fn new(facts: WindowFacts, tables: Vec<Manifest>) -> Option<Self> {
        let first = tables.first()?;
        let (project_id, product_version) = (first.project_id.clone(), first.product_version.clone());
        let (span, cursor) = (facts.span, first.window.cursor);
        let mut names: Vec<String> = Vec::new();
        let mut files = Vec::new();
        let mut exports = Vec::new();
        for table in tables {
            let name = table.files.first().map(|file| file.table.clone());
            let Some(name) = name else { continue };
            names.push(name.to_string());
            exports.push(TableExport {
                table: name,
                query_fingerprint: table.query_fingerprint,
                query: table.query,
                schema_version: table.schema_version,
                columns: table.columns,
                rows: table.rows,
                bytes: table.bytes,
                truncated: table.truncated,
                changed_during_run: table.changed_during_run,
                warnings: table.warnings,
            });
            files.extend(table.files.into_iter().map(WindowFile::from));
        }
        Some(Self {
            version: 1,
            project_id,
            export_source: facts.export_source.unwrap_or("CUSTOM").to_owned(),
            window: WindowBounds {
                min_timestamp: Millis(span.from),
                max_timestamp: Millis(span.to),
                from: span.from,
                to: span.to,
                cursor,
            },
            max_timestamp: Millis(span.to),
            created_at: Millis(facts.planned_at),
            tables: names,
            rows: files.iter().map(|file| file.row_count).sum(),
            bytes: files.iter().map(|file| file.size_bytes).sum(),
            files,
            manifest_version: MANIFEST_VERSION,
            product_version,
            integration_id: facts.integration,
            exports,
            late_rows: facts.late_rows,
            deleted_rows: facts.deleted_rows,
            revision: facts.revision,
            supersedes: facts.supersedes,
        })
    }

    /// A manifest of every table by itself, as an export of that table has it.
    pub fn into_tables(self) -> Vec<Manifest> {
        let window =
            ManifestWindow { from: Some(self.window.from), to: Some(self.window.to), cursor: self.window.cursor };
        let files: Vec<FileReceipt> = self.files.into_iter().map(FileReceipt::from).collect();
        let table = |export: TableExport| Manifest {
            manifest_version: self.manifest_version,
            product_version: self.product_version.clone(),
            project_id: self.project_id.clone(),
            window: window.clone(),
            exported_at: self.created_at.0,
            query_fingerprint: export.query_fingerprint,
            query: export.query,
            schema_version: export.schema_version,
            columns: export.columns,
            files: files.iter().filter(|file| file.table == export.table).cloned().collect(),
            rows: export.rows,
            bytes: export.bytes,
            truncated: export.truncated,
            cut_after: None,
            changed_during_run: export.changed_during_run,
            warnings: export.warnings,
            revision: self.revision,
            supersedes: self.supersedes.clone(),
        };
        self.exports.into_iter().map(table).collect()
    }

    /// What a destination publishes.
    pub fn to_published(&self) -> Published {
        let files = self.files.iter().cloned().map(FileReceipt::from).collect();
        Published::new(files, self)
    }
}

/// How the media types of text formats begin.
const TEXTS: [&str; 3] = ["text/", "application/json", "application/x-ndjson"];

impl From<FileReceipt> for WindowFile {
    fn from(file: FileReceipt) -> Self {
        let compressed = file.compression != "none";
        // Text says whether it is compressed as a whole; other formats compress inside, if at all.
        let is_text = TEXTS.iter().any(|text| file.content_type.starts_with(text));
        let format = match (compressed, is_text) {
            (true, _) => format!("{}-{}", file.format, file.compression),
            (false, true) => format!("{}-raw", file.format),
            (false, false) => file.format.clone(),
        };
        Self {
            file_type: file.format.to_uppercase(),
            format,
            compressed,
            key: file.key,
            table: file.table,
            content_type: file.content_type,
            size_bytes: file.head.bytes,
            row_count: file.rows,
            compression: file.compression,
            tag: file.head.tag,
            sha256: file.sha256,
            cursor_min: file.cursor_min,
            cursor_max: file.cursor_max,
            key_digest: file.key_digest,
        }
    }
}

impl From<WindowFile> for FileReceipt {
    fn from(file: WindowFile) -> Self {
        Self {
            key: file.key,
            table: file.table,
            format: file.file_type.to_lowercase(),
            compression: file.compression,
            content_type: file.content_type,
            head: ObjectHead { bytes: file.size_bytes, tag: file.tag },
            rows: file.row_count,
            sha256: file.sha256,
            cursor_min: file.cursor_min,
            cursor_max: file.cursor_max,
            key_digest: file.key_digest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(table: &str, format: &str, compression: &str) -> FileReceipt {
        FileReceipt {
            key: FileName::new(format!("p/{table}/w.{format}")).unwrap(),
            table: TableName::new(table),
            format: format.to_owned(),
            compression: compression.to_owned(),
            content_type: if format == "parquet" { "application/vnd.apache.parquet" } else { "text/csv" }.to_owned(),
            head: ObjectHead { bytes: ByteCount(10), tag: Some("t".to_owned()) },
            rows: RowCount(2),
            sha256: "ab".to_owned(),
            cursor_min: None,
            cursor_max: None,
            key_digest: KeyDigest::default(),
        }
    }

    fn table(receipt: FileReceipt) -> Manifest {
        Manifest {
            manifest_version: MANIFEST_VERSION,
            product_version: "1".to_owned(),
            project_id: ProjectId::new("p"),
            window: ManifestWindow { from: Some(Micros(0)), to: Some(Micros(3_600_000_000)), cursor: Cursor::Ingested },
            exported_at: Micros(4_000_000_000),
            query_fingerprint: "f".to_owned(),
            query: serde_json::json!({}),
            schema_version: 1,
            columns: Vec::new(),
            rows: receipt.rows,
            bytes: receipt.head.bytes,
            files: vec![receipt],
            truncated: false,
            cut_after: None,
            changed_during_run: RowCount(3),
            warnings: Vec::new(),
            revision: 1,
            supersedes: None,
        }
    }

    fn facts() -> WindowFacts {
        WindowFacts {
            integration: IntegrationId::new("i"),
            export_source: Some("EVENTS"),
            span: Span { from: Micros(0), to: Micros(3_600_000_000) },
            planned_at: Micros(4_000_000_000),
            late_rows: RowCount(1),
            deleted_rows: RowCount(3),
            revision: 1,
            supersedes: None,
        }
    }

    #[test]
    fn readers_of_langfuses_manifests_find_what_they_know() {
        let tables =
            vec![table(receipt("scores", "csv", "gzip")), table(receipt("observations_v2", "parquet", "none"))];
        let manifest = WindowManifest::new(facts(), tables).unwrap();
        let json = serde_json::to_value(&manifest).unwrap();
        assert_eq!((json["version"].as_u64(), json["exportSource"].as_str()), (Some(1), Some("EVENTS")));
        assert_eq!(json["window"]["minTimestamp"], "1970-01-01T00:00:00.000Z");
        assert_eq!(
            (&json["maxTimestamp"], &json["window"]["maxTimestamp"]),
            (&json["window"]["maxTimestamp"], &json["maxTimestamp"])
        );
        assert_eq!(json["createdAt"], "1970-01-01T01:06:40.000Z");
        assert_eq!(json["tables"], serde_json::json!(["scores", "observations_v2"]));
        // One of a build that did not count deletions everywhere.
        let mut uncounted = json.clone();
        uncounted["deletedRows"] = serde_json::Value::Null;
        let read: WindowManifest = serde_json::from_value(uncounted).unwrap();
        assert_eq!(read.deleted_rows, RowCount::ZERO);
        let file = &json["files"][0];
        assert_eq!((file["fileType"].as_str(), file["format"].as_str()), (Some("CSV"), Some("csv-gzip")));
        assert_eq!(
            (file["compressed"].as_bool(), file["sizeBytes"].as_u64(), file["rowCount"].as_u64()),
            (Some(true), Some(10), Some(2))
        );
        assert_eq!(
            (json["files"][1]["format"].as_str(), json["files"][1]["compressed"].as_bool()),
            (Some("parquet"), Some(false))
        );
    }

    #[test]
    fn every_table_can_be_verified_by_itself() {
        let tables = vec![table(receipt("scores", "csv", "zstd")), table(receipt("traces", "json", "none"))];
        let manifest = WindowManifest::new(facts(), tables.clone()).unwrap();
        let text = serde_json::to_string(&manifest).unwrap();
        let read: WindowManifest = serde_json::from_str(&text).unwrap();
        assert_eq!(read, manifest);
        assert_eq!(read.into_tables(), tables);
        assert_eq!(manifest.to_published().files.len(), 2);
    }
}
