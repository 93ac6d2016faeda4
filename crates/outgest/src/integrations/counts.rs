//! Rows that are counted beside a window's files: those that came late, and deletions. Keys alone are read.

use std::sync::Arc;

use futures_util::StreamExt;
use model::{
    CompareOp, Cursor, DeletedRows, Expr, Fault, KeyRange, Literal, Micros, ReadRequest, Relation, RowCount, Source,
    Span, Stop, Window,
};

/// Counts the rows of a request without its columns.
pub async fn rows(source: &dyn Source, request: ReadRequest, stop: &Stop) -> Result<RowCount, Fault> {
    let request = ReadRequest { columns: Vec::new(), ..request };
    let reading = source.prepare(request).await.map_err(|fault| fault.during("counting rows"))?;
    let counted = async {
        if reading.plan(None).await?.slices.is_empty() {
            return Ok(RowCount::ZERO);
        }
        let mut rows = 0;
        let mut batches = Arc::clone(&reading).read(KeyRange::ALL, stop.clone());
        while let Some(batch) = batches.next().await {
            rows += batch?.num_rows() as u64;
        }
        Ok(RowCount(rows))
    };
    let counted: Result<RowCount, Fault> = counted.await;
    reading.close().await?;
    counted.map_err(|fault| fault.during("counting rows"))
}

/// The rows of a window that started before it: they came late, and its cursor has caught them.
pub fn caught(request: &ReadRequest, span: Span) -> ReadRequest {
    with(request, before(request, span.from))
}

/// The rows that belong to windows exported before and were stored since the run before this one: a cursor on
/// the start time exports them in no window.
pub fn missed(request: &ReadRequest, span: Span, since: Micros, now: Micros) -> ReadRequest {
    let window = Window { from: Some(since), to: Some(now) };
    ReadRequest { window, cursor: Cursor::Ingested, ..with(request, before(request, span.from)) }
}

/// The deletions of a window; `None` where rows of the table cannot be deleted by themselves.
pub fn deletions(request: &ReadRequest) -> Option<ReadRequest> {
    let Relation::Stored(stored) = &request.table.relation else { return None };
    let deleted = Expr::IsTrue(Box::new(Expr::column(stored.deleted)));
    Some(ReadRequest { deleted: DeletedRows::Included, ..with(request, deleted) })
}

fn before(request: &ReadRequest, at: Micros) -> Expr {
    let time = Expr::column(request.table.order.time);
    Expr::compare(time, CompareOp::Less, Expr::Literal(Literal::Timestamp(at)))
}

fn with(request: &ReadRequest, more: Expr) -> ReadRequest {
    let filter = match request.filter.clone() {
        Some(filter) => filter.and(more),
        None => more,
    };
    ReadRequest { filter: Some(filter), ..request.clone() }
}
