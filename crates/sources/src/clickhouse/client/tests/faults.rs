//! Each way a query can fail, against the real engine and a proxy that makes trouble: which kind of
//! fault it is, in whose words, and that no short result comes.

use std::net::SocketAddr;

use model::{RawOptions, Retry};

use super::*;
use crate::clickhouse::engine::proxy::{Proxy, Trouble};

/// The client of a server behind a proxy.
fn through(address: SocketAddr, options: &str) -> Client {
    let address = format!("clickhouse://{address}/default?{options}");
    Client::new(ClickHouseOptions::read(&address, &RawOptions::default(), &|_| None).unwrap()).unwrap()
}

async fn fault_of(client: &Client, text: &str) -> Fault {
    client.rows(query(text), &Stop::new()).await.expect_err("the query fails")
}

/// The fault that ends a stream, and the rows before it.
async fn stream_fault(client: &Client, text: &str) -> (Fault, usize) {
    let mut rows = 0;
    let mut stream = client.stream(query(text), Stop::new());
    loop {
        match stream.try_next().await {
            Ok(Some(batch)) => rows += batch.num_rows(),
            Ok(None) => panic!("{rows} rows came without a fault"),
            Err(fault) => return (fault, rows),
        }
    }
}

/// How many queries with this text run on the server.
fn running(engine: &Engine, text: &str) -> String {
    let text = text.replace('\'', "\\'");
    let answer = engine.run(
        "default",
        &format!("SELECT count() FROM system.processes WHERE position(query, '{text}') > 0 AND query NOT LIKE '%system.processes%'"),
    );
    answer.trim().to_owned()
}

fn shown(fault: &Fault) -> String {
    format!("{:?}: {fault} | {}", fault.kind(), fault.public_hint().unwrap_or_default())
}

