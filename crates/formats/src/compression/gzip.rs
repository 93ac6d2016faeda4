//! Gzip members.

use libdeflater::{CompressionLvl, Compressor};
use model::Fault;

/// Measured below.
const LEVEL: i32 = 6;

/// Compresses `text` into a member without name and time.
pub(super) fn member(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let level = CompressionLvl::new(LEVEL).expect("the level lies within 0..=12");
    let mut compressor = Compressor::new(level);
    let mut member = vec![0; compressor.gzip_compress_bound(text.len())];
    let length = compressor
        .gzip_compress(text, &mut member)
        .map_err(|error| Fault::bug(format!("cannot compress {} bytes with gzip", text.len())).because(error))?;
    member.truncate(length);
    Ok(member)
}
