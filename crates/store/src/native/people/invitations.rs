//! Links that make an account, once.

use model::{Fault, FaultKind, NewInvitation, NewUser, Secret, User};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

use super::accounts::{self, Checked};
use super::{members, no_such_project, role_of_column};
use crate::native::entities::{account, invitation, project};
use crate::native::token::{random_token, token_hash};
use crate::native::{NativeStore, statement_failed};

impl NativeStore {
    pub(super) async fn create_invitation(&self, new: NewInvitation) -> Result<Secret, Fault> {
        let failed = || statement_failed("create the invitation");
        let change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        if let Some((id, _)) = &new.member_of {
            let found = project::Entity::find_by_id(id.as_str()).one(&change.tx).await.map_err(failed())?;
            found.ok_or_else(|| no_such_project(id))?;
        }
        let over = invitation::Column::ExpiresAt.lte(now.0);
        invitation::Entity::delete_many().filter(over).exec(&change.tx).await.map_err(failed())?;
        let token = random_token();
        let valid = i64::try_from(new.valid.as_micros()).unwrap_or(i64::MAX);
        let row = invitation::ActiveModel {
            token_hash: Set(token_hash(&token)),
            project_id: Set(new.member_of.as_ref().map(|(project, _)| project.as_str().to_owned())),
            role: Set(new.member_of.map(|(_, role)| role.as_str().to_owned())),
            admin: Set(new.admin),
            expires_at: Set(now.0.saturating_add(valid)),
        };
        invitation::Entity::insert(row).exec_without_returning(&change.tx).await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        Ok(Secret::new(token))
    }

    pub(super) async fn use_invitation(&self, token: &Secret, new: NewUser) -> Result<User, Fault> {
        let failed = || statement_failed("accept the invitation");
        let refused = || {
            Fault::new(FaultKind::NotFound, "the link is unknown, was used, or is too old").hint("ask for a new one")
        };
        let hash = token_hash(token.reveal());
        // Looked at before the password is hashed, so that made-up links cost nothing.
        let known = invitation::Entity::find_by_id(hash.as_str()).one(&self.database).await.map_err(failed())?;
        known.ok_or_else(refused)?;
        let mut new = Checked::new(self, new).await?;

        let change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let row = invitation::Entity::find_by_id(hash.as_str()).one(&change.tx).await.map_err(failed())?;
        let row = row.filter(|row| row.expires_at > now.0).ok_or_else(refused)?;
        let used = invitation::Entity::delete_by_id(hash).exec(&change.tx).await.map_err(failed())?;
        if used.rows_affected == 0 {
            return Err(refused());
        }
        // A link that sets a server up makes its first account and no other: one that was printed before that
        // may still lie in a log.
        if row.admin && account::Entity::find().one(&change.tx).await.map_err(failed())?.is_some() {
            return Err(refused());
        }
        new.admin = row.admin;
        let user = accounts::insert(&change.tx, new, now).await?;
        if let (Some(project), Some(role)) = (row.project_id, row.role) {
            members::upsert(&change.tx, &project, user.id.as_str(), role_of_column(&role)).await?;
        }
        change.commit().await.map_err(failed())?;
        Ok(user)
    }
}
