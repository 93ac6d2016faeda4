//! Which live rows form which group, and the order of the groups.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, StringArray, TimestampMicrosecondArray};
use arrow_buffer::BooleanBuffer;
use model::{Aggregate, ColumnType, Cursor, Expr, Fault, Grouped, KeyRange, Micros, OrderKey, ReadRequest, Stop};
use xxhash_rust::xxh3::xxh3_128;

use crate::expr::Program;
use crate::read::{ProjectFiles, Rows, batch};

/// The groups of a grouped relation that lie in the window, in the total order.
#[derive(Debug)]
pub(super) struct GroupIndex {
    groups: Vec<Group>,
    /// Texts of all groups, one after the other.
    texts: String,
    /// Row numbers, counted over all row groups, group by group.
    rows: Vec<u32>,
    /// Whether the relation has a trace id column, which then is the group.
    has_trace: bool,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    time: i64,
    ingested: i64,
    text_start: usize,
    text_bytes: u32,
    rows_start: u32,
    rows: u32,
}

/// How the time that orders groups is made of the times of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extreme {
    Earliest,
    Latest,
}

impl GroupIndex {
    /// Looks at the grouping, ordering and `keep` columns of all live rows.
    pub(super) fn build(
        request: &ReadRequest,
        grouped: &Grouped,
        files: &ProjectFiles,
        stop: &Stop,
    ) -> Result<Self, Fault> {
        let order = request.table.order;
        let aggregate = |name: &str| -> Result<&Aggregate, Fault> {
            let column = grouped.columns.iter().find(|column| column.name == name);
            column.map(|column| &column.aggregate).ok_or_else(|| unordered(request, name))
        };
        for name in [Some(order.id), order.trace_id].into_iter().flatten() {
            if !matches!(aggregate(name)?, Aggregate::Group) {
                return Err(unordered(request, name));
            }
        }
        let (extreme, time) = match aggregate(order.time)? {
            Aggregate::Min(expr) => (Extreme::Earliest, expr),
            Aggregate::Max(expr) => (Extreme::Latest, expr),
            _ => return Err(unordered(request, order.time)),
        };
        let mut index = Gathering { extreme, ..Gathering::default() };
        index.gather(grouped, time, files, None, stop)?;
        let mut index = index.finish();
        index.has_trace = order.trace_id.is_some();
        let window = request.window;
        index.groups.retain(|group| {
            window.contains(Micros(match request.cursor {
                Cursor::StartTime => group.time,
                Cursor::Ingested => group.ingested,
            }))
        });
        let texts = std::mem::take(&mut index.texts);
        index.groups.sort_unstable_by(|a, b| b.time.cmp(&a.time).then_with(|| a.text(&texts).cmp(b.text(&texts))));
        index.texts = texts;
        Ok(index)
    }

    /// The groups whose texts have these hashes, whatever the window and in no order.
    pub(super) fn named(
        grouped: &Grouped,
        files: &ProjectFiles,
        wanted: &HashSet<u128>,
        stop: &Stop,
    ) -> Result<Self, Fault> {
        let mut index = Gathering::default();
        index.gather(grouped, &Expr::column(grouped.over.time), files, Some(wanted), stop)?;
        Ok(index.finish())
    }

    /// Number of groups.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The text of a group.
    pub(super) fn text(&self, group: usize) -> &str {
        self.groups[group].text(&self.texts)
    }

    /// Position of a group in the total order.
    pub(super) fn key(&self, group: usize) -> OrderKey {
        let text = self.text(group);
        OrderKey {
            time: self.time(group),
            trace_id: if self.has_trace { text.into() } else { "".into() },
            id: text.into(),
        }
    }

    /// Time that orders a group.
    pub(super) fn time(&self, group: usize) -> Micros {
        Micros(self.groups[group].time)
    }

    /// When the newest version of a group's rows was stored.
    pub(super) fn ingested(&self, group: usize) -> Micros {
        Micros(self.groups[group].ingested)
    }

    /// Numbers of a group's rows, counted over all row groups, ascending.
    pub(super) fn rows(&self, group: usize) -> &[u32] {
        let group = &self.groups[group];
        &self.rows[group.rows_start as usize..(group.rows_start + group.rows) as usize]
    }

    /// The groups of a range.
    pub(super) fn within(&self, range: &KeyRange) -> std::ops::Range<usize> {
        let precedes = |group: &Group, key: &OrderKey| {
            let text = group.text(&self.texts);
            let trace_id = if self.has_trace { text } else { "" };
            let time = key.time.0.cmp(&group.time);
            let trace = || trace_id.as_bytes().cmp(key.trace_id.as_bytes());
            time.then_with(trace).then_with(|| text.as_bytes().cmp(key.id.as_bytes())).is_lt()
        };
        let before = |key: &OrderKey| self.groups.partition_point(|group| precedes(group, key));
        let end = range.to.as_ref().map_or(self.len(), before);
        range.from.as_ref().map_or(0, before).min(end)..end
    }
}

impl Group {
    fn text<'a>(&self, texts: &'a str) -> &'a str {
        &texts[self.text_start..self.text_start + self.text_bytes as usize]
    }
}

fn unordered(request: &ReadRequest, column: &str) -> Fault {
    Fault::bug(format!(
        "table {} is ordered by {column}, which is neither its group nor the earliest or latest time of it",
        request.table.name
    ))
}

