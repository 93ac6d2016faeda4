//! Names of the scores that the runs of an integration had.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{boolean, text};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0011_score_names"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut key = Index::create();
        key.col("integration_id").col("table_name");
        let table = Table::create()
            .table("score_names")
            .col(text("integration_id"))
            .col(text("table_name"))
            .col(text("names"))
            .col(boolean("more"))
            .primary_key(&mut key)
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("score_names").to_owned()).await
    }
}
