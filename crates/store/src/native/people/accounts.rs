//! Accounts.

use model::{Fault, FaultKind, Micros, NewUser, Page, PageRequest, Secret, User, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::no_such_user;
use crate::native::entities::{account, membership, session};
use crate::native::paging::{Position, page_of, rows_wanted};
use crate::native::token::new_id;
use crate::native::{NativeStore, statement_failed};

/// Longest address that mail knows.
const EMAIL_BYTES_MAX: usize = 254;

impl NativeStore {
    pub(super) async fn any_account(&self) -> Result<bool, Fault> {
        let count = account::Entity::find().limit(1).count(&self.database).await;
        Ok(count.map_err(statement_failed("look for users"))? > 0)
    }

    pub(super) async fn create_account(&self, new: NewUser) -> Result<User, Fault> {
        let failed = || statement_failed("create the user");
        let new = Checked::new(self, new).await?;
        let change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let user = insert(&change.tx, new, now).await?;
        change.commit().await.map_err(failed())?;
        Ok(user)
    }

    pub(super) async fn account(&self, id: &UserId) -> Result<Option<User>, Fault> {
        let row = account::Entity::find_by_id(id.as_str()).one(&self.database).await;
        Ok(row.map_err(statement_failed("read the user"))?.map(to_user))
    }

    pub(super) async fn account_by_email(&self, email: &str) -> Result<Option<User>, Fault> {
        Ok(self.account_row(email).await?.map(to_user))
    }

    pub(super) async fn account_row(&self, email: &str) -> Result<Option<account::Model>, Fault> {
        let query = account::Entity::find().filter(account::Column::Email.eq(email.trim().to_lowercase()));
        query.one(&self.database).await.map_err(statement_failed("look for the user"))
    }

    pub(super) async fn accounts(&self, page: &PageRequest) -> Result<Page<User>, Fault> {
        let mut query = account::Entity::find();
        if let Some(position) = Position::of(page)? {
            query = query.filter(account::Column::Email.gt(position.id));
        }
        let rows = query
            .order_by_asc(account::Column::Email)
            .limit(rows_wanted(page))
            .all(&self.database)
            .await
            .map_err(statement_failed("list users"))?;
        Ok(page_of(rows, page, |row| Position { at: 0, id: row.email.clone() }).map(to_user))
    }

    pub(super) async fn change_password(&self, user: &UserId, password: &Secret) -> Result<(), Fault> {
        let failed = || statement_failed("change the password");
        let hash = self.options.passwords.hash(password).await?;
        let change = self.change().await.map_err(failed())?;
        let updated = account::Entity::update_many()
            .col_expr(account::Column::PasswordHash, Expr::value(hash))
            .filter(account::Column::Id.eq(user.as_str()))
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        if updated.rows_affected == 0 {
            return Err(no_such_user());
        }
        end_sessions(&change.tx, user).await?;
        change.commit().await.map_err(failed())
    }

    pub(super) async fn delete_account(&self, user: &UserId) -> Result<(), Fault> {
        let failed = || statement_failed("delete the user");
        let change = self.change().await.map_err(failed())?;
        end_sessions(&change.tx, user).await?;
        membership::Entity::delete_many()
            .filter(membership::Column::AccountId.eq(user.as_str()))
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        let deleted = account::Entity::delete_by_id(user.as_str()).exec(&change.tx).await.map_err(failed())?;
        if deleted.rows_affected == 0 {
            return Err(no_such_user());
        }
        change.commit().await.map_err(failed())
    }
}

/// An account whose fields are in order, its password hashed before any lock is taken.
pub(super) struct Checked {
    email: String,
    name: String,
    password_hash: String,
    pub(super) admin: bool,
}

impl Checked {
    pub(super) async fn new(store: &NativeStore, new: NewUser) -> Result<Self, Fault> {
        let email = new.email.trim().to_lowercase();
        let sides = email
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
        if !sides || email.len() > EMAIL_BYTES_MAX || email.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(Fault::of_field("email", format!("{:?} is not an address", new.email)));
        }
        let name = new.name.trim().to_owned();
        if name.chars().any(char::is_control) {
            return Err(Fault::of_field("name", "it holds a control character"));
        }
        let password_hash = store.options.passwords.hash(&new.password).await?;
        Ok(Self { email, name, password_hash, admin: new.admin })
    }
}

pub(super) async fn insert(tx: &impl ConnectionTrait, new: Checked, now: Micros) -> Result<User, Fault> {
    let failed = || statement_failed("create the user");
    let taken = account::Entity::find().filter(account::Column::Email.eq(new.email.as_str()));
    if taken.one(tx).await.map_err(failed())?.is_some() {
        return Err(Fault::new(FaultKind::Conflict, format!("there is a user {} already", new.email)));
    }
    let row = account::Model {
        id: new_id(now),
        email: new.email,
        name: new.name,
        password_hash: new.password_hash,
        admin: new.admin,
        created_at: now.0,
    };
    let insert = account::Entity::insert(account::ActiveModel {
        id: Set(row.id.clone()),
        email: Set(row.email.clone()),
        name: Set(row.name.clone()),
        password_hash: Set(row.password_hash.clone()),
        admin: Set(row.admin),
        created_at: Set(row.created_at),
    });
    insert.exec_without_returning(tx).await.map_err(failed())?;
    Ok(to_user(row))
}

async fn end_sessions(tx: &impl ConnectionTrait, user: &UserId) -> Result<(), Fault> {
    let sessions = session::Entity::delete_many().filter(session::Column::AccountId.eq(user.as_str()));
    sessions.exec(tx).await.map_err(statement_failed("end sessions"))?;
    Ok(())
}

pub(super) fn to_user(row: account::Model) -> User {
    User {
        id: UserId::new(row.id),
        email: row.email,
        name: row.name,
        admin: row.admin,
        created_at: Micros(row.created_at),
    }
}
