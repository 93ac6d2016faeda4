//! Cuts the total order into slices of bounded bytes, from counts of versions by time.
//!
//! Time is divided into hours; those with more than a slice holds into minutes, these into seconds, and
//! so on to the single instant, which is cut by trace and id. Counting looks at start times and sizes
//! alone; where that meets a limit of the server, one half of the time is counted after the other. Neither
//! the user's filter nor which versions are live is considered: what is planned are upper bounds.

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use futures_util::TryStreamExt;
use model::{ByteCount, End, Fault, KeyRange, Micros, OrderKey, RowCount, Slice, Stop};

use super::limits::{halvings, is_limit};
use super::query::Query;
use super::reading::{Bounds, ClickHouseReading};
use super::versions::Counted;

/// Bytes of the first slices, whose rows somebody waits for: the server sends none before it has sorted all of them.
const SLICE_BYTES: u64 = 32 * 1024 * 1024;
/// How many slices are first ones.
const FIRST_SLICES: usize = 2;
/// Bytes of the others. The server reads whole granules, of up to 8,192 rows in each part: what of them is not in
/// the slice is read for nothing, at 32 MiB nearly twice what the slice has. The server sorts a slice in memory,
/// which takes about three times its bytes. Where the server does not let us bound its blocks a slice may come as one,
/// which we hold twice: there all slices are as small as the first.
const LATER_SLICE_BYTES: u64 = 3 * SLICE_BYTES;
/// Widths of the stretches that are counted, in microseconds: an hour, a minute, a second, an instant.
const WIDTHS: [i64; 4] = [3_600_000_000, 60_000_000, 1_000_000, 1];
/// Stretches that are named in one query.
const STRETCHES_NAMED: usize = 4_000;

/// The slices of everything, and when their rows start.
#[derive(Clone, Debug, Default)]
pub(super) struct Planned {
    /// Adjacent ranges that cover every position; none where nothing is stored.
    pub(super) slices: Vec<Slice>,
    /// Earliest and latest start.
    pub(super) times: (i64, i64),
}

/// A stretch of the order that is not divided further.
struct Stretch {
    /// The position behind it.
    end: OrderKey,
    rows: u64,
    bytes: u64,
}

/// The versions that start within a stretch of time.
#[derive(Clone, Copy)]
struct Bucket {
    start: i64,
    rows: u64,
    bytes: u64,
}

impl Planned {
    /// Counts what a reading reads.
    pub(super) async fn count(reading: &ClickHouseReading, stop: &Stop) -> Result<Self, Fault> {
        let Some(bounds) = reading.bounds(&KeyRange::ALL) else { return Ok(Self::default()) };
        let counting = Counting { reading, counted: &reading.compiled.counted, stop };
        let hours = counting.buckets(0, &[], bounds).await?;
        let (Some(first), Some(last)) = (hours.first(), hours.last()) else { return Ok(Self::default()) };
        let times = (last.start, first.start + WIDTHS[0] - 1);
        let stretches = counting.divided(0, hours, bounds).await?;
        let later_bytes_max = match reading.shared.client.bounds_blocks().await? {
            true => LATER_SLICE_BYTES,
            false => SLICE_BYTES,
        };
        Ok(Self { slices: slices(stretches, later_bytes_max), times })
    }
}

/// When the stored version starts that has so many others between it and an end of a range; `None` where there are
/// not so many, or the server meets a limit on the way to it.
pub(super) async fn time_behind(
    reading: &ClickHouseReading,
    range: &KeyRange,
    end: End,
    versions: RowCount,
    stop: &Stop,
) -> Result<Option<Micros>, Fault> {
    let Some(bounds) = reading.bounds(range) else { return Ok(None) };
    let counting = Counting { reading, counted: &reading.compiled.counted, stop };
    let order = match end {
        End::First => "DESC",
        End::Last => "ASC",
    };
    let text = format!("SELECT m FROM {} ORDER BY m {order} LIMIT 1 OFFSET {{versions:UInt64}}", counting.counted.from);
    let query = counting.query(text, bounds, vec![("versions".to_owned(), versions.to_string())]);
    let found = match reading.shared.client.rows(query, stop).await {
        Err(fault) if is_limit(&fault) => {
            tracing::debug!(fault = %fault, "a range is looked through as a whole");
            return Ok(None);
        }
        found => found?,
    };
    let times = found.column_by_name("m").and_then(|times| times.as_primitive_opt::<Int64Type>());
    let times = times.ok_or_else(unreadable)?;
    Ok((!times.is_empty()).then(|| Micros(times.value(0))))
}

