//! Every figure the program tells about itself: names, units, labels, buckets, and who may set them.
//!
//! This is the only place that names a metric; the alert rules and the dashboard in `docs/` are tested
//! against [`ALL`]. Figures go to whatever recorder the program installed; without one they go nowhere
//! and cost next to nothing. No label names a project: their number is not bounded.

use std::collections::VecDeque;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use model::{ByteCount, JobKind, JobState, Micros, QueueFigures, RowCount};

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Its name, unit at the end.
    pub name: &'static str,
    /// How its value behaves.
    pub kind: MetricKind,
    /// What is measured.
    pub unit: Unit,
    /// What it says, for people.
    pub help: &'static str,
    /// Names of its labels.
    pub labels: &'static [&'static str],
}

/// How a metric's value behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values up to each of these bounds.
    Histogram(&'static [f64]),
}

/// From a preview's second to a night's export.
const RUN_BUCKETS: &[f64] = &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0];

const RUNS: Metric = Metric {
    name: "outgest_runs_total",
    kind: MetricKind::Counter,
    unit: Unit::Count,
    help: "Jobs that ended for good, by kind, state and kind of fault (none unless failed).",
    labels: &["kind", "state", "fault"],
};
const RUN_SECONDS: Metric = Metric {
    name: "outgest_run_seconds",
    kind: MetricKind::Histogram(RUN_BUCKETS),
    unit: Unit::Seconds,
    help: "Time a worker spent on the attempt that ended a job.",
    labels: &["kind", "state"],
};
const RETRIES: Metric = Metric {
    name: "outgest_retries_total",
    kind: MetricKind::Counter,
    unit: Unit::Count,
    help: "Attempts that failed and are made again, by kind of job and of fault.",
    labels: &["kind", "fault"],
};
const ROWS: Metric = Metric {
    name: "outgest_rows_total",
    kind: MetricKind::Counter,
    unit: Unit::Count,
    help: "Rows written by this process.",
    labels: &[],
};
const BYTES: Metric = Metric {
    name: "outgest_bytes_total",
    kind: MetricKind::Counter,
    unit: Unit::Bytes,
    help: "Bytes written by this process.",
    labels: &[],
};
const RATE: Metric = Metric {
    name: "outgest_bytes_per_second",
    kind: MetricKind::Gauge,
    unit: Unit::Bytes,
    help: "Rate of the jobs that this process carries out at the moment.",
    labels: &[],
};
const RUNNING: Metric = Metric {
    name: "outgest_jobs_running",
    kind: MetricKind::Gauge,
    unit: Unit::Count,
    help: "Jobs that this process carries out at the moment.",
    labels: &[],
};
const QUEUE: Metric = Metric {
    name: "outgest_queue_jobs",
    kind: MetricKind::Gauge,
    unit: Unit::Count,
    help: "Jobs in the store that have not ended, by kind and state. Every process tells the same.",
    labels: &["kind", "state"],
};
const LAG: Metric = Metric {
    name: "outgest_lag_seconds",
    kind: MetricKind::Gauge,
    unit: Unit::Seconds,
    help: "How long the oldest job that could be claimed has waited. Every process tells the same.",
    labels: &[],
};
const KEEP_UP: Metric = Metric {
    name: "outgest_keep_up_ratio",
    kind: MetricKind::Gauge,
    unit: Unit::Count,
    help: "Seconds of waiting work done per second over five minutes: below 1 the lag grows.",
    labels: &[],
};
const NOTICES: Metric = Metric {
    name: "outgest_notices_total",
    kind: MetricKind::Counter,
    unit: Unit::Count,
    help: "Mails and webhook requests by channel and outcome: sent, retried, given_up.",
    labels: &["channel", "outcome"],
};
const MEMORY: Metric = Metric {
    name: "process_resident_memory_bytes",
    kind: MetricKind::Gauge,
    unit: Unit::Bytes,
    help: "Resident memory of this process.",
    labels: &[],
};
const CPU: Metric = Metric {
    name: "process_cpu_seconds_total",
    kind: MetricKind::Gauge,
    unit: Unit::Seconds,
    help: "Processor time of this process, user and system.",
    labels: &[],
};
const BUILD: Metric = Metric {
    name: "outgest_build_info",
    kind: MetricKind::Gauge,
    unit: Unit::Count,
    help: "1, with the version as a label.",
    labels: &["version"],
};

/// Every metric, sorted by name.
pub const ALL: &[Metric] =
    &[BUILD, RATE, BYTES, RUNNING, KEEP_UP, LAG, NOTICES, QUEUE, RETRIES, ROWS, RUN_SECONDS, RUNS, CPU, MEMORY];

/// Tells the recorder what every metric means. Called once, after it was installed.
pub fn describe() {
    for metric in ALL {
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, metric.unit, metric.help),
            MetricKind::Gauge => describe_gauge!(metric.name, metric.unit, metric.help),
            MetricKind::Histogram(_) => describe_histogram!(metric.name, metric.unit, metric.help),
        }
    }
}

