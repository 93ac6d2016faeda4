//! Stretches of the past that are exported window by window.

use serde::{Deserialize, Serialize};

use crate::{Actor, BackfillId, IntegrationId, Micros, Span};

/// Which windows of a backfill come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BackfillOrder {
    /// The earliest.
    #[default]
    OldestFirst,
    /// The latest.
    NewestFirst,
}

impl BackfillOrder {
    /// The name in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OldestFirst => "oldestFirst",
            Self::NewestFirst => "newestFirst",
        }
    }

    /// The order of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::OldestFirst, Self::NewestFirst].into_iter().find(|order| order.as_str() == name)
    }
}

/// Why a stretch of the past is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackfillCause {
    /// The scheduler found windows that nobody had exported: a start in the past, or a time without service.
    CatchUp,
    /// Somebody asked for it.
    Request,
}

impl BackfillCause {
    /// The name in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CatchUp => "catchUp",
            Self::Request => "request",
        }
    }

    /// The cause of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::CatchUp, Self::Request].into_iter().find(|cause| cause.as_str() == name)
    }
}

/// Where a backfill stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackfillState {
    /// Windows are planned and carried out.
    Running,
    /// All windows are done.
    Completed,
    /// Somebody ended it; windows that were done stay.
    Cancelled,
}

impl BackfillState {
    /// The name in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Running, Self::Completed, Self::Cancelled].into_iter().find(|state| state.as_str() == name)
    }
}

/// A backfill to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBackfill {
    /// What is exported.
    pub span: Span,
    /// Which windows come first.
    pub order: BackfillOrder,
    /// Windows at the same time.
    pub parallel_max: u32,
    /// Who asks.
    pub by: Actor,
}

/// A stretch of the past that is exported, window by window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// Id.
    pub id: BackfillId,
    /// The integration.
    pub integration: IntegrationId,
    /// What is exported.
    pub span: Span,
    /// Why.
    pub cause: BackfillCause,
    /// Which windows come first.
    pub order: BackfillOrder,
    /// Windows at the same time.
    pub parallel_max: u32,
    /// Where it stands.
    pub state: BackfillState,
    /// What was not planned yet; `None` once everything is.
    pub left: Option<Span>,
    /// Who asked for it.
    pub created_by: Actor,
    /// When it was made.
    pub created_at: Micros,
    /// When the last of its windows ended, or when it was cancelled.
    pub finished_at: Option<Micros>,
    /// Windows by where they stand.
    pub windows: BackfillWindows,
}

/// How many windows of a backfill stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackfillWindows {
    /// Queued or running.
    pub active: u64,
    /// Completed.
    pub completed: u64,
    /// Failed or cancelled.
    pub failed: u64,
}

impl Backfill {
    /// What is left while the window `span` and those that come after it are not planned yet.
    pub fn left_at(&self, span: Span) -> Option<Span> {
        let left = self.left?;
        Some(match self.order {
            BackfillOrder::OldestFirst => Span { from: span.from, ..left },
            BackfillOrder::NewestFirst => Span { to: span.to, ..left },
        })
    }

    /// The next windows to plan, at most `most`, and what is left after them.
    pub fn next_windows(&self, schedule: &crate::Schedule, most: usize) -> (Vec<Span>, Option<Span>) {
        let Some(mut left) = self.left else { return (Vec::new(), None) };
        let mut windows = Vec::new();
        while windows.len() < most {
            let window = match self.order {
                BackfillOrder::OldestFirst => schedule.windows_within(left, 1).first().copied(),
                BackfillOrder::NewestFirst => Some(schedule.last_within(left)),
            };
            let Some(window) = window else { return (windows, None) };
            windows.push(window);
            match self.order {
                BackfillOrder::OldestFirst => left.from = window.to,
                BackfillOrder::NewestFirst => left.to = window.from,
            }
            if left.from >= left.to {
                return (windows, None);
            }
        }
        (windows, Some(left))
    }
}
