//! Rows whose size is not stored with them, and users who cannot bound blocks: what is read at once stays bounded.

use super::candidates::rows_read;
use super::*;
use crate::clickhouse::engine::proxy::Trouble;

/// Rows of a table, and about what each takes.
const ROWS: u64 = 1_100;
const ROW_BYTES: u64 = 60_000;
/// Bytes of the first slices.
const FIRST_BYTES: u64 = 32 << 20;

/// A deployment with rows in a table, a minute apart, whose ids are in this column. What they hold repeats, so that it
/// takes no room on the disk.
fn filled(engine: &Engine, table: &str, id: &str) -> String {
    let database = engine.database();
    engine.langfuse_tables(&database);
    engine.run(&database, "DROP VIEW events_core_mv");
    engine.run(
        &database,
        &format!(
            "INSERT INTO {table} (project_id, trace_id, {id}, type, start_time, input, event_ts, created_at, updated_at) \
             SELECT 'p1', 't', concat('s', toString(number)), 'SPAN', \
             fromUnixTimestamp64Micro(toInt64({epoch} + number * 60000000), 'UTC'), \
             repeat('some words ', intDiv({ROW_BYTES}, 11)), \
             fromUnixTimestamp64Micro(toInt64({epoch}), 'UTC') AS stored, stored, stored FROM numbers({ROWS})",
            epoch = EPOCH.0
        ),
    );
    database
}

#[tokio::test]
async fn rows_that_do_not_tell_their_size_are_taken_for_the_average_of_their_table() {
    let engine = need_engine!();
    for (table, id, change) in [
        // Version 3 has no column for it.
        ("observations", "id", None),
        // Rows say 0.
        ("events_full", "span_id", None),
        ("events_full", "span_id", Some("ALTER TABLE events_full DROP COLUMN event_bytes")),
    ] {
        let database = filled(engine, table, id);
        change.iter().for_each(|change| drop(engine.run(&database, change)));
        let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
        let plan = planned(&source, &everything()).await;
        let (rows, bytes) = (plan.rows().get(), plan.bytes().get());
        assert_eq!(rows, ROWS, "{table}, {change:?}");
        assert!(
            (ROWS * ROW_BYTES * 9 / 10..ROWS * ROW_BYTES * 11 / 10).contains(&bytes),
            "{table}, {change:?}: {bytes}"
        );
        assert!(plan.slices.iter().all(|slice| slice.bytes.get() <= FIRST_BYTES), "{table}, {change:?}: {plan:?}");
        engine.run("default", &format!("DROP DATABASE {database}"));
    }
}

#[tokio::test]
async fn a_server_that_does_not_tell_what_rows_take_is_read_all_the_same() {
    let engine = need_engine!();
    let database = filled(engine, "observations", "id");
    let proxy = Proxy::start(engine.address());
    let words = "Unknown expression identifier `total_bytes_uncompressed`. (UNKNOWN_IDENTIFIER)";
    proxy.make(Trouble::refusal(47, words), "total_bytes_uncompressed", 1);
    let source = through(&proxy, &database).await;
    assert_eq!(proxy.left(), 0, "it did not happen");
    let plan = planned(&source, &everything()).await;
    assert_eq!((plan.rows().get(), plan.bytes().get()), (ROWS, ROWS * 4_096));
}

/// A deployment with events that tell a size of a mebibyte each. In SQL `behind` says how many microseconds behind the
/// epoch the event of a `number` starts.
pub(super) fn with_mebibytes(engine: &Engine, events: u32, behind: &str) -> String {
    let database = engine.database();
    engine.langfuse_tables(&database);
    engine.run(
        &database,
        &format!(
            "INSERT INTO events_full (project_id, trace_id, span_id, start_time, event_bytes, event_ts, created_at, \
             updated_at) SELECT 'p1', 't', concat('s', toString(number)), \
             fromUnixTimestamp64Micro(toInt64({epoch} + {behind}), 'UTC'), 1048576, \
             fromUnixTimestamp64Micro(toInt64({epoch}), 'UTC') AS stored, stored, stored FROM numbers({events})",
            epoch = EPOCH.0
        ),
    );
    database
}

#[tokio::test]
async fn slices_are_small_for_users_who_cannot_bound_blocks() {
    let engine = need_engine!();
    let database = with_mebibytes(engine, 300, "number * 1000000");
    for (user, are_small) in
        [("default", false), ("settings_reader:reader-secret", false), ("reader:reader-secret", true)]
    {
        let source = ClickHouseSource::connect(engine.options(user, &database, ""), places()).await.unwrap();
        let plan = planned(&source, &everything()).await;
        assert_eq!(plan.rows().get(), 300, "{user}");
        assert_eq!(plan.slices.iter().all(|slice| slice.bytes.get() <= FIRST_BYTES), are_small, "{user}: {plan:?}");
    }
}

/// Scores of one day.
const SCORES: u64 = 150_000;

/// Each slice of a table that is sorted by the day reads all of it: there must be few.
#[tokio::test]
async fn scores_of_one_day_are_read_a_few_times() {
    let engine = need_engine!();
    let database = engine.database();
    engine.langfuse_tables(&database);
    engine.run(
        &database,
        &format!(
            "INSERT INTO scores (id, timestamp, project_id, trace_id, name, value, data_type, comment, event_ts, \
             updated_at) SELECT concat('s', toString(number)), \
             fromUnixTimestamp64Milli(toInt64({epoch} + number * 576), 'UTC'), 'p1', concat('t', toString(number)), \
             concat('name ', toString(number % 5)), number, 'NUMERIC', 'short', \
             fromUnixTimestamp64Milli(toInt64({epoch}), 'UTC') AS stored, stored FROM numbers({SCORES})",
            epoch = EPOCH.0 / 1_000
        ),
    );
    let source = ClickHouseSource::connect(engine.options("default", &database, ""), places()).await.unwrap();
    let table = tables::find("scores").unwrap();
    let is_asked = |name: &str| ["id", "name", "value", "comment"].contains(&name);
    let columns = table.columns.iter().filter(|column| is_asked(&column.name)).cloned().collect();
    let asked = ReadRequest { columns, ..request(table) };
    assert_eq!(read_all(&source, &asked).await.unwrap().num_rows() as u64, SCORES);
    let read = rows_read(engine, &database, "rows");
    assert!((SCORES..4 * SCORES).contains(&read), "{read} rows were read for {SCORES}");
}
