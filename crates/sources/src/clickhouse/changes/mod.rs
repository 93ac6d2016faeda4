//! Rows that change while they are read.
//!
//! ClickHouse holds no state still. A row that is changed keeps its place as long as its start stays; where that moves,
//! its two versions stand in two places, and a read that passes both meets both. What was stored since the read was
//! planned is told by the time of storing: such versions are noted as they come ([`Changes`]), and left out where the
//! version before stands in another place. Whether it does is asked of the server, with the very query that rows are
//! read with: so each attempt of a run, and each part of an export, leaves out the same. The version before may have
//! been replaced in its place meanwhile: then what is there now comes, if it passes; if not, the row comes where it
//! moved, rather twice (from an attempt that was there before) than not at all. A version that the server has merged
//! away tells nothing any more.
//!
//! The notes hold a hash for each row that was changed meanwhile, not for those that were not.
//!
//! A group has no version before: it stands where its first member starts, and is at once elsewhere when it gets an
//! earlier one. Whether it came is known of those alone that this reading passed on, so a hash of each is kept. Of what
//! an earlier attempt passed on the place that the group had when the read was planned has to tell.

mod places;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow_select::filter::filter_record_batch;
use model::{Fault, FaultKind, KeyRange, Micros, OrderKey, Reading, Relation, RowCount};
use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

use super::reading::ClickHouseReading;
use places::Versions;

/// Groups of which a hash is kept: 36 MB at most.
const GROUPS_KEPT: usize = 1_800_000;

/// What a read has met of rows that were changed since it was planned.
pub(super) struct Changes {
    since: Micros,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    /// Of the ranges that are read, the first one in the order of rows.
    first: Option<KeyRange>,
    /// Rows with a version stored since, and whether a version of theirs was passed on.
    rows: HashMap<u128, bool>,
    /// Those versions, by row and start.
    versions: HashSet<u128>,
    /// Groups that were passed on, up to [`GROUPS_KEPT`] of them.
    groups: HashSet<u128>,
    /// The last row that was passed on.
    last: Option<OrderKey>,
}

/// What becomes of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Comes,
    /// Another version of it comes, or came.
    LeftOut,
    /// It is a version stored since, and nothing is known of the one before.
    Unknown,
}

impl Changes {
    /// Nothing is noted yet; `since` is when the read was planned.
    pub(super) fn since(since: Micros) -> Self {
        Self { since, notes: Mutex::default() }
    }

    /// Notes that a range is read. Several are read at once, and a later one may begin before an earlier one; but
    /// rows are asked about in order, so that whatever is asked about a row, all ranges before its own have been noted.
    pub(super) fn reads(&self, range: &KeyRange) {
        let mut notes = self.notes();
        // An open end is before every position.
        if notes.first.as_ref().is_none_or(|first| range.from < first.from) {
            notes.first = Some(range.clone());
        }
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// What becomes of each row, in order, by what is known here.
    fn fates(&self, rows: &Rows<'_>, hash: impl Fn(usize) -> u128) -> Vec<Fate> {
        let mut came_here = HashSet::new();
        let fate = |row: usize| {
            let key = hash(row);
            match self.rows.get(&key) {
                // Also where no version was stored since by its own word: writers tell the time before they store.
                _ if self.groups.contains(&key) => Fate::LeftOut,
                None => Fate::Comes,
                Some(true) => Fate::LeftOut,
                Some(false) if self.versions.contains(&version(key, rows.starts.value(row))) => Fate::Unknown,
                Some(false) if came_here.insert(key) => Fate::Comes,
                Some(false) => Fate::LeftOut,
            }
        };
        (0..rows.len()).map(fate).collect()
    }

    fn keep_group(&mut self, key: u128) {
        if self.groups.len() < GROUPS_KEPT {
            self.groups.insert(key);
        }
    }
}

/// The places of rows, column by column.
pub(super) struct Rows<'a> {
    starts: &'a Int64Array,
    traces: &'a StringArray,
    ids: &'a StringArray,
}

impl<'a> Rows<'a> {
    /// Of an answer of the server.
    pub(super) fn read(answer: &'a RecordBatch) -> Result<Self, Fault> {
        let text = |name: &str| answer.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let starts = answer.column_by_name("k_micros").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let (starts, traces, ids) = (starts, text("k_trace"), text("k_id"));
        let rows = starts.zip(traces).zip(ids).map(|((starts, traces), ids)| Self { starts, traces, ids });
        rows.ok_or_else(unreadable)
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(super) fn key(&self, row: usize) -> OrderKey {
        OrderKey {
            time: Micros(self.starts.value(row)),
            trace_id: self.traces.value(row).into(),
            id: self.ids.value(row).into(),
        }
    }
}

/// A version of a row by its start.
fn version(key: u128, start: i64) -> u128 {
    xxh3_128_with_seed(&key.to_le_bytes(), start as u64)
}

fn unreadable() -> Fault {
    Fault::corrupt("the server's positions of rows have other types than they were asked for")
}

impl ClickHouseReading {
    /// Notes the rows of an answer that were stored since the read was planned.
    pub(super) fn note_changes(&self, answer: &RecordBatch) -> Result<(), Fault> {
        let ingested = answer.column_by_name("k_ingested").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let ingested = ingested.ok_or_else(unreadable)?;
        let since = self.changes.since.0;
        if ingested.values().iter().all(|ingested| *ingested < since) {
            return Ok(());
        }
        let rows = Rows::read(answer)?;
        let mut notes = self.changes.notes();
        for row in (0..answer.num_rows()).filter(|row| ingested.value(*row) >= since) {
            let key = self.identity(&rows, row);
            notes.versions.insert(version(key, rows.starts.value(row)));
            notes.rows.entry(key).or_insert(false);
        }
        Ok(())
    }

