//! A stretch of the past that is exported window by window. Instants are microseconds since 1970.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "backfill")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub integration_id: String,
    pub project_id: String,
    pub from_at: i64,
    pub to_at: i64,
    /// What was not planned yet; null once everything is.
    pub left_from: Option<i64>,
    pub left_to: Option<i64>,
    pub cause: String,
    pub windows_order: String,
    pub parallel_max: i32,
    pub state: String,
    pub actor_kind: String,
    pub actor_id: Option<String>,
    pub created_at: i64,
    pub finished_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
