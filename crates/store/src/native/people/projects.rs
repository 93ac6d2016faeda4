//! Projects and their bounds.

use model::{Fault, FaultKind, Micros, Page, PageRequest, Project, ProjectChange, ProjectId, Quotas, UserId};
use sea_orm::sea_query::Query;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::no_such_project;
use crate::native::entities::{api_key, membership, project};
use crate::native::json::{count_of_column, count_to_column};
use crate::native::paging::{Position, page_of, rows_wanted};
use crate::native::{NativeStore, statement_failed};

/// Longest id and name: enough for a UUID or a sentence, short enough for a file name.
const TEXT_BYTES_MAX: usize = 128;

impl NativeStore {
    pub(super) async fn insert_project(&self, id: &ProjectId, name: &str) -> Result<Project, Fault> {
        let failed = || statement_failed("create the project");
        check("id", id.as_str())?;
        check("name", name)?;
        let change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        if project::Entity::find_by_id(id.as_str()).one(&change.tx).await.map_err(failed())?.is_some() {
            return Err(Fault::new(FaultKind::Conflict, format!("there is a project {:?} already", id.as_str())));
        }
        let row = project::ActiveModel {
            id: Set(id.as_str().to_owned()),
            name: Set(name.trim().to_owned()),
            exports_active_max: Set(None),
            exports_queued_max: Set(None),
            bytes_per_day_max: Set(None),
            rows_per_export_max: Set(None),
            retention_days: Set(None),
            created_at: Set(now.0),
        };
        project::Entity::insert(row).exec_without_returning(&change.tx).await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        self.find_project(id).await?.ok_or_else(|| no_such_project(id))
    }

    pub(super) async fn find_project(&self, id: &ProjectId) -> Result<Option<Project>, Fault> {
        let row = project::Entity::find_by_id(id.as_str()).one(&self.database).await;
        Ok(row.map_err(statement_failed("read the project"))?.map(to_project))
    }

    pub(super) async fn list_projects(&self, of: Option<&UserId>, page: &PageRequest) -> Result<Page<Project>, Fault> {
        let mut query = project::Entity::find();
        if let Some(user) = of {
            let theirs = Query::select()
                .column(membership::Column::ProjectId)
                .from(membership::Entity)
                .and_where(membership::Column::AccountId.eq(user.as_str()))
                .to_owned();
            query = query.filter(project::Column::Id.in_subquery(theirs));
        }
        if let Some(position) = Position::of(page)? {
            query = query.filter(project::Column::Id.gt(position.id));
        }
        let rows = query
            .order_by_asc(project::Column::Id)
            .limit(rows_wanted(page))
            .all(&self.database)
            .await
            .map_err(statement_failed("list projects"))?;
        Ok(page_of(rows, page, |row| Position { at: 0, id: row.id.clone() }).map(to_project))
    }

    pub(super) async fn update_project(&self, id: &ProjectId, new: ProjectChange) -> Result<Project, Fault> {
        let failed = || statement_failed("change the project");
        let change = self.change().await.map_err(failed())?;
        let row = project::Entity::find_by_id(id.as_str()).lock_exclusive().one(&change.tx).await.map_err(failed())?;
        let mut row: project::ActiveModel = row.ok_or_else(|| no_such_project(id))?.into();
        if let Some(name) = &new.name {
            check("name", name)?;
            row.name = Set(name.trim().to_owned());
        }
        if let Some(quotas) = new.quotas {
            row.exports_active_max = Set(quotas.exports_active_max.map(small_to_column));
            row.exports_queued_max = Set(quotas.exports_queued_max.map(small_to_column));
            row.bytes_per_day_max = Set(quotas.bytes_per_day_max.map(count_to_column));
            row.rows_per_export_max = Set(quotas.rows_per_export_max.map(count_to_column));
        }
        if let Some(days) = new.retention_days {
            row.retention_days = Set(days.map(small_to_column));
        }
        let changed = row.update(&change.tx).await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        Ok(to_project(changed))
    }

    pub(super) async fn remove_project(&self, id: &ProjectId) -> Result<(), Fault> {
        let failed = || statement_failed("delete the project");
        let mut change = self.change().await.map_err(failed())?;
        let deleted = project::Entity::delete_by_id(id.as_str()).exec(&change.tx).await.map_err(failed())?;
        if deleted.rows_affected == 0 {
            return Err(no_such_project(id));
        }
        let keys = api_key::Entity::delete_many().filter(api_key::Column::ProjectId.eq(id.as_str()));
        keys.exec(&change.tx).await.map_err(failed())?;
        let members = membership::Entity::delete_many().filter(membership::Column::ProjectId.eq(id.as_str()));
        members.exec(&change.tx).await.map_err(failed())?;
        self.abandon_project_work(&change.tx, id).await?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }
}

fn check(field: &str, text: &str) -> Result<(), Fault> {
    let trimmed = text.trim();
    let why = if trimmed.is_empty() {
        "it is empty"
    } else if trimmed.len() > TEXT_BYTES_MAX {
        "it is longer than 128 bytes"
    } else if text.chars().any(char::is_control) {
        "it holds a control character"
    } else if field == "id" && text != trimmed {
        "it begins or ends in a space"
    } else {
        return Ok(());
    };
    Err(Fault::of_field(field, why))
}

fn small_to_column(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn to_project(row: project::Model) -> Project {
    Project {
        quotas: quotas_of(&row),
        id: ProjectId::new(row.id),
        name: row.name,
        retention_days: row.retention_days.and_then(|days| u32::try_from(days).ok()),
        created_at: Micros(row.created_at),
    }
}

/// A project's own bounds.
pub(in crate::native) fn quotas_of(row: &project::Model) -> Quotas {
    let small = |column: Option<i32>| column.and_then(|count| u32::try_from(count).ok());
    Quotas {
        exports_active_max: small(row.exports_active_max),
        exports_queued_max: small(row.exports_queued_max),
        bytes_per_day_max: row.bytes_per_day_max.map(count_of_column),
        rows_per_export_max: row.rows_per_export_max.map(count_of_column),
    }
}
