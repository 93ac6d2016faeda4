//! What windows of events keep: which rows they sent, until these are compared, and events that were refused.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use model::{
    Actor, AskedRows, BackfillOrder, Cursor, FaultKind, FoundLater, Integration, IntegrationStore, JobKind, KeptFrom,
    KeptLetter, Micros, NewBackfill, Outcome, PageRequest, PeopleStore, RowCount, RowsOfTable, SchedulerStore,
    WindowName, WindowResult,
};
use sea_orm::EntityTrait;

use super::coverage::compared;
use super::integrations::{NOW, at, carry_out, make, result, runs, tick};
use super::*;
use crate::native::entities::dead_letter;

/// The hashes that are kept of the events of a run.
async fn sent(store: &NativeStore, run: &JobId) -> Vec<u64> {
    store.sent_keys(run, "events").try_collect::<Vec<_>>().await.unwrap().concat()
}

/// The result of a window of events.
fn result_of_events() -> serde_json::Value {
    let asked = Some(AskedRows { cursor: Cursor::Ingested, tables: Vec::new() });
    serde_json::to_value(WindowResult { asked, ..WindowResult::default() }).unwrap()
}

pub(super) async fn sent_keys_are_kept_once_by_who_holds_the_run_until_it_is_compared(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    tick(&store, NOW).await;
    let run = runs(&store, &made.id).await.remove(0);
    let asleep = claim(&store, "asleep").await;
    let from = |table: &str, number, token| KeptFrom { run: run.id.clone(), table: table.to_owned(), number, token };
    let of_asleep = asleep.lease.token;
    for number in 0..40 {
        store.keep_sent_keys(&from("events", number, of_asleep), &[u64::MAX - number]).await.unwrap();
    }
    store.keep_sent_keys(&from("scores", 0, of_asleep), &[7]).await.unwrap();
    assert_eq!(sent(&store, &run.id).await, (0..40).map(|number| u64::MAX - number).collect::<Vec<_>>());
    store.set_clock_ahead(LEASE + Duration::from_secs(1));
    let successor = claim(&store, "successor").await;
    let token = successor.lease.token;
    // It goes on behind the second row.
    store.keep_sent_keys(&from("events", 2, token), &[]).await.unwrap();
    store.keep_sent_keys(&from("events", 2, token), &[1, 2, 3]).await.unwrap();
    for hashes in [&[9][..], &[]] {
        let refused = store.keep_sent_keys(&from("events", 0, of_asleep), hashes).await.unwrap_err();
        assert_eq!(refused.kind(), FaultKind::Conflict, "{refused}");
    }
    assert_eq!(sent(&store, &run.id).await, [u64::MAX, u64::MAX - 1, 1, 2, 3]);
    store.settle(successor.lease, Outcome::Completed(result_of_events())).await.unwrap();

    // Somebody has it exported once more while it is compared: then nothing is planned, and it is compared again.
    assert_eq!(store.plan_reconciliations(Micros(i64::MAX), 10).await.unwrap(), 1);
    let compare = claim(&store, "w").await;
    assert_eq!(compare.job.kind, JobKind::Reconcile);
    let backfill =
        NewBackfill { span: run.name.span, order: BackfillOrder::OldestFirst, parallel_max: 1, by: Actor::System };
    store.create_backfill(&project(), &made.id, backfill).await.unwrap();
    let (backfill, due) = store.backfills_due(10).await.unwrap().remove(0);
    let (windows, left) = backfill.next_windows(&due.settings.schedule, 1);
    let named = windows.iter().map(|span| WindowName::new(&due.grid, *span, 1)).collect();
    assert_eq!(store.plan_backfill(&backfill, named, left, NOW).await.unwrap(), 1);
    let missing = [RowsOfTable::new("events", [("t1".to_owned(), "s1".to_owned())])];
    let found = FoundLater { missing_rows: RowCount(1), ..FoundLater::default() };
    store.settle(compare.lease, compared(found.clone(), &missing)).await.unwrap();
    assert_eq!(sent(&store, &run.id).await.len(), 5);
    assert_eq!(carry_out(&store).await.revision, 2);
    assert_eq!(store.plan_reconciliations(Micros(i64::MAX), 10).await.unwrap(), 2);
    let mut revisions = 0;
    for _ in 0..2 {
        let compare = claim(&store, "w").await;
        let is_first = compare.job.spec["run"].as_str() == Some(run.id.as_str());
        let missing = if is_first { &missing[..] } else { &[] };
        store.settle(compare.lease, compared(found.clone(), missing)).await.unwrap();
        revisions += u32::from(is_first);
    }
    assert_eq!((revisions, carry_out(&store).await.revision), (1, 3));
    assert_eq!(sent(&store, &run.id).await, [0; 0]);
}

