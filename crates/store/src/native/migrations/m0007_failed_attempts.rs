//! Attempts that failed, kept after others succeeded.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text;

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0007_failed_attempts"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table("failed_attempts").col(text("id").primary_key()).col(text("attempts"));
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("failed_attempts").to_owned()).await
    }
}
