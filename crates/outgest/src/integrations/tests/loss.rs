//! The loss experiment: days of ingestion with everything that goes wrong in them.
//!
//! Rows arrive minutes to days after they began, are corrected and deleted; clocks of clients and of the
//! nodes that store are wrong; workers are killed and the receiver fails. Beside the integration under test a
//! second one exports the same data as Langfuse does: windows of the start time, twenty minutes behind. What
//! each of them lost is counted.

use std::collections::{BTreeMap, BTreeSet};

use destinations::{Call, Trouble};
use model::{ByteCount, Cursor, Deletions, Fault, FaultKind, Integration, IntegrationStore, Micros, RunState};
use serde_json::{Value, json};

use super::world::{EPOCH, World, minute, project};

/// Between two arrivals of rows.
const STEP_MINUTES: i64 = 20;

/// New events of a step.
const NEW_EVENTS: u64 = 30;

/// A row that became visible long after the time it says it was stored, once in so many.
const STUCK_ONE_IN: u64 = 150;

/// Chance without a crate: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// The newest version of a row, as the experiment knows it.
#[derive(Clone, Debug)]
struct Truth {
    start: Micros,
    version: Micros,
    deleted: bool,
}

/// What is stored, and what will be visible later.
struct Ingestion {
    dice: Dice,
    events: BTreeMap<String, Truth>,
    scores: BTreeMap<String, Truth>,
    stuck: Vec<(i64, &'static str, Value)>,
    versions: u64,
    late: u64,
}

impl Ingestion {
    /// The rows that become visible in a step.
    fn step(&mut self, step: i64) -> BTreeMap<&'static str, Vec<Value>> {
        let now = minute(step * STEP_MINUTES);
        let mut rows: BTreeMap<&'static str, Vec<Value>> = BTreeMap::new();
        for number in 0..NEW_EVENTS {
            let id = format!("s{step:05}-{number:02}");
            let seconds = match self.dice.roll(10) {
                0 => self.dice.roll(2 * 86_400),
                1 | 2 => self.dice.roll(6 * 3_600),
                _ => self.dice.roll(1_200),
            };
            // Clients' clocks are wrong by five minutes at most.
            let skew = self.dice.roll(601) as i64 - 300;
            let start = now.minus_seconds(seconds as i64 + skew);
            self.late += u64::from(seconds > 3_600);
            self.store(&mut rows, "events", id.clone(), start, now, false, step);
            if number % 3 == 0 {
                self.store(&mut rows, "scores", format!("score-{id}"), start, now, false, step);
            }
        }
        for table in ["events", "scores"] {
            for _ in 0..NEW_EVENTS / 4 {
                let deleted = self.dice.one_in(6);
                let known = if table == "events" { &self.events } else { &self.scores };
                let chosen = known.iter().nth(self.dice.roll(known.len().max(1) as u64) as usize);
                let Some((id, truth)) = chosen.map(|(id, truth)| (id.clone(), truth.clone())) else { continue };
                self.store(&mut rows, table, id, truth.start, now, deleted, step);
            }
        }
        let (visible, stuck) = std::mem::take(&mut self.stuck).into_iter().partition(|(until, ..)| *until <= step);
        self.stuck = stuck;
        let visible: Vec<(i64, &'static str, Value)> = visible;
        for (_, table, row) in visible {
            rows.entry(table).or_default().push(row);
        }
        rows
    }

