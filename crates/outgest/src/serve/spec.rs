//! What a job carries: requests as they were checked, and the parts of those that several workers write.

use model::{ByteCount, CheckedExport, ExportJob, Fault, KeyRange, Micros, Snapshot};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::export::Request;

/// A request as [`CheckedExport::spec`] holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskedExport {
    /// The query, as manifests keep it.
    pub query: Value,
    /// A new file begins at about this size.
    pub roll_bytes: Option<ByteCount>,
}

/// The spec of a job that writes one file of an export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileJob {
    /// Version of this shape.
    pub version: u16,
    /// The export.
    pub export: ExportJob,
    /// "Now" of the export.
    pub as_of: Micros,
    /// The stored state that every file is read from.
    pub snapshot: Option<Snapshot>,
    /// Which rows.
    pub range: KeyRange,
    /// Which file, from 1.
    pub number: usize,
}

impl FileJob {
    /// Version that this build reads and writes.
    pub const VERSION: u16 = 1;
}

impl AskedExport {
    /// A checked request in the words of the model.
    pub fn checked(
        request: &Request,
        roll_bytes: Option<ByteCount>,
        warnings: Vec<String>,
    ) -> Result<CheckedExport, Fault> {
        let asked = Self { query: request.query.clone(), roll_bytes };
        let format = request.format.descriptor();
        Ok(CheckedExport {
            spec: serde_json::to_value(&asked).map_err(|error| Fault::bug("cannot write a request").because(error))?,
            table: request.table.name.to_string(),
            format: format.name.to_owned(),
            extension: format!(".{}{}", format.extension, request.format_options.compression.suffix()),
            limit: request.limit,
            warnings,
        })
    }
}

/// Reads what a job carries. A version that this build does not know is refused rather than guessed.
pub fn read<T: DeserializeOwned>(spec: &Value, version: u16) -> Result<T, Fault> {
    let newer = || {
        Fault::bad_request("the job was queued by another version of outgest").hint("queue it again with this version")
    };
    if let Some(found) = spec.get("version").and_then(Value::as_u64)
        && found != u64::from(version)
    {
        return Err(newer());
    }
    serde_json::from_value(spec.clone()).map_err(|error| newer().because(error))
}
