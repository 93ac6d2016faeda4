//! What a service needs: people, projects, keys, secrets, jobs, exports and the audit log.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, blob, boolean, integer, integer_null, text, text_null};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0002_service"
    }
}

/// An index: its name, its table, its columns, and whether no two rows may be equal in them.
struct NewIndex(&'static str, &'static str, &'static [&'static str], bool);

const INDEXES: &[NewIndex] = &[
    NewIndex("account_by_email", "account", &["email"], true),
    NewIndex("session_by_account", "session", &["account_id"], false),
    NewIndex("sign_in_failure_by_subject", "sign_in_failure", &["subject", "at"], false),
    NewIndex("membership_by_account", "membership", &["account_id"], false),
    NewIndex("api_key_by_public", "api_key", &["public"], true),
    NewIndex("api_key_by_secret", "api_key", &["secret_hash"], true),
    NewIndex("api_key_by_project", "api_key", &["project_id"], false),
    NewIndex("audit_entry_by_project", "audit_entry", &["project_id", "at", "id"], false),
    NewIndex("job_by_due", "job", &["due_at"], false),
    NewIndex("job_by_parent", "job", &["parent_id", "part"], false),
    NewIndex("job_by_state", "job", &["state", "project_id"], false),
    NewIndex("job_by_project", "job", &["project_id", "created_at", "id"], false),
    NewIndex("export_by_project", "export", &["project_id", "created_at", "id"], false),
    NewIndex("export_by_file_name", "export", &["file_name"], true),
    NewIndex("export_by_idempotency_key", "export", &["project_id", "idempotency_key"], true),
];

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in tables() {
            manager.create_table(table).await?;
        }
        for NewIndex(name, table, columns, unique) in INDEXES {
            let mut index = Index::create();
            index.name(*name).table(*table);
            for column in *columns {
                index.col(*column);
            }
            if *unique {
                index.unique();
            }
            manager.create_index(index).await?;
        }
        // Unique while active: both databases know indexes over a part of the rows.
        let connection = manager.get_connection();
        connection
            .execute_unprepared(
                "CREATE UNIQUE INDEX job_unique_while_active ON job (unique_key) WHERE state IN ('queued', 'running')",
            )
            .await?;
        if connection.get_database_backend() == DbBackend::Postgres {
            // Checkpoints and progress are updated all the time and never indexed: room in the page keeps
            // such updates from moving the row.
            connection.execute_unprepared("ALTER TABLE job SET (fillfactor = 70)").await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            manager.drop_table(Table::drop().table(*table).to_owned()).await?;
        }
        Ok(())
    }
}

const TABLES: &[&str] = &[
    "account",
    "session",
    "invitation",
    "sign_in_failure",
    "project",
    "membership",
    "api_key",
    "secret",
    "audit_entry",
    "job",
    "turn",
    "export",
];

/// A table of these columns with this primary key.
fn table(name: &'static str, key: &[&'static str], columns: Vec<ColumnDef>) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(name);
    for column in columns {
        table.col(column);
    }
    let mut primary = Index::create();
    for column in key {
        primary.col(*column);
    }
    table.primary_key(&mut primary);
    table
}

fn tables() -> Vec<TableCreateStatement> {
    vec![
        table(
            "account",
            &["id"],
            vec![
                text("id"),
                text("email"),
                text("name"),
                text("password_hash"),
                boolean("admin"),
                big_integer("created_at"),
            ],
        ),
        table(
            "session",
            &["token_hash"],
            vec![text("token_hash"), text("account_id"), big_integer("created_at"), big_integer("expires_at")],
        ),
        table(
            "invitation",
            &["token_hash"],
            vec![
                text("token_hash"),
                text_null("project_id"),
                text_null("role"),
                boolean("admin"),
                big_integer("expires_at"),
            ],
        ),
        table("sign_in_failure", &["id"], vec![text("id"), text("subject"), big_integer("at")]),
        table(
            "project",
            &["id"],
            vec![
                text("id"),
                text("name"),
                integer_null("exports_active_max"),
                integer_null("exports_queued_max"),
                big_integer_null("bytes_per_day_max"),
                big_integer_null("rows_per_export_max"),
                integer_null("retention_days"),
                big_integer("created_at"),
            ],
        ),
        table("membership", &["project_id", "account_id"], vec![text("project_id"), text("account_id"), text("role")]),
        table(
            "api_key",
            &["id"],
            vec![
                text("id"),
                text("project_id"),
                text("public"),
                text("secret_hash"),
                text("secret_ends"),
                text("role"),
                text("note"),
                big_integer("created_at"),
                big_integer_null("expires_at"),
                big_integer_null("last_used_at"),
            ],
        ),
        table(
            "secret",
            &["of_kind", "of_id", "field"],
            vec![text("of_kind"), text("of_id"), text("field"), text("key_id"), blob("sealed")],
        ),
        table(
            "audit_entry",
            &["id"],
            vec![
                text("id"),
                text_null("project_id"),
                big_integer("at"),
                text("actor_kind"),
                text_null("actor_id"),
                text("action"),
                text("object"),
                text("details"),
                text_null("client"),
            ],
        ),
        table(
            "job",
            &["id"],
            vec![
                text("id"),
                text_null("parent_id"),
                integer("part"),
                text("project_id"),
                text("kind"),
                text("lane"),
                text("spec"),
                text("state"),
                text_null("unique_key"),
                big_integer_null("due_at"),
                big_integer("fence"),
                text_null("worker"),
                big_integer("created_at"),
                big_integer_null("started_at"),
                big_integer_null("finished_at"),
                integer("attempts"),
                integer("failures"),
                integer("lost"),
                integer_null("parts_open"),
                text_null("checkpoint"),
                big_integer("durable"),
                text_null("progress"),
                text_null("failure"),
                text_null("result"),
            ],
        ),
        table("turn", &["project_id", "lane"], vec![text("project_id"), text("lane"), big_integer("turn")]),
        table(
            "export",
            &["id"],
            vec![
                text("id"),
                text("project_id"),
                text("name"),
                text("table_name"),
                text("format"),
                text("actor_kind"),
                text_null("actor_id"),
                big_integer("created_at"),
                text_null("idempotency_key"),
                text_null("idempotency_fingerprint"),
                text("file_name"),
                big_integer("keep"),
                big_integer_null("expires_at"),
                text("warnings"),
                boolean("truncated"),
                text("files"),
                text_null("manifest"),
                big_integer("rows"),
                big_integer("bytes"),
                boolean("deleted"),
            ],
        ),
    ]
}
