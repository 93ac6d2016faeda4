//! A delivery as the pipeline is told it; the same for the command line and for a worker.

use std::sync::Arc;

use enrich::{Links, Mask};
use model::{
    ByteCount, Cursor, DeletedRows, Enrichment, EventStream, Micros, ReadRequest, RunId, VersionScope, Window,
};
use pipeline::{Budget, DeliverySpec};
use tables::analytics::{EventFacts, EventTable};

/// A row with more stored bytes fails the run (promise 12).
const ROW_BYTES_MAX: ByteCount = ByteCount::mebibytes(100);

/// What the deliveries of several tables have in common.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What their events repeat.
    pub facts: EventFacts,
    /// Which rows by time.
    pub window: Window,
    /// The timestamp the window is measured on.
    pub cursor: Cursor,
    /// Address of the tracing product, for links; without it events have none.
    pub base_url: Option<String>,
    /// Whether the events happened long ago.
    pub historical: bool,
    /// What is hidden of them; links follow what is left.
    pub mask: Option<Mask>,
}

impl Delivery {
    /// The delivery of one table.
    pub fn spec(&self, of: &EventTable, run: &RunId, as_of: Micros, threads: usize) -> DeliverySpec {
        let project = &self.facts.project;
        let links = self.base_url.as_ref().map(|base_url| Links::new(base_url, project, of.kind));
        let mask = self.mask.clone().map(|mask| Arc::new(mask) as Arc<dyn Enrichment>);
        let links = links.map(|links| Arc::new(links) as Arc<dyn Enrichment>);
        let budget = Budget::for_events(threads);
        DeliverySpec {
            request: ReadRequest {
                run: run.clone(),
                project: project.clone(),
                table: Arc::clone(&of.table),
                columns: of.table.columns.clone(),
                filter: of.keep.clone(),
                window: self.window,
                cursor: self.cursor,
                versions: VersionScope::default(),
                deleted: DeletedRows::LeftOut,
                as_of,
                snapshot: None,
                scores_since: None,
                batch_bytes_max: budget.batch_bytes,
                row_bytes_max: ROW_BYTES_MAX,
            },
            enrichments: mask.into_iter().chain(links).collect(),
            stream: EventStream {
                project: project.clone(),
                kind: of.kind,
                dialect: self.facts.dialect,
                historical: self.historical,
            },
            budget,
        }
    }
}
