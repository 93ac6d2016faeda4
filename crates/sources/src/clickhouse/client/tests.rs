//! Queries against the real engine: what comes back, and what is left on the server.

use std::time::{Duration, Instant};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{UInt8Type, UInt64Type};
use futures_util::{FutureExt, TryStreamExt};
use model::{FaultKind, RawOptions, Source, StopReason};

use super::*;
use crate::clickhouse::ClickHouseSource;
use crate::clickhouse::engine::proxy::Proxy;
use crate::clickhouse::engine::{Engine, engine};

/// The engine, or a note that the test is left out.
macro_rules! need_engine {
    () => {
        match engine() {
            Some(engine) => engine,
            None => return eprintln!("left out: needs the stack of `cargo xtask test`"),
        }
    };
}

pub(super) fn client(engine: &Engine, user: &str, options: &str) -> Client {
    let options = engine.options(user, "default", options);
    Client::new(options).unwrap().of_run(&RunId::new("r1"), &ProjectId::new("p1"))
}

pub(super) fn query(text: &str) -> Query {
    Query { text: text.to_owned(), parameters: Vec::new(), purpose: "rows" }
}

async fn one(client: &Client, text: &str) -> String {
    let rows = client.rows(query(&format!("SELECT toString({text}) AS one")), &Stop::new()).await.unwrap();
    rows.column(0).as_string::<i32>().value(0).to_owned()
}

#[tokio::test]
async fn values_are_bound_and_cannot_become_text() {
    let client = client(need_engine!(), "default", "");
    let values = [("a", "it's \\\\ {b:String} --\\n"), ("l", "['x','it\\'s']")];
    let query = Query {
        text: "SELECT {a:String} AS a, {l:Array(String)} AS l".to_owned(),
        parameters: values.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        purpose: "rows",
    };
    let rows = client.rows(query, &Stop::new()).await.unwrap();
    assert_eq!(rows.column(0).as_string::<i32>().value(0), "it's \\ {b:String} --\n");
    let list = rows.column(1).as_list::<i32>().value(0);
    assert_eq!(list.as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["x", "it's"]);
}

#[tokio::test]
async fn every_row_comes_once_over_each_compression() {
    let engine = need_engine!();
    for options in ["compression=none", "compression=zstd"] {
        let client = client(engine, "default", options);
        let text = "SELECT number AS n, repeat('é', number % 50) AS t FROM numbers(500000)";
        let batches: Vec<RecordBatch> = client.stream(query(text), Stop::new()).try_collect().await.unwrap();
        let numbers = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<UInt64Type>().values().to_vec());
        assert!(numbers.eq(0..500_000), "{options}");
        assert!(client.running.ids().is_empty());
    }
}

#[tokio::test]
async fn a_result_without_rows_has_its_columns() {
    let client = client(need_engine!(), "default", "");
    let rows = client.rows(query("SELECT 1 AS a, 'x' AS b WHERE 0"), &Stop::new()).await.unwrap();
    assert_eq!((rows.num_rows(), rows.num_columns()), (0, 2));
    let rows: Vec<RecordBatch> = client.stream(query("SELECT 1 WHERE 0"), Stop::new()).try_collect().await.unwrap();
    assert!(rows.is_empty());
}