pub(super) async fn what_is_cancelled_or_deleted_leaves_no_sent_keys_and_what_is_paused_waits(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    tick(&store, NOW).await;
    let compared_later = runs(&store, &made.id).await.remove(0).id;
    let first = claim(&store, "w").await;
    let keep = async |run: &JobId, token| {
        let from = KeptFrom { run: run.clone(), table: "events".to_owned(), number: 0, token };
        store.keep_sent_keys(&from, &[1]).await
    };
    keep(&compared_later, first.lease.token).await.unwrap();
    store.settle(first.lease, Outcome::Completed(result_of_events())).await.unwrap();
    tick(&store, at("2026-08-01 13:30")).await;
    let under_way = claim(&store, "w").await;
    let (cancelled, token) = (under_way.job.id.clone(), under_way.lease.token);
    keep(&cancelled, token).await.unwrap();

    store.pause_integration(&project(), &made.id, &Actor::System).await.unwrap();
    assert_eq!(store.plan_reconciliations(Micros(i64::MAX), 10).await.unwrap(), 0);
    assert_eq!((sent(&store, &compared_later).await, sent(&store, &cancelled).await), (vec![1], vec![1]));
    store.delete_integration(&project(), &made.id).await.unwrap();
    assert_eq!((sent(&store, &compared_later).await, sent(&store, &cancelled).await), (vec![], vec![]));
    // The worker has not heard of it yet.
    assert_eq!(keep(&cancelled, token).await.unwrap_err().kind(), FaultKind::Cancelled);
    assert_eq!(store.plan_reconciliations(Micros(i64::MAX), 10).await.unwrap(), 0);
}

