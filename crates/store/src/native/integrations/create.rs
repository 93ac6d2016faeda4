//! New integrations, and changes of what they do.

use std::collections::BTreeMap;

use model::{
    ChangedIntegration, CheckedIntegration, Fault, FaultKind, Integration, IntegrationId, IntegrationSettings, Micros,
    NewIntegration, Pause, ProjectId, Secret, Start,
};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect, Set, SqlErr,
};

use super::read::locked;
use super::rows::small;
use crate::native::audit::actor_to_columns;
use crate::native::entities::{backfill, integration, secret, window_run};
use crate::native::token::new_id;
use crate::native::{NativeStore, json, statement_failed};

impl NativeStore {
    pub(super) async fn add_integration(&self, new: NewIntegration, now: Micros) -> Result<Integration, Fault> {
        let failed = || statement_failed("create the integration");
        let CheckedIntegration { name, settings, secrets, target, keys, .. } = new.checked;
        let mut change = self.change().await.map_err(failed())?;
        let id = IntegrationId::new(new_id(self.clock.now(&change.tx).await.map_err(failed())?));
        let (actor_kind, actor_id) = actor_to_columns(&new.by);
        let pause = new.paused.then(|| Pause { at: now, by: new.by.clone(), failure: None });
        let planned_upto = begins_at(settings.start, now);
        let row = integration::ActiveModel {
            id: Set(id.as_str().to_owned()),
            project_id: Set(new.project.as_str().to_owned()),
            name: Set(name),
            settings: Set(json::to_text(&settings)?),
            target: Set(target),
            keys: Set(keys),
            version: Set(1),
            grid: Set(json::to_text(&settings.schedule)?),
            pause: Set(pause.as_ref().map(json::to_text).transpose()?),
            cursor: Set(None),
            planned_upto: Set(planned_upto),
            next_at: Set(now.0),
            live_run: Set(None),
            actor_kind: Set(actor_kind),
            actor_id: Set(actor_id),
            created_at: Set(now.0),
            updated_at: Set(now.0),
            deleted: Set(false),
        };
        integration::Entity::insert(row).exec_without_returning(&change.tx).await.map_err(taken)?;
        self.seal(&change.tx, &id, &secrets).await?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        self.find_integration(&new.project, &id).await
    }

    pub(super) async fn update_integration(
        &self,
        project: &ProjectId,
        id: &IntegrationId,
        changed: ChangedIntegration,
    ) -> Result<Integration, Fault> {
        let failed = || statement_failed("change the integration");
        let CheckedIntegration { name, settings, secrets, target, keys, .. } = changed.checked;
        let mut change = self.change().await.map_err(failed())?;
        let row = locked(&change.tx, project, id).await?;
        if small(row.version) != changed.version {
            return Err(Fault::new(FaultKind::Conflict, "somebody else changed the integration meanwhile")
                .hint("look at it again, and send its version"));
        }
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let known: IntegrationSettings = json::of_text("the settings of an integration", &row.settings)?;
        let version = row.version;
        let restarts = settings.start != known.start;
        if restarts && let Some(planned) = first_planned(&change.tx, id).await? {
            let message = format!("its windows are planned since {}", Micros(planned));
            return Err(Fault::of_field("start", message)
                .hint("export earlier windows with a backfill, or make another integration with this start"));
        }
        let mut next: integration::ActiveModel = row.into();
        next.name = Set(name);
        if restarts {
            next.planned_upto = Set(begins_at(settings.start, now));
        }
        next.settings = Set(json::to_text(&settings)?);
        next.target = Set(target);
        next.keys = Set(keys);
        next.version = Set(version + 1);
        next.updated_at = Set(now.0);
        // Looked at again at once: the new schedule may have windows due earlier.
        next.next_at = Set(0);
        next.update(&change.tx).await.map_err(taken)?;
        self.seal(&change.tx, id, &secrets).await?;
        change.tell().await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        self.find_integration(project, id).await
    }

    /// Stores secrets; what is empty takes away the one that is there.
    async fn seal(
        &self,
        tx: &impl ConnectionTrait,
        id: &IntegrationId,
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<(), Fault> {
        for (field, text) in secrets {
            let name = Integration::secret(id, field);
            if text.reveal().is_empty() {
                secret::Entity::delete_many()
                    .filter(secret::Column::OfKind.eq(name.of))
                    .filter(secret::Column::OfId.eq(name.id))
                    .filter(secret::Column::Field.eq(name.field))
                    .exec(tx)
                    .await
                    .map_err(statement_failed("forget a secret"))?;
                continue;
            }
            let sealed = self.sealing()?.seal(&name, text)?;
            let row = secret::ActiveModel {
                of_kind: Set(name.of.to_owned()),
                of_id: Set(name.id),
                field: Set(name.field),
                key_id: Set(sealed.key_id),
                sealed: Set(sealed.bytes),
            };
            let replace = OnConflict::columns([secret::Column::OfKind, secret::Column::OfId, secret::Column::Field])
                .update_columns([secret::Column::KeyId, secret::Column::Sealed])
                .to_owned();
            let insert = secret::Entity::insert(row).on_conflict(replace);
            insert.exec_without_returning(tx).await.map_err(statement_failed("store a secret"))?;
        }
        Ok(())
    }
}

/// Where planning begins; a whole history begins where the scheduler finds its first row.
fn begins_at(start: Start, now: Micros) -> Option<i64> {
    match start {
        Start::History => None,
        Start::Now => Some(now.0),
        Start::Date { at } => Some(at.0),
    }
}

/// The beginning of the earliest window that was planned, or is to be caught up with.
async fn first_planned(tx: &impl ConnectionTrait, id: &IntegrationId) -> Result<Option<i64>, Fault> {
    let failed = || statement_failed("look for windows that are planned");
    let run: Option<Option<i64>> = window_run::Entity::find()
        .select_only()
        .column_as(window_run::Column::FromAt.min(), "first")
        .filter(window_run::Column::IntegrationId.eq(id.as_str()))
        .into_tuple()
        .one(tx)
        .await
        .map_err(failed())?;
    let backfill: Option<Option<i64>> = backfill::Entity::find()
        .select_only()
        .column_as(backfill::Column::FromAt.min(), "first")
        .filter(backfill::Column::IntegrationId.eq(id.as_str()))
        .into_tuple()
        .one(tx)
        .await
        .map_err(failed())?;
    Ok([run.flatten(), backfill.flatten()].into_iter().flatten().min())
}

/// Two integrations that write to the same keys would write over each other.
fn taken(error: DbErr) -> Fault {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(_)) => {
            Fault::new(FaultKind::Conflict, "another integration writes files to the same keys")
                .hint("give this one a prefix of its own")
        }
        _ => statement_failed("store the integration")(error),
    }
}
