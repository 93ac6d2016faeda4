//! Keys for programs. The secret half is kept as a hash.

use model::{ApiKey, ApiKeyId, Fault, FaultKind, Micros, NewApiKey, PresentedKey, ProjectId, Secret};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use super::{no_such_project, role_of_column};
use crate::native::entities::{api_key, project};
use crate::native::token::{new_id, random_token, token_hash};
use crate::native::{NativeStore, statement_failed};

/// What public halves begin with.
const PUBLIC_PREFIX: &str = "pk-og-";

/// What secret halves begin with, so that scanners of source code can find them.
const SECRET_PREFIX: &str = "sk-og-";

/// Characters of the secret half that are shown.
const SECRET_ENDS: usize = 4;

/// The time of the last use is written when so much has passed since: one write a minute, not one a call.
const LAST_USED_STEP: i64 = 60 * Micros::PER_SECOND;

impl NativeStore {
    pub(super) async fn insert_key(&self, new: NewApiKey) -> Result<(ApiKey, Secret), Fault> {
        let failed = || statement_failed("create the key");
        let change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let found = project::Entity::find_by_id(new.project.as_str()).one(&change.tx).await.map_err(failed())?;
        found.ok_or_else(|| no_such_project(&new.project))?;
        if new.expires_at.is_some_and(|at| at <= now) {
            return Err(Fault::of_field("expiresAt", "it is in the past"));
        }
        let (public, secret) = (random_token(), random_token());
        // Half of the random text is plenty for a name that is not secret.
        let public = format!("{PUBLIC_PREFIX}{}", &public[..32]);
        let secret = format!("{SECRET_PREFIX}{secret}");
        let row = api_key::Model {
            id: new_id(now),
            project_id: new.project.as_str().to_owned(),
            public,
            secret_hash: token_hash(&secret),
            secret_ends: secret[secret.len() - SECRET_ENDS..].to_owned(),
            role: new.role.as_str().to_owned(),
            note: new.note,
            created_at: now.0,
            expires_at: new.expires_at.map(|at| at.0),
            last_used_at: None,
        };
        let insert = api_key::Entity::insert(row.clone().into_active_model().reset_all());
        insert.exec_without_returning(&change.tx).await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        Ok((to_key(row), Secret::new(secret)))
    }

    pub(super) async fn list_keys(&self, project: &ProjectId) -> Result<Vec<ApiKey>, Fault> {
        let rows = api_key::Entity::find()
            .filter(api_key::Column::ProjectId.eq(project.as_str()))
            .order_by_desc(api_key::Column::CreatedAt)
            .order_by_desc(api_key::Column::Id)
            .all(&self.database)
            .await
            .map_err(statement_failed("list keys"))?;
        Ok(rows.into_iter().map(to_key).collect())
    }

    pub(super) async fn remove_key(&self, project: &ProjectId, id: &ApiKeyId) -> Result<(), Fault> {
        let failed = || statement_failed("delete the key");
        let change = self.change().await.map_err(failed())?;
        let deleted = api_key::Entity::delete_many()
            .filter(api_key::Column::Id.eq(id.as_str()))
            .filter(api_key::Column::ProjectId.eq(project.as_str()))
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        if deleted.rows_affected == 0 {
            return Err(Fault::new(FaultKind::NotFound, "there is no such key"));
        }
        change.commit().await.map_err(failed())
    }

    pub(super) async fn find_key(&self, presented: &PresentedKey) -> Result<Option<ApiKey>, Fault> {
        let failed = || statement_failed("look for the key");
        let (PresentedKey::Pair { secret, .. } | PresentedKey::Secret(secret)) = presented;
        // Found by the hash of a random secret, whose comparison tells nothing about the secret.
        let query = api_key::Entity::find().filter(api_key::Column::SecretHash.eq(token_hash(secret.reveal())));
        let Some(row) = query.one(&self.database).await.map_err(failed())? else { return Ok(None) };
        if let PresentedKey::Pair { public, .. } = presented
            && *public != row.public
        {
            return Ok(None);
        }
        let now = self.clock.now(&self.database).await.map_err(failed())?;
        if row.expires_at.is_some_and(|at| at <= now.0) {
            return Ok(None);
        }
        if row.last_used_at.is_none_or(|at| now.0 - at >= LAST_USED_STEP) {
            let change = self.change().await.map_err(failed())?;
            api_key::Entity::update_many()
                .col_expr(api_key::Column::LastUsedAt, Expr::value(Some(now.0)))
                .filter(api_key::Column::Id.eq(row.id.as_str()))
                .exec(&change.tx)
                .await
                .map_err(failed())?;
            change.commit().await.map_err(failed())?;
        }
        Ok(Some(to_key(row)))
    }
}

fn to_key(row: api_key::Model) -> ApiKey {
    ApiKey {
        id: ApiKeyId::new(row.id),
        project: ProjectId::new(row.project_id),
        public: row.public,
        role: role_of_column(&row.role),
        note: row.note,
        secret_ends: row.secret_ends,
        created_at: Micros(row.created_at),
        expires_at: row.expires_at.map(Micros),
        last_used_at: row.last_used_at.map(Micros),
    }
}
