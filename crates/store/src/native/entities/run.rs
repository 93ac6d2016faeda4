//! An execution of an export over all its attempts.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "run")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// What was asked for, readable and without secrets.
    pub request: String,
    /// `running`, `completed`, `failed`, `cancelled`.
    pub state: String,
    /// Drawn anew by every attempt; only its holder may change the row.
    pub fence: String,
    pub attempts: i32,
    /// JSON of the last durable state; absent before the first block.
    pub checkpoint: Option<String>,
    /// Message of the last failure.
    pub failure: Option<String>,
    pub rows: i64,
    pub bytes: i64,
    /// Microseconds since 1970.
    pub started_at: i64,
    /// Microseconds since 1970.
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
