//! Finds the groups of live rows, row group by row group.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_buffer::BooleanBuffer;
use model::{ColumnType, Expr, Fault, Grouped, Stop};
use xxhash_rust::xxh3::xxh3_128;

use super::groups::{Extreme, Group, Groups};
use crate::expr::Program;
use crate::read::{ProjectFiles, Rows, batch};

/// Groups while they are found, and the group of every row that takes part.
pub(super) struct Gathering {
    extreme: Extreme,
    /// 128 bits of hash stand for the text: a collision is far less likely than a broken disk.
    known: HashMap<u128, u32>,
    groups: Vec<Group>,
    texts: String,
    members: Vec<(u32, u32)>,
}

/// The instants of some rows that their groups have the extremes of.
struct Times {
    times: TimestampMicrosecondArray,
    ingested: TimestampMicrosecondArray,
    versions: TimestampMicrosecondArray,
}

impl Gathering {
    /// Nothing yet.
    pub(super) fn new(extreme: Extreme) -> Self {
        Self { extreme, known: HashMap::new(), groups: Vec::new(), texts: String::new(), members: Vec::new() }
    }

    /// Adds every live row that takes part, of the wanted groups where they are known by hash.
    pub(super) fn gather(
        &mut self,
        grouped: &Grouped,
        time: &Expr,
        files: &ProjectFiles,
        wanted: Option<&HashSet<u128>>,
        stop: &Stop,
    ) -> Result<(), Fault> {
        let by = files.column(grouped.by)?;
        let (ingested, version) = (files.column(grouped.over.ingested)?, files.column(grouped.over.version)?);
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
                rows.hold(&[ingested, version])?;
                let times = time.evaluate(&hold(&mut rows, &time, files)?)?;
                let of_rows = Times {
                    times: instants(&times[0])?,
                    ingested: instants(held(&rows, ingested)?)?,
                    versions: instants(held(&rows, version)?)?,
                };
                self.add(&rows, start, held(&rows, by)?, &of_rows)?;
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
        Times { times, ingested, versions }: &Times,
    ) -> Result<(), Fault> {
        let names = texts(names)?;
        for (row, position) in rows.positions().into_iter().enumerate() {
            if times.is_null(row) {
                return Err(Fault::corrupt("a row that orders its group has no time"));
            }
            let text = if names.is_null(row) { "" } else { names.value(row) };
            let (time, stored, version) = (times.value(row), ingested.value(row), versions.value(row));
            let group = match self.known.entry(xxh3_128(text.as_bytes())) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(free) => {
                    let text_start = self.texts.len();
                    self.texts.push_str(text);
                    let text_bytes = text.len() as u32;
                    let group =
                        Group { time, ingested: stored, version, text_start, text_bytes, rows_start: 0, rows: 0 };
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
            known.version = known.version.max(version);
            known.rows += 1;
            self.members.push((group, start + position));
        }
        Ok(())
    }

    /// Puts the rows of each group side by side; groups stand as they were met.
    pub(super) fn finish(mut self) -> Groups {
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
        Groups { groups: self.groups, texts: self.texts, rows, by_text: OnceLock::new() }
    }
}

/// A batch of what a program reads, decoded for the rows that are left.
pub(super) fn hold(rows: &mut Rows, program: &Program, files: &ProjectFiles) -> Result<RecordBatch, Fault> {
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
