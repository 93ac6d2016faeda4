//! The loss experiment: days of ingestion with everything that goes wrong in them.
//!
//! Rows arrive minutes to days after they began, are corrected and deleted; clocks of clients and of the
//! nodes that store are wrong; workers are killed and the receivers fail. The same data goes to files and to
//! PostHog, each by the cursor of ingestion and, beside it, as Langfuse does: windows of the start time, twenty
//! minutes behind for files and thirty for events. What each of them lost is counted, before and after windows are
//! compared with their source.

mod ingestion;

use std::collections::{BTreeMap, BTreeSet};

use destinations::{Call, Trouble};
use model::{
    ByteCount, Cursor, Deletions, Fault, FaultKind, Integration, IntegrationSettings, IntegrationStore, Micros,
    RunState,
};

use self::ingestion::{Arrivals, Dice, Ingestion, Row, STEP_MINUTES, STUCK_ONE_IN, Truth, Version};
use super::ledger::{Arrived, Ledger, SendTrouble};
use super::world::{EPOCH, World, minute, project, to_events};

const DATA_SEED: u64 = 42;
const TROUBLE_SEED: u64 = 7;

/// Where events by the cursor of ingestion go, and those as Langfuse sends them.
const EVENTS_HERE: &str = "https://ours.example";
const EVENTS_LIKE_LANGFUSE: &str = "https://langfuse.example";

/// The newest version that was delivered of each row, and whether it said that the row is deleted.
type Newest = BTreeMap<Row, (Micros, bool)>;

/// What the files of an integration hold.
#[derive(Default)]
struct Delivered {
    newest: Newest,
    rows: u64,
    late: u64,
    deleted: u64,
    /// The versions among them that are deletions.
    deletions: BTreeSet<Version>,
    revisions: u64,
}

async fn delivered(world: &World, integration: &Integration) -> Delivered {
    let mut all = Delivered::default();
    let mut in_window: BTreeMap<_, BTreeSet<(String, String, String)>> = BTreeMap::new();
    for run in world.runs(integration).await {
        assert_eq!(run.state, RunState::Completed, "{run:?}");
        let result = run.result.unwrap();
        all.late += result.late_rows.get();
        all.deleted += result.deleted_rows.get();
        all.revisions += u64::from(run.name.revision > 1);
        let seen = in_window.entry(run.name.span).or_default();
        let mut in_run: BTreeSet<(&str, String)> = BTreeSet::new();
        let mut deletions = BTreeSet::new();
        for file in &result.files {
            let table = if file.table.as_str() == "scores" { "scores" } else { "events" };
            let lines = world.shelf.lines(&file.key);
            assert_eq!(lines.len() as u64, file.rows.get(), "{}", file.key);
            for line in lines {
                let (id, version) = (line["id"].as_str().unwrap().to_owned(), line["event_ts"].as_str().unwrap());
                let deleted = line["is_deleted"].as_bool().unwrap_or(false);
                assert!(!deleted || line["input"].is_null(), "a deleted row has a payload: {line}");
                // None twice in one export of a window; in another one of it only in another version.
                assert!(in_run.insert((table, id.clone())), "{id} twice in {}", run.name.stem());
                let key = (table.to_owned(), id.clone(), version.to_owned());
                assert!(seen.insert(key), "{id} twice in {}", run.name.stem());
                let version = Micros::parse_text(version).unwrap();
                if deleted {
                    deletions.insert(((table, id.clone()), version));
                }
                let newest = all.newest.entry((table, id)).or_insert((version, deleted));
                if version >= newest.0 {
                    *newest = (version, deleted);
                }
                all.rows += 1;
            }
        }
        if integration.settings.deletions == Deletions::Include {
            assert_eq!(result.deleted_rows.get(), deletions.len() as u64, "{}", run.name.stem());
        }
        all.deletions.extend(deletions);
    }
    all
}

/// What a receiver of events knows of each row.
fn arrived(ledger: &Ledger) -> BTreeMap<Row, Arrived> {
    let tables = BTreeMap::from([("langfuse observation", "events"), ("langfuse score", "scores")]);
    ledger.arrived().into_iter().map(|((event, id), row)| ((tables[event.as_str()], id), row)).collect()
}

fn newest_of(arrived: &BTreeMap<Row, Arrived>) -> Newest {
    arrived.iter().map(|(row, of)| (row.clone(), (of.newest, false))).collect()
}

/// Rows that were promised and whose newest version was delivered nowhere.
fn lost(ingestion: &Ingestion, newest: &Newest, promised: impl Fn(&Truth) -> bool) -> BTreeSet<Row> {
    let missing = ingestion
        .rows
        .iter()
        .filter(|(row, truth)| promised(truth) && newest.get(row) != Some(&(truth.version, truth.deleted)));
    missing.map(|(row, _)| row.clone()).collect()
}

