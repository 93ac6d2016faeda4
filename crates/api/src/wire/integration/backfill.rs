//! Stretches of the past that are exported again.

use model::{Actor, Micros, Page, Span};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::{ActorBody, instant};
use crate::problem::{Answer, Problem};

/// A stretch of time.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RangeRequest {
    /// First instant: RFC 3339, a date, or a duration before now such as `-24h`.
    #[schema(example = "2026-08-01")]
    from: String,
    /// First instant that is left out.
    #[schema(example = "2026-08-08")]
    to: String,
}

impl RangeRequest {
    pub(crate) fn span(&self, now: Micros) -> Answer<Span> {
        span(&self.from, &self.to, now)
    }
}

/// A backfill to be made.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewBackfill {
    /// First instant: RFC 3339, a date, or a duration before now such as `-24h`.
    #[schema(example = "2026-08-01")]
    from: String,
    /// First instant that is left out.
    #[schema(example = "2026-08-08")]
    to: String,
    /// Which windows come first. The oldest unless given.
    #[serde(default)]
    order: Option<BackfillOrder>,
    /// Windows at the same time; those of the integration unless given.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 64)]
    parallel_max: Option<u32>,
}

/// Most windows of one backfill at the same time.
const PARALLEL_MAX: u32 = 64;

impl NewBackfill {
    pub(crate) fn into_model(self, usual_parallel: u32, by: Actor, now: Micros) -> Answer<model::NewBackfill> {
        let parallel_max = self.parallel_max.unwrap_or(usual_parallel);
        if !(1..=PARALLEL_MAX).contains(&parallel_max) {
            let message = format!("{parallel_max} is not between 1 and {PARALLEL_MAX}");
            return Err(Problem::of_field("parallelMax", message));
        }
        Ok(model::NewBackfill {
            span: span(&self.from, &self.to, now)?,
            order: match self.order {
                None | Some(BackfillOrder::OldestFirst) => model::BackfillOrder::OldestFirst,
                Some(BackfillOrder::NewestFirst) => model::BackfillOrder::NewestFirst,
            },
            parallel_max,
            by,
        })
    }
}

fn span(from: &str, to: &str, now: Micros) -> Answer<Span> {
    Ok(Span::new(Micros::parse("from", from, now)?, Micros::parse("to", to, now)?)?)
}

/// Which windows of a backfill come first.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum BackfillOrder {
    OldestFirst,
    NewestFirst,
}

/// A stretch of the past that is exported, window by window.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Backfill {
    /// Id.
    id: String,
    /// First instant.
    #[schema(format = DateTime)]
    from: String,
    /// First instant after it.
    #[schema(format = DateTime)]
    to: String,
    /// Why it is exported.
    cause: BackfillCause,
    /// Which windows come first.
    order: BackfillOrder,
    /// Windows at the same time.
    parallel_max: u32,
    /// Where it stands.
    state: BackfillState,
    /// Part of the time that is planned, from 0 to 1.
    share: f64,
    /// Windows that are queued or running.
    windows_active: u64,
    /// Windows that are completed.
    windows_completed: u64,
    /// Windows that failed or were cancelled.
    windows_failed: u64,
    /// Who asked for it.
    created_by: ActorBody,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ended.
    #[schema(required, format = DateTime)]
    finished_at: Option<String>,
}

/// Why a stretch of the past is exported.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum BackfillCause {
    /// Windows were found that nobody had exported.
    CatchUp,
    /// Somebody asked for it.
    Request,
}

/// Where a backfill stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum BackfillState {
    Running,
    Completed,
    Cancelled,
}

impl From<model::Backfill> for Backfill {
    fn from(backfill: model::Backfill) -> Self {
        let length = |span: Span| span.to.since(span.from).as_seconds_f64();
        let left = backfill.left.map_or(0.0, length);
        Self {
            id: backfill.id.as_str().to_owned(),
            from: instant(backfill.span.from),
            to: instant(backfill.span.to),
            cause: match backfill.cause {
                model::BackfillCause::CatchUp => BackfillCause::CatchUp,
                model::BackfillCause::Request => BackfillCause::Request,
            },
            order: match backfill.order {
                model::BackfillOrder::OldestFirst => BackfillOrder::OldestFirst,
                model::BackfillOrder::NewestFirst => BackfillOrder::NewestFirst,
            },
            parallel_max: backfill.parallel_max,
            state: match backfill.state {
                model::BackfillState::Running => BackfillState::Running,
                model::BackfillState::Completed => BackfillState::Completed,
                model::BackfillState::Cancelled => BackfillState::Cancelled,
            },
            share: 1.0 - left / length(backfill.span),
            windows_active: backfill.windows.active,
            windows_completed: backfill.windows.completed,
            windows_failed: backfill.windows.failed,
            created_by: backfill.created_by.into(),
            created_at: instant(backfill.created_at),
            finished_at: backfill.finished_at.map(instant),
        }
    }
}

/// Backfills, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackfillPage {
    /// Backfills.
    items: Vec<Backfill>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

impl From<Page<model::Backfill>> for BackfillPage {
    fn from(page: Page<model::Backfill>) -> Self {
        Self { items: page.items.into_iter().map(Into::into).collect(), next: page.next.map(|token| token.0) }
    }
}
