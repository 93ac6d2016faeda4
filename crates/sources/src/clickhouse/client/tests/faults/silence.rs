//! Queries of which nothing is heard, while whoever is asked for their state does not run them.

use super::*;

/// What a server on another machine answers to whoever asks for the state of a query.
fn elsewhere(engine: &Engine) -> Trouble {
    let text = "SELECT 'elsewhere' AS machine, CAST(NULL AS Nullable(String)) AS progress FORMAT ArrowStream";
    let body = engine.run_bytes("default", text);
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    Trouble::Answer(vec![head.into_bytes(), body])
}

#[tokio::test]
async fn a_query_that_another_server_does_not_know_is_waited_for() {
    let engine = need_engine!();
    let proxy = Proxy::start(engine.address());
    let client = through(proxy.address(), "silence_seconds_max=1&threads_max=1");
    // Nothing comes for seconds: from the beginning, and behind rows.
    for (text, rows) in [
        ("SELECT count() AS n FROM numbers(2500000000) WHERE cityHash64(number) = 1", 1),
        ("SELECT number AS n FROM numbers(1000000000) WHERE number < 200000 OR cityHash64(number) = 1", 200_000),
    ] {
        proxy.make(elsewhere(engine), "system.processes", usize::MAX);
        let batches: Vec<RecordBatch> = client.stream(query(text), Stop::new()).try_collect().await.unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), rows, "{text}");
        assert!(proxy.left() < usize::MAX, "nobody asked for the state of {text}");
    }
}

#[tokio::test]
async fn a_query_that_no_server_knows_is_given_up_after_the_time_of_a_query() {
    let engine = need_engine!();
    let proxy = Proxy::start(engine.address());
    let client = through(proxy.address(), "silence_seconds_max=1&seconds_max=3");
    // Its answer is lost with its head, which would say where it ran.
    proxy.make(Trouble::Stall { after: 0 }, "lost_whole", 1);
    let began = Instant::now();
    let fault = fault_of(&client, "SELECT 1 AS lost_whole").await;
    assert_eq!((fault.kind(), fault.retry()), (FaultKind::Timeout, Retry::Backoff), "{}", shown(&fault));
    assert!(fault.to_string().contains("no byte for 3 s, and the server that was asked does not run the query"));
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_answer_that_is_lost_behind_its_head_is_not_waited_for_so_long() {
    let engine = need_engine!();
    let proxy = Proxy::start(engine.address());
    let client = through(proxy.address(), "silence_seconds_max=1");
    // It is so small that the server has sent all of it, and runs the query no more.
    proxy.make(Trouble::Stall { after: 20_000 }, "lost_behind", 1);
    let began = Instant::now();
    let (fault, _) = stream_fault(&client, "SELECT number AS lost_behind FROM numbers(10000)").await;
    assert_eq!((fault.kind(), fault.retry()), (FaultKind::Timeout, Retry::Backoff), "{}", shown(&fault));
    assert!(fault.to_string().contains("no byte and no progress for 1 s"), "{}", shown(&fault));
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}
