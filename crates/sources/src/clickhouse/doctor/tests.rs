//! What the doctor tells about the real engine, as users with more and fewer rights.

use model::RawOptions;

use super::*;
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

/// A database with the tables of a deployment.
fn deployment(engine: &Engine) -> String {
    let database = engine.database();
    deploy(engine, &database);
    database
}

fn deploy(engine: &Engine, database: &str) {
    for statement in include_str!("../../../engine/langfuse.sql").split_inclusive(";\n") {
        let statement: Vec<&str> = statement.lines().filter(|line| !line.starts_with("--")).collect();
        if !statement.concat().trim().is_empty() {
            engine.run(database, &statement.join("\n"));
        }
    }
}

async fn examined(engine: &Engine, user: &str, database: &str, options: &str) -> Vec<Finding> {
    examine(engine.options(user, database, options), &tables::stored(), &tables::clickhouse_tables()).await.unwrap()
}

/// The findings about something, as they are printed.
fn about(findings: &[Finding], what: &str) -> Vec<String> {
    findings.iter().filter(|finding| finding.about == what).map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_whole_deployment_is_found_whole() {
    let engine = need_engine!();
    let database = deployment(engine);
    let findings = examined(engine, "default", &database, "").await;
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Ok), "{findings:?}");
    assert_eq!(
        about(&findings, "table"),
        [
            "ok      table: events_full (Langfuse v4), ReplacingMergeTree, 0 stored rows, 0 B",
            "ok      table: scores (Langfuse v3 and v4), ReplacingMergeTree, 0 stored rows, 0 B"
        ]
    );
    assert_eq!(about(&findings, "rights"), ["ok      rights: SELECT on events_full, scores"]);
    assert!(about(&findings, "limit").contains(&"ok      limit: max_threads = 2".to_owned()), "{findings:?}");
}

#[tokio::test]
async fn a_user_who_may_only_read_is_told_which_limits_are_missing() {
    let engine = need_engine!();
    let database = deployment(engine);
    let findings = examined(engine, "reader:reader-secret", &database, "").await;
    assert!(findings.iter().all(|finding| finding.verdict != Verdict::Failed), "{findings:?}");
    let limits = about(&findings, "limit");
    let expected =
        "note    limit: max_memory_usage is unlimited instead of 2147483648: the user may not change the setting";
    assert!(limits.contains(&expected.to_owned()), "{limits:?}");
    assert!(!format!("{findings:?}").contains("reader-secret"));
}

#[tokio::test]
async fn tables_and_columns_that_are_missing_are_named() {
    let engine = need_engine!();
    let database = deployment(engine);
    engine.run(&database, "DROP VIEW events_core_mv");
    engine.run(&database, "ALTER TABLE events_full DROP COLUMN service_name, DROP COLUMN usage_pricing_tier_id");
    engine.run(&database, "DROP TABLE scores");
    engine.run(&database, "CREATE TABLE scores (id String, project_id UInt8) ENGINE = MergeTree ORDER BY id");
    let findings = examined(engine, "default", &database, "").await;
    let columns = about(&findings, "columns");
    assert_eq!(
        columns[0],
        "note    columns: events_full lacks usage_pricing_tier_id, service_name, which are exported as if they were empty"
    );
    assert!(
        columns[1].starts_with("failed  columns: scores lacks timestamp, name, data_type, updated_at, event_ts"),
        "{columns:?}"
    );
    assert!(columns.iter().any(|text| text.contains("scores.project_id is of type UInt8")), "{columns:?}");
    engine.run(&database, "DROP TABLE scores");
    let findings = examined(engine, "default", &database, "").await;
    assert!(
        about(&findings, "table")[1].contains("has no table scores to read scores from, or the user may not see it"),
        "{findings:?}"
    );
}

/// A row of version 3, so that its tables are the ones that are read.
fn observe(engine: &Engine, database: &str) {
    engine.run(
        database,
        "INSERT INTO observations (id, trace_id, project_id, type, start_time, event_ts) \
         VALUES ('o', 't', 'p', 'SPAN', now(), now())",
    );
}

#[tokio::test]
async fn tables_of_version_3_are_found_with_what_their_rows_are_made_of() {
    let engine = need_engine!();
    let database = deployment(engine);
    observe(engine, &database);
    for options in ["", "cluster=one_shard"] {
        let findings = examined(engine, "default", &database, options).await;
        assert!(findings.iter().all(|finding| finding.verdict != Verdict::Failed), "{findings:?}");
        let tables: Vec<String> = about(&findings, "table").iter().map(|text| text[..36].to_owned()).collect();
        assert_eq!(
            tables,
            [
                "ok      table: observations (Langfus",
                "ok      table: traces (Langfuse v3),",
                "ok      table: scores (Langfuse v3 a"
            ]
        );
        assert_eq!(about(&findings, "rights"), ["ok      rights: SELECT on observations, scores, traces"]);
        let columns = about(&findings, "columns");
        assert!(columns[0].starts_with("note    columns: observations lacks is_app_root, bookmarked"), "{columns:?}");
        assert!(columns[1].starts_with("ok      columns: traces has all "), "{columns:?}");
        assert_eq!(about(&findings, "cluster").len(), usize::from(!options.is_empty()), "{findings:?}");
    }

    engine.run(&database, "ALTER TABLE observations DROP COLUMN internal_model_id");
    engine.run(&database, "ALTER TABLE traces DROP COLUMN release");
    let findings = examined(engine, "default", &database, "").await;
    let columns = about(&findings, "columns");
    assert!(columns[0].contains("internal_model_id") && columns[0].contains("traces.release"), "{columns:?}");
    engine.run(&database, "ALTER TABLE traces DROP COLUMN updated_at");
    let findings = examined(engine, "default", &database, "").await;
    let columns = about(&findings, "columns").join("\n");
    assert!(columns.contains("failed  columns: observations lacks traces.updated_at"), "{columns}");
    assert!(columns.contains("failed  columns: traces lacks updated_at"), "{columns}");
}

