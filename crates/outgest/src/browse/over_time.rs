//! Rows over time: bars as narrow as fit, counted from start times alone.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use model::{
    BrowseBounds, Cursor, Fault, Histogram, HistogramAsk, HistogramBar, Micros, ProjectId, RowCount, Window, key_column,
};

use super::SourceBrowse;
use super::asked::Asked;
use super::open::{Ended, More, Open};

const SECOND: i64 = Micros::PER_SECOND;
const DAY: i64 = 86_400 * SECOND;

/// Widths of bars that people read without arithmetic. Each is a multiple of the one before, so that narrow bars
/// can be joined; beyond the last one they double.
const STEPS: [i64; 19] = [
    1_000,
    10_000,
    100_000,
    SECOND,
    5 * SECOND,
    15 * SECOND,
    30 * SECOND,
    60 * SECOND,
    5 * 60 * SECOND,
    15 * 60 * SECOND,
    30 * 60 * SECOND,
    3_600 * SECOND,
    3 * 3_600 * SECOND,
    6 * 3_600 * SECOND,
    12 * 3_600 * SECOND,
    DAY,
    7 * DAY,
    28 * DAY,
    364 * DAY,
];

pub(super) async fn histogram(
    browse: &SourceBrowse,
    project: &ProjectId,
    ask: &HistogramAsk,
    bounds: &BrowseBounds,
) -> Result<Histogram, Fault> {
    let asked = Asked::new(browse, project, &ask.rows).await?;
    // A window on another timestamp says nothing about start times.
    let window = if asked.cursor == Cursor::StartTime { asked.window } else { Window::default() };
    let mut bars = Bars::new(window, ask.bars_max);
    let mut open = Open::new(browse.source.as_ref(), asked.request(Vec::new()), bounds).await?;
    let (mut stopped, mut complete_from) = (None, None);
    for slice in open.plan(None).await?.slices {
        let begin = slice.range.from.clone();
        let ended = open
            .tally(slice.range, |batch| {
                bars.add(&batch)?;
                Ok(More::Yes)
            })
            .await?;
        if let Ended::At(bound) = ended {
            stopped = Some(bound);
            // Slices run from the newest rows on: everything from the start of this one was counted.
            complete_from = bars.first_complete(begin.map(|key| key.time));
            break;
        }
    }
    Ok(bars.into_histogram(stopped, complete_from))
}

/// Counts by bar, made wider while there are too many.
struct Bars {
    step: i64,
    bars_max: usize,
    counts: BTreeMap<i64, u64>,
}

impl Bars {
    fn new(window: Window, bars_max: u32) -> Self {
        let mut bars = Self { step: STEPS[0], bars_max: bars_max.max(1) as usize, counts: BTreeMap::new() };
        if let (Some(from), Some(to)) = (window.from, window.to) {
            // The bars of a known window are as wide for one row as for a million.
            bars.widen_for(from.0, to.0.saturating_sub(1));
        }
        bars
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        let times = batch.column_by_name(key_column::TIME);
        let times = times.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(|| Fault::bug("rows to be counted have no time"))?.values();
        let (Some(newest), Some(oldest)) = (times.iter().max(), times.iter().min()) else { return Ok(()) };
        let known = |bar: Option<(&i64, &u64)>| bar.map(|(bar, _)| bar * self.step);
        let oldest = known(self.counts.first_key_value()).map_or(*oldest, |known| known.min(*oldest));
        let newest = known(self.counts.last_key_value()).map_or(*newest, |known| known.max(*newest));
        self.widen_for(oldest, newest);
        // Neighbours mostly share their bar.
        for run in times.chunk_by(|a, b| a.div_euclid(self.step) == b.div_euclid(self.step)) {
            *self.counts.entry(run[0].div_euclid(self.step)).or_default() += run.len() as u64;
        }
        Ok(())
    }

    /// Makes bars as wide as the instants `oldest..=newest` need.
    fn widen_for(&mut self, oldest: i64, newest: i64) {
        let before = self.step;
        let bars = |step: i64| newest.div_euclid(step) - oldest.div_euclid(step) + 1;
        while bars(self.step) > self.bars_max as i64 {
            self.step = wider(self.step);
        }
        if self.step != before {
            let narrow = std::mem::take(&mut self.counts);
            for (bar, count) in narrow {
                *self.counts.entry((bar * before).div_euclid(self.step)).or_default() += count;
            }
        }
    }

    /// The first instant from which bars are complete, where counting ended among rows before `newest_unseen`.
    fn first_complete(&self, newest_unseen: Option<Micros>) -> Option<Micros> {
        let unseen = newest_unseen?.0;
        Some(Micros((unseen.div_euclid(self.step) + 1) * self.step))
    }

    fn into_histogram(self, stopped: Option<model::Bound>, complete_from: Option<Micros>) -> Histogram {
        let bar = |(bar, rows): (&i64, &u64)| HistogramBar { from: Micros(bar * self.step), rows: RowCount(*rows) };
        Histogram {
            step: Duration::from_micros(self.step.unsigned_abs()),
            bars: self.counts.iter().map(bar).collect(),
            stopped,
            complete_from,
        }
    }
}

fn wider(step: i64) -> i64 {
    STEPS.into_iter().find(|wider| *wider > step).unwrap_or_else(|| step.saturating_mul(2))
}
