//! Progress on stderr: a bar for people, JSON lines for programs.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::{ByteCount, RowCount};
use pipeline::{Progress, ProgressState, Silent};

use crate::cli::ProgressArg;

/// How often JSON lines are printed.
const JSON_EVERY: Duration = Duration::from_millis(500);

/// Steps of the bar; finer than any terminal is wide.
const BAR_STEPS: u64 = 10_000;

/// Whoever shows progress in this form.
pub fn watcher(form: ProgressArg) -> Box<dyn Progress> {
    match form {
        ProgressArg::Auto if std::io::stderr().is_terminal() => Box::new(Bar::new()),
        ProgressArg::Json => Box::new(Lines::new()),
        ProgressArg::Auto | ProgressArg::None => Box::new(Silent),
    }
}

/// Rows and bytes per second since the start, and the seconds left at that pace.
struct Pace {
    began: Instant,
}

impl Pace {
    fn rate(&self, count: u64) -> f64 {
        count as f64 / self.began.elapsed().as_secs_f64().max(0.001)
    }

    /// `None` before there is enough to judge by.
    fn seconds_left(&self, share: f64) -> Option<f64> {
        let elapsed = self.began.elapsed().as_secs_f64();
        (share > 0.01 && elapsed > 0.5).then(|| elapsed / share * (1.0 - share))
    }
}

struct Bar {
    bar: ProgressBar,
    pace: Pace,
}

impl Bar {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}")
            .expect("the template names only fields that exist")
            .progress_chars("━╸ ");
        let bar =
            ProgressBar::with_draw_target(Some(BAR_STEPS), ProgressDrawTarget::stderr_with_hz(8)).with_style(style);
        Self { bar, pace: Pace { began: Instant::now() } }
    }
}

impl Progress for Bar {
    fn update(&self, state: &ProgressState) {
        let left = match self.pace.seconds_left(state.share) {
            Some(seconds) => format!("{seconds:.0} s left"),
            None => "…".to_owned(),
        };
        self.bar.set_position((state.share * BAR_STEPS as f64) as u64);
        self.bar.set_message(format!(
            "{} rows · {} · {}/s · {left}",
            state.rows.human(),
            state.bytes_written.human(),
            ByteCount(self.pace.rate(state.bytes_written.get()) as u64).human(),
        ));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

struct Lines {
    pace: Pace,
    told: Mutex<Told>,
}

/// What was printed when, and what came after it.
#[derive(Default)]
struct Told {
    printed: Option<Instant>,
    waiting: Option<ProgressState>,
}

impl Lines {
    fn new() -> Self {
        Self { pace: Pace { began: Instant::now() }, told: Mutex::default() }
    }

    fn print(&self, state: &ProgressState) {
        let RowCount(rows) = state.rows;
        let line = serde_json::json!({
            "share": state.share,
            "rows": rows,
            "bytes": state.bytes_written.get(),
            "rows_per_second": self.pace.rate(rows),
            "bytes_per_second": self.pace.rate(state.bytes_written.get()),
            "seconds_left": self.pace.seconds_left(state.share),
            "files_done": state.files_done,
        });
        // Somebody who closed stderr does not want progress.
        writeln!(std::io::stderr(), "{line}").ok();
    }
}

impl Progress for Lines {
    fn update(&self, state: &ProgressState) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.printed.is_some_and(|at| at.elapsed() < JSON_EVERY) {
            told.waiting = Some(state.clone());
            return;
        }
        *told = Told { printed: Some(Instant::now()), waiting: None };
        self.print(state);
    }
}

impl Drop for Lines {
    /// The last state is told, however soon it came.
    fn drop(&mut self) {
        let told = self.told.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = told.waiting.take() {
            self.print(&last);
        }
    }
}
