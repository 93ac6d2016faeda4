//! Looking at rows of any source: [`model::Browse`] over [`model::Source`] and [`model::Reading`].
//!
//! A page is read from the first slice of the total order on and stops as soon as it is full; values and times are
//! counted from batches of the columns they need, newest rows first. Every call keeps to its bounds and says where
//! one of them ended it early ([`open`]). The same code serves every source.
//!
//! It does not sort: rows come in the total order or its reverse, or not at all.

mod asked;
mod cells;
mod counts;
mod open;
mod over_time;
mod page;
mod parts;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use async_trait::async_trait;
use model::{
    Browse, BrowseBounds, CommentLookup, FacetAsk, Facets, Fault, FaultKind, Histogram, HistogramAsk, Micros,
    PageRequest, PriceLookup, ProjectId, RowKey, RowPage, RowsAsk, ShownCells, ShownRow, Source,
};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Calls that read at the same time. Each holds at most its bound of cells and about as much again while it
/// encodes them, so four of them fit beside a run.
const CALLS_AT_ONCE: usize = 4;

/// Looks at rows of one source.
pub struct SourceBrowse {
    source: Arc<dyn Source>,
    looked_up: LookedUp,
    now: fn() -> Micros,
    calls: Semaphore,
}

/// What rows show that the source does not have.
#[derive(Clone)]
pub struct LookedUp {
    /// Comments on rows.
    pub comments: Arc<dyn CommentLookup>,
    /// Prices of models.
    pub prices: Arc<dyn PriceLookup>,
}

impl SourceBrowse {
    /// Looks at rows of `source`.
    pub fn new(source: Arc<dyn Source>, looked_up: LookedUp, now: fn() -> Micros) -> Self {
        Self { source, looked_up, now, calls: Semaphore::new(CALLS_AT_ONCE) }
    }

    /// A place among the calls that read; waits for one as long as the call itself may take.
    async fn place(&self, bounds: &BrowseBounds) -> Result<SemaphorePermit<'_>, Fault> {
        let busy = || {
            Fault::new(FaultKind::Throttled, "too many people look at rows at the same time")
                .hint("try again in a moment")
                .retry_after(bounds.time)
        };
        match tokio::time::timeout(bounds.time, self.calls.acquire()).await {
            Ok(place) => place.map_err(|closed| Fault::bug("the places of calls are gone").because(closed)),
            Err(_) => Err(busy()),
        }
    }
}

#[async_trait]
impl Browse for SourceBrowse {
    async fn rows(
        &self,
        project: &ProjectId,
        ask: &RowsAsk,
        shown: &ShownCells,
        page: &PageRequest,
        bounds: &BrowseBounds,
    ) -> Result<RowPage, Fault> {
        let _place = self.place(bounds).await?;
        page::rows(self, project, ask, shown, page, bounds).await
    }

    async fn row(
        &self,
        project: &ProjectId,
        table: &str,
        key: &RowKey,
        bounds: &BrowseBounds,
    ) -> Result<Option<ShownRow>, Fault> {
        let _place = self.place(bounds).await?;
        page::row(self, project, table, key, bounds).await
    }

    async fn facets(&self, project: &ProjectId, ask: &FacetAsk, bounds: &BrowseBounds) -> Result<Facets, Fault> {
        let _place = self.place(bounds).await?;
        counts::facets(self, project, ask, bounds).await
    }

    async fn histogram(
        &self,
        project: &ProjectId,
        ask: &HistogramAsk,
        bounds: &BrowseBounds,
    ) -> Result<Histogram, Fault> {
        let _place = self.place(bounds).await?;
        over_time::histogram(self, project, ask, bounds).await
    }
}
