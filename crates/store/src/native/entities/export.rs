//! What an export has beside its job. Instants are microseconds since 1970.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "export")]
pub struct Model {
    /// That of its job.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub name: String,
    pub table_name: String,
    pub format: String,
    pub actor_kind: String,
    pub actor_id: Option<String>,
    pub created_at: i64,
    /// Unique within the project.
    pub idempotency_key: Option<String>,
    pub idempotency_fingerprint: Option<String>,
    /// Of its first file; unique.
    pub file_name: String,
    /// Microseconds its files are kept.
    pub keep: i64,
    pub expires_at: Option<i64>,
    /// JSON array.
    pub warnings: String,
    pub truncated: bool,
    /// JSON array of what can be downloaded.
    pub files: String,
    pub manifest: Option<String>,
    pub rows: i64,
    pub bytes: i64,
    /// Out of sight; removed once nothing is left of it.
    pub deleted: bool,
    /// How often one of its files was asked for, and when that was last.
    pub downloads: i32,
    pub downloaded_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
