//! Gzip members that say whether another follows.
//!
//! Members can stand one after the other, so nothing in the format tells a whole file from one that was cut off
//! between two of them. Ours carry an extra field (RFC 1952, 2.3.1.1), which other readers pass over: the
//! identifier `OG` and one byte, 1 where the file ends with the member and 0 where it goes on.

use libdeflater::{CompressionLvl, Compressor};
use model::Fault;

/// Of libdeflate's levels the last before speed drops: within 1.05 times the size of `gzip -6` on
/// generated and on real traces, at 146 to 155 MB/s of one busy core (level 6: 1.02 times at 115).
const LEVEL: i32 = 5;

/// What libdeflate writes in front of the compressed text: RFC 1952's ten bytes.
const HEADER_BYTES: usize = 10;
/// The flag byte of the header, and the flag that an extra field follows.
const FLAGS: usize = 3;
const EXTRA: u8 = 1 << 2;
/// Five bytes follow; of them four say that the field `OG` has one.
const EXTRA_FIELD: [u8; 6] = [5, 0, b'O', b'G', 1, 0];

/// What stands behind a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// Another member.
    More,
    /// Nothing.
    End,
}

/// Compresses `text` into a member without name and time.
pub(super) fn member(text: &[u8], behind: Behind) -> Result<Vec<u8>, Fault> {
    let level = CompressionLvl::new(LEVEL).expect("the level lies within 0..=12");
    let mut compressor = Compressor::new(level);
    // The header moves to the front of the room that is left for its extra field.
    let room = EXTRA_FIELD.len() + 1;
    let mut member = vec![0; room + compressor.gzip_compress_bound(text.len())];
    let length = compressor
        .gzip_compress(text, &mut member[room..])
        .map_err(|error| Fault::bug(format!("cannot compress {} bytes with gzip", text.len())).because(error))?;
    member.truncate(room + length);
    member.copy_within(room..room + HEADER_BYTES, 0);
    member[FLAGS] |= EXTRA;
    member[HEADER_BYTES..HEADER_BYTES + EXTRA_FIELD.len()].copy_from_slice(&EXTRA_FIELD);
    member[HEADER_BYTES + EXTRA_FIELD.len()] = u8::from(behind == Behind::End);
    Ok(member)
}
