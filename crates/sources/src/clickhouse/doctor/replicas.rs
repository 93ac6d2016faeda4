//! Whether the replicas that are read have what the others have.
//!
//! A replica that lags answers every query, without the rows that it has not got: only it knows that there are more.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use model::{Fault, Stop};

use super::{Finding, query, texts};
use crate::clickhouse::client::Client;
use crate::clickhouse::sql::{arrays_of_texts, escaped, quoted};

/// Replicas as their servers see them, without the columns for which a server asks its coordination service.
const REPLICAS: &str = "table, replica_name, hostName() AS host, toString(is_readonly) AS is_readonly, \
    toString(absolute_delay) AS seconds, toString(inserts_in_queue) AS inserts, toString(queue_size) AS queued";

/// What to do where rows are missing that others have.
const WAIT_OR_TURN: &str =
    "read another replica, or give integrations a lag above the delay; what comes later still becomes a revision";

/// A server's replica of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Replica {
    table: String,
    name: String,
    host: String,
    /// Whether it takes up nothing new.
    is_readonly: bool,
    seconds_behind: u64,
    /// Inserts that it knows of and has not got.
    inserts_missing: u64,
    entries_queued: u64,
}

/// What is found of the replicas of these tables, each of which is replicated.
pub(super) async fn findings(client: &Client, tables: &[&str]) -> Vec<Finding> {
    if tables.is_empty() {
        return Vec::new();
    }
    match look(client, tables).await {
        Ok(replicas) => told(&replicas, tables, &client.options().user),
        Err(_) => vec![unknown(tables, &client.options().user)],
    }
}

async fn look(client: &Client, tables: &[&str]) -> Result<Vec<Replica>, Fault> {
    let options = client.options();
    // Through a cluster any of its replicas may be read.
    let from = match &options.cluster {
        Some(cluster) => format!("clusterAllReplicas({}, 'system', 'replicas')", quoted(cluster)),
        None => "system.replicas".to_owned(),
    };
    let text = format!(
        "SELECT {REPLICAS} FROM {from} WHERE database = {{database:String}} AND table IN {{names:Array(String)}} \
         ORDER BY replica_name, host, table"
    );
    let names = arrays_of_texts(tables.iter().copied())?.remove(0);
    let values = [("database", escaped(&options.database)), ("names", names)];
    Ok(read(&client.rows(query(&text, "the replicas", &values), &Stop::new()).await?))
}

fn read(answer: &RecordBatch) -> Vec<Replica> {
    let columns = ["table", "replica_name", "host", "is_readonly", "seconds", "inserts", "queued"]
        .map(|name| texts(answer, name));
    let number = |column: usize, row: usize| columns[column][row].parse().unwrap_or_default();
    let replicas = (0..answer.num_rows()).map(|row| Replica {
        table: columns[0][row].to_owned(),
        name: columns[1][row].to_owned(),
        host: columns[2][row].to_owned(),
        is_readonly: columns[3][row] != "0",
        seconds_behind: number(4, row),
        inserts_missing: number(5, row),
        entries_queued: number(6, row),
    });
    replicas.collect()
}

fn told(replicas: &[Replica], tables: &[&str], user: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut whole: BTreeMap<(&str, &str), Vec<&Replica>> = BTreeMap::new();
    for replica in replicas {
        let Replica { table, name, host, seconds_behind, inserts_missing, entries_queued, .. } = replica;
        if replica.is_readonly {
            findings.push(Finding::note(
                "replica",
                format!("{name:?} of {table} on {host} is read-only: it gets no rows that were stored elsewhere"),
                "zookeeper_exception in system.replicas says why; read another replica until it is cured",
            ));
        } else if *seconds_behind > 0 || *inserts_missing > 0 {
            findings.push(Finding::note(
                "replica",
                format!(
                    "{name:?} of {table} on {host} is {seconds_behind} s behind (inserts that it lacks: \
                     {inserts_missing}, entries in its queue: {entries_queued}): their rows are not read"
                ),
                WAIT_OR_TURN,
            ));
        } else {
            whole.entry((name, host)).or_default().push(replica);
        }
    }
    for ((name, host), replicas) in whole {
        let tables: Vec<&str> = replicas.iter().map(|replica| replica.table.as_str()).collect();
        let queued: u64 = replicas.iter().map(|replica| replica.entries_queued).sum();
        let text = format!(
            "{name:?} of {} on {host} is 0 s behind (inserts that it lacks: 0, entries in its queue: {queued})",
            tables.join(" and ")
        );
        findings.push(Finding::ok("replica", text));
    }
    let unseen: Vec<&str> =
        tables.iter().copied().filter(|table| !replicas.iter().any(|replica| replica.table == *table)).collect();
    if !unseen.is_empty() {
        findings.push(unknown(&unseen, user));
    }
    findings
}

fn unknown(tables: &[&str], user: &str) -> Finding {
    Finding::note(
        "replica",
        format!(
            "the user may not see system.replicas, so it is not known whether this replica of {} lags behind others",
            tables.join(" and ")
        ),
        format!("GRANT SELECT ON system.replicas TO {user}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(table: &str, is_readonly: bool, seconds_behind: u64, inserts_missing: u64) -> Replica {
        let [name, host] = ["b", "ch-2"].map(str::to_owned);
        let entries_queued = inserts_missing;
        Replica { table: table.into(), name, host, is_readonly, seconds_behind, inserts_missing, entries_queued }
    }

    fn lines(replicas: &[Replica]) -> Vec<String> {
        told(replicas, &["events_full", "scores"], "reader").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_replica_lacks_is_said_of_each_table() {
        assert_eq!(
            lines(&[replica("events_full", false, 0, 0), replica("scores", false, 0, 0)]),
            ["ok      replica: \"b\" of events_full and scores on ch-2 is 0 s behind (inserts that it lacks: 0, \
             entries in its queue: 0)"]
        );
        assert_eq!(
            lines(&[replica("events_full", true, 1_795_934_742, 0), replica("scores", false, 0, 2)]),
            [
                "note    replica: \"b\" of events_full on ch-2 is read-only: it gets no rows that were \
                 stored elsewhere",
                "note    replica: \"b\" of scores on ch-2 is 0 s behind (inserts that it lacks: 2, \
                 entries in its queue: 2): their rows are not read",
            ]
        );
    }

    #[test]
    fn the_documentation_shows_what_is_told() {
        let document = include_str!("../../../../../docs/clickhouse.md");
        let lines = lines(&[replica("events_full", false, 12, 3), replica("scores", false, 0, 0)]);
        assert_eq!(lines.len(), 2);
        for line in lines.iter().map(String::as_str).chain([WAIT_OR_TURN]) {
            assert!(document.contains(line), "docs/clickhouse.md does not show {line:?}");
        }
    }

    #[test]
    fn a_replica_that_is_not_shown_is_not_taken_for_whole() {
        let lines = lines(&[replica("events_full", false, 0, 0)]);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with("note    replica: the user may not see system.replicas"), "{lines:?}");
        assert!(lines[1].contains("this replica of scores lags"), "{lines:?}");
    }
}
