//! Options that all vendors share, and checks of what their addresses name.

use model::ByteCount;

use super::pieces::{PIECE_BYTES_MAX, PIECE_BYTES_MIN, PieceSizes};
use crate::address::Address;
use model::Fields;

/// How files are cut, from `piece_bytes` and `equal_pieces`.
pub(super) fn piece_sizes(fields: &mut Fields<'_>) -> PieceSizes {
    let default = PieceSizes::default();
    let first = fields.bytes("piece_bytes").unwrap_or(default.first);
    if first < PIECE_BYTES_MIN || first > PIECE_BYTES_MAX {
        fields.problem("piece_bytes", format!("{first} bytes are not between 5 MiB and 4000 MiB"), "leave it out");
    }
    PieceSizes { first: ByteCount(first.get().max(1)), equal: fields.flag_or("equal_pieces", &[]) }
}

/// The bucket or container of an address.
pub(super) fn root(fields: &mut Fields<'_>, address: &Address, noun: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let example = format!("write {}://{noun}/path", address.scheme);
    if address.root.is_empty() {
        fields.problem(noun, "the address names none", example);
    } else if !address.root.chars().all(is_plain) {
        fields.problem(noun, format!("{:?} cannot be the name of one", address.root), example);
    }
    address.root.clone()
}
