//! Comments of projects: stored by import, read by exports.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use model::{
    Comment, CommentLookup, CommentQuery, CommentScope, CommentStore, CommentTest, CommentToAdd, CompareOp, Fault,
    Micros, ObjectKind, Page, PageRequest, PlacedComment, ProjectId, TextOp,
};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Set,
};

use super::entities::comment;
use super::lookup::lookup_ids;
use super::paging::{Position, page_of, rows_wanted};
use super::token::new_id;
use super::{NativeStore, statement_failed};

/// Rows per INSERT: SQLite takes 32,766 values, a row has seven.
const ROWS_PER_INSERT: usize = 1_000;

/// A comment to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewComment {
    /// What kind of object it hangs on.
    pub kind: ObjectKind,
    /// The comment.
    pub comment: Comment,
}

impl NativeStore {
    /// Stores comments in one transaction. A comment whose id the project has already is replaced; of an
    /// id that comes twice the last comment stays.
    pub async fn put_comments(&self, project: &ProjectId, comments: &[NewComment]) -> Result<(), Fault> {
        // No statement may change a row twice.
        let by_id: BTreeMap<&str, &NewComment> = comments.iter().map(|new| (&*new.comment.id, new)).collect();
        let comments: Vec<&NewComment> = by_id.into_values().collect();
        let failed = || statement_failed("store comments");
        let change = self.change().await.map_err(failed())?;
        for chunk in comments.chunks(ROWS_PER_INSERT) {
            let rows = chunk.iter().map(|new| comment::ActiveModel {
                project_id: Set(project.as_str().to_owned()),
                id: Set(new.comment.id.clone()),
                object_kind: Set(new.kind.as_str().to_owned()),
                object_id: Set(new.comment.object_id.clone()),
                content: Set(new.comment.content.clone()),
                author_email: Set(new.comment.author_email.clone()),
                created_at: Set(new.comment.created_at.0),
            });
            comment::Entity::insert_many(rows)
                .on_conflict(
                    OnConflict::columns([comment::Column::ProjectId, comment::Column::Id])
                        .update_columns([
                            comment::Column::ObjectKind,
                            comment::Column::ObjectId,
                            comment::Column::Content,
                            comment::Column::AuthorEmail,
                            comment::Column::CreatedAt,
                        ])
                        .to_owned(),
                )
                .exec_without_returning(&change.tx)
                .await
                .map_err(failed())?;
        }
        change.commit().await.map_err(failed())
    }
}

#[async_trait]
impl CommentLookup for NativeStore {
    async fn comments(&self, project: &ProjectId, kind: ObjectKind, ids: &[&str]) -> Result<Vec<Comment>, Fault> {
        let ids = lookup_ids("comment", ids)?;
        let rows = comment::Entity::find()
            .filter(comment::Column::ProjectId.eq(project.as_str()))
            .filter(comment::Column::ObjectKind.eq(kind.as_str()))
            .filter(comment::Column::ObjectId.is_in(ids))
            .order_by_asc(comment::Column::CreatedAt)
            .order_by_asc(comment::Column::Id)
            .all(&self.database)
            .await
            .map_err(statement_failed("read comments"))?;
        Ok(rows.into_iter().map(to_comment).collect())
    }

    async fn commented(&self, scope: &CommentScope, test: &CommentTest, limit: usize) -> Result<Vec<String>, Fault> {
        let failed = || statement_failed("search comments");
        let mut rows = comment::Entity::find()
            .filter(comment::Column::ProjectId.eq(scope.project.as_str()))
            .filter(comment::Column::ObjectKind.eq(scope.kind.as_str()))
            .filter(comment::Column::CreatedAt.lte(scope.as_of.0))
            .order_by_asc(comment::Column::ObjectId)
            .stream(&self.database)
            .await
            .map_err(failed())?;
        // The database's own case folding differs between engines and stops at ASCII on one of
        // them, so texts are compared here; a project's comments are few beside its events.
        let mut passing: BTreeMap<String, f64> = BTreeMap::new();
        while let Some(row) = rows.try_next().await.map_err(failed())? {
            match test {
                CommentTest::Count { .. } => *passing.entry(row.object_id).or_default() += 1.0,
                CommentTest::Content { op, needle, negated } => {
                    if content_passes(&row.content, *op, needle) != *negated {
                        passing.insert(row.object_id, 1.0);
                    }
                }
            }
        }
        if let CommentTest::Count { op, value } = test {
            passing.retain(|_, count| count_passes(*count, *op, *value));
        }
        Ok(passing.into_keys().take(limit + 1).collect())
    }

