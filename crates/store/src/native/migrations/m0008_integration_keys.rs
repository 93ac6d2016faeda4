//! The keys of an integration's files, which no other one has.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::text_null;

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0008_integration_keys"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Those of integrations that are there become known when they are changed.
        let mut table = Table::alter();
        manager.alter_table(table.table("integration").add_column(text_null("keys")).to_owned()).await?;
        let unique = "CREATE UNIQUE INDEX integration_by_keys ON integration (keys) WHERE NOT deleted";
        manager.get_connection().execute_unprepared(unique).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP INDEX integration_by_keys").await?;
        manager.alter_table(Table::alter().table("integration").drop_column("keys").to_owned()).await
    }
}