/// A time on the cursor that none of a reading's rows comes before; `None` where there are none.
pub(super) async fn earliest(reading: &ClickHouseReading, stop: &Stop) -> Result<Option<Micros>, Fault> {
    let Some(bounds) = reading.bounds(&KeyRange::ALL) else { return Ok(None) };
    let counting = Counting { reading, counted: &reading.compiled.counted, stop };
    let (mut first, mut left) = (None, vec![(bounds, 0)]);
    while let Some((bounds, halved)) = left.pop() {
        let fault = match counting.earliest_between(bounds).await {
            Ok(found) => {
                first = first.into_iter().chain(found).min();
                continue;
            }
            Err(fault) => fault,
        };
        left.extend(counting.halves(1, bounds, halved, fault).await?);
    }
    Ok(first)
}

struct Counting<'a> {
    reading: &'a ClickHouseReading,
    counted: &'a Counted,
    stop: &'a Stop,
}

impl Counting<'_> {
    /// Divides what is larger than a slice; the rest stays as it is.
    async fn divided(&self, level: usize, buckets: Vec<Bucket>, bounds: Bounds) -> Result<Vec<Stretch>, Fault> {
        let large: Vec<i64> =
            buckets.iter().filter(|bucket| bucket.bytes > SLICE_BYTES).map(|bucket| bucket.start).collect();
        let mut finer = Vec::new();
        if !large.is_empty() && level + 1 < WIDTHS.len() {
            for named in large.chunks(STRETCHES_NAMED) {
                finer.extend(self.buckets(level + 1, named, bounds).await?);
            }
        }
        let mut finer = finer.into_iter().peekable();
        let mut stretches = Vec::new();
        for bucket in buckets {
            if bucket.bytes <= SLICE_BYTES {
                stretches.push(bucket.stretch());
                continue;
            }
            let mut inside = Vec::new();
            while let Some(part) = finer.next_if(|part| part.start >= bucket.start) {
                inside.push(part);
            }
            match (inside.is_empty(), self.counted.has_keys) {
                (false, _) => stretches.extend(Box::pin(self.divided(level + 1, inside, bounds)).await?),
                (true, true) if level + 1 == WIDTHS.len() => stretches.extend(self.instant(bucket).await?),
                // It has gone since, or only reading tells what it is made of.
                (true, _) => stretches.push(bucket.stretch()),
            }
        }
        Ok(stretches)
    }

    /// Counts by stretches of a width, latest first: all, or those inside the wider ones that are named.
    async fn buckets(&self, level: usize, within: &[i64], bounds: Bounds) -> Result<Vec<Bucket>, Fault> {
        let mut buckets = Vec::new();
        let mut left = vec![(bounds, 0)];
        while let Some((bounds, halved)) = left.pop() {
            // What is halved is the time that is counted, not what lies around it.
            let Some(bounds) = among(level, within, bounds) else { continue };
            let fault = match self.buckets_between(level, within, bounds).await {
                Ok(found) => {
                    buckets.extend(found);
                    continue;
                }
                Err(fault) => fault,
            };
            left.extend(self.halves(WIDTHS[level], bounds, halved, fault).await?);
        }
        Ok(buckets)
    }

    /// What is counted instead where a fault was met, each with how often it was halved; the fault where that cannot
    /// help.
    async fn halves(&self, width: i64, bounds: Bounds, halved: u32, fault: Fault) -> Result<[(Bounds, u32); 2], Fault> {
        if halved >= halvings(&fault) {
            return Err(fault);
        }
        let Some(middle) = self.middle(width, bounds).await else { return Err(fault) };
        tracing::debug!(fault = %fault, "what is counted is halved");
        Ok([Bounds { hi: middle - 1, ..bounds }, Bounds { lo: middle, ..bounds }].map(|half| (half, halved + 1)))
    }

    /// The first time on the cursor of versions that start within these bounds.
    async fn earliest_between(&self, bounds: Bounds) -> Result<Option<Micros>, Fault> {
        let query = self.query(self.counted.earliest.clone(), bounds, Vec::new());
        let found = self.reading.shared.client.rows(query, self.stop).await?;
        let count = found.column_by_name("n").and_then(|counts| counts.as_primitive_opt::<UInt64Type>());
        let first = found.column_by_name("first").and_then(|times| times.as_primitive_opt::<Int64Type>());
        let (Some(count), Some(first)) = (count, first) else { return Err(unreadable()) };
        let any = count.iter().flatten().any(|count| count > 0);
        Ok(any.then(|| Micros(first.value(0))))
    }

    /// A time that divides the stored versions and no stretch of this width; `None` where there is none, or none is
    /// found.
    async fn middle(&self, width: i64, bounds: Bounds) -> Option<i64> {
        let query = self.query(self.counted.times.clone(), bounds, Vec::new());
        let times = self.reading.shared.client.rows(query, self.stop).await.ok()?;
        let time = |column: usize| Some(times.column(column).as_primitive_opt::<Int64Type>()?.value(0));
        let (first, last) = (bounds.lo.max(time(0)?), bounds.hi.min(time(1)?));
        let middle = first.checked_add(last.checked_sub(first)? / 2)?;
        let middle = middle - middle.rem_euclid(width);
        let middle = if middle > first { middle } else { middle + width };
        (middle <= last).then_some(middle)
    }

    async fn buckets_between(&self, level: usize, within: &[i64], bounds: Bounds) -> Result<Vec<Bucket>, Fault> {
        let Counted { from, rows, .. } = self.counted;
        let bucket = |width: &str| format!("(m - positiveModulo(m, {{{width}:Int64}}))");
        let mut named = String::new();
        let mut values = vec![("width".to_owned(), WIDTHS[level].to_string())];
        if !within.is_empty() {
            named = format!(" WHERE {} IN {{within:Array(Int64)}}", bucket("outer"));
            let list: Vec<String> = within.iter().map(ToString::to_string).collect();
            values.push(("outer".to_owned(), WIDTHS[level - 1].to_string()));
            values.push(("within".to_owned(), format!("[{}]", list.join(","))));
        }
        let text = format!(
            "SELECT {} AS bucket, {rows} AS rows, sum(b) AS bytes FROM {from}{named} \
             GROUP BY bucket ORDER BY bucket DESC",
            bucket("width")
        );
        let query = self.query(text, bounds, values);
        let mut buckets = Vec::new();
        for batch in &self.reading.shared.client.look_up(query, self.stop.clone()).await? {
            buckets.extend(read_buckets(batch).ok_or_else(unreadable)?);
        }
        Ok(buckets)
    }

    /// Cuts the rows of one instant at keys, unless that meets a limit: then whoever reads them divides them.
    async fn instant(&self, bucket: Bucket) -> Result<Vec<Stretch>, Fault> {
        match self.instant_by_keys(bucket).await {
            Err(fault) if is_limit(&fault) => {
                tracing::debug!(fault = %fault, "the rows of an instant stay together");
                Ok(vec![bucket.stretch()])
            }
            stretches => stretches,
        }
    }

    async fn instant_by_keys(&self, bucket: Bucket) -> Result<Vec<Stretch>, Fault> {
        let text = format!(
            "SELECT trace, id, count() AS rows, sum(b) AS bytes FROM {} GROUP BY trace, id ORDER BY trace, id",
            self.counted.from
        );
        let bounds = Bounds { lo: bucket.start, hi: bucket.start };
        let query = self.query(text, bounds, Vec::new());
        let mut batches = self.reading.shared.client.stream_looked_up(query, self.stop.clone());
        let mut stretches: Vec<Stretch> = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        while let Some(batch) = batches.try_next().await? {
            for key in read_keys(&batch, bucket.start).ok_or_else(unreadable)? {
                let (key, key_rows, key_bytes) = key;
                if rows > 0 && bytes + key_bytes > SLICE_BYTES {
                    stretches.push(Stretch { end: key, rows, bytes });
                    (rows, bytes) = (0, 0);
                }
                rows += key_rows;
                bytes += key_bytes;
            }
        }
        stretches.push(Bucket { rows, bytes, ..bucket }.stretch());
        Ok(stretches)
    }

    fn query(&self, text: String, bounds: Bounds, values: Vec<(String, String)>) -> Query {
        let mut parameters = self.reading.common_parameters();
        parameters.extend(bounds.named());
        parameters.extend(values);
        Query { text, parameters, purpose: "the number of rows" }
    }
}