/// A job ended for good; `fault` is the kind of fault that failed it.
pub fn run_ended(kind: JobKind, state: JobState, fault: Option<&str>, took: Duration) {
    let fault = fault.unwrap_or("none").to_owned();
    counter!(RUNS.name, "kind" => kind.as_str(), "state" => state.as_str(), "fault" => fault).increment(1);
    histogram!(RUN_SECONDS.name, "kind" => kind.as_str(), "state" => state.as_str()).record(took);
}

/// An attempt failed by a fault of this kind and is made again.
pub fn retried(kind: JobKind, fault: &str) {
    counter!(RETRIES.name, "kind" => kind.as_str(), "fault" => fault.to_owned()).increment(1);
}

/// So many more rows and bytes were written.
pub fn written(rows: RowCount, bytes: ByteCount) {
    counter!(ROWS.name).increment(rows.get());
    counter!(BYTES.name).increment(bytes.get());
}

/// What this process carries out at the moment.
pub fn running(jobs: usize, bytes_per_second: f64) {
    gauge!(RUNNING.name).set(jobs as f64);
    gauge!(RATE.name).set(bytes_per_second);
}

/// What the store holds, and how the workers keep up with it.
pub fn queue(figures: &QueueFigures, keep_up: f64) {
    for kind in JobKind::ALL {
        for state in JobState::ALL.into_iter().filter(|state| state.is_active()) {
            let found = figures.active.iter().find(|(of, is, _)| (*of, *is) == (kind, state));
            // A state that nobody is in any more is told as such rather than left as it was.
            let jobs = found.map_or(0, |(_, _, jobs)| *jobs);
            gauge!(QUEUE.name, "kind" => kind.as_str(), "state" => state.as_str()).set(jobs as f64);
        }
    }
    gauge!(LAG.name).set(figures.oldest_wait.as_secs_f64());
    gauge!(KEEP_UP.name).set(keep_up);
}

/// What became of a mail or a webhook request.
pub fn notice(channel: &'static str, outcome: &'static str) {
    counter!(NOTICES.name, "channel" => channel, "outcome" => outcome).increment(1);
}

/// What the kernel says about this process.
pub fn process(version: &'static str, memory_bytes: Option<u64>, cpu_seconds: Option<f64>) {
    gauge!(BUILD.name, "version" => version).set(1.0);
    if let Some(bytes) = memory_bytes {
        gauge!(MEMORY.name).set(bytes as f64);
    }
    if let Some(seconds) = cpu_seconds {
        gauge!(CPU.name).set(seconds);
    }
}

/// Tells from the lag at several moments whether the workers keep up.
///
/// While nothing is finished the lag grows by a second per second: the ratio is 0. While work is done as
/// fast as it comes it stays: 1. While a backlog is worked off it is greater.
#[derive(Debug, Default)]
pub struct KeepUp {
    samples: VecDeque<(Micros, Duration)>,
}

impl KeepUp {
    /// Time that the ratio looks back: long enough that one large job does not look like standstill.
    const WINDOW: Duration = Duration::from_secs(300);

    /// The ratio, now that the lag is this. 1 until there is something to compare with.
    pub fn ratio(&mut self, now: Micros, lag: Duration) -> f64 {
        let window = i64::try_from(Self::WINDOW.as_micros()).unwrap_or(i64::MAX);
        // The newest sample beyond the window stays, so that the window is covered however rare scrapes are.
        while self.samples.get(1).is_some_and(|(at, _)| now.0 - at.0 >= window) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, lag));
        let (since, before) = self.samples[0];
        let passed = (now.0 - since.0) as f64 / Micros::PER_SECOND as f64;
        if passed <= 0.0 {
            return 1.0;
        }
        1.0 - (lag.as_secs_f64() - before.as_secs_f64()) / passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_unique_and_end_in_their_unit() {
        assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
        for metric in ALL {
            let unit = match (metric.kind, metric.unit) {
                (MetricKind::Counter, _) => "_total",
                (_, Unit::Seconds) => "_seconds",
                _ => continue,
            };
            assert!(metric.name.ends_with(unit) || metric.name.ends_with("_seconds_total"), "{}", metric.name);
        }
    }

    #[test]
    fn the_ratio_tells_standstill_keeping_up_and_catching_up_apart() {
        let at = |seconds: i64| Micros(seconds * Micros::PER_SECOND);
        let seconds = Duration::from_secs;
        let mut keep_up = KeepUp::default();
        assert_eq!(keep_up.ratio(at(0), seconds(10)), 1.0);
        assert_eq!(keep_up.ratio(at(60), seconds(70)), 0.0);
        assert_eq!(keep_up.ratio(at(120), seconds(10)), 1.0);
        assert!(keep_up.ratio(at(130), seconds(0)) > 1.0);
        // Ten minutes later only the last five count.
        for minute in 3..=13 {
            keep_up.ratio(at(minute * 60), seconds(100));
        }
        assert_eq!(keep_up.ratio(at(840), seconds(100)), 1.0);
    }
}
