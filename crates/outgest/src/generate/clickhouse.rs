//! Generated rows into the tables of a ClickHouse, the same that the embedded store would get.
//!
//! Rows are made on a thread of their own while the server stores those before; a few inserts of many rows
//! leave it fewer parts to merge. Comments are not a part of a ClickHouse: they go into the metadata store
//! where it holds the comments on these rows, else nowhere.

use arrow_array::RecordBatch;
use model::{Comment, Fault, ObjectKind, PhysicalTable, ProjectId, RowCount, StoredTable};
use sources::clickhouse::ClickHouseWriter;
use store::NativeStore;
use tokio::sync::mpsc;

use super::command::{Counts, blocking};
use super::{Batches, Generated};

/// Batches of one insert: about 32 MiB of events.
const BATCHES_PER_INSERT: usize = 4;

/// Stores all rows; comments only where there is a store for them.
pub(super) async fn to_clickhouse(
    rows: Batches,
    project: &ProjectId,
    writer: &ClickHouseWriter,
    comments: Option<&NativeStore>,
) -> Result<Counts, Fault> {
    let (sender, mut receiver) = mpsc::channel(1);
    let made = tokio::spawn(blocking(move || {
        for chunk in chunks(rows) {
            // Nobody listens any more after a failure, which is told there.
            if sender.blocking_send(chunk).is_err() {
                break;
            }
        }
        Ok(())
    }));
    let (in_events, in_scores) = (place_of(&tables::stored_events())?, place_of(&tables::stored_scores())?);
    let mut counts = Counts::new();
    while let Some(chunk) = receiver.recv().await {
        let Chunk { events, scores, comments: new } = chunk;
        *counts.entry("versions of events").or_default() += stored(writer, &in_events, events).await?;
        *counts.entry("scores").or_default() += stored(writer, &in_scores, scores).await?;
        if let Some(store) = comments {
            *counts.entry("comments").or_default() += RowCount::from(new.len());
            let new = new.into_iter().map(|comment| store::NewComment { kind: ObjectKind::Observation, comment });
            store.put_comments(project, &new.collect::<Vec<_>>()).await?;
        }
    }
    made.await.map_err(|error| Fault::bug("generating ended without an answer").because(error))??;
    Ok(counts)
}

/// Rows of one insert into each table.
#[derive(Default)]
struct Chunk {
    events: Vec<RecordBatch>,
    scores: Vec<RecordBatch>,
    comments: Vec<Comment>,
}

fn chunks(mut rows: Batches) -> impl Iterator<Item = Chunk> {
    std::iter::from_fn(move || {
        let mut chunk = Chunk::default();
        for Generated { events, scores, comments } in rows.by_ref().take(BATCHES_PER_INSERT) {
            chunk.events.push(events);
            chunk.scores.push(scores);
            chunk.comments.extend(comments);
        }
        (!chunk.events.is_empty()).then_some(chunk)
    })
}

/// Where a deployment of today keeps the rows of a table.
fn place_of(table: &StoredTable) -> Result<PhysicalTable, Fault> {
    let place = tables::clickhouse_tables().into_iter().find(|place| place.stored == table.name);
    place.ok_or_else(|| Fault::bug(format!("ClickHouse has no place for {}", table.name)))
}

async fn stored(
    writer: &ClickHouseWriter,
    table: &PhysicalTable,
    batches: Vec<RecordBatch>,
) -> Result<RowCount, Fault> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if rows > 0 {
        writer.store(table, &batches).await?;
    }
    Ok(RowCount::from(rows))
}