pub(super) async fn dead_letters_are_kept_once_and_sent_again_as_one_run_a_window(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    tick(&store, NOW).await;
    let run = runs(&store, &made.id).await.remove(0);
    let claimed = claim(&store, "w").await;
    let token = claimed.lease.token;
    let from = |number| KeptFrom { run: run.id.clone(), table: "events".to_owned(), number, token };
    let letter = |number, id: &str| KeptLetter {
        id: from(number).id(0),
        run: run.id.clone(),
        table: "events".to_owned(),
        trace_id: "t".to_owned(),
        row: format!("row {id}"),
        reason: "no distinct id".to_owned(),
        at: NOW,
        event: serde_json::json!({"event": id}),
    };
    let scores = KeptFrom { table: "scores".to_owned(), ..from(0) };
    let of_scores = KeptLetter { id: scores.id(0), table: "scores".to_owned(), ..letter(0, "s") };
    store.keep_dead_letters(&made.id, &scores, vec![of_scores]).await.unwrap();
    let many = (0..12).map(|number| letter(number, &number.to_string())).collect();
    store.keep_dead_letters(&made.id, &from(0), many).await.unwrap();
    // The attempt died before its checkpoint; the next one goes on behind the first row, and another is refused.
    store.keep_dead_letters(&made.id, &from(1), Vec::new()).await.unwrap();
    store.keep_dead_letters(&made.id, &from(1), vec![letter(1, "new")]).await.unwrap();
    store.settle(claimed.lease, Outcome::Completed(result(7))).await.unwrap();
    let kept = store.dead_letters(&project(), &made.id, &PageRequest::first(50)).await.unwrap();
    let mut rows: Vec<_> = kept.items.iter().map(|letter| letter.row.as_str()).collect();
    rows.sort_unstable();
    assert_eq!(rows, ["row 0", "row new", "row s"]);
    // A pause is one of everything that is sent.
    store.pause_integration(&project(), &made.id, &Actor::System).await.unwrap();
    let refused = store.replay_dead_letters(&project(), &made.id, NOW).await.unwrap_err();
    assert_eq!((refused.kind(), refused.public_hint()), (FaultKind::Conflict, Some("resume it first")));
    store.resume_integration(&project(), &made.id).await.unwrap();

    let replayed = store.replay_dead_letters(&project(), &made.id, NOW).await.unwrap();

    assert_eq!(replayed.len(), 1);
    let window = carry_out(&store).await;
    let of_tables: Vec<_> = window.rows.iter().map(|rows| (rows.table.as_str(), rows.ids.len())).collect();
    assert_eq!((window.revision, of_tables.as_slice()), (2, [("events", 2), ("scores", 1)].as_slice()));
    let left = store.dead_letters(&project(), &made.id, &PageRequest::first(10)).await.unwrap();
    assert!(left.items.is_empty());
    assert_eq!(store.replay_dead_letters(&project(), &made.id, NOW).await.unwrap_err().kind(), FaultKind::Conflict);
}

pub(super) async fn more_dead_letters_than_are_named_have_their_table_sent_once_more(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 09:00").await;
    tick(&store, NOW).await;
    let keep = async |letters: &[(&str, u64)]| {
        let claimed = claim(&store, "w").await;
        for (table, letters) in letters {
            let (run, token) = (claimed.job.id.clone(), claimed.lease.token);
            let from = KeptFrom { run, table: (*table).to_owned(), number: 0, token };
            let letter = |number| KeptLetter {
                id: from.id(number),
                run: from.run.clone(),
                table: from.table.clone(),
                trace_id: "t".to_owned(),
                row: format!("row {number}"),
                reason: "no distinct id".to_owned(),
                at: NOW,
                event: json!({}),
            };
            store.keep_dead_letters(&made.id, &from, (0..*letters).map(letter).collect()).await.unwrap();
        }
        store.settle(claimed.lease, Outcome::Completed(result(7))).await.unwrap();
    };
    let too_many = RowsOfTable::NAMED_MAX as u64 + 1;
    keep(&[("events", too_many), ("scores", 3)]).await;
    keep(&[("events", 2)]).await;

    assert_eq!(store.replay_dead_letters(&project(), &made.id, NOW).await.unwrap().len(), 2);

    let mut windows = [carry_out(&store).await, carry_out(&store).await].map(|window| {
        let rows: Vec<_> = window.rows.iter().map(|rows| (rows.table.clone(), rows.ids.len())).collect();
        (window.span.from, rows)
    });
    windows.sort();
    let of = |tables: &[(&str, usize)]| -> Vec<(String, usize)> {
        tables.iter().map(|(table, rows)| ((*table).to_owned(), *rows)).collect()
    };
    // The newest window was carried out first. No id is every row.
    let [older, newer] = [of(&[("events", 2)]), of(&[("events", 0), ("scores", 3)])];
    assert_eq!(windows, [(at("2026-08-01 09:00"), older), (at("2026-08-01 10:00"), newer)]);
    assert!(store.dead_letters(&project(), &made.id, &PageRequest::first(1)).await.unwrap().items.is_empty());
}