/// Files have every row, deletions included.
fn every(_: &Truth) -> bool {
    true
}

/// Events tell of rows that exist.
fn existing(truth: &Truth) -> bool {
    !truth.deleted
}

/// Nobody promised rows that began before the integration did to windows of the start time.
fn begun_since(truth: &Truth) -> bool {
    !truth.deleted && truth.start >= EPOCH
}

fn away() -> Fault {
    Fault::new(FaultKind::Unavailable, "503 Slow Down")
}

fn trouble_of_files(dice: &mut Dice) -> Trouble {
    match dice.roll(5) {
        0 => Trouble::none().fail(Call::Open, 1, away),
        1 => Trouble::none().lose_answer(Call::Commit, 1, away),
        2 => Trouble::none().cut_after(ByteCount(dice.roll(4_000)), away),
        3 => Trouble::none().lose_answer(Call::Publish, 1, away),
        _ => Trouble::none().fail(Call::Head, 1, away),
    }
}

fn trouble_of_events(dice: &mut Dice) -> SendTrouble {
    match dice.roll(6) {
        0 => SendTrouble::Busy,
        1 => SendTrouble::TooLarge,
        2 => SendTrouble::HalfStored,
        3 => SendTrouble::AnswerLost,
        4 => SendTrouble::Away(3),
        // More than a run is patient with: it fails and is tried again.
        _ => SendTrouble::Away(30),
    }
}

fn like_langfuse(settings: &mut IntegrationSettings, minutes: u32) {
    settings.cursor = Cursor::StartTime;
    settings.lag_seconds = minutes * 60;
    settings.deletions = Deletions::Count;
}

fn append(world: &World, arrivals: Arrivals, now: Micros) {
    for (table, rows) in arrivals {
        world.append(table, &rows, now);
    }
}

/// How often events arrived.
fn arrivals(of: &BTreeMap<Row, Arrived>) -> u64 {
    of.values().map(|row| row.times).sum()
}

/// Compares every window with its source, as a day later, while workers are killed and receivers fail.
async fn compare(world: &World, now: Micros, ledger: &Ledger, dice: &mut Dice) -> u64 {
    let queued = world.queue_reconciliations().await;
    loop {
        world.tick(now).await;
        let Some(claim) = world.claim().await else { return queued };
        if dice.one_in(6) {
            ledger.trouble(trouble_of_events(dice));
        }
        let killed_after = dice.one_in(5).then(|| 1 + dice.roll(3) as u32);
        drop(world.carry_out(claim, killed_after).await);
    }
}

