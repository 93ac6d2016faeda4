//! Comments, and what they hang on.

use model::{ObjectKind, Page, PlacedComment};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::instant;

/// Kind of object that comments hang on.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ObjectType {
    Observation,
    Trace,
    Session,
    Prompt,
}

impl From<ObjectType> for ObjectKind {
    fn from(kind: ObjectType) -> Self {
        match kind {
            ObjectType::Observation => Self::Observation,
            ObjectType::Trace => Self::Trace,
            ObjectType::Session => Self::Session,
            ObjectType::Prompt => Self::Prompt,
        }
    }
}

impl From<ObjectKind> for ObjectType {
    fn from(kind: ObjectKind) -> Self {
        match kind {
            ObjectKind::Observation => Self::Observation,
            ObjectKind::Trace => Self::Trace,
            ObjectKind::Session => Self::Session,
            ObjectKind::Prompt => Self::Prompt,
        }
    }
}

/// Which comments are listed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct CommentsQuery {
    /// Only on this kind of object.
    #[param(inline)]
    pub(crate) object_type: Option<ObjectType>,
    /// Only on this object.
    pub(crate) object_id: Option<String>,
    /// At most so many items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub(crate) limit: Option<u32>,
    /// The `next` of the page before.
    pub(crate) cursor: Option<String>,
}

/// A comment to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewComment {
    /// Kind of object.
    pub(crate) object_type: ObjectType,
    /// Id of the object.
    #[schema(min_length = 1, max_length = 1000)]
    pub(crate) object_id: String,
    /// Text.
    #[schema(min_length = 1, max_length = 5000)]
    pub(crate) content: String,
}

/// A comment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Comment {
    /// Id.
    pub(crate) id: String,
    /// Kind of object.
    object_type: ObjectType,
    /// Id of the object.
    object_id: String,
    /// Text.
    content: String,
    /// Who wrote it, where known.
    #[schema(required)]
    author_email: Option<String>,
    /// When.
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<PlacedComment> for Comment {
    fn from(placed: PlacedComment) -> Self {
        Self {
            id: placed.comment.id,
            object_type: placed.kind.into(),
            object_id: placed.comment.object_id,
            content: placed.comment.content,
            author_email: placed.comment.author_email,
            created_at: instant(placed.comment.created_at),
        }
    }
}

/// Comments, newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommentPage {
    /// Comments.
    items: Vec<Comment>,
    /// The `cursor` of the next page; null at the end.
    #[schema(required)]
    next: Option<String>,
}

impl From<Page<PlacedComment>> for CommentPage {
    fn from(page: Page<PlacedComment>) -> Self {
        Self { items: page.items.into_iter().map(Into::into).collect(), next: page.next.map(|token| token.0) }
    }
}
