//! States of a table as Parquet, Delta's checkpoints: nobody has to read a whole log to know its newest state.
//!
//! `_delta_log/<20 digits>.checkpoint.parquet` holds the actions that are left of all commits up to that version;
//! `_last_checkpoint` names the newest for other readers. What follows from an action's place in the log is spelled
//! out in tags here. Commits stay, so a checkpoint that is missing or damaged costs time only.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_json::{LineDelimitedWriter, ReaderBuilder};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};
use model::{Fault, Micros};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

use super::action::{Line, Protocol, add_of_checkpoint, remove_of_checkpoint};
use super::replay::{Log, State};
use crate::disk;
use crate::file::Sequence;

/// Commits between two checkpoints: so many are read at most, which takes milliseconds.
pub(super) const EVERY: u64 = 64;

/// Checkpoints that are kept: of an older one only who looks far back has any use, and commits tell the same.
const KEPT: usize = 3;

const SUFFIX: &str = ".checkpoint.parquet";

impl Log {
    /// Writes a checkpoint where this commit is one that calls for it, and removes old ones. Failing to is no
    /// failure of the commit.
    pub(super) fn checkpoint_if_due(&self, version: u64, now: Micros) {
        if !(version + 1).is_multiple_of(EVERY) {
            return;
        }
        if let Err(fault) = self.newest().and_then(|state| self.write_checkpoint(&state, now)) {
            tracing::warn!(table.name = self.table.name, %fault, "cannot write a checkpoint of the store's log");
        }
    }

    /// The newest state that a checkpoint up to `version_max` holds, where there is one that can be read.
    pub(super) fn checkpoint_up_to(&self, version_max: u64) -> Result<Option<State>, Fault> {
        for (version, path) in self.checkpoints()?.into_iter().rev().filter(|(version, _)| *version <= version_max) {
            match self.read_checkpoint(version, &path) {
                Ok(state) => return Ok(Some(state)),
                Err(fault) => {
                    tracing::warn!(path = %path.display(), %fault, "a checkpoint of the store's log is passed over")
                }
            }
        }
        Ok(None)
    }

    /// Versions and paths, ascending.
    fn checkpoints(&self) -> Result<Vec<(u64, PathBuf)>, Fault> {
        let version = |name: &str| name.strip_suffix(SUFFIX)?.parse().ok();
        Ok(disk::list(&self.directory())?
            .into_iter()
            .filter_map(|(name, path)| Some((version(&name)?, path)))
            .collect())
    }

    fn write_checkpoint(&self, state: &State, now: Micros) -> Result<(), Fault> {
        let Some(meta_data) = &state.meta_data else { return Ok(()) };
        let mut lines = vec![
            Line { protocol: Some(Protocol::OURS), ..Line::default() },
            Line { meta_data: Some(meta_data.clone()), ..Line::default() },
        ];
        lines.extend(state.files.values().map(|(file, added)| add_of_checkpoint(file, &self.table, *added, now)));
        lines.extend(state.removed.iter().map(|(path, removed)| remove_of_checkpoint(path, *removed)));
        let version = state.commits - 1;
        let bytes = encode(&lines).map_err(|cause| Fault::bug("actions do not fit a checkpoint").because(cause))?;
        disk::replace(&self.directory().join(format!("{version:020}{SUFFIX}")), &bytes)?;
        let last = json!({ "version": version, "size": lines.len() }).to_string();
        disk::replace(&self.directory().join("_last_checkpoint"), last.as_bytes())?;
        for (_, path) in self.checkpoints()?.iter().rev().skip(KEPT) {
            disk::remove(path)?;
        }
        Ok(())
    }

    fn read_checkpoint(&self, version: u64, path: &Path) -> Result<State, Fault> {
        let damaged = |why: &str| Fault::corrupt(format!("cannot read {}: {why}", path.display()));
        let file = File::open(path).map_err(|cause| disk::fault("read", path, cause))?;
        let text = decode(file).map_err(|cause| damaged("its content is damaged").because(cause))?;
        let mut state = State { commits: version + 1, ..State::default() };
        for line in text.lines() {
            let line = serde_json::from_str(line).map_err(|cause| damaged("it holds no action").because(cause))?;
            self.apply(&mut state, line, Sequence { version, index: 0 }, path)?;
        }
        match state.meta_data {
            Some(_) => Ok(state),
            None => Err(damaged("it does not describe the table")),
        }
    }
}

fn encode(lines: &[Line]) -> Result<Vec<u8>, ArrowError> {
    let mut decoder = ReaderBuilder::new(schema()).with_batch_size(lines.len().max(1)).build_decoder()?;
    decoder.serialize(lines)?;
    let mut writer = ArrowWriter::try_new(Vec::new(), schema(), None)?;
    if let Some(batch) = decoder.flush()? {
        writer.write(&batch)?;
    }
    Ok(writer.into_inner()?)
}

fn decode(file: File) -> Result<String, ArrowError> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    for batch in ParquetRecordBatchReaderBuilder::try_new(file)?.build()? {
        let batch: RecordBatch = batch?;
        writer.write(&batch)?;
    }
    writer.finish()?;
    String::from_utf8(writer.into_inner()).map_err(|cause| ArrowError::ParseError(cause.to_string()))
}

/// One column for each kind of action, as Delta's protocol lists their fields.
fn schema() -> SchemaRef {
    let field = |name: &str, kind: DataType| Field::new(name, kind, true);
    let record = |name: &str, fields: Vec<Field>| field(name, DataType::Struct(Fields::from(fields)));
    let text = |name: &str| field(name, DataType::Utf8);
    let long = |name: &str| field(name, DataType::Int64);
    let flag = |name: &str| field(name, DataType::Boolean);
    let texts = |name: &str| {
        let entries = Fields::from(vec![Field::new("key", DataType::Utf8, false), text("value")]);
        field(name, DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entries), false)), false))
    };
    Arc::new(Schema::new(vec![
        record("txn", vec![text("appId"), long("version"), long("lastUpdated")]),
        record(
            "add",
            vec![
                text("path"),
                texts("partitionValues"),
                long("size"),
                long("modificationTime"),
                flag("dataChange"),
                text("stats"),
                texts("tags"),
            ],
        ),
        record("remove", vec![text("path"), long("deletionTimestamp"), flag("dataChange"), texts("tags")]),
        record(
            "metaData",
            vec![
                text("id"),
                text("name"),
                text("description"),
                record("format", vec![text("provider"), texts("options")]),
                text("schemaString"),
                field("partitionColumns", DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)))),
                texts("configuration"),
                long("createdTime"),
            ],
        ),
        record(
            "protocol",
            vec![field("minReaderVersion", DataType::Int32), field("minWriterVersion", DataType::Int32)],
        ),
    ]))
}
