//! Names of files, and the pieces that a backfill is cut into.

use proptest::prelude::*;

use super::*;
use crate::{BackfillId, Cadence, RawSchedule, Span};

fn at(text: &str) -> Micros {
    Micros::parse_text(text).unwrap()
}

fn hourly() -> Schedule {
    Schedule::new(RawSchedule::utc(Cadence::Hour)).unwrap()
}

fn span(from: &str, to: &str) -> Span {
    Span::new(at(from), at(to)).unwrap()
}

fn key(template: &KeyTemplate, prefix: &str, span: Span, revision: u32) -> String {
    let ids = (&ProjectId::new("p1"), &IntegrationId::new("i1"));
    let name = WindowName::new(&hourly(), span, revision);
    template.stem(prefix, ids, "scores", &name).unwrap().to_string()
}

#[test]
fn windows_of_the_grid_are_named_as_langfuse_names_them() {
    let template = KeyTemplate::default();
    let hour = span("2026-08-01 11:00", "2026-08-01 12:00");
    assert_eq!(key(&template, "out/", hour, 1), "out/p1/scores/2026-08-01T12-00-00");
    assert_eq!(key(&template, "", hour, 2), "p1/scores/2026-08-01T12-00-00.r2");
    let manifest = KeyTemplate::manifest("out/", &ProjectId::new("p1"), &WindowName::new(&hourly(), hour, 1)).unwrap();
    assert_eq!(manifest.as_str(), "out/p1/manifests/2026-08-01T12-00-00.json");
}

#[test]
fn windows_off_the_grid_add_their_start_and_microseconds_where_needed() {
    let template = KeyTemplate::default();
    let part = span("2026-08-01 11:00", "2026-08-01 11:30:00.000250");
    assert_eq!(key(&template, "", part, 1), "p1/scores/2026-08-01T11-00-00_2026-08-01T11-30-00.000250");
    let rest = span("2026-08-01 11:30:00.000250", "2026-08-01 12:00");
    assert_eq!(key(&template, "", rest, 1), "p1/scores/2026-08-01T11-30-00.000250_2026-08-01T12-00-00");
    // Two hours in one window end where an hour ends.
    let two = span("2026-08-01 10:00", "2026-08-01 12:00");
    assert_eq!(key(&template, "", two, 1), "p1/scores/2026-08-01T10-00-00_2026-08-01T12-00-00");
}

#[test]
fn hive_partitions_are_those_of_the_windows_end() {
    let template = KeyTemplate::new(KeyTemplate::HIVE).unwrap();
    assert_eq!(
        key(&template, "lake/", span("2026-08-01 11:00", "2026-08-01 12:00"), 1),
        "lake/project=p1/table=scores/date=2026-08-01/hour=12/2026-08-01T12-00-00"
    );
}

#[test]
fn templates_whose_files_could_share_a_name_or_leave_their_place_are_refused() {
    for bad in [
        "{projectId}/{table}/x.{ext}",
        "{table}/{window}.{ext}",
        "{projectId}/{window}.{ext}",
        "{projectId}/{table}/{window}",
        "{projectId}/{table}/{when}/{window}.{ext}",
        "{projectId}/{table}/{window.{ext}",
    ] {
        assert!(KeyTemplate::new(bad).is_err(), "{bad}");
    }
    let ids = (&ProjectId::new("../p"), &IntegrationId::new("i"));
    let name = WindowName::new(&hourly(), span("2026-08-01 11:00", "2026-08-01 12:00"), 1);
    let template = KeyTemplate::default();
    assert_eq!(template.stem("", ids, "scores", &name).unwrap().as_str(), "..-p/scores/2026-08-01T12-00-00");
    for prefix in ["../", "a/../", "/", "a//"] {
        assert!(template.stem(prefix, ids, "scores", &name).is_err(), "{prefix}");
    }
}

