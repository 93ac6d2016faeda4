//! What is durable of a run, recorded with the thing it describes and never before.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    ByteCount, DeliveryProgress, Fault, FileName, FileReceipt, KeyDigest, Micros, OrderKey, RowCount, Snapshot, Stop,
    TableDelivery,
};

/// How far a run has come. A manifest is a finished checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Version of this shape.
    pub version: u16,
    /// When the run was planned: "now" for every attempt.
    pub as_of: Micros,
    /// The stored state that every attempt reads.
    pub snapshot: Option<Snapshot>,
    /// Files that are complete and visible.
    pub done: Vec<FileReceipt>,
    /// The file under way.
    pub open: Option<OpenFile>,
    /// Last row of the last complete file.
    pub done_after: Option<OrderKey>,
    /// Files of an earlier export that the run replaces; `None` before it has looked for them, and where it
    /// replaces none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Vec<FileName>>,
    /// How far events have been delivered, where the run sends events instead of writing files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryProgress>,
    /// Tables that the run has delivered so far, the one under way last, where it delivers several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableDelivery>,
    /// What the run was begun with, where its settings are read anew by every attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Begun>,
}

impl Checkpoint {
    /// How much of the run is durable: bytes of files, and rows that a receiver of events has answered for.
    /// Comparable with other checkpoints of the same run alone, where a greater one tells that it got further.
    pub fn durable(&self) -> u64 {
        let done: ByteCount = self.done.iter().map(|file| file.head.bytes).sum();
        let open = self.open.as_ref().map_or(ByteCount::ZERO, |open| open.block_end);
        let sent: RowCount = self.tables.iter().map(|table| table.counts.read).sum();
        (done + open).get() + sent.get()
    }
}

/// What the files of a window were begun with. An attempt with other settings goes on with none of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// SHA-256 of the destination, the requests and the names of files; empty while the files are being removed.
    pub fingerprint: String,
    /// Options of the destination that they lie at; they hold no secret.
    pub options: BTreeMap<String, String>,
    /// The manifest that tells of them once it is written.
    pub manifest: FileName,
}

/// A file under way, up to its last durable block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFile {
    /// Its name.
    pub name: FileName,
    /// Last row of the last durable block; `None` before the first.
    pub after: Option<OrderKey>,
    /// Bytes of the file up to the end of that block. The upload may be further ahead.
    pub block_end: ByteCount,
    /// How encoding continues after that block.
    pub encoder: Option<EncoderState>,
    /// How the upload is found, continued or discarded.
    pub upload: UploadState,
    /// Bytes that `upload` keeps when it is continued; at least `block_end`.
    pub upload_bytes: ByteCount,
    /// SHA-256 over the bytes up to the end of the block in which `upload_bytes` lies; `None` where it is
    /// `block_end`. A successor encodes that block again and must find the same, or a source without
    /// snapshots would tear the file.
    pub ahead_sha256: Option<HashState>,
    /// SHA-256 over the bytes up to `block_end`.
    pub sha256: HashState,
    /// Rows up to there.
    pub rows: RowCount,
    /// Digest of their keys.
    pub digest: KeyDigest,
    /// Smallest cursor value up to there.
    pub cursor_min: Option<Micros>,
    /// Largest cursor value up to there.
    pub cursor_max: Option<Micros>,
}

/// What an encoder needs to continue; only its own format reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EncoderState(pub serde_json::Value);

/// How an upload is found again; only its own destination reads it. It holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UploadState(pub serde_json::Value);

/// The inner state of a SHA-256, in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HashState(pub String);

/// All that a run sees of the metadata store.
#[async_trait]
pub trait RunLog: Send + Sync {
    /// Makes the checkpoint durable. Fails where the run belongs to another worker.
    async fn record(&self, checkpoint: &Checkpoint) -> Result<(), Fault>;

    /// Raised when the run should end early.
    fn stop(&self) -> Stop;
}
