//! Comments, which live in the metadata store and not among the stored tables.

use std::borrow::Cow;

use model::{Comment, Micros, ObjectKind, ProjectId};
use serde::Deserialize;

use super::json::text;
use super::problem::Problem;
use crate::rows::syntax_problem;

/// Comments handed over at once.
pub(super) const COMMENTS_AT_ONCE: usize = 1_000;

/// A comment to be stored, under its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewComment {
    /// Its project.
    pub project: ProjectId,
    /// What kind of object it hangs on.
    pub kind: ObjectKind,
    /// The comment.
    pub comment: Comment,
}

/// A comment as files have it: its physical names, or those of the API.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommentRow<'a> {
    id: String,
    #[serde(alias = "projectId")]
    project_id: Option<String>,
    #[serde(alias = "objectId")]
    object_id: String,
    #[serde(borrow, alias = "objectType")]
    object_type: Cow<'a, str>,
    content: String,
    #[serde(default, alias = "authorEmail")]
    author_email: Option<String>,
    #[serde(default, borrow, rename = "author_user_id", alias = "authorUserId")]
    _author_user_id: Option<Cow<'a, str>>,
    #[serde(alias = "createdAt")]
    created_at: Cow<'a, str>,
}

/// Whether a row with these names is a comment.
pub(super) fn fit(names: &[String]) -> bool {
    let has = |wanted: [&str; 2]| names.iter().any(|name| wanted.contains(&name.as_str()));
    has(["object_id", "objectId"]) && has(["object_type", "objectType"]) && has(["content", "content"])
}

/// Reads one comment; `project` is its project where it names none.
pub(super) fn read(bytes: &[u8], project: Option<&ProjectId>) -> Result<NewComment, Problem> {
    let row: CommentRow<'_> =
        serde_json::from_str(text(bytes)?).map_err(|error| Problem::of_row(syntax_problem(&error)))?;
    let project = match (row.project_id.filter(|given| !given.is_empty()), project) {
        (None, None) => {
            return Err(Problem::of_column("project_id", "the comment names no project").hint("give --project"));
        }
        (None, Some(project)) => project.clone(),
        (Some(given), Some(project)) if given != project.as_str() => {
            return Err(Problem::of_foreign_row("project_id", &given, project.as_str()));
        }
        (Some(given), _) => ProjectId::new(given),
    };
    for (column, text) in [("id", &row.id), ("object_id", &row.object_id), ("content", &row.content)] {
        if text.contains('\0') {
            return Err(Problem::of_column(column, "a comment cannot hold the character U+0000"));
        }
    }
    let kind = ObjectKind::of_name(&row.object_type).ok_or_else(|| {
        Problem::of_column("object_type", "expected OBSERVATION, TRACE, SESSION or PROMPT").value(&row.object_type)
    })?;
    let created_at = Micros::parse_text(&row.created_at).ok_or_else(|| {
        Problem::of_column("created_at", "expected a time such as 2026-08-01T00:00:00Z").value(&row.created_at)
    })?;
    let comment = Comment {
        id: row.id,
        object_id: row.object_id,
        content: row.content,
        author_email: row.author_email,
        created_at,
    };
    Ok(NewComment { project, kind, comment })
}
