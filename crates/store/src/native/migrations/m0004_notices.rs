//! The outbox of mails and requests about exports that ended.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, integer, text};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0004_notices"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table("notice").col(text("id").primary_key());
        for column in [text("channel"), text("export"), big_integer("created_at"), big_integer("due_at")] {
            table.col(column);
        }
        manager.create_table(table.col(integer("attempts")).take()).await?;
        let index = Index::create().name("notice_by_due").table("notice").col("channel").col("due_at").take();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("notice").to_owned()).await
    }
}