/// An integration with a dead letter.
async fn with_a_letter(store: &NativeStore, name: &str) -> Integration {
    let made = make(store, name, "2026-08-01 10:00").await;
    tick(store, NOW).await;
    let claimed = claim(store, "w").await;
    let (run, token) = (claimed.job.id.clone(), claimed.lease.token);
    let from = KeptFrom { run, table: "events".to_owned(), number: 0, token };
    let letter = KeptLetter {
        id: from.id(0),
        run: from.run.clone(),
        table: from.table.clone(),
        trace_id: "t".to_owned(),
        row: "s".to_owned(),
        reason: "no distinct id".to_owned(),
        at: NOW,
        event: json!({"distinct_id": "somebody"}),
    };
    store.keep_dead_letters(&made.id, &from, vec![letter]).await.unwrap();
    store.settle(claimed.lease, Outcome::Completed(result(7))).await.unwrap();
    made
}

pub(super) async fn dead_letters_go_with_their_integration_and_with_its_project(store: NativeStore) {
    store.create_project(&project(), "P").await.unwrap();
    let [a, b, c] =
        [with_a_letter(&store, "a").await, with_a_letter(&store, "b").await, with_a_letter(&store, "c").await];
    let of_whom = async || -> BTreeSet<String> {
        let letters = dead_letter::Entity::find().all(&store.database).await.unwrap();
        letters.into_iter().map(|letter| letter.integration_id).collect()
    };
    let ids = |of: &[&Integration]| of.iter().map(|of| of.id.as_str().to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(of_whom().await, ids(&[&a, &b, &c]));

    store.delete_integration(&project(), &b.id).await.unwrap();

    assert_eq!(of_whom().await, ids(&[&a, &c]));
    assert_eq!(runs(&store, &b.id).await.len(), 1);
    store.delete_project(&project()).await.unwrap();
    assert_eq!(of_whom().await, ids(&[]));
}

pub(super) async fn a_worker_that_lost_a_run_touches_no_dead_letter(store: NativeStore) {
    let made = make(&store, "a", "2026-08-01 10:00").await;
    tick(&store, NOW).await;
    let run = runs(&store, &made.id).await.remove(0);
    let letter = |from: &KeptFrom, row: &str| KeptLetter {
        id: from.id(0),
        run: run.id.clone(),
        table: from.table.clone(),
        trace_id: "t".to_owned(),
        row: row.to_owned(),
        reason: "no distinct id".to_owned(),
        at: NOW,
        event: serde_json::json!({}),
    };
    let from = |token| KeptFrom { run: run.id.clone(), table: "events".to_owned(), number: 0, token };
    let asleep = claim(&store, "asleep").await;
    let of_asleep = from(asleep.lease.token);
    store.keep_dead_letters(&made.id, &of_asleep, vec![letter(&of_asleep, "early")]).await.unwrap();
    store.set_clock_ahead(LEASE + Duration::from_secs(1));
    let successor = claim(&store, "successor").await;
    assert_eq!(successor.job.id, run.id);
    let of_successor = from(successor.lease.token);
    store.keep_dead_letters(&made.id, &of_successor, vec![letter(&of_successor, "late")]).await.unwrap();

    // The first one wakes up and goes on, with a letter and with none.
    for letters in [vec![letter(&of_asleep, "stale")], Vec::new()] {
        let refused = store.keep_dead_letters(&made.id, &of_asleep, letters).await.unwrap_err();
        assert_eq!(refused.kind(), FaultKind::Conflict, "{refused}");
    }
    store.settle(successor.lease, Outcome::Completed(result(7))).await.unwrap();
    let refused = store.keep_dead_letters(&made.id, &of_successor, Vec::new()).await.unwrap_err();
    assert_eq!(refused.kind(), FaultKind::Conflict, "a run that ended keeps its letters: {refused}");
    let kept = store.dead_letters(&project(), &made.id, &PageRequest::first(10)).await.unwrap().items;
    let rows: Vec<&str> = kept.iter().map(|letter| letter.row.as_str()).collect();
    assert_eq!(rows, ["late"]);
}
