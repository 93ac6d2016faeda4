//! How fast a job goes: from counts that only grow to rates and the time that is left.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::JobProgress;
use pipeline::{Progress, ProgressState};
use tokio::time::Instant;

/// Rates are means over this long: short enough to follow, long enough to be calm.
const WINDOW: Duration = Duration::from_secs(20);

/// Watches one attempt.
#[derive(Default)]
pub(crate) struct Meter {
    state: Mutex<Measured>,
}

#[derive(Default)]
struct Measured {
    latest: ProgressState,
    samples: VecDeque<Sample>,
}

struct Sample {
    at: Instant,
    share: f64,
    rows: u64,
    bytes: u64,
}

impl Meter {
    /// The progress now, with rates since the samples that are about [`WINDOW`] old.
    pub(crate) fn read(&self, now: Instant) -> JobProgress {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ProgressState { share, rows, bytes_written, .. } = state.latest;
        let sample = Sample { at: now, share, rows: rows.get(), bytes: bytes_written.get() };
        while state.samples.len() > 1 && now.duration_since(state.samples[0].at) > WINDOW {
            state.samples.pop_front();
        }
        let mut progress = JobProgress { share, rows, bytes: bytes_written, ..JobProgress::default() };
        if let Some(first) = state.samples.front() {
            let seconds = now.duration_since(first.at).as_secs_f64();
            if seconds > 0.0 {
                progress.rows_per_second = sample.rows.saturating_sub(first.rows) as f64 / seconds;
                progress.bytes_per_second = sample.bytes.saturating_sub(first.bytes) as f64 / seconds;
                let share_per_second = (share - first.share) / seconds;
                if share_per_second > 0.0 {
                    progress.seconds_left = Some(((1.0 - share) / share_per_second).round() as u64);
                }
            }
        }
        state.samples.push_back(sample);
        progress
    }
}

impl Progress for Meter {
    fn update(&self, state: &ProgressState) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).latest = state.clone();
    }
}

#[cfg(test)]
mod tests {
    use model::{ByteCount, RowCount};

    use super::*;

    #[tokio::test]
    async fn rates_follow_the_last_while() {
        let (meter, start) = (Meter::default(), Instant::now());
        let read = |second: u64, share: f64, rows: u64| {
            let written = ByteCount(rows * 10);
            meter.update(&ProgressState { share, rows: RowCount(rows), bytes_written: written, ..Default::default() });
            meter.read(start + Duration::from_secs(second))
        };
        assert_eq!(read(0, 0.0, 0).seconds_left, None);
        let early = read(10, 0.1, 100);
        assert_eq!((early.rows_per_second, early.bytes_per_second, early.seconds_left), (10.0, 100.0, Some(90)));
        read(20, 0.2, 200);
        // It became ten times as fast; the slow beginning is forgotten.
        let late = read(40, 0.6, 2_200);
        assert_eq!((late.rows_per_second, late.seconds_left), (100.0, Some(20)));
    }
}
