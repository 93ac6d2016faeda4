//! Integrations as they are shown.

use model::{BackfillState, Fault, Integration, IntegrationId, Page, PageRequest, ProjectId, RunState, SecretStore};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::no_such_integration;
use super::rows::{ACTIVE, to_integration};
use crate::native::entities::{backfill, integration, window_run};
use crate::native::paging::{Position, page_of, rows_wanted};
use crate::native::{NativeStore, statement_failed};

/// The row of an integration that this project can see, locked until the transaction ends.
pub(super) async fn locked(
    tx: &impl ConnectionTrait,
    project: &ProjectId,
    id: &IntegrationId,
) -> Result<integration::Model, Fault> {
    let row = visible(project, id).lock_exclusive().one(tx).await;
    row.map_err(statement_failed("lock the integration"))?.ok_or_else(|| no_such_integration(id))
}

fn visible(project: &ProjectId, id: &IntegrationId) -> sea_orm::Select<integration::Entity> {
    integration::Entity::find_by_id(id.as_str())
        .filter(integration::Column::ProjectId.eq(project.as_str()))
        .filter(integration::Column::Deleted.eq(false))
}

impl NativeStore {
    pub(super) async fn find_integration(&self, project: &ProjectId, id: &IntegrationId) -> Result<Integration, Fault> {
        let row = visible(project, id).one(&self.database).await;
        let row = row.map_err(statement_failed("read the integration"))?.ok_or_else(|| no_such_integration(id))?;
        self.with_runs(row).await
    }

    pub(super) async fn any_integration(&self, id: &IntegrationId) -> Result<Option<Integration>, Fault> {
        let row = integration::Entity::find_by_id(id.as_str())
            .filter(integration::Column::Deleted.eq(false))
            .one(&self.database)
            .await
            .map_err(statement_failed("read the integration"))?;
        row.map(to_integration).transpose()
    }

    pub(super) async fn list_integrations(
        &self,
        project: &ProjectId,
        page: &PageRequest,
    ) -> Result<Page<Integration>, Fault> {
        use integration::Column;
        let mut rows = integration::Entity::find()
            .filter(Column::ProjectId.eq(project.as_str()))
            .filter(Column::Deleted.eq(false));
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
            .map_err(statement_failed("list integrations"))?;
        let page = page_of(found, page, |row| Position { at: row.created_at, id: row.id.clone() });
        let mut items = Vec::with_capacity(page.items.len());
        for row in page.items {
            items.push(self.with_runs(row).await?);
        }
        Ok(Page { items, next: page.next })
    }

    async fn with_runs(&self, row: integration::Model) -> Result<Integration, Fault> {
        use window_run::Column;
        let failed = || statement_failed("read the runs of an integration");
        let secrets = self.secret_fields("integration", &row.id).await?;
        let of_it = || window_run::Entity::find().filter(Column::IntegrationId.eq(row.id.as_str()));
        let active = of_it().filter(Column::State.eq(ACTIVE)).count(&self.database).await.map_err(failed())?;
        let ended = [RunState::Completed, RunState::Failed].map(RunState::as_str);
        let last = of_it()
            .filter(Column::State.is_in(ended))
            .order_by_desc(Column::ToAt)
            .order_by_desc(Column::Id)
            .one(&self.database)
            .await
            .map_err(failed())?;
        let last_run = self.with_jobs(last.into_iter().collect()).await?.pop();
        let backfills = backfill::Entity::find()
            .filter(backfill::Column::IntegrationId.eq(row.id.as_str()))
            .filter(backfill::Column::State.eq(BackfillState::Running.as_str()))
            .count(&self.database)
            .await
            .map_err(failed())?;
        let [runs_active, backfills_active] = [active, backfills].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        Ok(Integration { secrets, last_run, runs_active, backfills_active, ..to_integration(row)? })
    }
}
