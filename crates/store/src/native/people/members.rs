//! Who may do what in a project. A project that has an owner keeps one.

use model::{Fault, FaultKind, Member, ProjectId, Role, UserId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select, Set,
};

use super::accounts::to_user;
use super::{no_such_project, no_such_user, role_of_column};
use crate::native::entities::{account, membership, project};
use crate::native::{NativeStore, statement_failed};

impl NativeStore {
    pub(super) async fn list_members(&self, id: &ProjectId) -> Result<Vec<Member>, Fault> {
        let failed = || statement_failed("list members");
        let rows = membership::Entity::find()
            .filter(membership::Column::ProjectId.eq(id.as_str()))
            .all(&self.database)
            .await
            .map_err(failed())?;
        let ids = rows.iter().map(|row| row.account_id.clone());
        let accounts = account::Entity::find().filter(account::Column::Id.is_in(ids)).all(&self.database).await;
        let mut members: Vec<Member> = accounts
            .map_err(failed())?
            .into_iter()
            .filter_map(|user| {
                let role = rows.iter().find(|row| row.account_id == user.id)?;
                Some(Member { role: role_of_column(&role.role), user: to_user(user) })
            })
            .collect();
        members.sort_by(|a, b| a.user.email.cmp(&b.user.email));
        Ok(members)
    }

    pub(super) async fn member_role(&self, id: &ProjectId, user: &UserId) -> Result<Option<Role>, Fault> {
        let key = (id.as_str().to_owned(), user.as_str().to_owned());
        let row = membership::Entity::find_by_id(key).one(&self.database).await;
        Ok(row.map_err(statement_failed("look for the member"))?.map(|row| role_of_column(&row.role)))
    }

    pub(super) async fn put_member(&self, id: &ProjectId, user: &UserId, role: Role) -> Result<(), Fault> {
        let failed = || statement_failed("change the member");
        let change = self.change().await.map_err(failed())?;
        lock_project(&change.tx, id).await?;
        let found = account::Entity::find_by_id(user.as_str()).one(&change.tx).await.map_err(failed())?;
        found.ok_or_else(no_such_user)?;
        if role != Role::Owner {
            refuse_last_owner(&change.tx, id, user).await?;
        }
        upsert(&change.tx, id.as_str(), user.as_str(), role).await?;
        change.commit().await.map_err(failed())
    }

    pub(super) async fn delete_member(&self, id: &ProjectId, user: &UserId) -> Result<(), Fault> {
        let failed = || statement_failed("remove the member");
        let change = self.change().await.map_err(failed())?;
        lock_project(&change.tx, id).await?;
        refuse_last_owner(&change.tx, id, user).await?;
        let key = (id.as_str().to_owned(), user.as_str().to_owned());
        let deleted = membership::Entity::delete_by_id(key).exec(&change.tx).await.map_err(failed())?;
        if deleted.rows_affected == 0 {
            return Err(Fault::new(FaultKind::NotFound, "there is no such member"));
        }
        change.commit().await.map_err(failed())
    }
}

/// Two owners who leave at the same time must see each other.
async fn lock_project(tx: &impl ConnectionTrait, id: &ProjectId) -> Result<(), Fault> {
    let found = project::Entity::find_by_id(id.as_str()).lock_exclusive().one(tx).await;
    found.map_err(statement_failed("look for the project"))?.ok_or_else(|| no_such_project(id))?;
    Ok(())
}

/// Whether somebody is still of a project: a member of it or an administrator, who is an owner everywhere.
pub(in crate::native) async fn is_of(tx: &impl ConnectionTrait, id: &ProjectId, user: &UserId) -> Result<bool, Fault> {
    let failed = || statement_failed("look for the member");
    let key = (id.as_str().to_owned(), user.as_str().to_owned());
    if membership::Entity::find_by_id(key).one(tx).await.map_err(failed())?.is_some() {
        return Ok(true);
    }
    let account = account::Entity::find_by_id(user.as_str()).one(tx).await.map_err(failed())?;
    Ok(account.is_some_and(|account| account.admin))
}

/// Who answers for a project: its owners or, where it has none, the administrators, who are owners everywhere.
pub(in crate::native) async fn owners_of(tx: &impl ConnectionTrait, id: &ProjectId) -> Result<Vec<UserId>, Fault> {
    let failed = || statement_failed("look for the owners of the project");
    let owners = owners(id).select_only().column(membership::Column::AccountId);
    let mut ids: Vec<String> =
        owners.order_by_asc(membership::Column::AccountId).into_tuple().all(tx).await.map_err(failed())?;
    if ids.is_empty() {
        let admins = account::Entity::find().filter(account::Column::Admin.eq(true));
        let admins = admins.select_only().column(account::Column::Id).order_by_asc(account::Column::Id);
        ids = admins.into_tuple().all(tx).await.map_err(failed())?;
    }
    Ok(ids.into_iter().map(UserId::new).collect())
}

fn owners(id: &ProjectId) -> Select<membership::Entity> {
    membership::Entity::find()
        .filter(membership::Column::ProjectId.eq(id.as_str()))
        .filter(membership::Column::Role.eq(Role::Owner.as_str()))
}

async fn refuse_last_owner(tx: &impl ConnectionTrait, id: &ProjectId, user: &UserId) -> Result<(), Fault> {
    let failed = || statement_failed("count owners");
    let owners = owners(id);
    let others = owners.clone().filter(membership::Column::AccountId.ne(user.as_str()));
    if owners.count(tx).await.map_err(failed())? > 0 && others.count(tx).await.map_err(failed())? == 0 {
        return Err(Fault::new(FaultKind::Conflict, "the last owner of a project stays its owner")
            .hint("make somebody else an owner first"));
    }
    Ok(())
}

pub(super) async fn upsert(tx: &impl ConnectionTrait, project: &str, user: &str, role: Role) -> Result<(), Fault> {
    let row = membership::ActiveModel {
        project_id: Set(project.to_owned()),
        account_id: Set(user.to_owned()),
        role: Set(role.as_str().to_owned()),
    };
    let replace = OnConflict::columns([membership::Column::ProjectId, membership::Column::AccountId])
        .update_column(membership::Column::Role)
        .to_owned();
    let insert = membership::Entity::insert(row).on_conflict(replace);
    insert.exec_without_returning(tx).await.map_err(statement_failed("change the member"))?;
    Ok(())
}
