//! An integration and how far it has come. Instants are microseconds since 1970.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "integration")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub name: String,
    /// JSON, without secrets.
    pub settings: String,
    /// Place that manifests go to; unique among those that are not deleted.
    pub target: Option<String>,
    /// Keys of files; unique like the place.
    pub keys: Option<String>,
    /// Counts changes.
    pub version: i32,
    /// JSON of the schedule it was made with.
    pub grid: String,
    /// JSON of why nothing happens.
    pub pause: Option<String>,
    /// Everything before it was exported.
    pub cursor: Option<i64>,
    /// Everything before it was planned.
    pub planned_upto: Option<i64>,
    /// When windows are looked for.
    pub next_at: i64,
    /// The run of the window that ended last, until it is completed.
    pub live_run: Option<String>,
    pub actor_kind: String,
    pub actor_id: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    /// Out of sight; its runs stay.
    pub deleted: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
