//! What a model costs by default.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "model_price")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub model_id: String,
    /// The project that may see it; every project where absent.
    pub project_id: Option<String>,
    /// Prices per unit times 10^30, as integers: no database of ours has exact decimals of that size.
    pub input: Option<String>,
    pub output: Option<String>,
    pub total: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