/// How many rows the head of an answer promises.
async fn promised(client: &Client, text: &str, more: &[(&'static str, String)]) -> Option<u64> {
    let agreed = client.agreed().await.unwrap();
    let manner = client.manner(&agreed, client.new_id(), "rows", more);
    client.server.ask(&query(text), &manner).await.map_err(Fault::from).unwrap().rows_promised
}

#[tokio::test]
async fn the_server_counts_the_rows_of_every_answer_that_it_holds_back() {
    let engine = need_engine!();
    for (user, options) in [
        ("default", "compression=none"),
        ("default", "compression=zstd"),
        ("granted:reader-secret", ""),
        ("reader:reader-secret", "compression=zstd"),
        ("small:reader-secret", ""),
    ] {
        let client = client(engine, user, options);
        let counted = [(COUNTED.0, COUNTED.1.to_owned())];
        // Of one row, of several blocks, of what is left of many.
        for (text, rows) in [
            ("SELECT count() AS n FROM numbers(1000)", 1),
            ("SELECT number AS n, repeat('x', 100) AS t FROM numbers(100003)", 100_003),
            ("SELECT number AS n FROM numbers(1000) ORDER BY n DESC LIMIT 7", 7),
        ] {
            assert_eq!(promised(&client, text, &counted).await, Some(rows), "{user} {options}: {text}");
        }
        // None cannot be told from not counted, and an answer that is sent as it comes is not.
        assert_eq!(promised(&client, "SELECT 1 AS n WHERE 0", &counted).await, None, "{user} {options}");
        assert_eq!(promised(&client, "SELECT number AS n FROM numbers(1000)", &[]).await, None, "{user} {options}");
    }
}

#[tokio::test]
async fn queries_are_limited_and_named_for_their_run() {
    let client = client(need_engine!(), "default", "threads_max=1&memory_bytes_max=77MB&seconds_max=33&priority=5");
    assert_eq!(one(&client, "getSetting('max_threads')").await, "1");
    assert_eq!(one(&client, "getSetting('max_memory_usage')").await, "77000000");
    assert_eq!(one(&client, "getSetting('max_execution_time')").await, "33");
    assert_eq!(one(&client, "getSetting('priority')").await, "5");
    assert_eq!(one(&client, "getSetting('readonly')").await, "2");
    let comment: serde_json::Value = serde_json::from_str(&one(&client, "getSetting('log_comment')").await).unwrap();
    let expected = serde_json::json!({"app": "outgest", "run": "r1", "project": "p1", "purpose": "rows"});
    assert_eq!(comment, expected);
    assert!(one(&client, "queryID()").await.starts_with("outgest-r1-"));
    assert!(client.limits().await.unwrap().iter().all(|limit| limit.note.is_none()));
}

#[tokio::test]
async fn users_who_may_only_read_are_enough() {
    let engine = need_engine!();
    let reader = client(engine, "reader:reader-secret", "");
    assert_eq!(one(&reader, "getSetting('readonly')").await, "1");
    let batches: Vec<RecordBatch> =
        reader.stream(query("SELECT number FROM numbers(100000)"), Stop::new()).try_collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 100_000);
    assert!(reader.limits().await.unwrap().iter().all(|limit| limit.note.is_some()));

    let settings_reader = client(engine, "settings_reader:reader-secret", "threads_max=1");
    assert_eq!(one(&settings_reader, "getSetting('max_threads')").await, "1");

    let small = client(engine, "small:reader-secret", "");
    assert_eq!(one(&small, "getSetting('max_memory_usage')").await, "40000000");
    let told: Vec<_> = small.limits().await.unwrap().into_iter().filter_map(|limit| limit.note).collect();
    assert_eq!(told, ["the user may not change the setting", "the user's profile bounds the setting"]);
}

/// Whether the server runs this query.
fn runs(engine: &Engine, id: &str) -> bool {
    let text = format!("SELECT count() FROM system.processes WHERE query_id = '{id}'");
    engine.run("default", &text).trim() == "1"
}

/// Stops a query that would be silent for minutes, as soon as the server runs it, and returns its id.
async fn stopped(engine: &Engine, client: &Client) -> String {
    let stop = Stop::new();
    let text = "SELECT count() AS n FROM numbers(100000000000) WHERE cityHash64(number) = 1";
    let running = client.rows(query(text), &stop);
    let observed = async {
        let id = loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if let Some(id) = client.running.ids().pop()
                && runs(engine, &id)
            {
                break id;
            }
        };
        stop.raise(StopReason::Cancelled);
        id
    };
    let (fault, id) = futures_util::join!(running, observed);
    assert_eq!(fault.unwrap_err().kind(), FaultKind::Cancelled);
    id
}

