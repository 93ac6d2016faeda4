//! Lists that are read piece by piece and stay in step while rows are added.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most items one page may have: large enough for programs, small beside a run's buffers.
pub const PAGE_ITEMS_MAX: u32 = 200;

/// Where the next page begins. Only its own store reads it; one that was made up is a bad request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct PageToken(pub String);

/// What part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many items; more than [`PAGE_ITEMS_MAX`] counts as that.
    pub items_max: u32,
    /// The `next` of the page before; the beginning without it.
    pub after: Option<PageToken>,
}

impl PageRequest {
    /// The first `items_max` items.
    pub fn first(items_max: u32) -> Self {
        Self { items_max, after: None }
    }
}

/// Some items of a list, newest first unless the list says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items. A row that is added while a list is read never appears twice or moves another out.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<PageToken>,
}

impl<T> Page<T> {
    /// The same page of other items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}
