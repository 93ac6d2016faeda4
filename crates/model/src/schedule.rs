//! When windows begin and end: arithmetic on instants and time zones, without timers.
//!
//! A [`Schedule`] lays a grid of boundaries over time. Windows lie between neighbouring boundaries,
//! half-open, so every instant belongs to exactly one; [`Schedule::windows_due`] says which of them have
//! ended. Nothing depends on when it is asked: a tick that was missed or came twice, and a clock that
//! jumped, give the same windows.
//!
//! Where clocks go forward, a day or hour that has no beginning begins with the first instant after the
//! gap; where they go back, an hour that happens twice is two windows and a day begins once.

mod grid;

use std::fmt;
use std::sync::Arc;

use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Fault, FieldProblem, Micros, nearest};

/// A window with both ends: what a scheduled run covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First instant inside.
    pub from: Micros,
    /// First instant after.
    pub to: Micros,
}

impl Span {
    /// Builds a span that holds at least one instant.
    pub fn new(from: Micros, to: Micros) -> Result<Self, Fault> {
        crate::Window::new(Some(from), Some(to)).map(|_| Self { from, to })
    }

    /// The same as a window.
    pub fn window(self) -> crate::Window {
        crate::Window { from: Some(self.from), to: Some(self.to) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.from, self.to)
    }
}

/// How often windows end, as it is written and stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", tag = "every")]
pub enum Cadence {
    /// Every so many minutes, counted from 1970-01-01T00:00Z: with a divisor of 60 aligned to the hour.
    Minutes {
        /// At least 1, at most a day.
        minutes: u32,
    },
    /// At every full hour of the zone.
    Hour,
    /// When a day of the zone begins.
    Day,
    /// When a Monday of the zone begins.
    Week,
    /// When a cron expression of five fields matches the zone's clock.
    Cron {
        /// Minute, hour, day of month, month, day of week.
        expression: String,
    },
}

/// A cadence in a time zone that is known to be usable.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawSchedule", into = "RawSchedule")]
pub struct Schedule {
    raw: RawSchedule,
    zone: Tz,
    cron: Option<Arc<Cron>>,
}

/// A schedule as it is written and stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RawSchedule {
    /// How often.
    #[serde(flatten)]
    pub cadence: Cadence,
    /// IANA time zone that hours, days and cron expressions are of.
    #[serde(default = "utc")]
    pub zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Longest step in minutes; beyond it days and cron expressions say better what is meant.
const MINUTES_MAX: u32 = 24 * 60;

impl RawSchedule {
    /// This cadence in UTC.
    pub fn utc(cadence: Cadence) -> Self {
        Self { cadence, zone: utc() }
    }
}

impl Schedule {
    /// Checks a schedule; problems are those of `schedule.…` fields.
    pub fn new(raw: RawSchedule) -> Result<Self, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let zone = raw.zone.parse::<Tz>().map_err(|_| {
            let problem = FieldProblem::new("schedule.zone", format!("there is no time zone {:?}", raw.zone));
            let close = nearest(&raw.zone, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
            problems.push(match close {
                Some(close) => problem.hint(format!("did you mean {close}?")),
                None => problem.hint("write an IANA name such as Europe/Berlin, or UTC"),
            });
        });
        let mut cron = None;
        match &raw.cadence {
            Cadence::Minutes { minutes } if !(1..=MINUTES_MAX).contains(minutes) => {
                let problem =
                    FieldProblem::new("schedule.minutes", format!("{minutes} is not from 1 to {MINUTES_MAX}"));
                problems.push(problem.hint("use day, week or cron for longer steps"));
            }
            Cadence::Cron { expression } => match parse_cron(expression) {
                Ok(parsed) => cron = Some(Arc::new(parsed)),
                Err(problem) => problems.push(problem),
            },
            Cadence::Minutes { .. } | Cadence::Hour | Cadence::Day | Cadence::Week => {}
        }
        match zone {
            Ok(zone) if problems.is_empty() => {
                let schedule = Self { raw, zone, cron };
                schedule.check_that_it_fires()?;
                Ok(schedule)
            }
            _ => Err(problems),
        }
    }

