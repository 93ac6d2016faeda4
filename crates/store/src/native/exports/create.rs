//! New exports.

use model::{CreatedExport, ExportJob, Fault, FaultKind, JobId, JobKind, Lane, Micros, NewExport, NewJob, RowCount};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, Set, SqlErr};

use super::quota;
use crate::native::audit::actor_to_columns;
use crate::native::entities::export;
use crate::native::jobs::{self, NewRow};
use crate::native::json;
use crate::native::token::new_id;
use crate::native::{NativeStore, statement_failed};

/// File names are told apart by milliseconds; more exports than this in one of them would be an attack.
const NAME_ATTEMPTS: i64 = 10_000;

/// Longest name for people.
const NAME_CHARACTERS_MAX: usize = 200;

impl NativeStore {
    pub(super) async fn queue_export(&self, new: NewExport) -> Result<CreatedExport, Fault> {
        if let Some(name) = &new.name
            && (name.trim().is_empty()
                || name.chars().count() > NAME_CHARACTERS_MAX
                || name.chars().any(char::is_control))
        {
            let message = format!("it must have 1 to {NAME_CHARACTERS_MAX} characters and no control characters");
            return Err(Fault::of_field("name", message));
        }
        // Another process can take the key or the file name between looking and inserting.
        for _ in 0..3 {
            match self.try_to_queue(&new).await? {
                Some(created) => return Ok(created),
                None => continue,
            }
        }
        Err(Fault::new(FaultKind::Unavailable, "too many exports are created at the same time"))
    }

    /// `None` where somebody else was faster and everything has to be looked at again.
    async fn try_to_queue(&self, new: &NewExport) -> Result<Option<CreatedExport>, Fault> {
        let failed = || statement_failed("create the export");
        let mut change = self.change().await.map_err(failed())?;
        if let Some(existing) = repeated(&change.tx, new).await? {
            drop(change);
            return self.find_export(&new.project, &existing).await.map(CreatedExport::Existing).map(Some);
        }
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let quotas = quota::check(&change.tx, &new.project, new.quotas, now).await?;
        if let (Some(rows_max), Some(limit)) = (quotas.rows_per_export_max, new.checked.limit)
            && limit.get() > rows_max
        {
            let message =
                format!("limit: {limit} rows are more than this project's quota of {rows_max} rows an export");
            return Err(Fault::new(FaultKind::Throttled, message).hint("ask for fewer rows, or an owner for more"));
        }
        let id = new_id(now);
        let (created_at, file_name) = free_name(&change.tx, new, &id, now).await?;
        let checked = &new.checked;
        let spec = ExportJob {
            version: ExportJob::VERSION,
            request: checked.spec.clone(),
            file_name: model::FileName::new(file_name.as_str())?,
            rows_max: quotas.rows_per_export_max.map(RowCount),
            warnings: checked.warnings.clone(),
        };
        let job = NewJob {
            project: new.project.clone(),
            kind: JobKind::Export,
            lane: Lane::Live,
            spec: serde_json::to_value(&spec).map_err(|error| Fault::bug("cannot write a spec").because(error))?,
            unique: None,
            not_before: None,
        };
        let queued = NewRow { id: id.clone(), part_of: None, created_at: created_at.0, due_at: now.0 };
        jobs::insert(&change.tx, queued, &job).await.map_err(failed())?;
        let (actor_kind, actor_id) = actor_to_columns(&new.by);
        let usual_name = || format!("{} - {} as {}", now.to_rfc3339(), checked.table, checked.format.to_uppercase());
        let row = export::ActiveModel {
            id: Set(id.clone()),
            project_id: Set(new.project.as_str().to_owned()),
            name: Set(new.name.clone().unwrap_or_else(usual_name)),
            table_name: Set(checked.table.clone()),
            format: Set(checked.format.clone()),
            actor_kind: Set(actor_kind),
            actor_id: Set(actor_id),
            created_at: Set(created_at.0),
            idempotency_key: Set(new.idempotency.as_ref().map(|idempotency| idempotency.key.clone())),
            idempotency_fingerprint: Set(new.idempotency.as_ref().map(|idempotency| idempotency.fingerprint.clone())),
            file_name: Set(file_name),
            keep: Set(i64::try_from(new.keep.as_micros()).unwrap_or(i64::MAX)),
            expires_at: Set(None),
            warnings: Set(json::to_text(&checked.warnings)?),
            truncated: Set(false),
            files: Set("[]".to_owned()),
            manifest: Set(None),
            rows: Set(0),
            bytes: Set(0),
            deleted: Set(false),
            downloads: Set(0),
            downloaded_at: Set(None),
        };
        match export::Entity::insert(row).exec_without_returning(&change.tx).await {
            Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => return Ok(None),
            inserted => inserted.map_err(failed())?,
        };
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        self.find_export(&new.project, &JobId::new(id)).await.map(CreatedExport::New).map(Some)
    }
}

/// The export that the same call made before.
async fn repeated(tx: &impl ConnectionTrait, new: &NewExport) -> Result<Option<JobId>, Fault> {
    let Some(idempotency) = &new.idempotency else { return Ok(None) };
    let earlier = export::Entity::find()
        .filter(export::Column::ProjectId.eq(new.project.as_str()))
        .filter(export::Column::IdempotencyKey.eq(idempotency.key.as_str()))
        .one(tx)
        .await
        .map_err(statement_failed("look for the same call"))?;
    let Some(earlier) = earlier else { return Ok(None) };
    let id = JobId::new(earlier.id);
    if earlier.idempotency_fingerprint.as_deref() != Some(idempotency.fingerprint.as_str()) {
        return Err(Fault::new(
            FaultKind::Conflict,
            format!("this idempotency key made export {id} from another request"),
        )
        .hint("use a new key for a new request"));
    }
    Ok(Some(id))
}

/// A file name that no other export has, and the millisecond it is named after.
async fn free_name(
    tx: &impl ConnectionTrait,
    new: &NewExport,
    id: &str,
    now: Micros,
) -> Result<(Micros, String), Fault> {
    let id = JobId::new(id);
    for later in 0..NAME_ATTEMPTS {
        let at = Micros(now.0 + later * 1_000);
        let name = new.file_names.name(at, &new.checked.table, &new.project, &id, &new.checked.extension)?;
        let taken = export::Entity::find()
            .filter(export::Column::FileName.eq(name.as_str()))
            .count(tx)
            .await
            .map_err(statement_failed("look for the file name"))?;
        if taken == 0 {
            return Ok((at, name.as_str().to_owned()));
        }
    }
    Err(Fault::new(FaultKind::Throttled, "too many exports were created at once"))
}