#[tokio::test]
async fn faults_of_the_server_have_its_words_and_say_what_to_change() {
    let engine = need_engine!();
    let slow = "SELECT count() FROM numbers(100000000000) WHERE cityHash64(number) = 1";
    let large = "SELECT groupArray(number) FROM numbers(10000000)";
    let limited = engine.limited();
    for (user, database, options, text, kind, words, hint) in [
        ("default:wrong", "default", "", "SELECT 1", "Credentials", "Authentication failed", "CLICKHOUSE_PASSWORD"),
        ("default", "nope", "", "SELECT 1", "Configuration", "Database nope does not exist", "correct the database"),
        ("default", "default", "", "SELECT x FROM nope", "Configuration", "nope", "outgest doctor"),
        ("default", "default", "seconds_max=1", slow, "Timeout", "TIMEOUT_EXCEEDED", "seconds_max"),
        ("small:reader-secret", "default", "", large, "TooLarge", "MEMORY_LIMIT_EXCEEDED", "memory_bytes_max"),
        (
            "no_scores:reader-secret",
            limited,
            "",
            "SELECT id, value FROM scores",
            "Credentials",
            "the grant SELECT ON limited.scores",
            "grant it to user \"no_scores\"",
        ),
    ] {
        let client = Client::new(engine.options(user, database, options)).unwrap();
        let fault = shown(&fault_of(&client, text).await);
        assert!(fault.starts_with(kind) && fault.contains(words) && fault.contains(hint), "{fault}");
        assert!(fault.contains("clickhouse://127.0.0.1") && !fault.contains("wrong"), "{fault}");
        assert!(client.running.ids().is_empty(), "the server has ended the query: {fault}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_may_come_back() {
    let _engine = need_engine!();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let fault = fault_of(&through(address, ""), "SELECT 1").await;
    assert_eq!((fault.kind(), fault.retry()), (FaultKind::Unavailable, Retry::Backoff));
    assert!(
        shown(&fault).contains("Connection refused") && shown(&fault).contains("check host and port"),
        "{}",
        shown(&fault)
    );
}

#[tokio::test]
async fn a_killed_query_may_be_tried_again() {
    let engine = need_engine!();
    let client = client(engine, "default", "");
    let silent = "SELECT count() FROM numbers(100000000000) WHERE cityHash64(number) = 1";
    let flowing = "SELECT number, repeat('x', 100) FROM numbers(10000000000)";
    for text in [silent, flowing] {
        let killing = async {
            let running = loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if let Some(id) = client.running.ids().pop() {
                    break id;
                }
            };
            // Until it is there to be killed.
            while engine.run("default", &format!("KILL QUERY WHERE query_id = '{running}' ASYNC")).is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let ((fault, _), ()) = futures_util::join!(stream_fault(&client, text), killing);
        assert_eq!(fault.kind(), FaultKind::Unavailable, "{}", shown(&fault));
        assert!(fault.to_string().contains("QUERY_WAS_CANCELLED"), "{}", shown(&fault));
        assert!(client.running.ids().is_empty());
    }
}

#[tokio::test]
async fn an_exception_after_100_mb_is_told_in_the_servers_words() {
    let engine = need_engine!();
    for options in ["compression=none", "compression=zstd"] {
        let client = client(engine, "default", options);
        let text = "SELECT number, repeat(toString(number), 150) AS text, throwIf(number = 130000, 'row too bad') \
                    FROM numbers(1000000) SETTINGS max_block_size = 1000";
        let (fault, rows) = stream_fault(&client, text).await;
        assert!(rows > 100_000, "{options}: {rows} rows");
        assert_eq!(fault.kind(), FaultKind::Rejected, "{}", shown(&fault));
        assert!(fault.to_string().contains("row too bad"), "{}", shown(&fault));
        assert!(client.running.ids().is_empty());
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_a_block_is_a_fault() {
    let engine = need_engine!();
    let proxy = Proxy::start(engine.address());
    let text = "SELECT number, repeat('y', 1000) FROM numbers(100000)";
    for trouble in [Trouble::Reset { after: 5_000_000 }, Trouble::Close { after: 5_000_000 }] {
        let client = through(proxy.address(), "");
        proxy.make(trouble, "repeat", 1);
        let (fault, rows) = stream_fault(&client, text).await;
        assert_eq!((fault.kind(), fault.retry()), (FaultKind::Unavailable, Retry::Backoff));
        assert!(fault.to_string().contains("the connection broke"), "{}", shown(&fault));
        assert!(rows < 100_000);
        client.close().await.unwrap();
        assert_eq!(running(engine, "repeat('y', 1000)"), "0");
    }
}

#[tokio::test]
async fn a_broken_connection_stays_that_where_the_user_may_not_end_the_query() {
    let engine = need_engine!();
    let proxy = Proxy::start(engine.address());
    let address = format!("clickhouse://unseeing:reader-secret@{}/default", proxy.address());
    let options = ClickHouseOptions::read(&address, &RawOptions::default(), &|_| None).unwrap();
    let client = Client::new(options).unwrap();
    proxy.make(Trouble::Reset { after: 5_000_000 }, "repeat", 1);
    let (fault, _) = stream_fault(&client, "SELECT number, repeat('v', 1000) FROM numbers(100000)").await;
    assert_eq!((fault.kind(), fault.retry()), (FaultKind::Unavailable, Retry::Backoff), "{}", shown(&fault));
    client.close().await.unwrap();
}

#[tokio::test]
async fn an_exception_inside_a_block_is_told_by_the_tag_of_its_answer() {
    let engine = need_engine!();
    let proxy = Proxy::start(engine.address());
    let client = through(proxy.address(), "");
    let words = "Code: 241. DB::Exception: Query memory limit exceeded: would use 2.01 GiB. (MEMORY_LIMIT_EXCEEDED)";
    proxy.make(Trouble::Exception { after: 5_000_000, words }, "repeat", 1);
    let (fault, rows) = stream_fault(&client, "SELECT number, repeat('w', 1000) FROM numbers(100000)").await;
    assert_eq!(fault.kind(), FaultKind::TooLarge { limit: None }, "{}", shown(&fault));
    assert!(rows < 100_000 && fault.to_string().contains("would use 2.01 GiB"), "{rows} rows, {}", shown(&fault));
}

#[tokio::test]
async fn a_break_at_any_byte_of_an_answer_is_a_fault() {
    let proxy = Proxy::start(need_engine!().address());
    for (options, bytes_min) in [("compression=none", 1_500), ("compression=zstd", 1_000)] {
        let client = through(proxy.address(), options);
        let text = "SELECT number, repeat('x', 10) AS x FROM numbers(20) SETTINGS max_block_size = 10";
        let whole: Vec<RecordBatch> = client.stream(query(text), Stop::new()).try_collect().await.unwrap();
        assert_eq!(whole.iter().map(RecordBatch::num_rows).sum::<usize>(), 20);
        let mut after = 40;
        loop {
            proxy.make(Trouble::Close { after }, "repeat", 1);
            let result: Result<Vec<RecordBatch>, Fault> = client.stream(query(text), Stop::new()).try_collect().await;
            if let Ok(batches) = result {
                assert_eq!(batches, whole, "{options}: cut after {after} bytes");
                // Only the whole answer passes: one byte less does not.
                assert!(after > bytes_min, "{options}: cut after {after} bytes");
                break;
            }
            after += 37;
        }
        for words in [None, Some("Code: 241. DB::Exception: Query memory limit exceeded: at the end.")] {
            proxy.make(Trouble::AtTheEnd { words }, "repeat", 1);
            let (fault, rows) = stream_fault(&client, text).await;
            // Words that are not packed like the rest break its compression, and may take rows with them.
            let are_read = options.ends_with("none");
            if are_read || words.is_none() {
                assert_eq!(rows, 20, "{options}: every row came before {fault}");
            }
            assert_eq!(fault.to_string().contains("at the end"), words.is_some() && are_read, "{options}: {fault}");
        }
    }
}

/// Queries that are asked for at once, to see how many of them run together.
const TOGETHER: usize = 6;

/// The most queries with this in their text that ran together, as the server tells.
async fn most_together(engine: &Engine, mark: &str) -> usize {
    let logged = || {
        engine.run("default", "SYSTEM FLUSH LOGS");
        engine.run(
            "default",
            &format!(
                "SELECT toUnixTimestamp64Micro(query_start_time_microseconds), query_duration_ms FROM system.query_log \
                 WHERE type = 'QueryFinish' AND position(query, '{mark}') > 0 AND query_id LIKE 'outgest-%' FORMAT TSV"
            ),
        )
    };
    let mut lines = logged();
    // A query is logged after its last byte was sent.
    for _ in 0..100 {
        if lines.lines().count() >= TOGETHER {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        lines = logged();
    }
    let times: Vec<(i64, i64)> = lines
        .lines()
        .map(|line| {
            let (start, millis) = line.split_once('\t').unwrap();
            let start: i64 = start.parse().unwrap();
            (start, start + 1_000 * millis.parse::<i64>().unwrap())
        })
        .collect();
    assert_eq!(times.len(), TOGETHER, "queries with {mark}");
    let running_at = |instant: i64| times.iter().filter(|(start, end)| (*start..*end).contains(&instant)).count();
    times.iter().map(|(start, _)| running_at(*start)).max().unwrap()
}

#[tokio::test]
async fn a_server_that_complains_gets_half_as_many_queries_for_a_while() {
    let engine = need_engine!();
    let total = "Code: 241. DB::Exception: Memory limit (total) exceeded: would use 9.00 GiB. (MEMORY_LIMIT_EXCEEDED)";
    for (case, trouble) in [
        (
            "queries",
            Trouble::refusal(202, "Too many simultaneous queries. Maximum: 100. (TOO_MANY_SIMULTANEOUS_QUERIES)"),
        ),
        (
            "parts",
            Trouble::refusal(252, "Too many parts (300). Merges are processing slower than inserts. (TOO_MANY_PARTS)"),
        ),
        ("memory", Trouble::refusal(241, "User memory limit exceeded: would use 9.00 GiB. (MEMORY_LIMIT_EXCEEDED)")),
        ("amid", Trouble::AtTheEnd { words: Some(total) }),
    ] {
        // An address of its own, and so limits of its own.
        let proxy = Proxy::start(engine.address());
        let client = through(proxy.address(), "queries_max=4");
        let all = async |mark: &str| {
            // Long enough that they overlap on a busy machine as well.
            let text = format!("SELECT sleep(0.9) AS {mark}");
            let queries =
                (0..TOGETHER).map(|_| client.stream(query(&text), Stop::new()).try_collect::<Vec<RecordBatch>>());
            join_all(queries).await
        };
        let (before, after) = (format!("before_{case}"), format!("after_{case}"));
        assert!(all(&before).await.iter().all(Result::is_ok));
        let together = most_together(engine, &before).await;
        assert!(together > 2, "{case}: {together} before");

        proxy.make(trouble, "complaint", 1);
        let (fault, _) = stream_fault(&client, "SELECT 'complaint' AS text").await;
        assert_eq!((fault.kind(), fault.retry()), (FaultKind::Throttled, Retry::Backoff), "{case}: {fault}");
        let rows = all(&after).await;
        assert!(rows.iter().all(|rows| rows.as_ref().is_ok_and(|rows| rows.len() == 1)), "{case}");
        let together = most_together(engine, &after).await;
        assert!(together <= 2, "{case}: {together} after");
    }
}

#[tokio::test]
async fn a_server_that_complains_of_the_only_query_gets_a_pause_after_each() {
    let proxy = Proxy::start(need_engine!().address());
    let client = through(proxy.address(), "queries_max=1");
    let words = "Too many simultaneous queries. Maximum: 100. (TOO_MANY_SIMULTANEOUS_QUERIES)";
    proxy.make(Trouble::refusal(202, words), "complaint", 1);
    let (fault, _) = stream_fault(&client, "SELECT 'complaint' AS text").await;
    assert_eq!(fault.kind(), FaultKind::Throttled, "{fault}");
    let began = Instant::now();
    for _ in 0..2 {
        client.rows(query("SELECT sleep(0.5) AS s"), &Stop::new()).await.unwrap();
    }
    // Half a second each, and as long between them.
    assert!(began.elapsed() >= Duration::from_millis(1_450), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_query_that_may_not_have_more_memory_leaves_the_others_running() {
    let engine = need_engine!();
    let proxy = Proxy::start(engine.address());
    let client = through(proxy.address(), "queries_max=4");
    let own = "Query memory limit exceeded: would use 2.01 GiB, maximum: 2.00 GiB. (MEMORY_LIMIT_EXCEEDED)";
    let amid = "Code: 241. DB::Exception: Query memory limit exceeded: would use 2.01 GiB. (MEMORY_LIMIT_EXCEEDED)";
    for trouble in [Trouble::refusal(241, own), Trouble::AtTheEnd { words: Some(amid) }] {
        proxy.make(trouble, "own_limit", 1);
        let (fault, _) = stream_fault(&client, "SELECT 'own_limit' AS text").await;
        assert_eq!(fault.kind(), FaultKind::TooLarge { limit: None }, "{}", shown(&fault));
    }
    let queries = (0..TOGETHER).map(|_| {
        let text = query("SELECT sleep(0.9) AS after_own_limit");
        client.stream(text, Stop::new()).try_collect::<Vec<RecordBatch>>()
    });
    assert!(join_all(queries).await.iter().all(Result::is_ok));
    let together = most_together(engine, "after_own_limit").await;
    assert!(together > 2, "{together} together");
}

#[tokio::test]
async fn answers_are_compressed_where_that_is_asked_for_and_have_the_same_rows() {
    let engine = need_engine!();
    let proxy = Proxy::start(engine.address());
    let text = "SELECT number, repeat(toString(number % 100), 20) AS compressed FROM numbers(200000)";
    let mut found = Vec::new();
    for (user, options, is_asked) in [
        ("default", "compression=none", false),
        // The proxy is on this machine.
        ("default", "", false),
        ("default", "compression=auto", false),
        ("default", "compression=zstd", true),
        ("reader:reader-secret", "compression=zstd", true),
    ] {
        let address = format!("clickhouse://{user}@{}/default?{options}", proxy.address());
        let read = ClickHouseOptions::read(&address, &RawOptions::default(), &|_| None).unwrap();
        let client = Client::new(read).unwrap();
        proxy.watch("compressed");
        let batches: Vec<RecordBatch> = client.stream(query(text), Stop::new()).try_collect().await.unwrap();
        found.push(arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap());
        let heads = proxy.heads();
        let [head] = &heads[..] else { panic!("{heads:?}") };
        let encodings: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix("accept-encoding: ")).collect();
        assert_eq!(encodings, if is_asked { vec!["zstd"] } else { vec![] }, "{user} {options}: {head}");
        let manner = Manner { query_id: client.new_id(), compress: is_asked, ..Manner::default() };
        let answer = client.server.ask(&query("SELECT 'packed' AS text"), &manner).await.map_err(Fault::from).unwrap();
        assert_eq!(answer.encoding.as_deref(), is_asked.then_some("zstd"), "{user} {options}");
    }
    assert!(found.iter().all(|rows| rows.num_rows() == 200_000 && *rows == found[0]));
}

#[tokio::test]
async fn silence_without_progress_ends_the_query_and_work_does_not() {
    let engine = need_engine!();
    let proxy = Proxy::start(engine.address());
    let client = through(proxy.address(), "silence_seconds_max=1&threads_max=1");

    let busy = "SELECT count() AS n FROM numbers(2500000000) WHERE cityHash64(number) = 1";
    let rows: Vec<RecordBatch> = client.stream(query(busy), Stop::new()).try_collect().await.unwrap();
    assert_eq!(rows.len(), 1, "it was silent for seconds, and working");

    for after in [0, 300_000] {
        proxy.make(Trouble::Stall { after }, "repeat", 1);
        let began = Instant::now();
        let (fault, _) = stream_fault(&client, "SELECT number, repeat('z', 1000) FROM numbers(100000)").await;
        assert_eq!((fault.kind(), fault.retry()), (FaultKind::Timeout, Retry::Backoff));
        assert!(fault.to_string().contains("no byte and no progress for 1 s"), "{}", shown(&fault));
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        client.close().await.unwrap();
        assert_eq!(running(engine, "repeat('z', 1000)"), "0");
    }
}

#[tokio::test]
async fn a_profile_that_cuts_results_without_a_word_never_makes_a_short_one() {
    let engine = need_engine!();
    let text = "SELECT number FROM numbers(1000)";
    let (fault, _) = stream_fault(&client(engine, "cutting:reader-secret", ""), text).await;
    assert_eq!(fault.kind(), FaultKind::TooLarge { limit: None }, "{}", shown(&fault));
    let (fault, rows) = stream_fault(&client(engine, "cutting_reader:reader-secret", ""), text).await;
    assert_eq!((fault.kind(), rows), (FaultKind::Configuration, 0), "{}", shown(&fault));
    assert!(shown(&fault).contains("result_overflow_mode"), "{}", shown(&fault));
}

#[tokio::test]
async fn text_that_is_not_utf8_is_told_and_not_replaced() {
    let (fault, _) = stream_fault(&client(need_engine!(), "default", ""), "SELECT unhex('ff') AS bad").await;
    assert_eq!(fault.kind(), FaultKind::Corrupt, "{}", shown(&fault));
    assert!(shown(&fault).contains("another encoding"), "{}", shown(&fault));
}

mod crafted;
mod silence;
mod tls;
