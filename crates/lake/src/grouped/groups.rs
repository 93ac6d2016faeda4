//! Groups of live rows and the rows of each, and what is kept of them between reads.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use model::{Cursor, Expr, Micros, Window};

/// Every group of a project, or those that a read needs.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(super) groups: Vec<Group>,
    /// Texts of all groups, one after the other.
    pub(super) texts: String,
    /// Row numbers, counted over all row groups, group by group.
    pub(super) rows: Vec<u32>,
    /// Groups in the order of their texts, once somebody looks for one.
    pub(super) by_text: OnceLock<Vec<u32>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) time: i64,
    pub(super) ingested: i64,
    pub(super) version: i64,
    pub(super) text_start: usize,
    pub(super) text_bytes: u32,
    pub(super) rows_start: u32,
    pub(super) rows: u32,
}

/// How the time that orders groups is made of the times of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extreme {
    Earliest,
    Latest,
}

impl Group {
    pub(super) fn text<'a>(&self, texts: &'a str) -> &'a str {
        &texts[self.text_start..self.text_start + self.text_bytes as usize]
    }

    /// Whether the group lies in a window that is measured on this cursor.
    pub(super) fn is_in(&self, cursor: Cursor, window: Window) -> bool {
        window.contains(Micros(match cursor {
            Cursor::StartTime => self.time,
            Cursor::Ingested => self.ingested,
        }))
    }
}

impl Groups {
    /// Keeps the groups of a window.
    pub(super) fn retain(&mut self, cursor: Cursor, window: Window) {
        self.groups.retain(|group| group.is_in(cursor, window));
    }

    /// Puts the groups in the total order.
    pub(super) fn sort(&mut self) {
        let texts = &self.texts;
        self.groups.sort_unstable_by(|a, b| b.time.cmp(&a.time).then_with(|| a.text(texts).cmp(b.text(texts))));
    }

    /// The group with this text.
    pub(super) fn find(&self, text: &str) -> Option<usize> {
        let of = |group: &u32| self.groups[*group as usize].text(&self.texts);
        let by_text = self.by_text.get_or_init(|| {
            let mut by_text: Vec<u32> = (0..self.groups.len() as u32).collect();
            by_text.sort_unstable_by(|a, b| of(a).cmp(of(b)));
            by_text
        });
        let found = by_text.binary_search_by(|group| of(group).cmp(text));
        found.ok().map(|place| by_text[place] as usize)
    }

    fn bytes(&self) -> usize {
        // With the order by text, which may be made later.
        self.groups.len() * (size_of::<Group>() + size_of::<u32>())
            + self.texts.capacity()
            + self.rows.len() * size_of::<u32>()
    }
}

/// What tells the groups of one read from those of another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupsName {
    /// Stands for the files whose live rows are grouped.
    pub files: PathBuf,
    pub by: &'static str,
    pub keep: Option<Expr>,
    pub time: Expr,
    pub extreme: Extreme,
}

/// The groups that were read last. Looking at tables of groups page by page asks for the same ones again and
/// again, and finding them means to look at every row.
#[derive(Debug, Default)]
pub(crate) struct KnownGroups {
    kept: Mutex<VecDeque<(GroupsName, Arc<Groups>)>>,
}

/// Bytes of groups that are kept: those of about two million events.
const KEPT_BYTES_MAX: usize = 32 * 1024 * 1024;

impl KnownGroups {
    /// The groups of this name, if they are kept.
    pub(super) fn get(&self, name: &GroupsName) -> Option<Arc<Groups>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(known, _)| known == name)?;
        let found = kept.remove(place)?;
        let groups = Arc::clone(&found.1);
        kept.push_front(found);
        Some(groups)
    }

    /// Keeps groups, and forgets those that were not asked for longest.
    pub(super) fn keep(&self, name: GroupsName, groups: &Arc<Groups>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != name);
        kept.push_front((name, Arc::clone(groups)));
        let mut bytes = 0;
        let fits = kept.iter().take_while(|(_, groups)| {
            bytes += groups.bytes();
            bytes <= KEPT_BYTES_MAX
        });
        let fits = fits.count();
        kept.truncate(fits);
    }
}
