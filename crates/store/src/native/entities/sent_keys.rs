//! Hashes of the keys of rows that a run has sent as events, until its window has been compared with its source.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sent_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub table_name: String,
    /// Rows of the table that were sent before these.
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    /// Eight bytes for each row, least significant first.
    pub hashes: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
