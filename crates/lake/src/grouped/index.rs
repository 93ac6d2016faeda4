//! The groups of one read, in the total order.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use model::{Aggregate, Cursor, Expr, Fault, Grouped, KeyRange, Micros, OrderKey, ReadRequest, Stop};

use super::gather::Gathering;
use super::groups::{Extreme, Group, Groups, GroupsName};
use crate::lake::Lake;
use crate::read::ProjectFiles;

/// The groups of a grouped relation that lie in the window, in the total order.
#[derive(Debug)]
pub(super) struct GroupIndex {
    groups: Arc<Groups>,
    chosen: Chosen,
    /// Whether the relation has a trace id column, which then is the group.
    has_trace: bool,
}

/// Which of the groups belong to the read.
#[derive(Debug)]
enum Chosen {
    Stretch(Range<usize>),
    Some(Vec<u32>),
}

impl GroupIndex {
    /// The groups of a request: looks at the grouping, ordering and `keep` columns of all live rows, unless they
    /// are known from a read before.
    pub(super) fn build(
        lake: &Lake,
        request: &ReadRequest,
        grouped: &Grouped,
        files: &ProjectFiles,
        stop: &Stop,
    ) -> Result<Self, Fault> {
        let (extreme, time) = order_of(request, grouped)?;
        let (cursor, window) = (request.cursor, request.window);
        let groups = match known_or_kept(lake, grouped, (extreme, time), files, stop)? {
            Some(groups) => groups,
            None => {
                let mut gathering = Gathering::new(extreme);
                gathering.gather(grouped, time, files, None, stop)?;
                let mut groups = gathering.finish();
                groups.retain(cursor, window);
                groups.sort();
                Arc::new(groups)
            }
        };
        let chosen = match cursor {
            Cursor::StartTime => {
                let newer = |to: Micros| groups.groups.partition_point(|group| group.time >= to.0);
                let end = |from: Micros| groups.groups.partition_point(|group| group.time >= from.0);
                let end = window.from.map_or(groups.groups.len(), end);
                Chosen::Stretch(window.to.map_or(0, newer).min(end)..end)
            }
            Cursor::Ingested => {
                let inside = |group: &u32| groups.groups[*group as usize].is_in(cursor, window);
                Chosen::Some((0..groups.groups.len() as u32).filter(inside).collect())
            }
        };
        Ok(Self { groups, chosen, has_trace: request.table.order.trace_id.is_some() })
    }

    /// The groups that rows of another table name, whatever the window and in no order; perhaps others beside
    /// them. `wanted` gives the hashes of the texts that are named.
    pub(super) fn named(
        lake: &Lake,
        grouped: &Grouped,
        files: &ProjectFiles,
        wanted: impl FnOnce() -> Result<HashSet<u128>, Fault>,
        stop: &Stop,
    ) -> Result<Self, Fault> {
        let (extreme, time) = (Extreme::Earliest, &Expr::column(grouped.over.time));
        let groups = match known_or_kept(lake, grouped, (extreme, time), files, stop)? {
            Some(groups) => groups,
            None => {
                let mut gathering = Gathering::new(extreme);
                gathering.gather(grouped, time, files, Some(&wanted()?), stop)?;
                Arc::new(gathering.finish())
            }
        };
        let chosen = Chosen::Stretch(0..groups.groups.len());
        Ok(Self { groups, chosen, has_trace: false })
    }

    /// Number of groups.
    pub(super) fn len(&self) -> usize {
        match &self.chosen {
            Chosen::Stretch(stretch) => stretch.len(),
            Chosen::Some(chosen) => chosen.len(),
        }
    }

    fn group(&self, group: usize) -> &Group {
        &self.groups.groups[match &self.chosen {
            Chosen::Stretch(stretch) => stretch.start + group,
            Chosen::Some(chosen) => chosen[group] as usize,
        }]
    }

