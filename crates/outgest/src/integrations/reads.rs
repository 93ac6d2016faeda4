//! What is read of one table of an integration, for files and for events alike: its rows as a window has them.

use model::{
    CommentLookup, Fault, IntegrationSettings, IntegrationTable, Micros, ProjectId, ReadRequest, RunId, Window,
};
use pipeline::Budget;

use crate::deliver::Scheduled;
use crate::export::{Request, read_request};

/// Fails with every problem of a table that can be found without opening anything.
pub fn check(project: &ProjectId, settings: &IntegrationSettings, table: &IntegrationTable) -> Result<(), Fault> {
    match settings.files {
        Some(_) => Request::scheduled(project, settings, table, Window::default()).map(drop),
        None => Scheduled::new(project, settings, table, (Window::default(), None)).map(drop),
    }
}

/// The read of a table in a window; comments are looked up as of then.
pub async fn read_of(
    (project, settings, table): (&ProjectId, &IntegrationSettings, &IntegrationTable),
    window: Window,
    run: &RunId,
    as_of: Micros,
    comments: &dyn CommentLookup,
) -> Result<ReadRequest, Fault> {
    match settings.files {
        Some(_) => {
            let request = Request::scheduled(project, settings, table, window)?;
            read_request(&request, run, as_of, comments).await
        }
        None => {
            let Scheduled { delivery, of } =
                Scheduled::new(project, settings, table, (window, None))?.resolved(comments, as_of).await?;
            Ok(delivery.spec(&of, run, as_of, Budget::default().threads).request)
        }
    }
}
