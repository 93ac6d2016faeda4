//! A sealed secret of some object. Instants are microseconds since 1970.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "secret")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub of_kind: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub of_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub field: String,
    /// Key it is sealed with.
    pub key_id: String,
    /// Nonce and ciphertext.
    pub sealed: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