/// Waits until the server has ended a query by itself.
async fn until_gone(engine: &Engine, id: &str) {
    for _ in 0..300 {
        if !runs(engine, id) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{id} runs on");
}

#[tokio::test]
async fn a_stopped_query_is_gone_from_the_server_when_close_returns() {
    let engine = need_engine!();
    for user in ["default", "reader:reader-secret", "granted:reader-secret"] {
        let client = client(engine, user, "");
        let id = stopped(engine, &client).await;
        client.close().await.unwrap();
        assert!(!runs(engine, &id), "{user}");
        assert!(client.running.ids().is_empty());
    }
}

#[tokio::test]
async fn a_query_that_the_user_may_not_end_ends_with_its_connection_and_is_no_fault() {
    let engine = need_engine!();
    let silent = client(engine, "unseeing:reader-secret", "");
    assert!(!silent.sees_queries().await && silent.ends_with_connection().await.unwrap());
    let id = stopped(engine, &silent).await;
    silent.close().await.unwrap();
    until_gone(engine, &id).await;

    // Who cannot set that either has the server notice when it sends rows.
    let flowing = client(engine, "unseeing_reader:reader-secret", "");
    assert!(!flowing.sees_queries().await && !flowing.ends_with_connection().await.unwrap());
    let mut stream = flowing.stream(query("SELECT number, repeat('x', 1000) FROM numbers(100000000)"), Stop::new());
    stream.try_next().await.unwrap().unwrap();
    drop(stream);
    let ids = flowing.running.ids();
    assert_eq!(ids.len(), 1);
    flowing.close().await.unwrap();
    until_gone(engine, &ids[0]).await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_any_more_ends_with_close() {
    let engine = need_engine!();
    let client = client(engine, "default", "");
    let mut stream = client.stream(query("SELECT number, repeat('x', 1000) FROM numbers(100000000)"), Stop::new());
    stream.try_next().await.unwrap().unwrap();
    drop(stream);
    let ids = client.running.ids();
    assert_eq!(ids.len(), 1);
    client.close().await.unwrap();
    let left = engine.run("default", &format!("SELECT count() FROM system.processes WHERE query_id = '{}'", ids[0]));
    assert_eq!(left.trim(), "0");
}

#[tokio::test]
async fn all_clients_of_one_server_share_the_queries_in_flight() {
    let engine = need_engine!();
    // Another address of the same machine, so that no other test shares the limit.
    let options =
        |n: u32| engine.options("settings_reader:reader-secret", "default", &format!("queries_max=2&threads_max={n}"));
    let clients = [1, 2, 3].map(|n| Client::new(options(n)).unwrap());
    let began = Instant::now();
    let sleeping = clients
        .iter()
        .map(|client| async move { client.rows(query("SELECT sleep(0.5) AS s"), &Stop::new()).await.unwrap() });
    join_all(sleeping).await;
    assert!(began.elapsed() >= Duration::from_millis(950), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_source_that_is_told_of_other_processes_leaves_them_their_share() {
    let engine = need_engine!();
    // A port of its own, so that no other test shares the limit.
    let proxy = Proxy::start(engine.address());
    let address = format!("clickhouse://{}/default?queries_max=4", proxy.address());
    let connect = async || {
        let options = ClickHouseOptions::read(&address, &RawOptions::default(), &|_| None).unwrap();
        ClickHouseSource::connect(options, tables::clickhouse_tables()).await.unwrap()
    };
    let (one, other) = (connect().await, connect().await);
    let limiter = &other.client.server.limiter;
    let free = || (0..9).map_while(|_| limiter.permit(Use::Rows).now_or_never()).collect::<Vec<_>>().len();
    assert_eq!(free(), 4);
    one.shared_by(2);
    assert_eq!(free(), 2);
}

#[tokio::test]
async fn rows_that_nobody_takes_never_hold_up_those_that_are_needed_first() {
    let engine = need_engine!();
    // A port of its own, so that no other test shares the limit.
    let proxy = Proxy::start(engine.address());
    let address = format!("clickhouse://{}/default?queries_max=1", proxy.address());
    let client = Client::new(ClickHouseOptions::read(&address, &RawOptions::default(), &|_| None).unwrap()).unwrap();
    let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    let mut behind = client.stream(query("SELECT number FROM numbers(500000)"), Stop::new());
    let begin = behind.try_next().await.unwrap().unwrap();
    // As of a slice that failed, while the one behind it was being read.
    let needed: Vec<RecordBatch> =
        client.stream(query("SELECT number FROM numbers(10)"), Stop::new()).try_collect().await.unwrap();
    assert_eq!(rows(&needed), 10);
    let rest: Vec<RecordBatch> = behind.try_collect().await.unwrap();
    assert_eq!(rows(&[begin]) + rows(&rest), 500_000);
}

#[tokio::test]
async fn bytes_per_second_are_kept() {
    let engine = need_engine!();
    let client = client(engine, "small:reader-secret", "bytes_per_second_max=4MB");
    let began = Instant::now();
    let text = "SELECT number AS n FROM numbers(500000)";
    let batches: Vec<RecordBatch> = client.stream(query(text), Stop::new()).try_collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 500_000);
    // 4 MB of numbers; lower bounds only, machines are busy.
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
}

#[tokio::test]
async fn kinds_of_values_keep_every_digit() {
    let client = client(need_engine!(), "default", "");
    let text = "SELECT toUInt64(18446744073709551615) AS u, toDecimal64('0.123456789012', 12) AS d, nan AS f, \
                toDateTime64('2026-01-02 03:04:05.678901', 6, 'UTC') AS t, map('a', toUInt64(1), 'a', toUInt64(2)) AS m, \
                ['x', 'y'] AS l, toLowCardinality('lc') AS c, CAST(NULL AS Nullable(Float64)) AS z, true AS b, toUInt8(7) AS k";
    let rows = client.rows(query(text), &Stop::new()).await.unwrap();
    let kinds: Vec<String> = rows.schema().fields().iter().map(|field| field.data_type().to_string()).collect();
    assert_eq!(
        kinds,
        [
            "UInt64",
            "Decimal128(18, 12)",
            "Float64",
            "Timestamp(µs, \"UTC\")",
            "Map(\"entries\": non-null Struct(\"key\": non-null Utf8, \"value\": non-null UInt64), unsorted)",
            "List(non-null Utf8)",
            "Utf8",
            "Float64",
            "Boolean",
            "UInt8",
        ]
    );
    assert_eq!(rows.column(0).as_primitive::<UInt64Type>().value(0), u64::MAX);
    assert_eq!(rows.column(9).as_primitive::<UInt8Type>().value(0), 7);
    assert!(rows.column(7).is_null(0));
    assert_eq!(rows.column(4).as_map().value(0).len(), 2, "both of the same key");
}

mod faults;
