//! What every source that holds [`fixture::batches`] promises of them: the promises of all tables, and the
//! rows of the memory source for requests that need more than one row at a time.

use model::{
    CompareOp, Cursor, DeletedRows, Expr, FaultKind, Micros, ReadRequest, ScoreLevel, ScoreTest, ScoreValueTest,
    Source, TracePosition, Window,
};

use super::fixture::{self, EPOCH, events_table, linked_table, request, traces_table};
use super::{agrees, every_promise, pages_agree, read_all};
use crate::memory::MemorySource;

/// Every promise, of every table of the fixture and on both cursors.
pub(crate) async fn every_promise_of_the_fixture(source: &dyn Source) {
    every_promise(source, &request(events_table())).await;
    every_promise(source, &request(traces_table())).await;
    every_promise(source, &request(linked_table())).await;
    let named = Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::column("note")))));
    let window = Window::new(Some(EPOCH), Some(Micros(EPOCH.0 + 150 * Micros::PER_SECOND))).unwrap();
    for cursor in [Cursor::StartTime, Cursor::Ingested] {
        let filter = Some(named.clone());
        every_promise(source, &ReadRequest { filter, window, cursor, ..request(events_table()) }).await;
    }
}

/// A test of scores.
pub(crate) fn score_test(level: ScoreLevel, name: &str, test: ScoreValueTest) -> Expr {
    Expr::Score(ScoreTest { level, name: name.into(), test })
}

/// The rows that pass tests of scores and of places in a trace.
pub(crate) async fn on_tests_that_need_more_than_the_row(source: &dyn Source) {
    let memory = MemorySource::new(fixture::batches()).unwrap();
    let number =
        |level, bound| score_test(level, "quality", ScoreValueTest::Number { op: CompareOp::Greater, value: bound });
    let category = score_test(ScoreLevel::Any, "quality", ScoreValueTest::Category(vec!["good".into()]));
    let named = Expr::compare(Expr::column("name"), CompareOp::Eq, Expr::text("plain"));
    let filters = [
        number(ScoreLevel::Any, 1.0),
        number(ScoreLevel::Trace, 1.0).negate(),
        Expr::Or(vec![number(ScoreLevel::Trace, 3.0), named.clone()]),
        Expr::And(vec![category.negate(), Expr::Or(vec![named, number(ScoreLevel::Any, 2.0)]).negate()]),
        score_test(ScoreLevel::Any, "tone", ScoreValueTest::Boolean(true)),
    ];
    for filter in &filters {
        for table in [events_table(), traces_table()] {
            agrees(&memory, source, &ReadRequest { filter: Some(filter.clone()), ..request(table) }).await;
        }
    }
    for position in
        [TracePosition::Root, TracePosition::FromStart(2), TracePosition::FromEnd(1), TracePosition::FromEnd(99)]
    {
        for filter in [Expr::InTracePosition(position), Expr::InTracePosition(position).negate()] {
            agrees(&memory, source, &ReadRequest { filter: Some(filter), ..request(events_table()) }).await;
        }
    }
    let since = Some(Micros(EPOCH.0 + 20 * Micros::PER_SECOND));
    let late = ReadRequest { filter: Some(filters[0].clone()), scores_since: since, ..request(events_table()) };
    agrees(&memory, source, &late).await;
}

/// Deletions are rows where they are asked for: those of memory, each row once in its newest version. Groups have none.
pub(crate) async fn on_deletions(source: &dyn Source) {
    let memory = MemorySource::new(fixture::batches()).unwrap();
    let live = request(events_table());
    let with = ReadRequest { deleted: DeletedRows::Included, ..live.clone() };
    let filter = Some(Expr::IsTrue(Box::new(Expr::column("is_deleted"))));
    let alone = ReadRequest { filter, ..with.clone() };
    let mut counts = Vec::new();
    for asked in [live, with, alone] {
        agrees(&memory, source, &asked).await;
        pages_agree(&memory, source, &asked).await;
        counts.push(read_all(source, &asked).await.unwrap().num_rows());
    }
    assert!(counts[2] > 0 && counts[0] + counts[2] == counts[1], "{counts:?}");
    let grouped = ReadRequest { deleted: DeletedRows::Included, ..request(traces_table()) };
    assert_eq!(source.prepare(grouped).await.err().unwrap().kind(), FaultKind::BadRequest);
}

/// The rows that take columns from groups of other rows.
pub(crate) async fn on_attached_columns(source: &dyn Source) {
    let memory = MemorySource::new(fixture::batches()).unwrap();
    let plain = Expr::compare(Expr::column("linked_note"), CompareOp::Eq, Expr::text("plain"));
    let rooted = Expr::IsTrue(Box::new(Expr::column("linked_root")));
    let tagged = Expr::HasAny { list: Box::new(Expr::column("linked_tags")), texts: vec!["ÉCOLE İ".into()] };
    let scored = score_test(ScoreLevel::Any, "quality", ScoreValueTest::Number { op: CompareOp::Greater, value: 1.0 });
    let first = Expr::InTracePosition(TracePosition::FromStart(1));
    let filters = [
        plain.clone(),
        plain.clone().negate(),
        Expr::IsNull(Box::new(Expr::column("linked_name"))),
        Expr::Or(vec![rooted.clone(), scored.clone(), first]),
        Expr::And(vec![tagged, Expr::Or(vec![scored.negate(), plain]), rooted.negate()]),
    ];
    for filter in filters {
        agrees(&memory, source, &ReadRequest { filter: Some(filter.clone()), ..request(linked_table()) }).await;
        // Columns that only the filter needs, and a window that does not hold what is attached.
        let columns = vec![events_table().columns[2].clone()];
        let window = Window::new(Some(Micros(EPOCH.0 + 7 * Micros::PER_SECOND)), None).unwrap();
        let narrow = ReadRequest { filter: Some(filter), columns, window, ..request(linked_table()) };
        agrees(&memory, source, &narrow).await;
    }
}
