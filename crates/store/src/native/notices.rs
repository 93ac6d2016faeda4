//! The outbox: written by the change that ends an export or pauses an integration, emptied by whoever sends.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use model::{
    Actor, Channel, EndedExport, Failure, Fault, IntegrationId, IntegrationSettings, Micros, Notice, NoticeId,
    NoticeStore, ProjectId, StoppedIntegration, Told, UserId,
};
use sea_orm::sea_query::{Expr, LockBehavior, LockType};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select, Set,
};

use super::audit::actor_of_columns;
use super::entities::{integration, notice};
use super::json;
use super::people::{is_of, owners_of};
use super::token::new_id;
use super::{NativeStore, statement_failed};

impl NativeStore {
    /// Writes the notices about an export that has just ended, where the job is one and anybody is to be told.
    pub(super) async fn note_end(&self, tx: &impl ConnectionTrait, job: &str, now: Micros) -> Result<(), Fault> {
        if self.options.notices.is_empty() {
            return Ok(());
        }
        let Some(export) = self.ended_export(tx, job, now).await? else { return Ok(()) };
        let about = Told::Export(Box::new(EndedExport::of(export, now)));
        for channel in &self.options.notices {
            // Only people have an address.
            if *channel != Channel::Mail || about.addressee().is_some() {
                write(tx, *channel, &about, now).await?;
            }
        }
        Ok(())
    }

    /// Writes the notices about an integration that a fault has just paused. Where the person who made it has left, or a
    /// program made it, those who answer for its project get a mail each.
    pub(super) async fn note_pause(
        &self,
        tx: &impl ConnectionTrait,
        row: integration::Model,
        failure: &Failure,
        now: Micros,
    ) -> Result<(), Fault> {
        let settings: IntegrationSettings = json::of_text("the settings of an integration", &row.settings)?;
        let stopped = StoppedIntegration {
            integration: IntegrationId::new(row.id),
            project: ProjectId::new(row.project_id),
            name: row.name,
            kind: settings.kind,
            created_by: actor_of_columns(&row.actor_kind, row.actor_id),
            at: now,
            failure: failure.clone(),
            addressee: None,
        };
        for channel in &self.options.notices {
            let addressees: Vec<Option<UserId>> = match channel {
                Channel::Mail => addressees(tx, &stopped).await?.into_iter().map(Some).collect(),
                Channel::Webhook => vec![None],
            };
            for addressee in addressees {
                let about = StoppedIntegration { addressee, ..stopped.clone() };
                write(tx, *channel, &Told::Integration(Box::new(about)), now).await?;
            }
        }
        Ok(())
    }
}

/// Who gets a mail about an integration.
async fn addressees(tx: &impl ConnectionTrait, stopped: &StoppedIntegration) -> Result<Vec<UserId>, Fault> {
    if let Actor::User(maker) = &stopped.created_by
        && is_of(tx, &stopped.project, maker).await?
    {
        return Ok(vec![maker.clone()]);
    }
    owners_of(tx, &stopped.project).await
}

async fn write(tx: &impl ConnectionTrait, channel: Channel, about: &Told, now: Micros) -> Result<(), Fault> {
    let row = notice::ActiveModel {
        id: Set(new_id(now)),
        channel: Set(channel.as_str().to_owned()),
        export: Set(json::to_text(about)?),
        created_at: Set(now.0),
        due_at: Set(now.0),
        attempts: Set(0),
    };
    let insert = notice::Entity::insert(row).exec_without_returning(tx).await;
    insert.map(drop).map_err(statement_failed("write a notice"))
}

#[async_trait]
impl NoticeStore for NativeStore {
    async fn claim_notice(&self, channel: Channel, lease: Duration) -> Result<Option<Notice>, Fault> {
        let failed = || statement_failed("claim a notice");
        // Most looks find nothing; they take no lock.
        let now = self.clock.now(&self.database).await.map_err(failed())?;
        if due(channel, now).count(&self.database).await.map_err(failed())? == 0 {
            return Ok(None);
        }
        let change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let next = due(channel, now)
            .order_by_asc(notice::Column::DueAt)
            .order_by_asc(notice::Column::Id)
            .limit(1)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        let Some(row) = next.one(&change.tx).await.map_err(failed())? else { return Ok(None) };
        let notice = read_notice(&row, channel, now);
        if notice.is_ok() {
            let mut taken: notice::ActiveModel = row.into();
            taken.due_at = Set(after(now, lease));
            taken.attempts = Set(i32::try_from(notice.as_ref().map_or(0, |notice| notice.attempt)).unwrap_or(i32::MAX));
            taken.update(&change.tx).await.map_err(failed())?;
        } else {
            // What nobody can read would stay first for ever.
            notice::Entity::delete_by_id(row.id).exec(&change.tx).await.map_err(failed())?;
        }
        change.commit().await.map_err(failed())?;
        notice.map(Some)
    }

    async fn forget_notice(&self, id: &NoticeId) -> Result<(), Fault> {
        let failed = || statement_failed("forget a notice");
        let change = self.change().await.map_err(failed())?;
        notice::Entity::delete_by_id(id.as_str()).exec(&change.tx).await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }

    async fn delay_notice(&self, id: &NoticeId, wait: Duration) -> Result<(), Fault> {
        let failed = || statement_failed("delay a notice");
        let change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        notice::Entity::update_many()
            .col_expr(notice::Column::DueAt, Expr::value(after(now, wait)))
            .filter(notice::Column::Id.eq(id.as_str()))
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        change.commit().await.map_err(failed())
    }

    fn notices(&self) -> BoxStream<'static, ()> {
        self.signals.looks()
    }
}

fn due(channel: Channel, now: Micros) -> Select<notice::Entity> {
    let of_channel = notice::Entity::find().filter(notice::Column::Channel.eq(channel.as_str()));
    of_channel.filter(notice::Column::DueAt.lte(now.0))
}

fn after(now: Micros, wait: Duration) -> i64 {
    now.0.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
}

fn read_notice(row: &notice::Model, channel: Channel, now: Micros) -> Result<Notice, Fault> {
    Ok(Notice {
        id: NoticeId::new(row.id.as_str()),
        channel,
        about: json::of_text("a notice", &row.export)?,
        age: Duration::from_micros(u64::try_from(now.0 - row.created_at).unwrap_or_default()),
        attempt: u32::try_from(row.attempts).unwrap_or_default() + 1,
    })
}
