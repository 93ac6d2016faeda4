//! Which rows a window of events sent, until it has been compared with its source.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, blob, text};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0006_sent_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut key = Index::create();
        key.col("run_id").col("table_name").col("number");
        let table = Table::create()
            .table("sent_keys")
            .col(text("run_id"))
            .col(text("table_name"))
            .col(big_integer("number"))
            .col(blob("hashes"))
            .primary_key(&mut key)
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("sent_keys").to_owned()).await
    }
}
