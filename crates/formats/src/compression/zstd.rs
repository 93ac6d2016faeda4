//! Zstandard frames.

use model::{Fault, FaultKind};
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

/// The library's own default.
const LEVEL: i32 = 3;

/// Compresses `text` into a frame with its length and a checksum, as the `zstd` tool writes it.
pub(super) fn frame(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let compressed = Compressor::new(LEVEL).and_then(|mut compressor| {
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        compressor.compress(text)
    });
    compressed.map_err(|error| {
        Fault::new(FaultKind::Bug, format!("cannot compress {} bytes with zstd", text.len())).because(error)
    })
}
