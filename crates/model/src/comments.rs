//! Comments as people write and list them; [`crate::CommentLookup`] is how exports read them.

use async_trait::async_trait;

use crate::{Comment, Fault, ObjectKind, Page, PageRequest, ProjectId};

/// A comment and what kind of object it hangs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedComment {
    /// Kind of object.
    pub kind: ObjectKind,
    /// The comment.
    pub comment: Comment,
}

/// A comment to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentToAdd {
    /// Kind of object.
    pub kind: ObjectKind,
    /// Object.
    pub object_id: String,
    /// Text.
    pub content: String,
    /// Who writes it, where known.
    pub author_email: Option<String>,
}

/// Which comments are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommentQuery {
    /// Only on this kind of object.
    pub kind: Option<ObjectKind>,
    /// Only on this object.
    pub object_id: Option<String>,
}

/// Comments of a project.
#[async_trait]
pub trait CommentStore: Send + Sync {
    /// Stores a comment; id and time are the store's.
    async fn add_comment(&self, project: &ProjectId, new: CommentToAdd) -> Result<PlacedComment, Fault>;

    /// Comments of a project, newest first.
    async fn list_comments(
        &self,
        project: &ProjectId,
        query: &CommentQuery,
        page: &PageRequest,
    ) -> Result<Page<PlacedComment>, Fault>;
}
