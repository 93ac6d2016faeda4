//! The promises of a schedule, by example where clocks change and by property everywhere else.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Micros {
    Micros::parse_text(text).unwrap()
}

fn schedule(cadence: Cadence, zone: &str) -> Schedule {
    Schedule::new(RawSchedule { cadence, zone: zone.to_owned() }).unwrap()
}

fn cron(expression: &str) -> Cadence {
    Cadence::Cron { expression: expression.to_owned() }
}

/// The next boundaries after an instant, in UTC.
fn next(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let mut last = at(from);
    (0..count)
        .map(|_| {
            last = schedule.boundary_after(last).unwrap();
            last.to_utc().format("%m-%dT%H:%M").to_string()
        })
        .collect()
}

#[test]
fn windows_are_aligned_to_the_clock() {
    let utc = |cadence| schedule(cadence, "UTC");
    assert_eq!(next(&utc(Cadence::Minutes { minutes: 20 }), "2026-03-01 10:07", 2), ["03-01T10:20", "03-01T10:40"]);
    assert_eq!(next(&utc(Cadence::Hour), "2026-03-01 10:00", 2), ["03-01T11:00", "03-01T12:00"]);
    assert_eq!(next(&utc(Cadence::Day), "2026-03-01 10:00", 2), ["03-02T00:00", "03-03T00:00"]);
    assert_eq!(next(&utc(Cadence::Week), "2026-03-01 10:00", 2), ["03-02T00:00", "03-09T00:00"]);
    assert_eq!(next(&utc(cron("30 6 * * 1-5")), "2026-03-06 10:00", 2), ["03-09T06:30", "03-10T06:30"]);
    assert_eq!(next(&schedule(Cadence::Hour, "Asia/Kolkata"), "2026-03-01 10:07", 2), ["03-01T10:30", "03-01T11:30"]);
}

#[test]
fn a_day_has_23_or_25_hours_where_clocks_change() {
    let berlin = schedule(Cadence::Day, "Europe/Berlin");
    assert_eq!(next(&berlin, "2026-03-28 12:00", 3), ["03-28T23:00", "03-29T22:00", "03-30T22:00"]);
    assert_eq!(next(&berlin, "2026-10-24 12:00", 3), ["10-24T22:00", "10-25T23:00", "10-26T23:00"]);
}

#[test]
fn an_hour_that_is_skipped_has_no_window_and_one_that_is_repeated_has_two() {
    let berlin = schedule(Cadence::Hour, "Europe/Berlin");
    assert_eq!(next(&berlin, "2026-03-29 00:00", 3), ["03-29T01:00", "03-29T02:00", "03-29T03:00"]);
    assert_eq!(next(&berlin, "2026-10-24 23:30", 4), ["10-25T00:00", "10-25T01:00", "10-25T02:00", "10-25T03:00"]);
    // Clocks go from 02:00 back to 01:30: that hour and a half is one window.
    let lord_howe = schedule(Cadence::Hour, "Australia/Lord_Howe");
    assert_eq!(next(&lord_howe, "2026-04-04 14:10", 3), ["04-04T15:30", "04-04T16:30", "04-04T17:30"]);
}

#[test]
fn a_day_that_begins_in_a_gap_begins_after_it() {
    // Clocks went from 00:00 to 01:00.
    let beirut = schedule(Cadence::Day, "Asia/Beirut");
    assert_eq!(next(&beirut, "2026-03-28 12:00", 2), ["03-28T22:00", "03-29T21:00"]);
    // The 30th of December 2011 did not happen.
    let apia = schedule(Cadence::Day, "Pacific/Apia");
    assert_eq!(next(&apia, "2011-12-29 11:00", 2), ["12-30T10:00", "12-31T10:00"]);
}

#[test]
fn a_cron_time_that_is_skipped_or_repeated_is_one_boundary() {
    let berlin = schedule(cron("30 2 * * *"), "Europe/Berlin");
    let spring = next(&berlin, "2026-03-28 12:00", 2);
    assert_eq!(spring.len(), 2);
    assert!(spring[0].starts_with("03-29T0"), "{spring:?}");
    assert_eq!(spring[1], "03-30T00:30");
    let autumn = next(&berlin, "2026-10-24 12:00", 2);
    assert_eq!(autumn, ["10-25T00:30", "10-26T01:30"]);
}

#[test]
fn missed_ticks_are_made_up_for_and_a_second_tick_finds_nothing() {
    let hourly = schedule(Cadence::Hour, "UTC");
    let due = hourly.windows_due(at("2026-03-01 10:00"), at("2026-03-01 13:30"), 10);
    let hour = |from: &str, to: &str| Span { from: at(from), to: at(to) };
    assert_eq!(
        due,
        [
            hour("2026-03-01 10:00", "2026-03-01 11:00"),
            hour("2026-03-01 11:00", "2026-03-01 12:00"),
            hour("2026-03-01 12:00", "2026-03-01 13:00"),
        ]
    );
    assert_eq!(hourly.newest_due(at("2026-03-01 10:00"), at("2026-03-01 13:30")), Some(due[2]));
    assert!(hourly.windows_due(due[2].to, at("2026-03-01 13:30"), 10).is_empty());
    // A clock that jumped back finds nothing to do.
    assert!(hourly.windows_due(due[2].to, at("2026-02-01"), 10).is_empty());
    assert_eq!(hourly.newest_due(due[2].to, at("2026-02-01")), None);
}