    #[expect(clippy::too_many_arguments, reason = "a row has so many parts")]
    fn store(
        &mut self,
        rows: &mut BTreeMap<&'static str, Vec<Value>>,
        table: &'static str,
        id: String,
        start: Micros,
        now: Micros,
        deleted: bool,
        step: i64,
    ) {
        self.versions += 1;
        // Every version has a rank of its own; nodes' clocks are wrong by two minutes at most.
        let version = Micros(now.0 + self.versions as i64);
        let stored = now.minus_seconds(self.dice.roll(241) as i64 - 120);
        let row = match table {
            "events" => json!({
                "project_id": project(), "trace_id": format!("t-{}", &id[..6]), "span_id": id, "name": "chat",
                "start_time": start, "updated_at": stored, "created_at": stored, "event_ts": version,
                "is_deleted": deleted, "input": if deleted { "" } else { "hello" }, "type": "GENERATION",
            }),
            _ => json!({
                "project_id": project(), "id": id, "name": "quality", "value": 1.0, "data_type": "NUMERIC",
                "timestamp": start, "updated_at": stored, "created_at": stored, "event_ts": version,
                "is_deleted": deleted,
            }),
        };
        let truth = Truth { start, version, deleted };
        let known = if table == "events" { &mut self.events } else { &mut self.scores };
        known.insert(id, truth);
        match self.dice.one_in(STUCK_ONE_IN) {
            // It says that it was stored now, and nobody sees it for one to three hours.
            true => self.stuck.push((step + 3 + self.dice.roll(6) as i64, table, row)),
            false => rows.entry(table).or_default().push(row),
        }
    }
}

/// What an integration has delivered: per table and id the newest version.
struct Delivered {
    newest: BTreeMap<(&'static str, String), (Micros, bool)>,
    rows: u64,
    late: u64,
    deleted: u64,
    revisions: u64,
}

async fn delivered(world: &World, integration: &Integration) -> Delivered {
    let mut all = Delivered { newest: BTreeMap::new(), rows: 0, late: 0, deleted: 0, revisions: 0 };
    let mut in_window: BTreeMap<_, BTreeSet<(String, String, String)>> = BTreeMap::new();
    for run in world.runs(integration).await {
        assert_eq!(run.state, RunState::Completed, "{run:?}");
        let result = run.result.unwrap();
        all.late += result.late_rows.get();
        all.deleted += result.deleted_rows.get();
        all.revisions += u64::from(run.name.revision > 1);
        let seen = in_window.entry(run.name.span).or_default();
        for file in &result.files {
            let table = if file.table.as_str() == "scores" { "scores" } else { "events" };
            let lines = world.shelf.lines(&file.key);
            assert_eq!(lines.len() as u64, file.rows.get(), "{}", file.key);
            for line in lines {
                let (id, version) = (line["id"].as_str().unwrap().to_owned(), line["event_ts"].as_str().unwrap());
                let deleted = line["is_deleted"].as_bool().unwrap_or(false);
                assert!(!deleted || line["input"].is_null(), "a deleted row has a payload: {line}");
                // None twice in one window, its revisions included.
                let key = (table.to_owned(), id.clone(), version.to_owned());
                assert!(seen.insert(key), "{id} twice in {}", run.name.stem());
                let version = Micros::parse_text(version).unwrap();
                let newest = all.newest.entry((table, id)).or_insert((version, deleted));
                if version >= newest.0 {
                    *newest = (version, deleted);
                }
                all.rows += 1;
            }
        }
    }
    all
}

/// Rows whose newest version is in no file. Deletions count where they are delivered.
fn lost(ingestion: &Ingestion, delivered: &Delivered, with_deletions: bool) -> u64 {
    let tables = [("events", &ingestion.events), ("scores", &ingestion.scores)];
    let rows = tables.into_iter().flat_map(|(table, rows)| rows.iter().map(move |row| (table, row)));
    // Nobody promised rows that began before the integration did to windows of the start time.
    let missing =
        rows.filter(|(_, (_, truth))| with_deletions || truth.start >= EPOCH).filter(|(table, (id, truth))| {
            let found = delivered.newest.get(&(*table, (*id).clone()));
            (with_deletions || !truth.deleted) && found != Some(&(truth.version, truth.deleted))
        });
    missing.count() as u64
}

fn away() -> Fault {
    Fault::new(FaultKind::Unavailable, "503 Slow Down")
}

fn trouble(dice: &mut Dice) -> Trouble {
    match dice.roll(5) {
        0 => Trouble::none().fail(Call::Open, 1, away),
        1 => Trouble::none().lose_answer(Call::Commit, 1, away),
        2 => Trouble::none().cut_after(ByteCount(dice.roll(4_000)), away),
        3 => Trouble::none().lose_answer(Call::Publish, 1, away),
        _ => Trouble::none().fail(Call::Head, 1, away),
    }
}

fn days() -> i64 {
    if std::env::var_os("OUTGEST_SOAK").is_some() { 14 } else { 2 }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rows_last_version_is_delivered_whatever_happens() {
    let world = World::new().await;
    let ours = world.integration("ours", |_| {}).await;
    let theirs = world
        .integration("langfuse", |settings| {
            settings.cursor = Cursor::StartTime;
            settings.lag_seconds = 20 * 60;
            settings.deletions = Deletions::Count;
        })
        .await;
    let mut ingestion = Ingestion {
        dice: Dice(42),
        events: BTreeMap::new(),
        scores: BTreeMap::new(),
        stuck: Vec::new(),
        versions: 0,
        late: 0,
    };
    let (mut kills, mut faults) = (0, 0);
    let steps = days() * 24 * 60 / STEP_MINUTES;
    let mut dice = Dice(7);
    // Half a day after the last arrival everything has become visible.
    for step in 0..steps + 12 * 60 / STEP_MINUTES {
        let now = minute(step * STEP_MINUTES);
        if (1..steps).contains(&step) {
            for (table, rows) in ingestion.step(step) {
                world.append(table, &rows, now);
            }
        } else if step >= steps {
            for (_, table, row) in std::mem::take(&mut ingestion.stuck) {
                world.append(table, &[row], now);
            }
        }
        // Nobody is there for a few hours now and then.
        if step % 50 > 44 && step < steps {
            continue;
        }
        loop {
            world.tick(now).await;
            let Some(claim) = world.claim().await else { break };
            if dice.one_in(6) {
                world.shelf.trouble(trouble(&mut dice));
                faults += 1;
            }
            let killed_after = dice.one_in(5).then(|| 1 + dice.roll(4) as u32);
            kills += u64::from(killed_after.is_some());
            drop(world.carry_out(claim, killed_after).await);
        }
    }
    let before = delivered(&world, &ours).await;
    let langfuse = delivered(&world, &theirs).await;
    let (lost_before, lost_theirs) = (lost(&ingestion, &before, true), lost(&ingestion, &langfuse, false));
    let upto = world.shown(&ours).await.cursor.unwrap();
    assert!(upto >= minute(steps * STEP_MINUTES), "the cursor stands at {upto}");

    let end = minute(steps * STEP_MINUTES + 12 * 60);
    world.store.delete_integration(&project(), &theirs.id).await.unwrap();
    let compared = world.reconcile(end).await;
    let after = delivered(&world, &ours).await;

    let rows = ingestion.events.len() + ingestion.scores.len();
    println!(
        "{} days: {rows} rows in {} versions, {} of them more than an hour late; {} windows, {kills} kills, {faults} faults\n\
         ingested: {} rows in files, {} late rows caught, {} deletions delivered; \
         {lost_before} rows missing until {compared} comparisons made {} revisions, then {}\n\
         start_time, 20 minutes behind: {lost_theirs} rows lost ({:.1} %), {} late rows reported",
        days(),
        ingestion.versions,
        ingestion.late,
        world.runs(&ours).await.len(),
        after.rows,
        before.late,
        before.deleted,
        after.revisions,
        lost(&ingestion, &after, true),
        100.0 * lost_theirs as f64 / rows as f64,
        langfuse.late,
    );
    assert_eq!(lost(&ingestion, &after, true), 0);
    // What was missing were rows that became visible after the lag, and nothing else.
    assert!(lost_before <= ingestion.versions / STUCK_ONE_IN * 2, "{lost_before} rows were missing");
    assert!(lost_theirs > 0 && langfuse.late > 0);
    assert!(kills > 0 && faults > 0);
    assert_eq!(world.shelf.files.uploads_left(), 0);
}
