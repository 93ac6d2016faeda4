//! How often the files of an export were asked for.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer_null, integer};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0009_downloads"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time. Processes of an older release, which still run, do not name them.
        for column in [integer("downloads").default(0).to_owned(), big_integer_null("downloaded_at")] {
            manager.alter_table(Table::alter().table("export").add_column(column).to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["downloads", "downloaded_at"] {
            manager.alter_table(Table::alter().table("export").drop_column(column).to_owned()).await?;
        }
        Ok(())
    }
}