#[test]
fn the_presets_are_langfuses_export_sources() {
    let names: Vec<_> = SourcePreset::ALL.iter().map(|preset| preset.as_str()).collect();
    assert_eq!(names, ["TRACES_OBSERVATIONS", "TRACES_OBSERVATIONS_EVENTS", "EVENTS"]);
    assert_eq!(SourcePreset::of_name("EVENTS"), Some(SourcePreset::Events));
    assert_eq!(SourcePreset::Events.tables(), ["scores", "events"]);
}

fn backfill(span: Span, order: BackfillOrder) -> Backfill {
    Backfill {
        id: BackfillId::new("b"),
        integration: IntegrationId::new("i"),
        span,
        cause: BackfillCause::Request,
        order,
        parallel_max: 4,
        state: BackfillState::Running,
        left: Some(span),
        created_by: Actor::System,
        created_at: at("2026-08-02"),
        finished_at: None,
        windows: BackfillWindows::default(),
    }
}

/// Every window of a backfill, planned a few at a time.
fn all_windows(mut backfill: Backfill, few: usize) -> Vec<Span> {
    let mut all = Vec::new();
    while backfill.left.is_some() {
        let (windows, left) = backfill.next_windows(&hourly(), few);
        all.extend(windows);
        backfill.left = left;
    }
    all
}

proptest! {
    /// Whichever end comes first and however many are planned at once, the windows are the same and
    /// cover the stretch without overlap.
    #[test]
    fn a_backfill_is_cut_the_same_from_both_ends(start in 0..86_400_i64, seconds in 1..100_000_i64, few in 1..7_usize) {
        let from = Micros(1_785_500_000_000_000 + start * 1_000_003);
        let whole = Span { from, to: Micros(from.0 + seconds * 1_000_003) };
        let forward = all_windows(backfill(whole, BackfillOrder::OldestFirst), few);
        let mut backward = all_windows(backfill(whole, BackfillOrder::NewestFirst), few);
        backward.reverse();
        prop_assert_eq!(&forward, &backward);
        prop_assert_eq!((forward[0].from, forward[forward.len() - 1].to), (whole.from, whole.to));
        for pair in forward.windows(2) {
            prop_assert_eq!(pair[0].to, pair[1].from);
        }
    }

    /// Two different windows of one integration never have the same name, whatever was planned when.
    #[test]
    fn two_windows_never_share_a_name(
        a in (0..200_000_000_i64, 1..10_000_000_000_i64),
        b in (0..200_000_000_i64, 1..10_000_000_000_i64),
        on_the_grid in any::<bool>(),
    ) {
        let base = 1_785_499_200_000_000;
        let make = |(start, length): (i64, i64)| Span { from: Micros(base + start), to: Micros(base + start + length) };
        let (first, mut second) = (make(a), make(b));
        if on_the_grid {
            // The window of the grid that ends nearest to the first one.
            let to = hourly().boundary_after(first.to).unwrap();
            second = Span { from: hourly().boundary_upto(Micros(to.0 - 1)).unwrap(), to };
        }
        let name = |span| WindowName::new(&hourly(), span, 1).stem();
        prop_assert_eq!(first == second, name(first) == name(second));
    }
}

#[test]
fn rows_are_grouped_by_their_traces() {
    let row = |trace: &str, id: &str| (trace.to_owned(), id.to_owned());
    let rows = RowsOfTable::new("events", [row("t2", "a"), row("t1", "a"), row("t2", "b")]);
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(rows.by_trace(), [(texts(&["t1"]), texts(&["a"])), (texts(&["t2"]), texts(&["a", "b"]))]);
    // Of many traces some share a group, and none is left out.
    let many = RowsOfTable::new("events", (0..1_005).map(|number| row(&format!("t{number:04}"), "s")));
    let groups = many.by_trace();
    assert!(groups.len() <= 100);
    assert_eq!(groups.iter().map(|(traces, _)| traces.len()).sum::<usize>(), 1_005);
    // Older versions stored no traces.
    let old: RowsOfTable = serde_json::from_str(r#"{"table": "events", "ids": ["a", "b"]}"#).unwrap();
    assert_eq!(old.by_trace(), [(Vec::new(), texts(&["a", "b"]))]);
    assert!(RowsOfTable::new("events", []).by_trace().is_empty());
}
