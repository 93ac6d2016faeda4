//! Pages of rows, forwards and backwards in the total order, and single rows.

use std::collections::VecDeque;

use arrow_array::RecordBatch;
use model::{
    Bound, BrowseBounds, ColumnSelection, CompareOp, Cursor, End, Expr, Fault, FaultKind, KeyRange, Micros, OrderKey,
    PAGE_ITEMS_MAX, PageRequest, ProjectId, RowKey, RowPage, RowsAsk, Selection, ShownCells, ShownRow, TableSpec,
    Window, select,
};

use super::SourceBrowse;
use super::asked::Asked;
use super::cells::{Cells, order_key};
use super::open::{Ended, More, Open};
use super::parts::Parts;
use super::token::{From, read_row_key};

/// Rows of a page before they are printed, in order.
struct Found {
    batches: VecDeque<RecordBatch>,
    /// Where older rows begin, if there may be any.
    older: Option<OrderKey>,
    /// Where newer rows end, if there may be any.
    newer: Option<OrderKey>,
    stopped: Option<Bound>,
}

pub(super) async fn rows(
    browse: &SourceBrowse,
    project: &ProjectId,
    ask: &RowsAsk,
    shown: &ShownCells,
    page: &PageRequest,
    bounds: &BrowseBounds,
) -> Result<RowPage, Fault> {
    let mut asked = Asked::new(browse, project, ask).await?;
    let selection = selection(&asked.table, shown)?;
    let from = page.after.as_ref().map(|token| From::read(ask, token)).transpose()?;
    let wanted = page.items_max.clamp(1, PAGE_ITEMS_MAX) as usize;
    if !narrow(&mut asked.window, asked.cursor, from.as_ref()) {
        let columns = selection.columns.iter().map(|column| column.name.clone()).collect();
        return Ok(RowPage { columns, rows: vec![], next: None, previous: None, stopped: None });
    }
    let request = asked.request(selection.columns.clone());
    let mut open = Open::new(browse.source.as_ref(), request.clone(), bounds).await?;
    let cells =
        Cells::new(&request, open.reading.as_ref(), &browse.looked_up, &selection, shown.characters_max).await?;
    let found = match &from {
        None if shown.oldest_first => newer(&mut open, None, wanted).await?,
        None => older(&mut open, None, wanted).await?,
        Some(From::Older(key)) => older(&mut open, Some(key), wanted).await?,
        Some(From::Newer(key)) => newer(&mut open, Some(key), wanted).await?,
    };
    let mut rows = Vec::with_capacity(wanted);
    for batch in found.batches {
        rows.extend(cells.print(batch).await?);
    }
    let mut next = found.older.map(|key| From::Older(key).token(ask));
    let mut previous = found.newer.map(|key| From::Newer(key).token(ask));
    if shown.oldest_first {
        rows.reverse();
        (next, previous) = (previous, next);
    }
    Ok(RowPage { columns: cells.columns(), rows, next, previous, stopped: found.stopped })
}

/// The columns of a page: the usual ones without scores, unless something else is asked for.
fn selection(table: &TableSpec, shown: &ShownCells) -> Result<Selection, Fault> {
    let chosen = match shown.columns.as_slice() {
        [] => {
            let usual = select(table, &ColumnSelection::Default).map_err(Fault::of_problems)?;
            return Ok(Selection { scores: false, ..usual });
        }
        [all] if all == "all" => ColumnSelection::All,
        names => ColumnSelection::Named(names.to_vec()),
    };
    select(table, &chosen).map_err(Fault::of_problems)
}

/// Leaves out what lies on the other side of the cursor before anything is planned. False where nothing is left.
fn narrow(window: &mut Window, cursor: Cursor, from: Option<&From>) -> bool {
    if cursor == Cursor::StartTime {
        match from {
            Some(From::Older(key)) => {
                let to = Micros(key.time.0.saturating_add(1));
                window.to = Some(window.to.map_or(to, |known| known.min(to)));
            }
            Some(From::Newer(key)) => window.from = Some(window.from.map_or(key.time, |known| known.max(key.time))),
            None => {}
        }
    }
    !matches!((window.from, window.to), (Some(from), Some(to)) if from >= to)
}

/// The first rows from a position on.
async fn older(open: &mut Open, start: Option<&OrderKey>, wanted: usize) -> Result<Found, Fault> {
    let mut found = Found { batches: VecDeque::new(), older: None, newer: start.cloned(), stopped: None };
    let mut rows = 0;
    // One row more than the page has says that another page follows.
    let mut parts = Parts::of(KeyRange { from: start.cloned(), to: None }, End::First, wanted + 1);
    while let Some(part) = parts.next(open).await? {
        let (begin, is_last) = (part.from.clone(), part.to.is_none());
        let ended = open
            .few(part, End::First, wanted + 1 - rows, |batch| {
                let batch = batch.slice(0, batch.num_rows().min(wanted + 1 - rows));
                rows += batch.num_rows();
                found.batches.push_back(batch);
                Ok(if rows > wanted { More::No } else { More::Yes })
            })
            .await?;
        match ended {
            // Full to the row: whether another follows is not worth looking through everything else.
            Ended::Seen if rows == wanted && !is_last => {
                found.older = last_key(&found.batches)?.map(|last| last.successor());
                break;
            }
            Ended::Seen => {}
            Ended::Enough => {
                let (last, kept) = split_last(&mut found.batches)?;
                found.batches.extend(kept);
                found.older = Some(last);
                break;
            }
            Ended::At(bound) => {
                found.stopped = Some(bound);
                // Rows that were found are not looked for again, parts that had none neither.
                let last = last_key(&found.batches)?.map(|last| last.successor());
                found.older = [last, begin].into_iter().flatten().max();
                if found.older.is_none() || found.older.as_ref() == start {
                    return Err(no_progress(bound));
                }
                break;
            }
        }
    }
    Ok(found)
}