    /// The text of a group.
    pub(super) fn text(&self, group: usize) -> &str {
        self.group(group).text(&self.groups.texts)
    }

    /// The group with this text, of those that rows of another table name.
    pub(super) fn find(&self, text: &str) -> Option<usize> {
        self.groups.find(text)
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
        Micros(self.group(group).time)
    }

    /// When the newest version of a group's rows was stored.
    pub(super) fn ingested(&self, group: usize) -> Micros {
        Micros(self.group(group).ingested)
    }

    /// The newest version of a group's rows.
    pub(super) fn version(&self, group: usize) -> Micros {
        Micros(self.group(group).version)
    }

    /// Numbers of a group's rows, counted over all row groups, ascending.
    pub(super) fn rows(&self, group: usize) -> &[u32] {
        let group = self.group(group);
        &self.groups.rows[group.rows_start as usize..(group.rows_start + group.rows) as usize]
    }

    /// The groups of a range.
    pub(super) fn within(&self, range: &KeyRange) -> Range<usize> {
        let precedes = |group: usize, key: &OrderKey| {
            let text = self.text(group);
            let trace_id = if self.has_trace { text } else { "" };
            let time = key.time.cmp(&self.time(group));
            let trace = || trace_id.as_bytes().cmp(key.trace_id.as_bytes());
            time.then_with(trace).then_with(|| text.as_bytes().cmp(key.id.as_bytes())).is_lt()
        };
        let before = |key: &OrderKey| {
            let (mut low, mut high) = (0, self.len());
            while low < high {
                let middle = low + (high - low) / 2;
                if precedes(middle, key) { low = middle + 1 } else { high = middle }
            }
            low
        };
        let end = range.to.as_ref().map_or(self.len(), before);
        range.from.as_ref().map_or(0, before).min(end)..end
    }
}

/// All groups of the project in the total order, where they are few enough to be kept.
fn known_or_kept(
    lake: &Lake,
    grouped: &Grouped,
    (extreme, time): (Extreme, &Expr),
    files: &ProjectFiles,
    stop: &Stop,
) -> Result<Option<Arc<Groups>>, Fault> {
    if files.rows() > lake.grouped_rows_kept_max() {
        return Ok(None);
    }
    let name =
        GroupsName { files: files.name(), by: grouped.by, keep: grouped.keep.clone(), time: time.clone(), extreme };
    if let Some(known) = lake.known_groups().get(&name) {
        return Ok(Some(known));
    }
    let mut gathering = Gathering::new(extreme);
    gathering.gather(grouped, time, files, None, stop)?;
    let mut groups = gathering.finish();
    groups.sort();
    let groups = Arc::new(groups);
    lake.known_groups().keep(name, &groups);
    Ok(Some(groups))
}

/// How the groups of a request are ordered by the times of their rows.
fn order_of<'a>(request: &ReadRequest, grouped: &'a Grouped) -> Result<(Extreme, &'a Expr), Fault> {
    let order = request.table.order;
    let aggregate = |name: &str| -> Result<&'a Aggregate, Fault> {
        let column = grouped.columns.iter().find(|column| column.name == name);
        column.map(|column| &column.aggregate).ok_or_else(|| unordered(request, name))
    };
    for name in [Some(order.id), order.trace_id].into_iter().flatten() {
        if !matches!(aggregate(name)?, Aggregate::Group) {
            return Err(unordered(request, name));
        }
    }
    match aggregate(order.time)? {
        Aggregate::Min(expr) => Ok((Extreme::Earliest, expr)),
        Aggregate::Max(expr) => Ok((Extreme::Latest, expr)),
        _ => Err(unordered(request, order.time)),
    }
}

fn unordered(request: &ReadRequest, column: &str) -> Fault {
    Fault::bug(format!(
        "table {} is ordered by {column}, which is neither its group nor the earliest or latest time of it",
        request.table.name
    ))
}
