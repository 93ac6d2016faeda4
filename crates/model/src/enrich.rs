//! What is added to rows after they are read, and the look-ups it needs.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CommentTest, Fault, Micros, ProjectId, ReadRequest, SharedText};

/// A step from batch to batch: scores, comments, masking.
#[async_trait]
pub trait Enrichment: fmt::Debug + Send + Sync {
    /// Fixes the output schema and looks up what is the same for all rows. `input` and the output
    /// both end with the key columns.
    async fn prepare(
        &self,
        request: &ReadRequest,
        input: &SchemaRef,
        lookups: &Lookups,
    ) -> Result<Arc<dyn Enricher>, Fault>;
}

/// A prepared step.
#[async_trait]
pub trait Enricher: Send + Sync {
    /// Schema of the batches it returns.
    fn schema(&self) -> &SchemaRef;

    /// Same rows, same order; several calls run at once.
    async fn apply(&self, batch: RecordBatch) -> Result<RecordBatch, Fault>;
}

/// Where enrichments look things up.
#[derive(Clone)]
pub struct Lookups {
    /// Scores, of the same stored state as the rows.
    pub scores: Arc<dyn ScoreLookup>,
    /// Comments, from the metadata store.
    pub comments: Arc<dyn CommentLookup>,
    /// Prices, from the metadata store.
    pub prices: Arc<dyn PriceLookup>,
}

/// Scores by trace. Only live scores are visible.
#[async_trait]
pub trait ScoreLookup: Send + Sync {
    /// Names of the listable scores (NUMERIC, BOOLEAN, CATEGORICAL, TEXT) in scope, sorted by byte order.
    async fn score_names(&self, scope: &ScoreScope) -> Result<Vec<ScoreName>, Fault>;

    /// Every listable score in scope of these traces, of the traces themselves and of their
    /// observations, in no particular order. `traces` has no duplicates.
    async fn scores(&self, scope: &ScoreScope, traces: &[&str]) -> Result<Vec<ScoreRow>, Fault>;
}

/// Which scores are looked at.
#[derive(Clone, Debug)]
pub struct ScoreScope {
    /// Their project.
    pub project: ProjectId,
    /// Scores with an earlier timestamp are out of scope.
    pub since: Option<Micros>,
}

/// A score name and the data types that occur under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreName {
    /// Name.
    pub name: String,
    /// NUMERIC or BOOLEAN scores have it.
    pub numeric: bool,
    /// CATEGORICAL or TEXT scores have it.
    pub textual: bool,
}

/// One live score.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreRow {
    /// Its id.
    pub id: SharedText,
    /// Its trace.
    pub trace_id: SharedText,
    /// Its observation; `None` for a score of the trace.
    pub observation_id: Option<SharedText>,
    /// Name.
    pub name: SharedText,
    /// `NUMERIC`, `BOOLEAN`, `CATEGORICAL` or `TEXT`.
    pub data_type: SharedText,
    /// Value of NUMERIC and BOOLEAN scores.
    pub value: f64,
    /// Value of CATEGORICAL and TEXT scores; `true` or `false` for BOOLEAN.
    pub string_value: Option<SharedText>,
    /// Comment of the scorer, or what stands for it: the same for like comments alone. It is compared, never shown.
    pub comment: Option<SharedText>,
    /// When it was given.
    pub timestamp: Micros,
}

/// What comments hang on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ObjectKind {
    Observation,
    Trace,
    Session,
    Prompt,
}

impl ObjectKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Observation, Self::Trace, Self::Session, Self::Prompt];

    /// The kind of this name on the wire.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The name on the wire: `OBSERVATION`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observation => "OBSERVATION",
            Self::Trace => "TRACE",
            Self::Session => "SESSION",
            Self::Prompt => "PROMPT",
        }
    }
}

/// Which comments a test looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentScope {
    /// The project.
    pub project: ProjectId,
    /// On this kind of object.
    pub kind: ObjectKind,
    /// Written until then: a run that is continued finds what it found when it began.
    pub as_of: Micros,
}

/// Comments by object.
#[async_trait]
pub trait CommentLookup: Send + Sync {
    /// Comments on these objects, by object in no particular order, oldest first within an object.
    /// At most 1,000 ids a call.
    async fn comments(&self, project: &ProjectId, kind: ObjectKind, ids: &[&str]) -> Result<Vec<Comment>, Fault>;

    /// Ids of the objects *with comments* that pass the test, at most `limit` + 1 of them, sorted.
    async fn commented(&self, scope: &CommentScope, test: &CommentTest, limit: usize) -> Result<Vec<String>, Fault>;

    /// Ids of the objects with comments, at most `limit` of them, each once, in no particular order.
    async fn objects(&self, scope: &CommentScope, limit: usize) -> Result<Vec<String>, Fault>;
}

/// Prices by model.
#[async_trait]
pub trait PriceLookup: Send + Sync {
    /// The prices of these models, in no particular order: of the project's own models and of those
    /// that belong to no project. At most 1,000 ids a call.
    async fn prices(&self, project: &ProjectId, models: &[&str]) -> Result<Vec<ModelPrices>, Fault>;
}

/// What a model costs by default, whatever was charged for an event. Prices are per unit (token) and
/// counted in 10^-30, as [`ColumnType::PRICE`](crate::ColumnType::PRICE) has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelPrices {
    /// The model.
    pub model_id: String,
    /// Of a unit of input.
    pub input: Option<i128>,
    /// Of a unit of output.
    pub output: Option<i128>,
    /// Of a unit, where input and output are not told apart.
    pub total: Option<i128>,
}

/// One comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Its id.
    pub id: String,
    /// What it hangs on.
    pub object_id: String,
    /// Text.
    pub content: String,
    /// Who wrote it, where known.
    pub author_email: Option<String>,
    /// When.
    pub created_at: Micros,
}
