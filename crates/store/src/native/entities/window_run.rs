//! What became of a window of an integration. Instants are microseconds since 1970.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "window_run")]
pub struct Model {
    /// That of its job, which is gone once the run is completed.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub integration_id: String,
    pub project_id: String,
    pub from_at: i64,
    pub to_at: i64,
    /// Whether the window lies between neighbouring boundaries.
    pub on_grid: bool,
    /// Unique within the window.
    pub revision: i32,
    pub cause: String,
    pub backfill_id: Option<String>,
    /// Whether the cursor waits for it.
    pub holds_cursor: bool,
    /// `active`, where the job says more, or `completed`, `failed`, `cancelled`.
    pub state: String,
    pub planned_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub attempts: i32,
    /// JSON of what was written.
    pub result: Option<String>,
    /// JSON of what was found out later.
    pub found_later: Option<String>,
    /// JSON of why it failed.
    pub failure: Option<String>,
    /// Since when it waits to be compared with its source.
    pub reconcile_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
