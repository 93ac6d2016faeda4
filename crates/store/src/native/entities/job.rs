//! A piece of work. Instants are microseconds since 1970.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// The job it is a part of.
    pub parent_id: Option<String>,
    /// Place among the parts of its parent, from 1; 0 without a parent.
    pub part: i32,
    pub project_id: String,
    pub kind: String,
    pub lane: String,
    /// JSON of what is to be done.
    pub spec: String,
    /// `queued`, `running`, `completed`, `failed`, `cancelled`.
    pub state: String,
    /// No two queued or running jobs have the same.
    pub unique_key: Option<String>,
    /// When it may be claimed: after a wait, when its lease runs out, when its files' time is
    /// over. Absent: not at all.
    pub due_at: Option<i64>,
    /// Grows with every claim.
    pub fence: i64,
    /// Who has it; absent while nobody does.
    pub worker: Option<String>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    /// Claims for running it.
    pub attempts: i32,
    /// Failed attempts since it last got further.
    pub failures: i32,
    /// Workers lost since it last got further.
    pub lost: i32,
    /// Parts that are not completed; absent where it was not split.
    pub parts_open: Option<i32>,
    /// JSON of what is durable; absent where nothing is left behind.
    pub checkpoint: Option<String>,
    /// How much is durable by the checkpoint: it grows while the job gets further.
    pub durable: i64,
    /// JSON of what its worker reported last.
    pub progress: Option<String>,
    /// JSON of why the last attempt failed.
    pub failure: Option<String>,
    /// JSON of what it came to.
    pub result: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
