//! How large the pieces of an upload are.
//!
//! Stores take at most 10,000 pieces of a file, so pieces of one size bound the file. They start small,
//! which keeps little in memory and loses little in a crash, and double after every 1,000: files up to
//! 8 GB consist of 8 MiB pieces, and 5 TiB are reached. Cloudflare R2 wants all pieces of a file to be
//! of one size: there `equal_pieces` is set, and the largest file is 10,000 × `piece_bytes`.

use model::ByteCount;
use serde::{Deserialize, Serialize};

/// Size of the first pieces: large enough that a request's latency is small beside its transfer.
pub(super) const PIECE_BYTES: ByteCount = ByteCount::mebibytes(8);
/// Smallest piece that S3 takes.
pub(super) const PIECE_BYTES_MIN: ByteCount = ByteCount::mebibytes(5);
/// Largest piece that S3 (5 GiB) and Azure (4,000 MiB) both take.
pub(super) const PIECE_BYTES_MAX: ByteCount = ByteCount::mebibytes(4000);
/// Most pieces of a file that S3 and Google take.
pub(super) const PIECES_MAX: usize = 10_000;
/// Largest file that S3 and Google take.
const FILE_BYTES_MAX: u64 = 5 << 40;
/// Pieces of one size before they double.
const STRETCH: usize = 1000;

/// Bytes under way at the same time: four first pieces, which fill a fast connection.
const IN_FLIGHT_BYTES: u64 = 32 << 20;
/// Pieces under way at the same time.
const IN_FLIGHT_MAX: usize = 4;

/// The sizes of all pieces of an upload. Recorded with it, so that a successor cuts alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PieceSizes {
    /// Size of the first pieces.
    pub(super) first: ByteCount,
    /// Whether all pieces but the last are of that size.
    pub(super) equal: bool,
}

impl PieceSizes {
    /// Size of the piece at `index`, counted from 0.
    pub(super) fn of(self, index: usize) -> u64 {
        if self.equal {
            return self.first.get();
        }
        let doublings = (index / STRETCH).min(32) as u32;
        self.first.get().saturating_mul(1 << doublings).min(PIECE_BYTES_MAX.get()).max(self.first.get())
    }

    /// Pieces of this size that may be under way at the same time.
    pub(super) fn in_flight(size: u64) -> usize {
        ((IN_FLIGHT_BYTES / size.max(1)) as usize).clamp(1, IN_FLIGHT_MAX)
    }

    /// Largest file that can be cut this way.
    pub(super) fn file_bytes_max(self) -> ByteCount {
        let stretches = (0..PIECES_MAX).step_by(STRETCH).map(|index| self.of(index) * STRETCH as u64);
        ByteCount(stretches.sum::<u64>().min(FILE_BYTES_MAX))
    }
}

impl Default for PieceSizes {
    fn default() -> Self {
        Self { first: PIECE_BYTES, equal: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_pieces_reach_the_largest_file_within_the_stores_limits() {
        let sizes = PieceSizes::default();
        assert_eq!(sizes.of(0), 8 << 20);
        assert_eq!(sizes.of(999), 8 << 20);
        assert_eq!(sizes.of(1000), 16 << 20);
        assert_eq!(sizes.of(PIECES_MAX - 1), PIECE_BYTES_MAX.get());
        assert_eq!(sizes.file_bytes_max(), ByteCount(5 << 40));
    }

    #[test]
    fn equal_pieces_bound_the_file() {
        let sizes = PieceSizes { first: ByteCount::mebibytes(8), equal: true };
        assert_eq!(sizes.of(9999), sizes.of(0));
        assert_eq!(sizes.file_bytes_max(), ByteCount::mebibytes(80_000));
    }

    #[test]
    fn few_large_pieces_are_under_way_and_at_least_one() {
        assert_eq!(PieceSizes::in_flight(8 << 20), 4);
        assert_eq!(PieceSizes::in_flight(16 << 20), 2);
        assert_eq!(PieceSizes::in_flight(4 << 30), 1);
    }
}
