//! Shards on two servers, read through `cluster`: either knows its own rows alone, and the one that is asked asks the
//! other.

use super::v3::MovedTraces;
use super::*;
use crate::clickhouse::engine::Replicas;

/// The server whose shard has the rows with this text in the column that rows are spread by. Any function of the text
/// will do: what is relied on is that all versions of a row lie on one shard. Events are spread by their trace and
/// everything else by its own id, as on the shards of one server, so that observations of version 3 lie beside their
/// trace or away from it.
fn server_of<'a>(servers: &'a Replicas, text: &str) -> &'a Engine {
    servers.both()[usize::from(text.bytes().fold(0, u8::wrapping_add)) % 2]
}

/// Stores the rows of a batch, each on its shard.
fn insert_spread(servers: &Replicas, database: &str, table: &StoredTable, batch: &RecordBatch) {
    let column = if table.name == "events" { "trace_id" } else { "id" };
    let texts = batch.column_by_name(column).unwrap().as_string::<i32>();
    for server in servers.both() {
        let is_own = |text: Option<&str>| Some(std::ptr::eq(server_of(servers, text.unwrap()), server));
        let own: BooleanArray = texts.iter().map(is_own).collect();
        insert(server, database, table, &filter_record_batch(batch, &own).unwrap());
    }
}

/// Asserts that both shards have rows of each of these tables.
fn assert_spread(servers: &Replicas, database: &str, names: &[&str]) {
    for (server, name) in servers.both().into_iter().flat_map(|server| names.iter().map(move |name| (server, name))) {
        assert_ne!(server.run(database, &format!("SELECT count() FROM {name}")).trim(), "0", "{name}");
    }
}

/// What is read of both through the first.
async fn source(servers: &Replicas, database: &str) -> ClickHouseSource {
    let options = servers.a.options("reader:reader-secret", database, "cluster=two_servers");
    ClickHouseSource::connect(options, places()).await.unwrap()
}

#[tokio::test]
async fn keeps_every_promise_of_a_source_over_the_shards_of_a_cluster() {
    let servers = need_replicas!();
    let database = servers.database_of_shards();
    for (table, batches) in fixture::batches() {
        servers.both().into_iter().for_each(|server| create(server, &database, &table));
        batches.iter().for_each(|batch| insert_spread(servers, &database, &table, batch));
    }
    assert_spread(servers, &database, &["events_full", "scores"]);
    let source = source(servers, &database).await;
    agreement::every_promise_of_the_fixture(&source).await;
    agreement::on_tests_that_need_more_than_the_row(&source).await;
    agreement::on_attached_columns(&source).await;
    agreement::on_deletions(&source).await;
}

#[tokio::test]
async fn golden_rows_over_the_shards_of_a_cluster_are_those_of_memory() {
    let servers = need_replicas!();
    let database = servers.database_of_shards();
    servers.both().into_iter().for_each(|server| server.langfuse_tables(&database));
    for (table, batches) in golden::rows() {
        batches.iter().for_each(|batch| insert_spread(servers, &database, &table, batch));
    }
    assert_spread(servers, &database, &["events_full", "scores"]);
    let source = source(servers, &database).await;
    golden::agree(&MemorySource::new(golden::rows()).unwrap(), &source).await;
}

#[tokio::test]
async fn traces_that_moved_join_their_observations_once_from_whichever_shard() {
    let servers = need_replicas!();
    let database = servers.database_of_shards();
    servers.both().into_iter().for_each(|server| server.langfuse_tables(&database));
    let MovedTraces { traces, observations, rows } = v3::traces_that_moved();
    for (name, stored) in [("observations", &observations), ("traces", &traces)] {
        for row in stored {
            let server = server_of(servers, row["id"].as_str().unwrap());
            v3::insert_rows(server, &database, name, std::slice::from_ref(row));
        }
    }
    assert_spread(servers, &database, &["observations", "traces"]);
    let is_on_first = |text: &str| std::ptr::eq(server_of(servers, text), &servers.a);
    assert_eq!(["t1", "o1", "o2"].map(is_on_first), [false, true, false], "one is beside its trace, one away from it");
    let source = source(servers, &database).await;
    for is_merged in [false, true] {
        if is_merged {
            for (server, name) in
                servers.both().into_iter().flat_map(|server| [(server, "traces"), (server, "observations")])
            {
                server.run(&database, &format!("OPTIMIZE TABLE {name} FINAL"));
            }
        }
        v3::agree_on_observations(&source, &rows).await;
    }
}
