//! Comments, and runs with their checkpoints.

use sea_orm_migration::prelude::*;

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0001_comments_and_runs"
    }
}

#[derive(DeriveIden)]
enum Comment {
    Table,
    ProjectId,
    Id,
    ObjectKind,
    ObjectId,
    Content,
    AuthorEmail,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Run {
    Table,
    Id,
    Request,
    State,
    Fence,
    Attempts,
    Checkpoint,
    Failure,
    Rows,
    Bytes,
    StartedAt,
    UpdatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Comment::Table)
                    .col(ColumnDef::new(Comment::ProjectId).text().not_null())
                    .col(ColumnDef::new(Comment::Id).text().not_null())
                    .col(ColumnDef::new(Comment::ObjectKind).text().not_null())
                    .col(ColumnDef::new(Comment::ObjectId).text().not_null())
                    .col(ColumnDef::new(Comment::Content).text().not_null())
                    .col(ColumnDef::new(Comment::AuthorEmail).text())
                    .col(ColumnDef::new(Comment::CreatedAt).big_integer().not_null())
                    .primary_key(Index::create().col(Comment::ProjectId).col(Comment::Id))
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name("comment_by_object")
                    .table(Comment::Table)
                    .col(Comment::ProjectId)
                    .col(Comment::ObjectKind)
                    .col(Comment::ObjectId)
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(Run::Table)
                    .col(ColumnDef::new(Run::Id).text().not_null().primary_key())
                    .col(ColumnDef::new(Run::Request).text().not_null())
                    .col(ColumnDef::new(Run::State).text().not_null())
                    .col(ColumnDef::new(Run::Fence).text().not_null())
                    .col(ColumnDef::new(Run::Attempts).integer().not_null())
                    .col(ColumnDef::new(Run::Checkpoint).text())
                    .col(ColumnDef::new(Run::Failure).text())
                    .col(ColumnDef::new(Run::Rows).big_integer().not_null())
                    .col(ColumnDef::new(Run::Bytes).big_integer().not_null())
                    .col(ColumnDef::new(Run::StartedAt).big_integer().not_null())
                    .col(ColumnDef::new(Run::UpdatedAt).big_integer().not_null())
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Run::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Comment::Table).to_owned()).await
    }
}