fn days() -> i64 {
    if std::env::var_os("OUTGEST_SOAK").is_some() { 14 } else { 2 }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rows_last_version_is_delivered_whatever_happens() {
    let world = World::new().await;
    let files = world.integration("files", |_| {}).await;
    let their_files = world.integration("files like langfuse", |settings| like_langfuse(settings, 20)).await;
    let events = world.integration("events", |settings| to_events(settings, EVENTS_HERE)).await;
    let their_events = world
        .integration("events like langfuse", |settings| {
            to_events(settings, EVENTS_LIKE_LANGFUSE);
            like_langfuse(settings, 30);
        })
        .await;
    let ledgers = [EVENTS_HERE, EVENTS_LIKE_LANGFUSE].map(|host| world.shelf.ledger(host));
    let mut ingestion = Ingestion::new(DATA_SEED);
    let mut dice = Dice(TROUBLE_SEED);
    let (mut kills, mut faults) = (0, 0);
    let steps = days() * 24 * 60 / STEP_MINUTES;
    // Half a day after the last arrival everything has become visible.
    for step in 0..steps + 12 * 60 / STEP_MINUTES {
        let now = minute(step * STEP_MINUTES);
        match step {
            0 => {}
            _ if step < steps => append(&world, ingestion.step(step), now),
            _ => append(&world, ingestion.rest(), now),
        }
        // Nobody is there for a few hours now and then.
        if step % 50 > 44 && step < steps {
            continue;
        }
        loop {
            world.tick(now).await;
            let Some(claim) = world.claim().await else { break };
            if dice.one_in(6) {
                world.shelf.trouble(trouble_of_files(&mut dice));
                let ledger = &ledgers[dice.roll(2) as usize];
                ledger.trouble(trouble_of_events(&mut dice));
                faults += 2;
            }
            let killed_after = dice.one_in(5).then(|| 1 + dice.roll(4) as u32);
            kills += u64::from(killed_after.is_some());
            drop(world.carry_out(claim, killed_after).await);
        }
    }
    for integration in [&files, &events] {
        let upto = world.shown(integration).await.cursor.unwrap();
        assert!(upto >= minute(steps * STEP_MINUTES), "the cursor of {} stands at {upto}", integration.name);
    }

    let before = delivered(&world, &files).await;
    let theirs = delivered(&world, &their_files).await;
    let lost_before = lost(&ingestion, &before.newest, every).len() as u64;
    let lost_theirs = lost(&ingestion, &theirs.newest, begun_since).len();
    let [here, like_langfuse] = ledgers.each_ref().map(|ledger| arrived(ledger));
    let lost_events = lost(&ingestion, &newest_of(&here), existing);
    let never_arrived = lost_events.iter().filter(|row| !here.contains_key(*row)).count();
    let lost_events_theirs = lost(&ingestion, &newest_of(&like_langfuse), begun_since).len();

    for theirs in [&their_files, &their_events] {
        world.store.delete_integration(&project(), &theirs.id).await.unwrap();
    }
    let compared = compare(&world, minute(steps * STEP_MINUTES + 12 * 60), &ledgers[0], &mut dice).await;
    let after = delivered(&world, &files).await;
    let lost_after = lost(&ingestion, &after.newest, every);
    let arrivals_before = arrivals(&here);
    let here = arrived(&ledgers[0]);
    let overtaken = here.values().filter(|row| row.last < row.newest).count();
    let lost_events_after = lost(&ingestion, &newest_of(&here), existing);
    let (mut found, mut revisions_of_events) = (0, 0);
    for run in [world.runs(&events).await, world.runs(&their_events).await].concat() {
        assert_eq!(run.state, RunState::Completed, "{run:?}");
        let deliveries = run.result.unwrap().deliveries;
        assert!(deliveries.iter().all(|table| table.counts.conserved()), "{deliveries:?}");
        found += run.found_later.map_or(0, |found| found.missing_rows.get());
        revisions_of_events += u64::from(run.name.revision > 1);
    }

    let rows = ingestion.rows.len();
    let share = |lost: usize| 100.0 * lost as f64 / rows as f64;
    println!(
        "{} days, seeds {DATA_SEED} and {TROUBLE_SEED}: {rows} rows in {} versions, {} of them more than an hour late; \
         {} windows of files, {} of events, {kills} kills, {faults} faults\n\
         files by ingestion: {} rows, {} late ones caught, {} deletions delivered; \
         {lost_before} rows missing until comparisons made {} revisions, then {}\n\
         files by start_time, 20 minutes behind: {lost_theirs} rows lost ({:.1} %), {} late rows reported\n\
         events by ingestion: {arrivals_before} events; {} rows not in their newest version, {never_arrived} of them not \
         at all, until comparisons made {revisions_of_events} revisions with {found} rows, then {}; {} events of {} rows, \
         each under one id; {overtaken} whose newest version was overtaken by an older one\n\
         {compared} comparisons\n\
         events by start_time, 30 minutes behind: {} events; {lost_events_theirs} rows lost ({:.1} %)",
        days(),
        ingestion.versions,
        ingestion.late,
        world.runs(&files).await.len(),
        world.runs(&events).await.len(),
        after.rows,
        before.late,
        before.deleted,
        after.revisions,
        lost_after.len(),
        share(lost_theirs),
        theirs.late,
        lost_events.len(),
        lost_events_after.len(),
        arrivals(&here),
        here.len(),
        arrivals(&like_langfuse),
        share(lost_events_theirs),
    );
    assert_eq!(lost_after, BTreeSet::new());
    assert_eq!(lost_events_after, BTreeSet::new());
    // Each deletion is counted once, by the files that have it. None of those that are a row's last version is missing,
    // and any other one that is had been overtaken by the time that its window was exported.
    let last = ingestion.rows.iter().filter(|(_, truth)| truth.deleted);
    let last: BTreeSet<Version> = last.map(|(row, truth)| (row.clone(), truth.version)).collect();
    assert_eq!(after.deleted, after.deletions.len() as u64);
    assert!(!last.is_empty() && last.is_subset(&after.deletions), "a deletion is missing");
    assert!(after.deletions.is_subset(&ingestion.deletions), "something was told to be deleted and is not");
    assert!(found >= lost_events.len() as u64, "{found} rows were found");
    // What was missing were rows that became visible after the lag, and nothing else.
    assert!(lost_before <= ingestion.versions / STUCK_ONE_IN * 2, "{lost_before} rows were missing");
    let unexplained: Vec<&Row> = lost_events.difference(&ingestion.once_stuck).collect();
    assert!(unexplained.is_empty(), "events of rows that were visible in time are missing: {unexplained:?}");
    assert!(here.values().all(|row| row.ids.len() == 1), "a row has two ids");
    assert!(arrivals(&here) > here.len() as u64, "nothing was sent again");
    assert!(lost_theirs > 0 && theirs.late > 0 && lost_events_theirs > 0);
    assert!(kills > 0 && faults > 0);
    assert_eq!(world.shelf.files.uploads_left(), 0);
}
