//! Secrets at rest.

use async_trait::async_trait;
use model::{Fault, FaultKind, Secret, SecretName, SecretStore};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Set};

use super::entities::secret;
use super::seal::{Sealed, SealingKeys};
use super::{NativeStore, statement_failed};

#[async_trait]
impl SecretStore for NativeStore {
    async fn put_secret(&self, name: &SecretName, secret: &Secret) -> Result<(), Fault> {
        let failed = || statement_failed("store a secret");
        let sealed = self.sealing()?.seal(name, secret)?;
        let row = secret::ActiveModel {
            of_kind: Set(name.of.to_owned()),
            of_id: Set(name.id.clone()),
            field: Set(name.field.clone()),
            key_id: Set(sealed.key_id),
            sealed: Set(sealed.bytes),
        };
        let replace = OnConflict::columns([secret::Column::OfKind, secret::Column::OfId, secret::Column::Field])
            .update_columns([secret::Column::KeyId, secret::Column::Sealed])
            .to_owned();
        let change = self.change().await.map_err(failed())?;
        let insert = secret::Entity::insert(row).on_conflict(replace);
        insert.exec_without_returning(&change.tx).await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }

    async fn secret(&self, name: &SecretName) -> Result<Option<Secret>, Fault> {
        let key = (name.of.to_owned(), name.id.clone(), name.field.clone());
        let row =
            secret::Entity::find_by_id(key).one(&self.database).await.map_err(statement_failed("read a secret"))?;
        let Some(row) = row else { return Ok(None) };
        self.sealing()?.open(name, &Sealed { key_id: row.key_id, bytes: row.sealed }).map(Some)
    }

    async fn secret_fields(&self, of: &'static str, id: &str) -> Result<Vec<String>, Fault> {
        let rows = secret::Entity::find()
            .filter(secret::Column::OfKind.eq(of))
            .filter(secret::Column::OfId.eq(id))
            .order_by_asc(secret::Column::Field)
            .all(&self.database)
            .await
            .map_err(statement_failed("list secrets"))?;
        Ok(rows.into_iter().map(|row| row.field).collect())
    }

    async fn forget_secrets(&self, of: &'static str, id: &str) -> Result<(), Fault> {
        let failed = || statement_failed("forget secrets");
        let change = self.change().await.map_err(failed())?;
        secret::Entity::delete_many()
            .filter(secret::Column::OfKind.eq(of))
            .filter(secret::Column::OfId.eq(id))
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        change.commit().await.map_err(failed())
    }
}

impl NativeStore {
    pub(super) fn sealing(&self) -> Result<&SealingKeys, Fault> {
        self.options.sealing.as_ref().ok_or_else(|| {
            Fault::new(FaultKind::Configuration, "no key to seal secrets with is configured")
                .hint("give the server a secret key")
        })
    }
}
