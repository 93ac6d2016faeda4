//! Which events stand at a place of their trace, found once over the key columns of all live rows.
//!
//! Memory is bounded by looking at a share of the traces at a time: a trace belongs to the pass that
//! its hash names, and every pass decodes the key columns again.

use std::cmp::Ordering;

use model::{Fault, Micros, Stop, TracePosition};
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
    stop: &Stop,
) -> Result<Vec<Vec<RoaringBitmap>>, Fault> {
    find_by_passes(files, keys, positions, PASS_ROWS, stop)
}

fn find_by_passes(
    files: &ProjectFiles,
    keys: &KeyPlaces,
    positions: &[TracePosition],
    pass_rows: u64,
    stop: &Stop,
) -> Result<Vec<Vec<RoaringBitmap>>, Fault> {
    let mut found = vec![vec![RoaringBitmap::new(); files.file_count()]; positions.len()];
    if positions.is_empty() {
        return Ok(found);
    }
    let rows: u64 = (0..files.file_count()).map(|place| files.file_rows(place)).sum();
    let passes = rows.div_ceil(pass_rows).max(1);
    for pass in 0..passes {
        let mut events = gather(files, keys, (pass, passes), stop)?;
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
fn gather(
    files: &ProjectFiles,
    keys: &KeyPlaces,
    (pass, passes): (u64, u64),
    stop: &Stop,
) -> Result<Vec<Event>, Fault> {
    let mut events = Vec::new();
    for group in files.groups() {
        stop.check()?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{append, new_lake, project, row};

    #[test]
    fn several_passes_find_what_one_finds() {
        let directory = tempfile::TempDir::new().unwrap();
        let lake = new_lake(directory.path());
        let event = |n: i64| row(&format!("t{}", n % 13), &format!("s{:03}", n * 7 % 100), 1_000 + n / 4, n, n);
        append(&lake, &(0..60).map(event).collect::<Vec<_>>());
        append(&lake, &(40..100).map(event).collect::<Vec<_>>());
        let snapshot = lake.snapshot("events").unwrap();
        let files = ProjectFiles::open(&lake, snapshot, &project(), &Stop::new()).unwrap();
        let place = |name| files.column(name).unwrap();
        let keys = KeyPlaces {
            time: place("start_time"),
            trace_id: Some(place("trace_id")),
            id: place("span_id"),
            version: place("event_ts"),
            ingested: place("updated_at"),
        };
        let positions = [TracePosition::FromStart(1), TracePosition::FromEnd(2)];
        let at_once = find(&files, &keys, &positions, &Stop::new()).unwrap();
        assert_eq!(at_once[0].iter().map(RoaringBitmap::len).sum::<u64>(), 13, "one first event per trace");
        assert_eq!(find_by_passes(&files, &keys, &positions, 30, &Stop::new()).unwrap(), at_once);
    }
}