#[test]
fn a_window_that_does_not_begin_on_the_grid_ends_on_it() {
    let daily = schedule(Cadence::Day, "UTC");
    let due = daily.windows_due(at("2026-03-01 10:07"), at("2026-03-03"), 10);
    assert_eq!(due[0], Span { from: at("2026-03-01 10:07"), to: at("2026-03-02") });
    assert!(!daily.is_on_grid(due[0]));
    assert!(daily.is_on_grid(due[1]));
    let span = Span { from: at("2026-03-01 12:00"), to: at("2026-03-03 06:00") };
    let within = daily.windows_within(span, 10);
    assert_eq!(within.len(), 3);
    assert_eq!(within[2], Span { from: at("2026-03-03"), to: at("2026-03-03 06:00") });
    assert_eq!(daily.last_within(span), within[2]);
}

#[test]
fn what_cannot_be_a_schedule_is_refused_with_its_field() {
    let refused = |cadence, zone: &str| {
        let problems = Schedule::new(RawSchedule { cadence, zone: zone.to_owned() }).unwrap_err();
        problems.into_iter().map(|problem| problem.field).collect::<Vec<_>>()
    };
    assert_eq!(refused(Cadence::Minutes { minutes: 0 }, "UTC"), ["schedule.minutes"]);
    assert_eq!(refused(Cadence::Minutes { minutes: 1_441 }, "UTC"), ["schedule.minutes"]);
    assert_eq!(refused(Cadence::Hour, "Europe/Berln"), ["schedule.zone"]);
    assert_eq!(refused(cron("61 * * * *"), "Mars/Base"), ["schedule.zone", "schedule.expression"]);
    // Never fires, and more often than every minute.
    assert_eq!(refused(cron("0 0 30 2 *"), "UTC"), ["schedule.expression"]);
    assert_eq!(refused(cron("* * * * * *"), "UTC"), ["schedule.expression"]);
}

#[test]
fn a_stored_schedule_reads_back() {
    for (schedule, text) in [
        (schedule(Cadence::Minutes { minutes: 5 }, "UTC"), r#"{"every":"minutes","minutes":5,"zone":"UTC"}"#),
        (schedule(Cadence::Day, "Asia/Kolkata"), r#"{"every":"day","zone":"Asia/Kolkata"}"#),
        (schedule(cron("0 6 * * *"), "UTC"), r#"{"every":"cron","expression":"0 6 * * *","zone":"UTC"}"#),
    ] {
        assert_eq!(serde_json::to_string(&schedule).unwrap(), text);
        assert_eq!(serde_json::from_str::<Schedule>(text).unwrap(), schedule);
    }
    assert!(serde_json::from_str::<Schedule>(r#"{"every":"minutes","minutes":0,"zone":"UTC"}"#).is_err());
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let cadence = prop_oneof![
        (1..=1_440_u32).prop_map(|minutes| Cadence::Minutes { minutes }),
        Just(Cadence::Hour),
        Just(Cadence::Day),
        Just(Cadence::Week),
        Just(cron("*/7 * * * *")),
        Just(cron("30 2 * * *")),
        Just(cron("0 0 1,15 * *")),
        Just(cron("15 1-3 * * 1-5")),
    ];
    let zone = prop::sample::select(vec![
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Sao_Paulo",
        "Asia/Kolkata",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "America/St_Johns",
    ]);
    (cadence, zone).prop_map(|(cadence, zone)| schedule(cadence, zone))
}

/// Instants of the years 2010 to 2033, to the microsecond.
fn any_instant() -> impl Strategy<Value = Micros> {
    (1_262_304_000_000_000_i64..2_000_000_000_000_000).prop_map(Micros)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Every instant lies in exactly one window.
    #[test]
    fn boundaries_around_an_instant_are_neighbours(schedule in any_schedule(), at in any_instant()) {
        let before = schedule.boundary_upto(at).unwrap();
        let after = schedule.boundary_after(at).unwrap();
        prop_assert!(before <= at && at < after);
        prop_assert_eq!(schedule.boundary_after(before), Some(after));
        prop_assert_eq!(schedule.boundary_upto(after), Some(after));
        prop_assert_eq!(schedule.boundary_upto(Micros(after.0 - 1)), Some(before));
        let whole = Span { from: before, to: after };
        prop_assert!(schedule.is_on_grid(whole));
    }

    /// However ticks fall, the same windows come out, adjacent and without gap.
    #[test]
    fn windows_do_not_depend_on_when_they_are_asked_for(
        schedule in any_schedule(),
        start in any_instant(),
        ticks in prop::collection::vec(0..200_000_000_000_i64, 1..8),
    ) {
        let mut now = start;
        let mut one_by_one: Vec<Span> = Vec::new();
        for tick in &ticks {
            now = Micros(now.0 + tick);
            let upto = one_by_one.last().map_or(start, |last| last.to);
            let newest = schedule.newest_due(upto, now);
            let due = schedule.windows_due(upto, now, 40);
            prop_assert!(due.len() == 40 || newest == due.last().copied());
            one_by_one.extend(due);
        }
        let at_once = schedule.windows_due(start, one_by_one.last().map_or(start, |last| last.to), usize::MAX);
        prop_assert_eq!(&one_by_one, &at_once);
        for pair in at_once.windows(2) {
            prop_assert_eq!(pair[0].to, pair[1].from);
        }
        for window in at_once.iter().skip(1) {
            prop_assert!(schedule.is_on_grid(*window));
        }
    }
}
