//! Rows that are counted beside a window's files: those that came late, and deletions. Keys alone are read. And the
//! different texts that one column of them has.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use futures_util::StreamExt;
use model::{
    ColumnSpec, CompareOp, Cursor, DeletedRows, Expr, Fault, KeyRange, Literal, Micros, ReadRequest, Relation,
    RowCount, Source, Span, Stop, Window,
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
    pipeline::end_reading(&*reading).await;
    counted.map_err(|fault| fault.during("counting rows"))
}

/// The different texts in a column of the rows of a request; reading ends once there are more than so many, or they have
/// more than so many bytes together.
pub async fn texts(
    source: &dyn Source,
    request: &ReadRequest,
    column: &ColumnSpec,
    (most, bytes_max): (usize, usize),
    stop: &Stop,
) -> Result<BTreeSet<String>, Fault> {
    let during = |fault: Fault| fault.during("looking at the values of a column");
    let request = ReadRequest { columns: vec![column.clone()], ..request.clone() };
    let reading = source.prepare(request).await.map_err(during)?;
    let looked = async {
        let mut texts = BTreeSet::new();
        let mut bytes = 0;
        for slice in reading.plan(None).await?.slices {
            let mut batches = Arc::clone(&reading).tally(slice.range, stop.clone());
            while let Some(batch) = batches.next().await {
                let batch = batch?;
                let cells = batch.column(0).as_string_opt::<i32>();
                let cells = cells.ok_or_else(|| Fault::bug(format!("column {} holds no texts", column.name)))?;
                for text in cells.iter().flatten() {
                    if !texts.contains(text) {
                        bytes += text.len();
                        texts.insert(text.to_owned());
                    }
                    if texts.len() > most || bytes > bytes_max {
                        return Ok(texts);
                    }
                }
            }
        }
        Ok(texts)
    };
    let looked: Result<_, Fault> = looked.await;
    pipeline::end_reading(&*reading).await;
    looked.map_err(during)
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
