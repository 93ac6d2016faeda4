//! Prices of models.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{text, text_null};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0003_prices"
    }
}

const TABLE: &str = "model_price";

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table(TABLE);
        for mut column in
            [text("model_id"), text_null("project_id"), text_null("input"), text_null("output"), text_null("total")]
        {
            table.col(&mut column);
        }
        manager.create_table(table.primary_key(Index::create().col("model_id")).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(TABLE).to_owned()).await
    }
}
