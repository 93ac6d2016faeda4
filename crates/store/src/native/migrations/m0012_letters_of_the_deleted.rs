//! Dead letters that were left when their integration was deleted: nobody can see them, and they hold events.

use sea_orm_migration::prelude::*;

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0012_letters_of_the_deleted"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let forget = "DELETE FROM dead_letter WHERE integration_id IN (SELECT id FROM integration WHERE deleted)";
        manager.get_connection().execute_unprepared(forget).await?;
        Ok(())
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}
