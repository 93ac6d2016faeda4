//! Tables that several servers share: shards that speak to each other.

use super::*;

/// The keys by which Langfuse spreads rows: all versions of one lie on one shard.
fn sharding_key(table: &str) -> &'static str {
    if table == "events_full" { "xxHash32(trace_id)" } else { "xxHash32(id)" }
}

/// The fixture in two databases that are shards of a cluster, and a database with tables over both.
async fn on_two_shards(engine: &Engine, loaded: &Loaded) -> ClickHouseSource {
    let database = engine.database();
    let shards = ["shard_one", "shard_two"];
    for shard in shards {
        engine.run("default", &format!("CREATE DATABASE {shard}"));
    }
    for (table, batches) in loaded {
        shards.iter().for_each(|shard| create(engine, shard, table));
        let name = places().into_iter().find(|place| place.stored == table.name).unwrap().name;
        let spread = format!(
            "CREATE TABLE {name} AS shard_one.{name} ENGINE = Distributed(two_shards, '', {name}, {})",
            sharding_key(name)
        );
        engine.run(&database, &spread);
        for batch in batches {
            let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
            writer.write(batch).unwrap();
            let statement = format!("INSERT INTO {name} SETTINGS distributed_foreground_insert = 1 FORMAT ArrowStream");
            engine.insert(&database, &statement, &writer.into_inner().unwrap());
        }
        for shard in shards {
            assert_ne!(engine.run(shard, &format!("SELECT count() FROM {name}")).trim(), "0", "{name} of {shard}");
        }
    }
    ClickHouseSource::connect(engine.options("reader:reader-secret", &database, ""), places()).await.unwrap()
}

#[tokio::test]
async fn keeps_every_promise_of_a_source_over_two_shards() {
    let engine = need_engine!();
    let source = on_two_shards(engine, &fixture::batches()).await;
    agreement::every_promise_of_the_fixture(&source).await;
    agreement::on_tests_that_need_more_than_the_row(&source).await;
    agreement::on_attached_columns(&source).await;
    agreement::on_deletions(&source).await;
}
