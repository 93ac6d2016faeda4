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
