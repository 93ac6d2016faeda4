//! Integrations, the runs of their windows, backfills, and rows that receivers refused.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, integer, text, text_null};

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m0005_integrations"
    }
}

/// An index: its name, its table, its columns, and whether no two rows may be equal in them.
const INDEXES: &[(&str, &str, &[&str], bool)] = &[
    ("integration_by_project", "integration", &["project_id", "created_at", "id"], false),
    ("integration_by_next", "integration", &["next_at"], false),
    ("window_run_by_window", "window_run", &["integration_id", "to_at", "from_at", "revision"], true),
    ("window_run_by_backfill", "window_run", &["backfill_id", "state"], false),
    ("window_run_by_state", "window_run", &["integration_id", "state", "from_at"], false),
    ("window_run_by_reconcile", "window_run", &["reconcile_at"], false),
    ("backfill_by_integration", "backfill", &["integration_id", "created_at", "id"], false),
    ("backfill_by_state", "backfill", &["state"], false),
    ("dead_letter_by_integration", "dead_letter", &["integration_id", "at", "id"], false),
];

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, columns) in tables() {
            let mut table = Table::create();
            table.table(name).col(text("id").primary_key());
            for mut column in columns {
                table.col(&mut column);
            }
            manager.create_table(table).await?;
        }
        for (name, table, columns, unique) in INDEXES {
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
        // No two live integrations write to the same keys.
        let unique = "CREATE UNIQUE INDEX integration_by_target ON integration (target) WHERE NOT deleted";
        manager.get_connection().execute_unprepared(unique).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _) in tables() {
            manager.drop_table(Table::drop().table(name).to_owned()).await?;
        }
        Ok(())
    }
}

fn tables() -> [(&'static str, Vec<ColumnDef>); 4] {
    [
        (
            "integration",
            vec![
                text("project_id"),
                text("name"),
                text("settings"),
                text_null("target"),
                integer("version"),
                text("grid"),
                text_null("pause"),
                big_integer_null("cursor"),
                big_integer_null("planned_upto"),
                big_integer("next_at"),
                text_null("live_run"),
                text("actor_kind"),
                text_null("actor_id"),
                big_integer("created_at"),
                big_integer("updated_at"),
                boolean("deleted"),
            ],
        ),
        (
            "window_run",
            vec![
                text("integration_id"),
                text("project_id"),
                big_integer("from_at"),
                big_integer("to_at"),
                boolean("on_grid"),
                integer("revision"),
                text("cause"),
                text_null("backfill_id"),
                boolean("holds_cursor"),
                text("state"),
                big_integer("planned_at"),
                big_integer_null("started_at"),
                big_integer_null("finished_at"),
                integer("attempts"),
                text_null("result"),
                text_null("found_later"),
                text_null("failure"),
                big_integer_null("reconcile_at"),
            ],
        ),
        (
            "backfill",
            vec![
                text("integration_id"),
                text("project_id"),
                big_integer("from_at"),
                big_integer("to_at"),
                big_integer_null("left_from"),
                big_integer_null("left_to"),
                text("cause"),
                text("windows_order"),
                integer("parallel_max"),
                text("state"),
                text("actor_kind"),
                text_null("actor_id"),
                big_integer("created_at"),
                big_integer_null("finished_at"),
            ],
        ),
        (
            "dead_letter",
            vec![
                text("integration_id"),
                text("run_id"),
                text("table_name"),
                text("trace_id"),
                text("row_id"),
                text("reason"),
                big_integer("at"),
                text("event"),
            ],
        ),
    ]
}