#[tokio::test]
async fn traces_that_may_not_be_read_and_servers_that_may_not_be_asked_are_told() {
    let engine = need_engine!();
    engine.deployment("traceless");
    observe(engine, "traceless");
    let findings = examined(engine, "no_traces:reader-secret", "traceless", "").await;
    let failed: Vec<&Finding> = findings.iter().filter(|finding| finding.verdict == Verdict::Failed).collect();
    let [failed] = &failed[..] else { panic!("{findings:?}") };
    assert!(failed.text.contains("has no table traces to read the traces of observations from"), "{failed:?}");
    assert!(failed.hint.as_ref().is_some_and(|hint| hint == "GRANT SELECT ON traceless.traces TO no_traces"));
    assert_eq!(about(&findings, "rights"), ["ok      rights: SELECT on observations, scores"]);
    assert!(!about(&findings, "columns")[0].contains("traces."), "{findings:?}");

    // Whoever reads through a cluster needs a right to that, too.
    for cluster in ["one_shard", "two_shards"] {
        let options = format!("cluster={cluster}&layout=v3");
        let findings = examined(engine, "no_traces:reader-secret", "traceless", &options).await;
        let rights = about(&findings, "rights");
        assert_eq!(rights.len(), 2, "{findings:?}");
        assert!(rights.iter().all(|text| text.starts_with("failed") && text.contains("READ ON REMOTE")), "{rights:?}");
        let note =
            format!("note    cluster: the user may not see system.clusters, so whether it has {cluster:?} is told");
        assert!(about(&findings, "cluster")[0].starts_with(&note), "{findings:?}");
        let findings = examined(engine, "default", "traceless", &options).await;
        let shards = if cluster == "one_shard" { "1 shard" } else { "2 shards" };
        assert_eq!(about(&findings, "cluster"), [format!("ok      cluster: {cluster:?} has {shards}")]);
        // The two shards keep databases of their own, which are those of another test.
        if cluster == "one_shard" {
            assert_eq!(about(&findings, "rights"), ["ok      rights: SELECT on observations, scores, traces"]);
        }
    }
}

#[tokio::test]
async fn rights_that_are_missing_are_told_with_the_grant() {
    let engine = need_engine!();
    engine.run("default", "CREATE DATABASE unscored");
    deploy(engine, "unscored");
    let findings = examined(engine, "no_scores:reader-secret", "unscored", "").await;
    assert_eq!(about(&findings, "rights"), ["ok      rights: SELECT on events_full"]);
    // A server shows no table that the user may not read.
    let failed: Vec<&Finding> = findings.iter().filter(|finding| finding.verdict == Verdict::Failed).collect();
    assert_eq!(failed.len(), 1, "{findings:?}");
    assert!(
        failed[0]
            .text
            .contains("database \"unscored\" has no table scores to read scores from, or the user may not see it")
    );
    assert!(failed[0].hint.as_ref().is_some_and(|hint| hint.contains("GRANT SELECT ON unscored.scores TO no_scores")));
}

#[tokio::test]
async fn queries_that_cannot_be_seen_are_told_with_what_becomes_of_them() {
    let engine = need_engine!();
    engine.deployment("granted");
    let findings = examined(engine, "granted:reader-secret", "granted", "").await;
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Ok), "the documented rights: {findings:?}");

    let unseen = "note    progress: the user may not see system.processes, so a query that is silent is given up although \
                  it works, and one that is given up or cancelled ";
    for (user, left, instead) in [
        ("unseeing", "ends with its connection and not before", "raise silence_seconds_max"),
        ("unseeing_reader", "runs on while it is silent", "set cancel_http_readonly_queries_on_client_close in"),
    ] {
        let findings = examined(engine, &format!("{user}:reader-secret"), "granted", "").await;
        assert_eq!(about(&findings, "progress"), [format!("{unseen}{left}")]);
        let found = findings.iter().find(|finding| finding.about == "progress").unwrap();
        let hint = found.hint.as_deref().unwrap();
        assert!(hint.starts_with(&format!("GRANT SELECT ON system.processes TO {user}, or ")), "{hint}");
        assert!(hint.contains(instead), "{hint}");
    }
}

#[tokio::test]
async fn what_does_not_answer_is_the_only_finding() {
    let engine = need_engine!();
    let findings = examined(engine, "default:hunter2", "default", "").await;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((findings[0].verdict, findings[0].about), (Verdict::Failed, "server"));
    assert!(findings[0].hint.is_some() && !format!("{findings:?}").contains("hunter2"), "{findings:?}");

    let options = ClickHouseOptions::read(
        &format!("clickhouse://{}?cluster=nowhere", engine.address()),
        &RawOptions::default(),
        &|_| None,
    );
    let findings = examine(options.unwrap(), &tables::stored(), &tables::clickhouse_tables()).await.unwrap();
    assert_eq!(about(&findings, "cluster"), ["failed  cluster: the server knows none called \"nowhere\""]);
}
