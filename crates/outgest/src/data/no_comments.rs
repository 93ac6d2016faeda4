//! The comments of a source that has none.

use async_trait::async_trait;
use model::{Comment, CommentLookup, CommentScope, CommentTest, Fault, ObjectKind, ProjectId};

/// No row has a comment, and nobody can ask which rows have.
pub struct NoComments;

#[async_trait]
impl CommentLookup for NoComments {
    async fn comments(&self, _: &ProjectId, _: ObjectKind, _: &[&str]) -> Result<Vec<Comment>, Fault> {
        Ok(Vec::new())
    }

    /// Requests with such a test are refused when they are checked. One that was checked while there were
    /// comments must not select all rows, or none, now that there are not.
    async fn commented(&self, _: &CommentScope, _: &CommentTest, _: usize) -> Result<Vec<String>, Fault> {
        Err(Fault::bad_request("the source has no comments, so a filter on them cannot be honoured")
            .hint("set source.comments to own where the metadata store holds the comments on these rows"))
    }

    async fn objects(&self, _: &CommentScope, _: usize) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
}
