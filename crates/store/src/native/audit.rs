//! The audit log.

use async_trait::async_trait;
use model::{
    Actor, ApiKeyId, AuditEntry, AuditLog, Fault, Micros, NewAuditEntry, Page, PageRequest, ProjectId, UserId,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::entities::audit_entry;
use super::paging::{Position, page_of, rows_wanted};
use super::token::new_id;
use super::{NativeStore, json, statement_failed};

#[async_trait]
impl AuditLog for NativeStore {
    async fn audit(&self, entry: NewAuditEntry) -> Result<(), Fault> {
        let failed = || statement_failed("write the audit log");
        let change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let (actor_kind, actor_id) = actor_to_columns(&entry.actor);
        let row = audit_entry::ActiveModel {
            id: Set(new_id(now)),
            project_id: Set(entry.project.map(|project| project.as_str().to_owned())),
            at: Set(now.0),
            actor_kind: Set(actor_kind),
            actor_id: Set(actor_id),
            action: Set(entry.action),
            object: Set(entry.object),
            details: Set(entry.details.to_string()),
            client: Set(entry.client),
        };
        audit_entry::Entity::insert(row).exec_without_returning(&change.tx).await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }

    async fn audit_entries(&self, project: Option<&ProjectId>, page: &PageRequest) -> Result<Page<AuditEntry>, Fault> {
        use audit_entry::Column;
        let of_project = match project {
            Some(project) => Column::ProjectId.eq(project.as_str()),
            None => Column::ProjectId.is_null(),
        };
        let mut query = audit_entry::Entity::find().filter(of_project);
        if let Some(Position { at, id }) = Position::of(page)? {
            let before = Condition::any()
                .add(Column::At.lt(at))
                .add(Condition::all().add(Column::At.eq(at)).add(Column::Id.lt(id)));
            query = query.filter(before);
        }
        let rows = query
            .order_by_desc(Column::At)
            .order_by_desc(Column::Id)
            .limit(rows_wanted(page))
            .all(&self.database)
            .await
            .map_err(statement_failed("read the audit log"))?;
        let page = page_of(rows, page, |row| Position { at: row.at, id: row.id.clone() });
        let items = page.items.into_iter().map(to_entry).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }
}

fn to_entry(row: audit_entry::Model) -> Result<AuditEntry, Fault> {
    Ok(AuditEntry {
        id: row.id,
        at: Micros(row.at),
        entry: NewAuditEntry {
            project: row.project_id.map(ProjectId::new),
            actor: actor_of_columns(&row.actor_kind, row.actor_id),
            action: row.action,
            object: row.object,
            details: json::of_text("an audit entry", &row.details)?,
            client: row.client,
        },
    })
}

/// Kind and id of somebody, as they are stored.
pub(super) fn actor_to_columns(actor: &Actor) -> (String, Option<String>) {
    match actor {
        Actor::User(id) => ("user".to_owned(), Some(id.as_str().to_owned())),
        Actor::ApiKey(id) => ("api_key".to_owned(), Some(id.as_str().to_owned())),
        Actor::System => ("system".to_owned(), None),
    }
}

/// Somebody, as they were stored.
pub(super) fn actor_of_columns(kind: &str, id: Option<String>) -> Actor {
    match (kind, id) {
        ("user", Some(id)) => Actor::User(UserId::new(id)),
        ("api_key", Some(id)) => Actor::ApiKey(ApiKeyId::new(id)),
        _ => Actor::System,
    }
}
