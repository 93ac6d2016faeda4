//! Each way a query can fail, against the real engine: kind, words, and that no short result comes.

use super::*;

async fn fault_of(client: &Client, text: &str) -> Fault {
    client.rows(query(text), &Stop::new()).await.expect_err("the query fails")
}

#[tokio::test]
async fn faults_of_the_server_have_its_words_and_say_what_to_change() {
    let engine = need_engine!();
    let default = client(engine, "default", "");
    for (client, text, kind, words, hint) in [
        (
            client(engine, "default:wrong", ""),
            "SELECT 1",
            FaultKind::Credentials,
            "Authentication failed",
            "CLICKHOUSE_PASSWORD",
        ),
        (
            Client::new(engine.options("default", "no_such_database", "")).unwrap(),
            "SELECT 1",
            FaultKind::Configuration,
            "Database no_such_database does not exist",
            "correct the database",
        ),
        (default.clone(), "SELECT x FROM no_such_table", FaultKind::Configuration, "no_such_table", "outgest doctor"),
        (
            client(engine, "default", "seconds_max=1&queries_max=64"),
            "SELECT count() FROM numbers(100000000000) WHERE cityHash64(number) = 1",
            FaultKind::Timeout,
            "TIMEOUT_EXCEEDED",
            "seconds_max",
        ),
    ] {
        let fault = fault_of(&client, text).await;
        let shown = format!("{fault} | {:?}", fault.public_hint());
        assert_eq!(fault.kind(), kind, "{shown}");
        assert!(shown.contains(words) && shown.contains(hint), "{shown}");
        assert!(shown.contains("clickhouse://127.0.0.1") && !shown.contains("wrong"), "{shown}");
    }
}