    async fn objects(&self, scope: &CommentScope, limit: usize) -> Result<Vec<String>, Fault> {
        let objects = comment::Entity::find()
            .select_only()
            .column(comment::Column::ObjectId)
            .distinct()
            .filter(comment::Column::ProjectId.eq(scope.project.as_str()))
            .filter(comment::Column::ObjectKind.eq(scope.kind.as_str()))
            .filter(comment::Column::CreatedAt.lte(scope.as_of.0))
            .limit(limit as u64);
        objects.into_tuple().all(&self.database).await.map_err(statement_failed("read comments"))
    }
}

#[async_trait]
impl CommentStore for NativeStore {
    async fn add_comment(&self, project: &ProjectId, new: CommentToAdd) -> Result<PlacedComment, Fault> {
        let failed = || statement_failed("store the comment");
        if new.content.trim().is_empty() {
            return Err(Fault::of_field("content", "it is empty"));
        }
        let change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let row = comment::Model {
            project_id: project.as_str().to_owned(),
            id: new_id(now),
            object_kind: new.kind.as_str().to_owned(),
            object_id: new.object_id,
            content: new.content,
            author_email: new.author_email,
            created_at: now.0,
        };
        let insert = comment::Entity::insert(row.clone().into_active_model().reset_all());
        insert.exec_without_returning(&change.tx).await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        Ok(PlacedComment { kind: new.kind, comment: to_comment(row) })
    }

    async fn list_comments(
        &self,
        project: &ProjectId,
        query: &CommentQuery,
        page: &PageRequest,
    ) -> Result<Page<PlacedComment>, Fault> {
        use comment::Column;
        let mut rows = comment::Entity::find().filter(Column::ProjectId.eq(project.as_str()));
        if let Some(kind) = query.kind {
            rows = rows.filter(Column::ObjectKind.eq(kind.as_str()));
        }
        if let Some(object) = &query.object_id {
            rows = rows.filter(Column::ObjectId.eq(object.as_str()));
        }
        if let Some(Position { at, id }) = Position::of(page)? {
            let before = Condition::any()
                .add(Column::CreatedAt.lt(at))
                .add(Condition::all().add(Column::CreatedAt.eq(at)).add(Column::Id.lt(id)));
            rows = rows.filter(before);
        }
        let found = rows
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .limit(rows_wanted(page))
            .all(&self.database)
            .await
            .map_err(statement_failed("list comments"))?;
        let found = page_of(found, page, |row| Position { at: row.created_at, id: row.id.clone() });
        let placed = |row: comment::Model| {
            let kind = ObjectKind::of_name(&row.object_kind)
                .ok_or_else(|| Fault::corrupt(format!("comment {} is on an unknown kind of object", row.id)))?;
            Ok(PlacedComment { kind, comment: to_comment(row) })
        };
        let items = found.items.into_iter().map(placed).collect::<Result<_, Fault>>()?;
        Ok(Page { items, next: found.next })
    }
}

fn content_passes(content: &str, op: Option<TextOp>, needle: &str) -> bool {
    let (content, needle) = (content.to_lowercase(), needle.to_lowercase());
    match op {
        None => content == needle,
        Some(TextOp::Contains) => content.contains(&needle),
        Some(TextOp::StartsWith) => content.starts_with(&needle),
        Some(TextOp::EndsWith) => content.ends_with(&needle),
    }
}

fn count_passes(count: f64, op: CompareOp, bound: f64) -> bool {
    match op {
        CompareOp::Eq => count == bound,
        CompareOp::NotEq => count != bound,
        CompareOp::Less => count < bound,
        CompareOp::LessEq => count <= bound,
        CompareOp::Greater => count > bound,
        CompareOp::GreaterEq => count >= bound,
    }
}

