//! The actions of Delta's protocol that the store writes and reads.
//!
//! What Delta has no field for (sequence, first and last key, bytes before encoding) travels as tags
//! of the `add` action, which other readers ignore.

use std::collections::BTreeMap;

use model::{Micros, OrderKey, ProjectId, StoredTable};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::replay::Removed;
use crate::checksum::Checksum;
use crate::file::{DataFile, Sequence, Span};

/// One line of a commit. Exactly one field is set; actions of other writers leave all empty.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_info: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta_data: Option<MetaData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add: Option<Add>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<Remove>,
}

/// What a reader and a writer must understand.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub min_reader_version: u32,
    pub min_writer_version: u32,
}

impl Protocol {
    /// The oldest protocol that has all we use: every Delta reader understands it.
    pub(crate) const OURS: Self = Self { min_reader_version: 1, min_writer_version: 2 };
}

/// Identity and schema of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetaData {
    pub id: String,
    pub format: Value,
    pub schema_string: String,
    pub partition_columns: Vec<String>,
    pub configuration: BTreeMap<String, String>,
    pub created_time: i64,
}

/// A file that belongs to the table from this commit on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Add {
    pub path: String,
    pub partition_values: Map<String, Value>,
    pub size: u64,
    pub modification_time: i64,
    pub data_change: bool,
    #[serde(default)]
    pub stats: Option<String>,
    #[serde(default)]
    pub tags: Option<BTreeMap<String, String>>,
    /// Rows taken out of the file by another writer. The store never writes one, and refuses to
    /// read a file that has one rather than show its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_vector: Option<Value>,
}

/// A file that no longer belongs to the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Remove {
    pub path: String,
    /// Milliseconds; readers of earlier versions keep the file for a while after it.
    #[serde(default)]
    pub deletion_timestamp: Option<i64>,
    pub data_change: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    num_records: u64,
    min_values: BTreeMap<String, String>,
    max_values: BTreeMap<String, String>,
}

/// SHA-256 of the file in hexadecimal digits.
const CHECKSUM: &str = "outgest.sha256";
const SEQUENCE: &str = "outgest.sequence";
const CELL_BYTES: &str = "outgest.cellBytes";
const DELETIONS: &str = "outgest.deletions";
/// Smallest and largest start time, ingestion time and rank in microseconds. The statistics say the
/// same in Delta's words, which lack years outside 1 to 9999.
const SPANS: &str = "outgest.spans";
/// First and last position: microseconds, trace id, id.
const ENDS: &str = "outgest.ends";

/// The versions that added and removed a file. A commit's own place says so; a checkpoint spells it out.
const ADDED: &str = "outgest.added";
const REMOVED: &str = "outgest.removed";

/// Whether a commit changes which rows exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It does.
    Rows,
    /// It stores the same rows in other files.
    Layout,
}

/// The line that adds a file. The sequence is left out where it follows from the commit itself.
pub(crate) fn add(
    file: &DataFile,
    table: &StoredTable,
    sequence: Option<Sequence>,
    change: Change,
    now: Micros,
) -> Line {
    let spans = [(table.time, file.time), (table.ingested, file.ingested), (table.version, file.version)];
    let values = |pick: fn(&Span) -> Micros| {
        let mut values = Map::new();
        values.insert(table.key[0].to_owned(), file.project.as_str().into());
        for (column, span) in &spans {
            let text = pick(span).to_rfc3339();
            if Micros::parse_text(&text) == Some(pick(span)) {
                values.insert((*column).to_owned(), text.into());
            }
        }
        values
    };
    let stats = json!({
        "numRecords": file.rows,
        "minValues": values(|span| span.min),
        "maxValues": values(|span| span.max),
        "nullCount": {},
    });
    let span_ends = spans.map(|(_, span)| (span.min.0, span.max.0));
    let ends = [&file.first, &file.last].map(|key| (key.time.0, &*key.trace_id, &*key.id));
    let mut tags = BTreeMap::from([
        (CELL_BYTES.to_owned(), file.cell_bytes.to_string()),
        (DELETIONS.to_owned(), file.deletions.to_string()),
        (SPANS.to_owned(), json!(span_ends).to_string()),
        (ENDS.to_owned(), json!(ends).to_string()),
    ]);
    if let Some(checksum) = file.checksum {
        tags.insert(CHECKSUM.to_owned(), checksum.to_string());
    }
    if let Some(sequence) = sequence {
        tags.insert(SEQUENCE.to_owned(), sequence.to_string());
    }
    Line {
        add: Some(Add {
            path: file.path.to_string(),
            partition_values: Map::new(),
            size: file.bytes,
            modification_time: now.0.div_euclid(1_000),
            data_change: change == Change::Rows,
            stats: Some(stats.to_string()),
            tags: Some(tags),
            deletion_vector: None,
        }),
        ..Line::default()
    }
}

