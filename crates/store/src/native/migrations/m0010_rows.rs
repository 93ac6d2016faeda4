//! Which embedded store the rows of this database's projects lie in.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{integer, text};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0010_rows"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table("rows_of").col(integer("id").primary_key()).col(text("lake"));
        manager.create_table(table.to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("rows_of").to_owned()).await
    }
}
