//! Which events stand at a place of their trace, found once over the key columns of all live rows.
//!
//! Memory is bounded by looking at a share of the traces at a time: a trace belongs to the pass that
//! its hash names, and every pass decodes the key columns again.

use std::cmp::Ordering;

use model::{Fault, Micros, TracePosition};
use roaring::RoaringBitmap;
use xxhash_rust::xxh3::xxh3_128;

use super::files::ProjectFiles;
use super::keys::Keys;
use super::rows::Rows;
use super::scan::KeyPlaces;

/// Events looked at in one pass, about 100 bytes each.
const PASS_ROWS: u64 = 500_000;

/// An event of a trace.
struct Event {
    trace: u128,
    time: Micros,
    id: Box<str>,
    file: u32,
    row: u32,
}

/// For every position the matching rows of every file.
pub(crate) fn find(
    files: &ProjectFiles,
    keys: &KeyPlaces,
    positions: &[TracePosition],
) -> Result<Vec<Vec<RoaringBitmap>>, Fault> {
    let mut found = vec![vec![RoaringBitmap::new(); files.file_count()]; positions.len()];
    if positions.is_empty() {
        return Ok(found);
    }
    let rows: u64 = (0..files.file_count()).map(|place| files.file_rows(place)).sum();
    let passes = rows.div_ceil(PASS_ROWS).max(1);
    for pass in 0..passes {
        let mut events = gather(files, keys, pass, passes)?;
        events.sort_unstable_by(in_trace_order);
        for trace in events.chunk_by(|a, b| a.trace == b.trace) {
            for (position, matching) in positions.iter().zip(&mut found) {
                let place = match *position {
                    TracePosition::Root => None,
                    TracePosition::FromStart(n) => (n as usize).checked_sub(1),
                    TracePosition::FromEnd(n) => trace.len().checked_sub(n as usize),
                };
                if let Some(event) = place.and_then(|place| trace.get(place)) {
                    matching[event.file as usize].insert(event.row);
                }
            }
        }
    }
    Ok(found)
}

fn in_trace_order(a: &Event, b: &Event) -> Ordering {
    a.trace.cmp(&b.trace).then_with(|| a.time.cmp(&b.time)).then_with(|| a.id.as_bytes().cmp(b.id.as_bytes()))
}

/// The live events of the traces that belong to a pass.
fn gather(files: &ProjectFiles, keys: &KeyPlaces, pass: u64, passes: u64) -> Result<Vec<Event>, Fault> {
    let mut events = Vec::new();
    for group in files.groups() {
        let mut rows = Rows::live(files.file(group.file)?, group, files.dead(group.file));
        if rows.count() == 0 {
            continue;
        }
        rows.hold(&keys.order())?;
        let columns: Keys = keys.of(&rows)?;
        for (index, position) in rows.positions().into_iter().enumerate() {
            let trace = xxh3_128(columns.trace_id.value(index).as_bytes());
            if (trace % u128::from(passes)) as u64 == pass {
                events.push(Event {
                    trace,
                    time: Micros(columns.time.value(index)),
                    id: columns.id.value(index).into(),
                    file: group.file as u32,
                    row: group.first_row + position,
                });
            }
        }
    }
    Ok(events)
}