fn to_comment(row: comment::Model) -> Comment {
    Comment {
        id: row.id,
        object_id: row.object_id,
        content: row.content,
        author_email: row.author_email,
        created_at: Micros(row.created_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(id: &str, object_id: &str, content: &str, created_at: i64) -> NewComment {
        NewComment {
            kind: ObjectKind::Observation,
            comment: Comment {
                id: id.into(),
                object_id: object_id.into(),
                content: content.into(),
                author_email: None,
                created_at: Micros(created_at),
            },
        }
    }

    async fn store_with(comments: &[NewComment]) -> (tempfile::TempDir, NativeStore, ProjectId) {
        let data = tempfile::tempdir().unwrap();
        let store = NativeStore::open(data.path()).await.unwrap();
        let project = ProjectId::new("p");
        store.put_comments(&project, comments).await.unwrap();
        (data, store, project)
    }

    #[tokio::test]
    async fn comments_come_back_oldest_first_and_only_of_their_project() {
        let (_data, store, project) =
            store_with(&[comment("b", "o1", "later", 2), comment("a", "o1", "first", 1), comment("c", "o2", "x", 3)])
                .await;

        let found = store.comments(&project, ObjectKind::Observation, &["o1"]).await.unwrap();

        assert_eq!(found.iter().map(|comment| comment.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let other = ProjectId::new("other");
        assert!(store.comments(&other, ObjectKind::Observation, &["o1"]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn objects_with_comments_are_told_once_each() {
        let mut comments = vec![
            comment("a", "o1", "x", 1),
            comment("b", "o2", "x", 3),
            comment("c", "o1", "y", 2),
            comment("d", "o3", "z", 4),
        ];
        comments[3].kind = ObjectKind::Trace;
        let (_data, store, project) = store_with(&comments).await;
        let objects = async |kind, as_of, limit| {
            let scope = CommentScope { project: project.clone(), kind, as_of: Micros(as_of) };
            let mut found = store.objects(&scope, limit).await.unwrap();
            found.sort();
            found
        };

        assert_eq!(objects(ObjectKind::Observation, 3, 9).await, ["o1", "o2"]);
        assert_eq!(objects(ObjectKind::Observation, 2, 9).await, ["o1"], "the other was written later");
        assert_eq!(objects(ObjectKind::Observation, 3, 1).await.len(), 1);
        assert_eq!(objects(ObjectKind::Trace, 4, 9).await, ["o3"]);
        assert!(objects(ObjectKind::Session, 4, 9).await.is_empty());
    }

    #[tokio::test]
    async fn an_id_that_exists_is_replaced() {
        let (_data, store, project) = store_with(&[comment("a", "o1", "old", 1)]).await;

        store.put_comments(&project, &[comment("a", "o1", "new", 1)]).await.unwrap();

        let found = store.comments(&project, ObjectKind::Observation, &["o1"]).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].content, "new");
    }

    #[tokio::test]
    async fn tests_select_objects_by_count_and_by_text_in_any_script() {
        let (_data, store, project) = store_with(&[
            comment("a", "o1", "Straße ÜBER", 1),
            comment("b", "o1", "x", 2),
            comment("c", "o2", "y", 3),
            comment("d", "o2", "y", 4),
        ])
        .await;
        let scope = CommentScope { project, kind: ObjectKind::Observation, as_of: Micros(3) };
        let commented = async |test| store.commented(&scope, &test, 10).await.unwrap();

        assert_eq!(commented(CommentTest::Count { op: CompareOp::GreaterEq, value: 2.0 }).await, ["o1"]);
        assert_eq!(commented(CommentTest::Count { op: CompareOp::Less, value: 2.0 }).await, ["o2"]);
        let contains =
            |needle: &str, negated| CommentTest::Content { op: Some(TextOp::Contains), needle: needle.into(), negated };
        assert_eq!(commented(contains("über", false)).await, ["o1"]);
        assert_eq!(commented(contains("über", true)).await, ["o1", "o2"]);
    }

    #[tokio::test]
    async fn more_ids_than_promised_are_refused() {
        let (_data, store, project) = store_with(&[]).await;

        let fault = store.comments(&project, ObjectKind::Observation, &vec!["x"; 1_001]).await.unwrap_err();

        assert!(fault.public_message().contains("1001 ids"));
    }
}