/// Groups while they are found, and the group of every row that takes part.
struct Gathering {
    extreme: Extreme,
    /// 128 bits of hash stand for the text: a collision is far less likely than a broken disk.
    known: HashMap<u128, u32>,
    groups: Vec<Group>,
    texts: String,
    members: Vec<(u32, u32)>,
}

impl Default for Gathering {
    fn default() -> Self {
        Self {
            extreme: Extreme::Earliest,
            known: HashMap::new(),
            groups: Vec::new(),
            texts: String::new(),
            members: Vec::new(),
        }
    }
}

impl Gathering {
    /// Adds every live row that takes part, of the wanted groups where they are known by hash.
    fn gather(
        &mut self,
        grouped: &Grouped,
        time: &Expr,
        files: &ProjectFiles,
        wanted: Option<&HashSet<u128>>,
        stop: &Stop,
    ) -> Result<(), Fault> {
        let by = files.column(grouped.by)?;
        let ingested = files.column(grouped.over.ingested)?;
        let time = Program::values(&[(time, ColumnType::Timestamp.to_arrow())], files.schema())?;
        let keep = grouped.keep.as_ref().map(|keep| Program::predicate(keep, files.schema())).transpose()?;
        let mut start = 0_u32;
        for group in files.groups() {
            stop.check()?;
            let mut rows = Rows::live(files.file(group.file)?, group, files.dead(group.file));
            if let Some(keep) = keep.as_ref().filter(|_| rows.count() > 0) {
                let kept = keep.test(&hold(&mut rows, keep, files)?)?;
                rows.retain(kept.values());
            }
            if rows.count() > 0 {
                rows.hold(&[by])?;
                if let Some(wanted) = wanted {
                    let of_wanted = |text: Option<&str>| wanted.contains(&xxh3_128(text.unwrap_or("").as_bytes()));
                    let kept: BooleanBuffer = texts(held(&rows, by)?)?.iter().map(of_wanted).collect();
                    rows.retain(&kept);
                }
            }
            if rows.count() > 0 {
                rows.hold(&[ingested])?;
                let times = time.evaluate(&hold(&mut rows, &time, files)?)?;
                self.add(&rows, start, held(&rows, by)?, &instants(&times[0])?, &instants(held(&rows, ingested)?)?)?;
            }
            start = start
                .checked_add(group.rows)
                .ok_or_else(|| Fault::bad_request("the project has more than 2^32 stored rows, too many to group"))?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        rows: &Rows,
        start: u32,
        names: &ArrayRef,
        times: &TimestampMicrosecondArray,
        ingested: &TimestampMicrosecondArray,
    ) -> Result<(), Fault> {
        let names = texts(names)?;
        for (row, position) in rows.positions().into_iter().enumerate() {
            if times.is_null(row) {
                return Err(Fault::corrupt("a row that orders its group has no time"));
            }
            let text = if names.is_null(row) { "" } else { names.value(row) };
            let (time, stored) = (times.value(row), ingested.value(row));
            let group = match self.known.entry(xxh3_128(text.as_bytes())) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(free) => {
                    let text_start = self.texts.len();
                    self.texts.push_str(text);
                    let text_bytes = text.len() as u32;
                    let group = Group { time, ingested: stored, text_start, text_bytes, rows_start: 0, rows: 0 };
                    self.groups.push(group);
                    *free.insert(self.groups.len() as u32 - 1)
                }
            };
            let known = &mut self.groups[group as usize];
            known.time = match self.extreme {
                Extreme::Earliest => known.time.min(time),
                Extreme::Latest => known.time.max(time),
            };
            known.ingested = known.ingested.max(stored);
            known.rows += 1;
            self.members.push((group, start + position));
        }
        Ok(())
    }

    /// Puts the rows of each group side by side.
    fn finish(mut self) -> GroupIndex {
        let mut next = 0;
        for group in &mut self.groups {
            group.rows_start = next;
            next += group.rows;
        }
        let mut places: Vec<u32> = self.groups.iter().map(|group| group.rows_start).collect();
        let mut rows = vec![0; self.members.len()];
        for (group, row) in self.members {
            let place = &mut places[group as usize];
            rows[*place as usize] = row;
            *place += 1;
        }
        GroupIndex { groups: self.groups, texts: self.texts, rows, has_trace: false }
    }
}

/// A batch of what a program reads, decoded for the rows that are left.
pub(super) fn hold(
    rows: &mut Rows,
    program: &Program,
    files: &ProjectFiles,
) -> Result<arrow_array::RecordBatch, Fault> {
    let places = files.columns(program.input_names())?;
    rows.hold(&places)?;
    let columns = places.iter().map(|place| held(rows, *place).cloned()).collect::<Result<Vec<_>, Fault>>()?;
    batch(program.inputs(), columns, rows.count())
}

/// A column that was decoded.
pub(super) fn held(rows: &Rows, place: usize) -> Result<&ArrayRef, Fault> {
    rows.held(place).ok_or_else(|| Fault::bug("a column of a group was not decoded"))
}

fn texts(array: &ArrayRef) -> Result<&StringArray, Fault> {
    array.as_string_opt::<i32>().ok_or_else(|| Fault::bug("rows are grouped by a column that is no text"))
}

fn instants(array: &ArrayRef) -> Result<TimestampMicrosecondArray, Fault> {
    let instants = array.as_primitive_opt::<TimestampMicrosecondType>();
    instants.cloned().ok_or_else(|| Fault::bug("a time that orders groups is no timestamp"))
}