impl Bucket {
    fn stretch(self) -> Stretch {
        // Every row that starts at the bucket's beginning comes before this position.
        Stretch { end: OrderKey::at(Micros(self.start.saturating_sub(1))), rows: self.rows, bytes: self.bytes }
    }
}

/// The time from the first to the last of the wider stretches that are named; `None` where there are none of them.
fn among(level: usize, within: &[i64], bounds: Bounds) -> Option<Bounds> {
    let Some(wider) = level.checked_sub(1) else { return Some(bounds) };
    let end = |start: i64| start + WIDTHS[wider] - 1;
    let mut inside = within.iter().copied().filter(|start| *start <= bounds.hi && end(*start) >= bounds.lo);
    let latest = inside.next()?;
    let earliest = inside.next_back().unwrap_or(latest);
    Some(Bounds { lo: bounds.lo.max(earliest), hi: bounds.hi.min(end(latest)) })
}

/// Joins neighbours that fit one slice, of so many bytes behind the first ones.
fn slices(stretches: Vec<Stretch>, later_bytes_max: u64) -> Vec<Slice> {
    let mut slices: Vec<Slice> = Vec::new();
    let mut end: Option<OrderKey> = None;
    for stretch in stretches {
        let bytes_max = if slices.len() <= FIRST_SLICES { SLICE_BYTES } else { later_bytes_max };
        match slices.last_mut() {
            Some(slice) if slice.bytes.get() + stretch.bytes <= bytes_max => {
                slice.rows += RowCount(stretch.rows);
                slice.bytes += ByteCount(stretch.bytes);
            }
            last => {
                if let Some(slice) = last {
                    slice.range.to = end.clone();
                }
                let range = KeyRange { from: end.take(), to: None };
                slices.push(Slice { range, rows: RowCount(stretch.rows), bytes: ByteCount(stretch.bytes) });
            }
        }
        end = Some(stretch.end);
    }
    slices
}