    /// The rows of a batch of which no other version comes; batches are asked for in order.
    pub(super) async fn without_those_before(&self, batch: RecordBatch) -> Result<RecordBatch, Fault> {
        let Some(last_row) = batch.num_rows().checked_sub(1) else { return Ok(batch) };
        let first_key = batch.num_columns() - <dyn Reading>::KEY_COLUMNS;
        let starts = batch.column(first_key).as_primitive::<TimestampMicrosecondType>().reinterpret_cast::<Int64Type>();
        let [traces, ids] = [1, 2].map(|place| batch.column(first_key + place).as_string::<i32>());
        let rows = Rows { starts: &starts, traces, ids };
        let hash = |row: usize| self.identity(&rows, row);
        let is_group = matches!(self.request.table.relation, Relation::Grouped(_));
        let last = rows.key(last_row);
        let mut fates = {
            let mut notes = self.changes.notes();
            if notes.rows.is_empty() && !is_group {
                notes.last = Some(last);
                return Ok(batch);
            }
            notes.fates(&rows, hash)
        };
        let unknown: Vec<usize> = (0..fates.len()).filter(|row| fates[*row] == Fate::Unknown).collect();
        if !unknown.is_empty() {
            let came_before = self.came_before(&rows, &unknown, is_group).await?;
            let mut come = HashSet::new();
            for row in unknown {
                let came = came_before.contains(&row) || !come.insert(hash(row));
                fates[row] = if came { Fate::LeftOut } else { Fate::Comes };
            }
        }
        let mut notes = self.changes.notes();
        for row in (0..fates.len()).filter(|row| fates[*row] == Fate::Comes) {
            if let Some(came) = notes.rows.get_mut(&hash(row)) {
                *came = true;
            }
            if is_group {
                notes.keep_group(hash(row));
            }
        }
        if !notes.versions.is_empty() {
            // Nobody asks about them again.
            for row in 0..rows.len() {
                notes.versions.remove(&version(hash(row), starts.value(row)));
            }
        }
        notes.last = Some(last);
        drop(notes);
        let comes: BooleanArray = fates.iter().map(|fate| Some(*fate == Fate::Comes)).collect();
        if comes.true_count() == comes.len() {
            return Ok(batch);
        }
        filter_record_batch(&batch, &comes).map_err(|error| Fault::bug("rows cannot be left out").because(error))
    }

    /// How many rows that were passed on have a version stored since the read was planned. Of those that came as
    /// they were before, the server tells; that count may fail on a server that is short of time or memory, and
    /// is then left out with a warning, since the rows themselves are complete.
    pub(super) async fn rows_changed(&self) -> Result<RowCount, Fault> {
        let (last, came) = {
            let notes = self.changes.notes();
            (notes.last.clone(), notes.rows.values().filter(|came| **came).count())
        };
        let Some(last) = last else { return Ok(RowCount::ZERO) };
        match self.changed_behind(last).await {
            Ok(behind) => Ok(RowCount::from(came + behind)),
            Err(fault) if matches!(fault.kind(), FaultKind::TooLarge { .. } | FaultKind::Timeout) => {
                tracing::warn!(fault = %fault, "rows that changed after they were read could not be counted");
                Ok(RowCount::from(came))
            }
            Err(fault) => Err(fault),
        }
    }

    /// Which of some changed rows come, or came, in another place than theirs.
    async fn came_before(&self, rows: &Rows<'_>, some: &[usize], is_group: bool) -> Result<HashSet<usize>, Fault> {
        let hash = |row: usize| self.identity(rows, row);
        if !is_group {
            // Wherever the version before stands, there it comes. One that stands beside it, where a table sorts by
            // more than a row is known by, is met with it: the first of the two comes.
            let before = self.places(rows, some, Versions::BeforePlan).await?;
            let is_elsewhere = |row: &usize| before.first(hash(*row)).is_some_and(|place| *place != rows.key(*row));
            let elsewhere: Vec<usize> = some.iter().copied().filter(is_elsewhere).collect();
            if elsewhere.is_empty() {
                return Ok(HashSet::new());
            }
            let now = self.places(rows, &elsewhere, Versions::OfNow).await?;
            let comes_there = |row: &usize| before.first(hash(*row)).is_some_and(|place| now.has(hash(*row), place));
            return Ok(elsewhere.into_iter().filter(comes_there).collect());
        }
        // None of them was passed on here, unless they were too many to know it.
        let (knows_all, begin) = {
            let notes = self.changes.notes();
            (notes.groups.len() < GROUPS_KEPT, notes.first.as_ref().and_then(|first| first.from.clone()))
        };
        if knows_all && begin.is_none() {
            return Ok(HashSet::new());
        }
        let before = self.places(rows, some, Versions::BeforePlan).await?;
        let came = some.iter().copied().filter(|row| {
            let key = rows.key(*row);
            let read = match &begin {
                Some(begin) if knows_all => begin,
                _ => &key,
            };
            before.first(hash(*row)).is_some_and(|place| place < read)
        });
        Ok(came.collect())
    }

    /// A hash of what a row is known by, wherever it stands.
    fn identity(&self, rows: &Rows<'_>, row: usize) -> u128 {
        let order = self.request.table.order;
        let stored = self.request.table.stored();
        let is_stored = matches!(self.request.table.relation, Relation::Stored(_));
        let of_trace = order.trace_id.filter(|trace| is_stored && stored.key.contains(trace));
        let trace = of_trace.map_or("", |_| rows.traces.value(row));
        xxh3_128(&[trace.as_bytes(), &[0], rows.ids.value(row).as_bytes()].concat())
    }
}
