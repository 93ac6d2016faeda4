//! The attempts of an export or of the run of a window that failed. They lie beside jobs, because a run
//! outlives its job, and most jobs have none.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "failed_attempts")]
pub struct Model {
    /// That of the export or the run.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// JSON, the oldest first.
    pub attempts: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
