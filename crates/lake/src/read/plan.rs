//! Cuts the total order into slices of bounded size, from what footers say.
//!
//! Slices end where row groups end, so that as few of them as possible are decoded twice. Sizes
//! assume that the rows of a row group are spread evenly over its time; they steer, nothing depends
//! on them. The user's filter is not looked at.

use model::{ByteCount, Cursor, Fault, KeyRange, Micros, OrderKey, Plan, RowCount, Slice};

use super::files::RowGroup;
use super::fragment::meets_range;
use super::scan::Scan;

/// Decoded bytes of a slice: one row group as it is written, or several of few columns. A reader
/// holds one slice, and the pipeline several at once.
const SLICE_BYTES: u64 = 12 * 1024 * 1024;
/// A stretch beyond this is cut further even where no row group ends.
const STRETCH_BYTES_MAX: u64 = 2 * SLICE_BYTES;

/// The slices of what a scan reads after a key.
pub(crate) fn plan(scan: &Scan, after: Option<&OrderKey>) -> Result<Plan, Fault> {
    let Some(whole) = after.map_or(Some(KeyRange::ALL), |key| KeyRange::ALL.after(key)) else {
        return Ok(Plan::default());
    };
    let mut pieces = Vec::new();
    for group in scan.files.groups() {
        if scan.meets_window(group) && meets_range(group, &whole) {
            pieces.push(Piece::of(scan, group, &whole)?);
        }
    }
    let cuts = cuts(scan, &pieces)?;
    let mut slices: Vec<Slice> = Vec::with_capacity(cuts.len() + 1);
    let mut from = whole.from.clone();
    for cut in cuts {
        if from.as_ref().is_some_and(|from| cut <= *from) {
            continue;
        }
        slices.extend(slice(&pieces, KeyRange { from: from.take(), to: Some(cut.clone()) }));
        from = Some(cut);
    }
    slices.extend(slice(&pieces, KeyRange { from, to: whole.to }));
    // Ranges without rows are joined to their neighbours, so that the ranges still cover everything.
    for index in 1..slices.len() {
        slices[index].range.from = slices[index - 1].range.to.clone();
    }
    if let Some(first) = slices.first_mut() {
        first.range.from = whole.from;
    }
    if let Some(last) = slices.last_mut() {
        last.range.to = None;
    }
    Ok(Plan { slices })
}

/// A row group, cut to what can be read of it.
struct Piece<'a> {
    group: &'a RowGroup,
    newest: i64,
    oldest: i64,
    bytes: u64,
}

impl<'a> Piece<'a> {
    fn of(scan: &Scan, group: &'a RowGroup, whole: &KeyRange) -> Result<Self, Fault> {
        let (mut oldest, mut newest) = (group.time.min.0, group.time.max.0);
        if scan.cursor == Cursor::StartTime {
            oldest = scan.window.from.map_or(oldest, |from| oldest.max(from.0));
            newest = scan.window.to.map_or(newest, |to| newest.min(to.0.saturating_sub(1)));
        }
        newest = whole.from.as_ref().map_or(newest, |from| newest.min(from.time.0)).max(oldest);
        let share = instants(oldest, newest) as f64 / instants(group.time.min.0, group.time.max.0) as f64;
        let bytes = (scan.group_bytes(group)? as f64 * share) as u64;
        Ok(Self { group, newest, oldest, bytes })
    }

    /// Its bytes among the instants `oldest..=newest`.
    fn bytes_within(&self, oldest: i64, newest: i64) -> u64 {
        let (oldest, newest) = (oldest.max(self.oldest), newest.min(self.newest));
        if newest < oldest {
            return 0;
        }
        (self.bytes as f64 * (instants(oldest, newest) as f64 / instants(self.oldest, self.newest) as f64)) as u64
    }
}

/// Number of instants in `oldest..=newest`.
fn instants(oldest: i64, newest: i64) -> i128 {
    i128::from(newest) - i128::from(oldest) + 1
}

/// Where slices end, in the total order.
fn cuts(scan: &Scan, pieces: &[Piece]) -> Result<Vec<OrderKey>, Fault> {
    let mut by_newest: Vec<&Piece> = pieces.iter().collect();
    by_newest.sort_by_key(|piece| std::cmp::Reverse(piece.newest));
    let mut ends: Vec<i64> = pieces.iter().map(|piece| piece.oldest).collect();
    ends.sort_unstable_by(|a, b| b.cmp(a));
    ends.dedup();

    let mut cuts = Vec::new();
    let Some(mut newest) = by_newest.first().map(|piece| piece.newest) else { return Ok(cuts) };
    let (mut active, mut next, mut gathered) = (Vec::<&Piece>::new(), 0, 0_u64);
    for oldest in ends {
        while next < by_newest.len() && by_newest[next].newest >= oldest {
            active.push(by_newest[next]);
            next += 1;
        }
        active.retain(|piece| piece.oldest <= newest);
        let within = |oldest, newest| active.iter().map(|piece| piece.bytes_within(oldest, newest)).sum::<u64>();
        let stretch = within(oldest, newest);
        if gathered > 0 && gathered + stretch > SLICE_BYTES {
            cuts.push(after_instant(newest.saturating_add(1)));
            gathered = 0;
        }
        gathered += stretch;
        if stretch > STRETCH_BYTES_MAX {
            let parts = i128::from(stretch / SLICE_BYTES + 1).min(instants(oldest, newest));
            let width = instants(oldest, newest) / parts;
            for part in 1..parts {
                cuts.push(after_instant((i128::from(newest) - width * part + 1) as i64));
            }
            if width == 1 || oldest == newest {
                cuts.extend(cuts_within_instants(scan, &active, oldest, newest)?);
            }
            gathered = stretch / parts as u64;
        }
        newest = oldest.saturating_sub(1);
    }
    cuts.sort();
    cuts.dedup();
    Ok(cuts)
}

/// The position after every row of an instant.
fn after_instant(time: i64) -> OrderKey {
    OrderKey::at(Micros(time.saturating_sub(1)))
}

/// Where so many rows share an instant that time cannot cut them: at the first keys of row groups.
fn cuts_within_instants(scan: &Scan, active: &[&Piece], oldest: i64, newest: i64) -> Result<Vec<OrderKey>, Fault> {
    let mut cuts = Vec::new();
    for piece in active {
        if (oldest..=newest).contains(&piece.group.time.max.0) {
            cuts.push(scan.first_key(piece.group)?);
        }
    }
    Ok(cuts)
}

/// The slice of a range; `None` where no row group meets it.
fn slice(pieces: &[Piece], range: KeyRange) -> Option<Slice> {
    let (lowest, after_highest) = range.times();
    let (oldest, newest) =
        (lowest.map_or(i64::MIN, |t| t.0), after_highest.map_or(i64::MAX, |t| t.0.saturating_sub(1)));
    let mut found = false;
    let (mut rows, mut bytes) = (0, 0);
    for piece in pieces {
        if oldest <= piece.newest && piece.oldest <= newest {
            found = true;
            rows += u64::from(piece.group.rows);
            bytes += piece.bytes_within(oldest, newest);
        }
    }
    if oldest == newest {
        // Stretches of one instant are cut by keys, about a row group each; how its bytes are spread
        // among them is not known.
        let largest = pieces.iter().map(|piece| piece.bytes).max().unwrap_or(0);
        bytes = bytes.min(largest.max(STRETCH_BYTES_MAX));
    }
    found.then_some(Slice { range, rows: RowCount(rows), bytes: ByteCount(bytes) })
}