/// The line that removes a file.
pub(crate) fn remove(file: &DataFile, change: Change, now: Micros) -> Line {
    Line {
        remove: Some(Remove {
            path: file.path.to_string(),
            deletion_timestamp: Some(now.0.div_euclid(1_000)),
            data_change: change == Change::Rows,
            tags: None,
        }),
        ..Line::default()
    }
}

/// The line of a checkpoint for a file that the version `added` brought.
pub(super) fn add_of_checkpoint(file: &DataFile, table: &StoredTable, added: u64, now: Micros) -> Line {
    let mut line = add(file, table, Some(file.sequence), Change::Layout, now);
    if let Some(tags) = line.add.as_mut().and_then(|add| add.tags.as_mut()) {
        tags.insert(ADDED.to_owned(), added.to_string());
    }
    line
}

/// The line of a checkpoint for a file that is not cleaned away yet.
pub(super) fn remove_of_checkpoint(path: &str, file: Removed) -> Line {
    let tag = |name: &str, version: u64| (name.to_owned(), version.to_string());
    Line {
        remove: Some(Remove {
            path: path.to_owned(),
            deletion_timestamp: Some(file.at.0.div_euclid(1_000)),
            data_change: false,
            tags: Some(BTreeMap::from([tag(ADDED, file.added), tag(REMOVED, file.removed)])),
        }),
        ..Line::default()
    }
}

fn version_of(tags: Option<&BTreeMap<String, String>>, name: &str) -> Option<u64> {
    tags?.get(name)?.parse().ok()
}

impl Remove {
    /// The file that went, where the action is of a checkpoint.
    pub(super) fn of_checkpoint(&self) -> Option<Removed> {
        let version = |name| version_of(self.tags.as_ref(), name);
        Some(Removed { added: version(ADDED)?, removed: version(REMOVED)?, at: self.at() })
    }

    /// When it went.
    pub(super) fn at(&self) -> Micros {
        Micros(self.deletion_timestamp.unwrap_or(0).saturating_mul(1_000))
    }
}

impl Add {
    /// The version that brought the file, where the action is of a checkpoint.
    pub(super) fn added(&self) -> Option<u64> {
        version_of(self.tags.as_ref(), ADDED)
    }

    /// The file as the store knows it; `None` where the action is not one of ours.
    /// `default` is the sequence that the place of the action in the log implies.
    pub(crate) fn to_file(&self, table: &StoredTable, default: Sequence) -> Option<DataFile> {
        if self.deletion_vector.is_some() || self.path.contains('/') {
            return None;
        }
        let stats: Stats = serde_json::from_str(self.stats.as_deref()?).ok()?;
        let tags = self.tags.as_ref()?;
        let [time, ingested, version]: [(i64, i64); 3] = serde_json::from_str(tags.get(SPANS)?).ok()?;
        let span = |(min, max)| Span { min: Micros(min), max: Micros(max) };
        let [first, last]: [(i64, Box<str>, Box<str>); 2] = serde_json::from_str(tags.get(ENDS)?).ok()?;
        let key = |(time, trace_id, id)| OrderKey { time: Micros(time), trace_id, id };
        let project = stats.min_values.get(table.key[0])?;
        if stats.max_values.get(table.key[0]) != Some(project) {
            return None;
        }
        Some(DataFile {
            path: self.path.as_str().into(),
            project: ProjectId::new(project.as_str()),
            bytes: self.size,
            rows: stats.num_records,
            cell_bytes: tags.get(CELL_BYTES)?.parse().ok()?,
            time: span(time),
            ingested: span(ingested),
            version: span(version),
            deletions: tags.get(DELETIONS)?.parse().ok()?,
            first: key(first),
            last: key(last),
            sequence: match tags.get(SEQUENCE) {
                Some(text) => Sequence::parse(text)?,
                None => default,
            },
            checksum: match tags.get(CHECKSUM) {
                Some(text) => Some(Checksum::parse(text)?),
                None => None,
            },
        })
    }
}
