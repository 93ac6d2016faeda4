//! What arrives in the loss experiment: rows that are late, corrected, deleted, and stored by clocks that are wrong.

use std::collections::{BTreeMap, BTreeSet};

use model::Micros;
use serde_json::{Value, json};

use super::super::world::{minute, project};

/// Between two arrivals of rows.
pub const STEP_MINUTES: i64 = 20;

/// New events of a step.
const NEW_EVENTS: u64 = 30;

/// A row that became visible long after the time it says it was stored, once in so many.
pub const STUCK_ONE_IN: u64 = 150;

/// Chance without a crate: the same numbers on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// The newest version of a row, as the experiment knows it.
#[derive(Clone, Debug)]
pub struct Truth {
    pub start: Micros,
    pub version: Micros,
    pub deleted: bool,
}

/// A table and the id of a row.
pub type Row = (&'static str, String);

/// A version of a row.
pub type Version = (Row, Micros);

/// What is stored, and what will be visible later.
pub struct Ingestion {
    pub rows: BTreeMap<Row, Truth>,
    /// Versions of all rows.
    pub versions: u64,
    /// Rows that arrived more than an hour after they began.
    pub late: u64,
    /// Every version that is a deletion.
    pub deletions: BTreeSet<Version>,
    /// Rows of which some version became visible hours late.
    pub once_stuck: BTreeSet<Row>,
    dice: Dice,
    stuck: Vec<(i64, &'static str, Value)>,
}

/// Rows to be stored, by table.
pub type Arrivals = BTreeMap<&'static str, Vec<Value>>;

impl Ingestion {
    pub fn new(seed: u64) -> Self {
        Self {
            rows: BTreeMap::new(),
            versions: 0,
            late: 0,
            deletions: BTreeSet::new(),
            once_stuck: BTreeSet::new(),
            dice: Dice(seed),
            stuck: Vec::new(),
        }
    }

    /// The rows that become visible in a step.
    pub fn step(&mut self, step: i64) -> Arrivals {
        let now = minute(step * STEP_MINUTES);
        let mut arrivals = Arrivals::new();
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
            if number % 3 == 0 {
                self.store(&mut arrivals, ("scores", format!("score-{id}")), (start, false), step);
            }
            self.store(&mut arrivals, ("events", id), (start, false), step);
        }
        for table in ["events", "scores"] {
            let known: Vec<Row> = self.rows.keys().filter(|(of, _)| *of == table).cloned().collect();
            for _ in 0..NEW_EVENTS / 4 {
                let deleted = self.dice.one_in(6);
                let row = known[self.dice.roll(known.len() as u64) as usize].clone();
                let start = self.rows[&row].start;
                self.store(&mut arrivals, row, (start, deleted), step);
            }
        }
        let (visible, stuck): (Vec<_>, _) =
            std::mem::take(&mut self.stuck).into_iter().partition(|(until, ..)| *until <= step);
        self.stuck = stuck;
        for (_, table, row) in visible {
            arrivals.entry(table).or_default().push(row);
        }
        arrivals
    }

    /// Everything that is not visible yet.
    pub fn rest(&mut self) -> Arrivals {
        let mut arrivals = Arrivals::new();
        for (_, table, row) in std::mem::take(&mut self.stuck) {
            arrivals.entry(table).or_default().push(row);
        }
        arrivals
    }

    fn store(&mut self, arrivals: &mut Arrivals, row: Row, (start, deleted): (Micros, bool), step: i64) {
        let now = minute(step * STEP_MINUTES);
        self.versions += 1;
        // Every version has a rank of its own; nodes' clocks are wrong by two minutes at most.
        let version = Micros(now.0 + self.versions as i64);
        let stored = now.minus_seconds(self.dice.roll(241) as i64 - 120);
        let (table, id) = row.clone();
        let mut values = json!({
            "project_id": project(), "updated_at": stored, "created_at": stored, "event_ts": version,
            "is_deleted": deleted,
        });
        // The version is also where receivers of events can see it.
        let more = match table {
            "events" => json!({
                "trace_id": format!("t-{}", &id[..6]), "span_id": id, "name": "chat", "type": "GENERATION",
                "start_time": start, "input": if deleted { "" } else { "hello" }, "version": version.0.to_string(),
            }),
            _ => json!({
                "id": id, "trace_id": "t", "name": "quality", "value": 1.0, "data_type": "NUMERIC",
                "timestamp": start, "comment": version.0.to_string(),
            }),
        };
        values.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        if deleted {
            self.deletions.insert((row.clone(), version));
        }
        self.rows.insert(row.clone(), Truth { start, version, deleted });
        match self.dice.one_in(STUCK_ONE_IN) {
            // It says that it was stored now, and nobody sees it for one to three hours.
            true => {
                self.once_stuck.insert(row);
                self.stuck.push((step + 3 + self.dice.roll(6) as i64, table, values));
            }
            false => arrivals.entry(table).or_default().push(values),
        }
    }
}
