//! Pages: rows at an end of a range are those that a read of everything has there.

use super::*;
use crate::conformance::pages_agree;

/// Tests of rows that need more than the row, and one of the groups.
fn filters_of(runner: &mut TestRunner, table: &TableSpec) -> Vec<Expr> {
    let above = ScoreValueTest::Number { op: CompareOp::Greater, value: 1.0 };
    let scored = score_test(ScoreLevel::Any, "quality", above);
    match table.relation {
        model::Relation::Stored(_) => {
            let first = Expr::InTracePosition(model::TracePosition::FromStart(1));
            let mut filters = random_filters(runner, table, soak(2, 20));
            filters.extend([scored.clone(), scored.negate(), first]);
            filters
        }
        // Random ones are over stored columns.
        model::Relation::Grouped(_) => {
            let few = Expr::compare(Expr::column("count"), CompareOp::Less, Expr::Literal(Literal::Int(5)));
            vec![scored.clone(), scored.negate(), few]
        }
    }
}

#[tokio::test]
async fn pages_are_those_of_memory_on_random_rows_and_filters() {
    let engine = need_engine!();
    let mut runner = TestRunner::deterministic();
    for case in 0..soak(2, 60) {
        let loaded = random_rows(&mut runner);
        let memory = MemorySource::new(loaded.clone()).unwrap();
        let (database, source) = stored(engine, &loaded).await;
        if case % 2 == 1 {
            merge(engine, &database);
        }
        for table in [events_table(), traces_table(), linked_table()] {
            let filters = filters_of(&mut runner, &table);
            for (number, filter) in filters.into_iter().map(Some).chain([None]).enumerate() {
                let cursor = if number % 2 == 0 { Cursor::StartTime } else { Cursor::Ingested };
                let to = (number % 3 == 0).then_some(Micros(EPOCH.0 + 60_000_000));
                let window = Window { from: None, to };
                let asked = ReadRequest { filter, cursor, window, ..request(Arc::clone(&table)) };
                pages_agree(&memory, &source, &asked).await;
            }
        }
        engine.run("default", &format!("DROP DATABASE {database}"));
    }
}

/// A row's versions, of which the newest starts elsewhere, is in another session, or is a deletion.
#[tokio::test]
async fn pages_have_no_version_that_another_one_outranks() {
    let engine = need_engine!();
    // Scores keep milliseconds.
    let at = |seconds: i64| Micros(EPOCH.0 + seconds * Micros::PER_SECOND).to_sql_text();
    let event = |trace: &str, span: &str, session: &str, start: i64, version: i64, is_deleted: bool| {
        json!({
            "project_id": "p1", "trace_id": trace, "span_id": span, "session_id": session, "name": span,
            "start_time": at(start), "event_ts": at(version), "updated_at": at(version), "created_at": at(0),
            "is_deleted": is_deleted,
        })
    };
    let score = |id: &str, trace: &str, given: i64, version: i64| {
        json!({
            "id": id, "timestamp": at(given), "project_id": "p1", "name": "n", "data_type": "NUMERIC", "value": 1,
            "trace_id": trace, "event_ts": at(version), "updated_at": at(version), "created_at": at(0),
        })
    };
    // Far apart, so that a part holds one version and not the other.
    let day = 86_400;
    let (events, scores) = (tables::stored_events(), tables::stored_scores());
    let old: Vec<_> = (0..40)
        .flat_map(|n| {
            let trace = format!("t{n}");
            ["a", "b"].map(|span| event(&trace, span, &format!("s{}", n % 5), n * day, 1, false))
        })
        .collect();
    let newer: Vec<_> = (0..40)
        .filter(|n| n % 3 == 0)
        .flat_map(|n| {
            let trace = format!("t{n}");
            let moved = event(&trace, "a", &format!("s{}", n % 7), (40 - n) * day + 7, 2, false);
            [moved, event(&trace, "b", "", n * day + 9, 3, n % 2 == 0)]
        })
        .collect();
    let given: Vec<_> = (0..40).map(|n| score(&format!("sc{n}"), &format!("t{n}"), n * day, 1)).collect();
    let corrected: Vec<_> =
        (0..40).step_by(4).map(|n| score(&format!("sc{n}"), &format!("t{}", n + 1), (40 - n) * day, 2)).collect();
    let batch = |table: &StoredTable, rows: &[serde_json::Value]| batch_from_json(table, rows).unwrap();
    let loaded = vec![
        (Arc::clone(&events), vec![batch(&events, &old), batch(&events, &newer)]),
        (Arc::clone(&scores), vec![batch(&scores, &given), batch(&scores, &corrected)]),
    ];
    let (_, source) = langfuse(engine, &loaded).await;
    let memory = MemorySource::new(loaded).unwrap();
    for name in ["events", "observations", "traces", "sessions", "scores"] {
        let asked = request(tables::find(name).unwrap());
        pages_agree(&memory, &source, &asked).await;
        let instant = |days: i64| Micros(EPOCH.0 + days * day * Micros::PER_SECOND);
        let window = Window::new(Some(instant(8)), Some(instant(31))).unwrap();
        pages_agree(&memory, &source, &ReadRequest { window, ..asked }).await;
    }
}