/// The last rows before a position, or of all.
async fn newer(open: &mut Open, end: Option<&OrderKey>, wanted: usize) -> Result<Found, Fault> {
    let mut found = Found { batches: VecDeque::new(), older: end.cloned(), newer: None, stopped: None };
    let mut rows = 0;
    let mut parts = Parts::of(KeyRange { from: None, to: end.cloned() }, End::Last, wanted + 1);
    while let Some(part) = parts.next(open).await? {
        let (is_first, finish) = (part.from.is_none(), part.to.clone());
        let mut here: VecDeque<RecordBatch> = VecDeque::new();
        let mut count = 0;
        let ended = open
            .few(part, End::Last, wanted + 1 - rows, |batch| {
                count += batch.num_rows();
                here.push_back(batch);
                // What can no longer be among the last rows is let go.
                while let Some(first) = here.front()
                    && count - first.num_rows() > wanted - rows
                {
                    count -= first.num_rows();
                    here.pop_front();
                }
                Ok(More::Yes)
            })
            .await?;
        if let Ended::At(bound) = ended {
            // The last rows of this part were not seen: the search goes on before the parts that were.
            found.stopped = Some(bound);
            found.newer = [first_key(&found.batches)?, finish].into_iter().flatten().min();
            if found.newer.is_none() || found.newer.as_ref() == end {
                return Err(no_progress(bound));
            }
            break;
        }
        rows += count;
        for batch in here.into_iter().rev() {
            found.batches.push_front(batch);
        }
        if rows > wanted {
            drop_first(&mut found.batches, rows - wanted);
            found.newer = first_key(&found.batches)?;
            break;
        }
        if rows == wanted && !is_first {
            found.newer = first_key(&found.batches)?;
            break;
        }
    }
    Ok(found)
}

/// A call that found nothing and could not even say where to go on.
fn no_progress(bound: Bound) -> Fault {
    let (kind, message) = match bound {
        Bound::Time => (FaultKind::Timeout, "no row was found in time"),
        Bound::Bytes => (FaultKind::TooLarge { limit: None }, "the rows are too large to look at"),
    };
    Fault::new(kind, message).hint("ask for a shorter time range, or for fewer columns")
}

/// Takes the last row away, which begins the next page: its key, and what is left of its batch.
fn split_last(batches: &mut VecDeque<RecordBatch>) -> Result<(OrderKey, Option<RecordBatch>), Fault> {
    let batch = batches.pop_back().ok_or_else(|| Fault::bug("a full page has no rows"))?;
    let last = batch.num_rows() - 1;
    let key = order_key(&batch, last)?;
    Ok((key, (last > 0).then(|| batch.slice(0, last))))
}

fn drop_first(batches: &mut VecDeque<RecordBatch>, mut rows: usize) {
    while let Some(first) = batches.pop_front() {
        if first.num_rows() > rows {
            batches.push_front(first.slice(rows, first.num_rows() - rows));
            return;
        }
        rows -= first.num_rows();
    }
}

fn first_key(batches: &VecDeque<RecordBatch>) -> Result<Option<OrderKey>, Fault> {
    batches.iter().find(|batch| batch.num_rows() > 0).map(|batch| order_key(batch, 0)).transpose()
}

fn last_key(batches: &VecDeque<RecordBatch>) -> Result<Option<OrderKey>, Fault> {
    let last = batches.iter().rev().find(|batch| batch.num_rows() > 0);
    last.map(|batch| order_key(batch, batch.num_rows() - 1)).transpose()
}

/// The row of a key, with every column but scores, which are rows of their own table.
pub(super) async fn row(
    browse: &SourceBrowse,
    project: &ProjectId,
    table: &str,
    key: &RowKey,
    bounds: &BrowseBounds,
) -> Result<Option<ShownRow>, Fault> {
    let Some(position) = read_row_key(key) else { return Ok(None) };
    let asked = Asked::everything(browse, project, table)?;
    let selection = select(&asked.table, &ColumnSelection::All).map_err(Fault::of_problems)?;
    let selection = Selection { scores: false, ..selection };
    // Where it was when it was listed; else, where its start time was corrected since, wherever its ids are.
    let order = asked.table.order;
    let of_text = |column, text: &str| Expr::compare(Expr::column(column), CompareOp::Eq, Expr::text(text));
    let mut same = of_text(order.id, &position.id);
    if let Some(trace) = order.trace_id {
        same = of_text(trace, &position.trace_id).and(same);
    }
    let mut at_its_time = Asked::everything(browse, project, table)?.only(same.clone());
    at_its_time.window = Window { from: Some(position.time), to: Some(Micros(position.time.0.saturating_add(1))) };
    for asked in [at_its_time, asked.only(same)] {
        let request = asked.request(selection.columns.clone());
        let mut open = Open::new(browse.source.as_ref(), request.clone(), bounds).await?;
        let cells = Cells::new(&request, open.reading.as_ref(), &browse.looked_up, &selection, None).await?;
        let found = older(&mut open, None, 1).await?;
        if let Some(batch) = found.batches.into_iter().find(|batch| batch.num_rows() > 0) {
            let mut rows = cells.print(batch.slice(0, 1)).await?;
            return Ok(rows.pop());
        }
        if found.stopped.is_some() {
            return Err(Fault::new(FaultKind::Timeout, "the row was not found in time")
                .hint("its start time may have been corrected: search for its id"));
        }
    }
    Ok(None)
}
