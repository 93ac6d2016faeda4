//! A mail or a request that waits to be sent. Instants are microseconds since 1970.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "notice")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// `mail` or `webhook`.
    pub channel: String,
    /// JSON of the export as it ended, or of the integration as it stopped.
    pub export: String,
    pub created_at: i64,
    /// Not to be claimed earlier.
    pub due_at: i64,
    /// Claims so far.
    pub attempts: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