    /// Refuses a cron expression whose dates do not exist: nothing would ever be exported.
    fn check_that_it_fires(&self) -> Result<(), Vec<FieldProblem>> {
        // Any instant will do: what fires at all fires again and again.
        let first = self.boundary_after(Micros(0));
        if first.and_then(|first| self.boundary_after(first)).is_some() {
            return Ok(());
        }
        let Cadence::Cron { expression } = &self.raw.cadence else { return Ok(()) };
        let problem = FieldProblem::new("schedule.expression", format!("{expression:?} never fires"));
        Err(vec![problem.hint("check that the day exists in the month")])
    }

    /// As it was written.
    pub fn raw(&self) -> &RawSchedule {
        &self.raw
    }

    /// The windows that have ended by `ready`, oldest first and at most `most`: adjacent, the first from
    /// `done_upto`. Where that lies between two boundaries, the first window is a shorter one.
    pub fn windows_due(&self, done_upto: Micros, ready: Micros, most: usize) -> Vec<Span> {
        let mut due = Vec::new();
        let mut from = done_upto;
        while due.len() < most {
            let Some(to) = self.boundary_after(from).filter(|to| *to <= ready) else { break };
            due.push(Span { from, to });
            from = to;
        }
        due
    }

    /// The window that ended last by `ready`, of those since `done_upto`; `None` where none has.
    pub fn newest_due(&self, done_upto: Micros, ready: Micros) -> Option<Span> {
        let to = self.boundary_upto(ready).filter(|to| *to > done_upto)?;
        let begins = self.boundary_upto(Micros(to.0 - 1)).unwrap_or(done_upto);
        Some(Span { from: begins.max(done_upto), to })
    }

    /// The windows between two instants, the first and the last cut off where they lie between
    /// boundaries; oldest first, at most `most`.
    pub fn windows_within(&self, span: Span, most: usize) -> Vec<Span> {
        let mut windows = Vec::new();
        let mut from = span.from;
        while from < span.to && windows.len() < most {
            let to = self.boundary_after(from).map_or(span.to, |to| to.min(span.to));
            windows.push(Span { from, to });
            from = to;
        }
        windows
    }

    /// The last of the windows between two instants, as [`Self::windows_within`] has it.
    pub fn last_within(&self, span: Span) -> Span {
        let begins = self.boundary_upto(Micros(span.to.0 - 1)).unwrap_or(span.from);
        Span { from: begins.max(span.from), to: span.to }
    }

    /// Whether a window lies between two neighbouring boundaries.
    pub fn is_on_grid(&self, span: Span) -> bool {
        self.boundary_upto(span.from) == Some(span.from) && self.boundary_after(span.from) == Some(span.to)
    }
}

/// Cron with five fields. Seconds are left out: a window is at least a minute long.
fn parse_cron(expression: &str) -> Result<Cron, FieldProblem> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(expression).map_err(|error| {
        FieldProblem::new("schedule.expression", format!("cannot read {expression:?} as a cron expression: {error}"))
            .hint("write minute, hour, day of month, month and day of week: 30 6 * * 1-5")
    })
}

impl TryFrom<RawSchedule> for Schedule {
    type Error = Fault;

    fn try_from(raw: RawSchedule) -> Result<Self, Fault> {
        Self::new(raw).map_err(Fault::of_problems)
    }
}

impl From<Schedule> for RawSchedule {
    fn from(schedule: Schedule) -> Self {
        schedule.raw
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.raw, f)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.raw.cadence {
            Cadence::Minutes { minutes: 1 } => f.write_str("every minute"),
            Cadence::Minutes { minutes } => write!(f, "every {minutes} minutes"),
            Cadence::Hour => write!(f, "hourly ({})", self.zone),
            Cadence::Day => write!(f, "daily ({})", self.zone),
            Cadence::Week => write!(f, "weekly ({})", self.zone),
            Cadence::Cron { expression } => write!(f, "cron {expression} ({})", self.zone),
        }
    }
}

#[cfg(test)]
mod tests;