fn unreadable() -> Fault {
    Fault::corrupt("the server's counts have other types than they were asked for")
}

fn read_buckets(batch: &RecordBatch) -> Option<Vec<Bucket>> {
    let starts = batch.column_by_name("bucket")?.as_primitive_opt::<Int64Type>()?;
    let number = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<UInt64Type>();
    let (rows, bytes) = (number("rows")?, number("bytes")?);
    let bucket = |row: usize| Bucket { start: starts.value(row), rows: rows.value(row), bytes: bytes.value(row) };
    Some((0..batch.num_rows()).map(bucket).collect())
}

fn read_keys(batch: &RecordBatch, time: i64) -> Option<Vec<(OrderKey, u64, u64)>> {
    let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
    let number = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<UInt64Type>();
    let (traces, ids, rows, bytes) = (text("trace")?, text("id")?, number("rows")?, number("bytes")?);
    let key = |row: usize| {
        let key = OrderKey { time: Micros(time), trace_id: traces.value(row).into(), id: ids.value(row).into() };
        (key, rows.value(row), bytes.value(row))
    };
    Some((0..batch.num_rows()).map(key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_adjacent_cover_everything_and_stay_below_their_bytes() {
        let bucket =
            |start: i64, percent: u64| Bucket { start, rows: 10, bytes: SLICE_BYTES / 100 * percent }.stretch();
        let stretches = vec![bucket(50, 40), bucket(40, 50), bucket(30, 20), bucket(20, 300), bucket(10, 10)];
        let planned = slices(stretches, LATER_SLICE_BYTES);
        let percents: Vec<u64> = planned.iter().map(|slice| slice.bytes.get() / (SLICE_BYTES / 100)).collect();
        assert_eq!(percents, [90, 20, 300, 10]);
        assert_eq!(planned[0].range, KeyRange { from: None, to: Some(OrderKey::at(Micros(39))) });
        assert_eq!(planned[1].range.from, planned[0].range.to);
        assert_eq!(planned[3].range.to, None);
        assert_eq!(planned.iter().map(|slice| slice.rows.get()).sum::<u64>(), 50);
        assert!(slices(Vec::new(), LATER_SLICE_BYTES).is_empty());
    }

    #[test]
    fn no_time_is_halved_but_that_of_the_stretches_that_are_named() {
        let hour = WIDTHS[0];
        let within = [90 * hour, 7 * hour, 5 * hour];
        let between = |lo: i64, hi: i64| Bounds { lo, hi };
        assert_eq!(among(1, &within, between(0, 99 * hour)), Some(between(5 * hour, 91 * hour - 1)));
        assert_eq!(among(1, &within, between(6 * hour, 99 * hour)), Some(between(7 * hour, 91 * hour - 1)));
        assert_eq!(among(1, &within, between(0, 90 * hour - 1)), Some(between(5 * hour, 8 * hour - 1)));
        assert_eq!(among(1, &within, between(5 * hour + 1, 6 * hour)), Some(between(5 * hour + 1, 6 * hour - 1)));
        assert_eq!(among(1, &within, between(8 * hour, 90 * hour - 1)), None);
        assert_eq!(among(0, &[], between(1, 2)), Some(between(1, 2)));
    }

    #[test]
    fn slices_behind_the_first_are_larger_where_blocks_are_bounded() {
        let bucket = |hour: i64| Bucket { start: hour, rows: 1, bytes: SLICE_BYTES / 2 }.stretch();
        let rows = |later_bytes_max: u64| -> Vec<u64> {
            let planned = slices((0..20).rev().map(bucket).collect(), later_bytes_max);
            planned.iter().map(|slice| slice.rows.get()).collect()
        };
        assert_eq!(rows(LATER_SLICE_BYTES), [2, 2, 6, 6, 4]);
        assert_eq!(rows(SLICE_BYTES), [2; 10]);
    }
}
