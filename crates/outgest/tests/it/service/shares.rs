//! What the workers of a deployment ask of one ClickHouse together (promise 15).

use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::json;

use super::World;
use super::world::PATIENCE;
use crate::servers::clickhouse::ClickHouse;

/// Streams of rows at the same time, over all workers.
const QUERIES_MAX: usize = 2;

/// More exports than end while the test looks.
const EXPORTS: usize = 30;

/// Events, and a column that takes the server two milliseconds for each: longer than everything else of an export.
const EVENTS: &str = "600";
const SLOW: &str = "ALTER TABLE events_full ADD COLUMN release String ALIAS concat('r', toString(sleepEachRow(0.002)))";

/// Workers are counted every two seconds: each knows of the other by then.
const COUNTED: Duration = Duration::from_millis(2_500);

/// Streams of rows that are looked at from then on.
const STREAMS: usize = 6;

#[test]
fn workers_together_keep_the_limit_of_queries_at_the_same_time() {
    let Some(source) = ClickHouse::shared() else {
        return eprintln!("left out: needs the stack of `cargo xtask test`");
    };
    let database = source.deployment();
    let url = |options: &str| source.url("default", &database, options);
    let mut world = World::on_sqlite();
    world.ok(&["project", "add", "p"]);
    world.ok(&["generate", "--project", "p", "--events", EVENTS, "--source", &url("")]);
    for statement in ["DROP VIEW events_core_mv", "ALTER TABLE events_full DROP COLUMN release", SLOW] {
        source.run(&database, statement);
    }
    world.set("OUTGEST_SOURCE_URL", url(&format!("threads_max=1&queries_max={QUERIES_MAX}")));
    // So that every place of both workers is taken all the while.
    world.set("OUTGEST_QUOTA_ACTIVE_EXPORTS", EXPORTS.to_string());
    let (_, secret) = world.key("p", "member");
    let api = world.serve_with(&["--roles", "api,schedule"]);
    let workers = [(); 2].map(|()| world.serve_with(&["--roles", "work"]));
    let project = api.project("p", &secret);
    for _ in 0..EXPORTS {
        project.create(&json!({"table": "events", "format": "jsonl", "columns": ["id", "release"]}));
    }
    let begun = Instant::now();
    while !workers.iter().all(|worker| worker.log().contains(" begins")) {
        assert!(begun.elapsed() < PATIENCE, "{}\n--- worker\n{}", workers[0].log(), workers[1].log());
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(COUNTED);
    let since = source.run("default", "SELECT toUnixTimestamp64Micro(now64(6))");

    let ran = loop {
        let ran = ran_since(source, &database, since.trim());
        if ran.iter().filter(|ran| ran.is_rows).count() >= STREAMS {
            break ran;
        }
        assert!(begun.elapsed() < PATIENCE, "{}\n--- worker\n{}", workers[0].log(), workers[1].log());
        std::thread::sleep(Duration::from_millis(200));
    };
    let rows: Vec<&Ran> = ran.iter().filter(|ran| ran.is_rows).collect();
    assert_eq!(most_together(&rows), QUERIES_MAX, "the workers read at the same time, and no more than that");
    let most = most_together(&ran.iter().collect::<Vec<_>>());
    assert!(most <= QUERIES_MAX + workers.len(), "{most} queries: each worker may look something up beside its rows");
}

/// A query of an export that has ended.
struct Ran {
    is_rows: bool,
    /// When it ran, in microseconds.
    times: Range<i64>,
}

/// The queries of exports from a database that began since then, as the server tells.
fn ran_since(source: &ClickHouse, database: &str, since: &str) -> Vec<Ran> {
    source.run("default", "SYSTEM FLUSH LOGS");
    let logged = source.run(
        "default",
        &format!(
            "SELECT JSONExtractString(log_comment, 'purpose'), toUnixTimestamp64Micro(query_start_time_microseconds), \
             query_duration_ms FROM system.query_log WHERE type = 'QueryFinish' AND current_database = '{database}' \
             AND JSONExtractString(log_comment, 'run') != '' \
             AND toUnixTimestamp64Micro(query_start_time_microseconds) >= {since} FORMAT TSV"
        ),
    );
    let ran = logged.lines().map(|line| {
        let mut fields = line.split('\t');
        let is_rows = fields.next() == Some("rows");
        let [start, milliseconds] = [(); 2].map(|()| fields.next().unwrap().parse::<i64>().unwrap());
        Ran { is_rows, times: start..start + 1_000 * milliseconds }
    });
    ran.collect()
}

/// The most of these queries that ran at the same time.
fn most_together(ran: &[&Ran]) -> usize {
    let running_at = |instant: i64| ran.iter().filter(|ran| ran.times.contains(&instant)).count();
    ran.iter().map(|ran| running_at(ran.times.start)).max().unwrap_or_default()
}
