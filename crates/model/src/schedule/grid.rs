//! The boundaries of a schedule: the next one after an instant, and the last one up to it.

use chrono::offset::LocalResult;
use chrono::{DateTime, Datelike, Days, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use croner::Cron;

use super::{Cadence, Schedule};
use crate::Micros;

const MINUTE: i64 = 60 * Micros::PER_SECOND;

/// Gaps of clocks end at a multiple of this: every change of an offset in use is one.
const GAP_STEP: TimeDelta = TimeDelta::minutes(15);

/// Longest gap: zones that crossed the date line left a whole day out.
const GAP_STEPS_MAX: usize = 26 * 4;

impl Schedule {
    /// The first boundary after an instant; `None` where there is none within the years that dates have.
    pub fn boundary_after(&self, at: Micros) -> Option<Micros> {
        match &self.raw.cadence {
            Cadence::Minutes { minutes } => {
                let step = i64::from(*minutes) * MINUTE;
                at.0.div_euclid(step).checked_add(1)?.checked_mul(step).map(Micros)
            }
            Cadence::Hour => hours(at, self.zone).find(|hour| *hour > at),
            Cadence::Day => days(at, self.zone, |_| true).find(|day| *day > at),
            Cadence::Week => days(at, self.zone, is_monday).find(|day| *day > at),
            Cadence::Cron { .. } => next_match(self.cron.as_deref()?, self.zone, at),
        }
    }

    /// The last boundary up to an instant, itself included.
    pub fn boundary_upto(&self, at: Micros) -> Option<Micros> {
        match &self.raw.cadence {
            Cadence::Minutes { minutes } => {
                let step = i64::from(*minutes) * MINUTE;
                Some(Micros(at.0.div_euclid(step) * step))
            }
            Cadence::Hour => hours(at, self.zone).take_while(|hour| *hour <= at).last(),
            Cadence::Day => days(at, self.zone, |_| true).take_while(|day| *day <= at).last(),
            Cadence::Week => days(at, self.zone, is_monday).take_while(|day| *day <= at).last(),
            Cadence::Cron { .. } => {
                let cron = self.cron.as_deref()?;
                // Going forward decides what is a boundary; going back only says where to begin.
                let mut last = match_before(cron, self.zone, at)?;
                while let Some(next) = next_match(cron, self.zone, last).filter(|next| *next <= at) {
                    last = next;
                }
                Some(last)
            }
        }
    }
}

fn local(at: Micros, zone: Tz) -> NaiveDateTime {
    at.to_utc().with_timezone(&zone).naive_local()
}

/// Full hours of the zone around an instant, ascending.
fn hours(around: Micros, zone: Tz) -> impl Iterator<Item = Micros> {
    let now = local(around, zone);
    let hour = now.with_minute(0).and_then(|time| time.with_second(0)).and_then(|time| time.with_nanosecond(0));
    let hour = hour.unwrap_or(now);
    // Clocks are changed by three hours at most but for those that cross the date line; then the first hour
    // behind the gap is among these too.
    let candidates = (-4..=28).filter_map(|step| hour.checked_add_signed(TimeDelta::hours(step)));
    let mut hours: Vec<Micros> = candidates
        .flat_map(|time| match zone.from_local_datetime(&time) {
            LocalResult::None => [None, None],
            LocalResult::Single(only) => [Some(only), None],
            LocalResult::Ambiguous(first, second) => [Some(first), Some(second)],
        })
        .flatten()
        .map(|time| Micros::from(time.with_timezone(&Utc)))
        .collect();
    hours.sort();
    hours.dedup();
    hours.into_iter()
}

/// Beginnings of the wanted days of the zone around an instant, ascending.
fn days(around: Micros, zone: Tz, wanted: fn(Weekday) -> bool) -> impl Iterator<Item = Micros> {
    let today = local(around, zone).date();
    let earliest = today.checked_sub_days(Days::new(9)).unwrap_or(today);
    let candidates = earliest.iter_days().take(19).filter(move |day| wanted(day.weekday()));
    let mut days: Vec<Micros> = candidates.filter_map(|day| begins(day.and_time(NaiveTime::MIN), zone)).collect();
    days.sort();
    days.dedup();
    days.into_iter()
}

fn is_monday(day: Weekday) -> bool {
    day == Weekday::Mon
}

/// When the zone's clock first shows a time or, where it skips it, the first time after the gap.
fn begins(time: NaiveDateTime, zone: Tz) -> Option<Micros> {
    let mut time = time;
    for _ in 0..GAP_STEPS_MAX {
        match zone.from_local_datetime(&time) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => return Some(at.with_timezone(&Utc).into()),
            LocalResult::None => time = time.checked_add_signed(GAP_STEP)?,
        }
    }
    None
}

fn next_match(cron: &Cron, zone: Tz, after: Micros) -> Option<Micros> {
    let at: DateTime<Tz> = after.to_utc().with_timezone(&zone);
    let next: Micros = cron.find_next_occurrence(&at, false).ok()?.with_timezone(&Utc).into();
    (next > after).then_some(next)
}

fn match_before(cron: &Cron, zone: Tz, upto: Micros) -> Option<Micros> {
    let at: DateTime<Tz> = upto.to_utc().with_timezone(&zone);
    let previous: Micros = cron.find_previous_occurrence(&at, true).ok()?.with_timezone(&Utc).into();
    (previous <= upto).then_some(previous)
}
