//! How an export is cut into files that several workers write at the same time.
//!
//! The cuts come from the plan, before anything is encoded, so that every worker can begin at once; they
//! are stored with the parts, so that every attempt finds the same. On the command line a file ends with
//! the block that takes it to the size asked for; here it is only about that size.

use model::{ByteCount, Compression, KeyRange, Plan};

use crate::export::Request;

/// Bytes of cells that become one byte of a compressed file, about: JSON in text compresses well. A
/// smaller number makes smaller files, never larger ones than asked for.
const COMPRESSED_SHARE: u64 = 4;

/// Most parts of one export. Each is a row in the queue and a file; more would only be smaller.
const PARTS_MAX: usize = 1_000;

/// Bytes of cells that fill a file of this size.
pub fn cell_bytes(request: &Request, roll_bytes: ByteCount) -> ByteCount {
    let compresses_inside = !request.format.descriptor().compressible;
    if compresses_inside || request.format_options.compression != Compression::None {
        return ByteCount(roll_bytes.get().saturating_mul(COMPRESSED_SHARE));
    }
    roll_bytes
}

/// Adjacent ranges of whole slices with about so many bytes of cells each, which together cover the plan.
pub fn ranges(plan: &Plan, bytes: ByteCount) -> Vec<KeyRange> {
    let least = plan.bytes().get().div_ceil(PARTS_MAX as u64);
    let bytes = bytes.get().max(least).max(1);
    let mut ranges: Vec<KeyRange> = Vec::new();
    let mut filled = 0;
    for slice in &plan.slices {
        match ranges.last_mut() {
            // A slice that would take the file further beyond its size than it is below it begins the next.
            Some(range) if filled + slice.bytes.get() / 2 < bytes => {
                range.to = slice.range.to.clone();
                filled += slice.bytes.get();
            }
            _ => {
                ranges.push(slice.range.clone());
                filled = slice.bytes.get();
            }
        }
    }
    // What lies before the first and behind the last row of the plan belongs to the files at the ends.
    if let Some(first) = ranges.first_mut() {
        first.from = None;
    }
    if let Some(last) = ranges.last_mut() {
        last.to = None;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use model::{Micros, OrderKey, RowCount, Slice};

    use super::*;

    fn plan(sizes: &[u64]) -> Plan {
        let at = |place: usize| Some(OrderKey::at(Micros(1_000 - place as i64)));
        let slice = |(place, bytes): (usize, &u64)| Slice {
            range: KeyRange { from: at(place), to: at(place + 1) },
            rows: RowCount(1),
            bytes: ByteCount(*bytes),
        };
        Plan { slices: sizes.iter().enumerate().map(slice).collect() }
    }

    #[test]
    fn files_are_about_as_large_as_asked_and_cover_everything() {
        let ranges = ranges(&plan(&[4, 4, 4, 4, 4, 4, 4]), ByteCount(10));
        let cuts: Vec<_> = ranges.iter().map(|range| range.to.as_ref().map(|to| to.time.0)).collect();
        assert_eq!(cuts, [Some(998), Some(996), Some(994), None]);
        for pair in ranges.windows(2) {
            assert_eq!(pair[0].to, pair[1].from);
        }
        assert_eq!(ranges[0].from, None);
    }

    #[test]
    fn an_export_of_one_file_has_one_range() {
        assert_eq!(ranges(&plan(&[4, 4]), ByteCount(100)), [KeyRange::ALL]);
        assert!(ranges(&plan(&[]), ByteCount(100)).is_empty());
    }

    #[test]
    fn the_number_of_parts_is_bounded() {
        assert!(ranges(&plan(&[1; 5_000]), ByteCount(1)).len() <= PARTS_MAX);
    }
}
