//! Exports: what people see of a job, with a name, an owner, files and quotas.
//!
//! An export is a row beside its job, with the same id; where it stands is the job's state, and every
//! change of both is one transaction.

mod create;
mod ends;
mod quota;
mod read;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use model::{
    CreatedExport, Export, ExportQuery, ExportStore, Fault, FaultKind, JobId, NewExport, Page, PageRequest, ProjectId,
    Quotas,
};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::entities::export;
use super::{NativeStore, jobs, statement_failed};

pub(super) use ends::{completed, is_forgettable, kept};
pub(super) use read::with_job;

#[async_trait]
impl ExportStore for NativeStore {
    async fn create_export(&self, new: NewExport) -> Result<CreatedExport, Fault> {
        self.queue_export(new).await
    }

    async fn export(&self, project: &ProjectId, id: &JobId) -> Result<Export, Fault> {
        self.find_export(project, id).await
    }

    async fn exports(
        &self,
        project: &ProjectId,
        query: &ExportQuery,
        page: &PageRequest,
    ) -> Result<Page<Export>, Fault> {
        self.list_exports(project, query, page).await
    }

    async fn cancel_export(&self, project: &ProjectId, id: &JobId) -> Result<Export, Fault> {
        let failed = || statement_failed("cancel the export");
        let mut change = self.change().await.map_err(failed())?;
        visible(&change.tx, project, id).await?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        jobs::cancel(&change.tx, id, now).await?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        self.find_export(project, id).await
    }

    async fn retry_export(&self, project: &ProjectId, id: &JobId, quotas: Quotas) -> Result<Export, Fault> {
        let failed = || statement_failed("queue the export again");
        let mut change = self.change().await.map_err(failed())?;
        visible(&change.tx, project, id).await?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        quota::check(&change.tx, project, quotas, now).await?;
        jobs::requeue(&change.tx, id, now).await?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        self.find_export(project, id).await
    }

    async fn delete_export(&self, project: &ProjectId, id: &JobId) -> Result<(), Fault> {
        let failed = || statement_failed("delete the export");
        let mut change = self.change().await.map_err(failed())?;
        visible(&change.tx, project, id).await?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        jobs::discard(&change.tx, id, now).await?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }

    async fn note_download(&self, project: &ProjectId, id: &JobId) -> Result<(), Fault> {
        use export::Column;
        let failed = || statement_failed("count the download");
        let change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        export::Entity::update_many()
            .col_expr(Column::Downloads, Expr::col(Column::Downloads).add(1))
            .col_expr(Column::DownloadedAt, Expr::value(now.0))
            .filter(Column::Id.eq(id.as_str()))
            .filter(Column::ProjectId.eq(project.as_str()))
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        change.commit().await.map_err(failed())
    }

    fn watch_export(&self, project: &ProjectId, id: &JobId) -> BoxStream<'static, Result<Export, Fault>> {
        self.follow_export(project, id)
    }
}

/// The row of an export that this project can see.
async fn visible(on: &impl ConnectionTrait, project: &ProjectId, id: &JobId) -> Result<export::Model, Fault> {
    let row = export::Entity::find_by_id(id.as_str())
        .filter(export::Column::ProjectId.eq(project.as_str()))
        .filter(export::Column::Deleted.eq(false))
        .one(on)
        .await
        .map_err(statement_failed("look for the export"))?;
    row.ok_or_else(|| no_such_export(id))
}

fn no_such_export(id: &JobId) -> Fault {
    Fault::new(FaultKind::NotFound, format!("there is no export {:?}", id.as_str()))
}
