//! Gzip members.

use libdeflater::{CompressionLvl, Compressor};
use model::Fault;

/// Of libdeflate's levels the last before speed drops: within 1.05 times the size of `gzip -6` on
/// generated and on real traces, at 146 to 155 MB/s of one busy core (level 6: 1.02 times at 115).
const LEVEL: i32 = 5;

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
