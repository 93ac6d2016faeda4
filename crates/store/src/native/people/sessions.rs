//! Sessions, and the attempts to begin one.

use std::time::Duration;

use model::{Fault, Micros, Secret, Session, SignIn};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use super::accounts::to_user;
use crate::native::entities::{account, session, sign_in_failure};
use crate::native::token::{new_id, random_token, token_hash};
use crate::native::{NativeStore, statement_failed};

/// A session ends after so many times its idle time, however much it is used.
const LIFETIME_IDLES: i64 = 4;

/// A session that is used is prolonged when so much of its idle time has passed: one write an hour, not
/// one a call.
const PROLONG_AFTER: Micros = Micros(3_600 * Micros::PER_SECOND);

/// Wrong attempts are counted over this long.
const COUNTED: Micros = Micros(15 * 60 * Micros::PER_SECOND);

/// Wrong attempts for one address: enough for a forgotten password, hopeless for guessing one.
const FAILURES_PER_EMAIL_MAX: u64 = 5;

/// Wrong attempts from one client, behind which a whole office may sit.
const FAILURES_PER_CLIENT_MAX: u64 = 30;

impl NativeStore {
    pub(super) async fn begin_session(&self, email: &str, password: &Secret, client: &str) -> Result<SignIn, Fault> {
        let failed = || statement_failed("sign in");
        let email = email.trim().to_lowercase();
        let subjects =
            [(format!("email:{email}"), FAILURES_PER_EMAIL_MAX), (format!("client:{client}"), FAILURES_PER_CLIENT_MAX)];
        let now = self.clock.now(&self.database).await.map_err(failed())?;
        for (subject, failures_max) in &subjects {
            if let Some(wait) = locked(&self.database, subject, *failures_max, now).await? {
                return Ok(SignIn::Locked { wait });
            }
        }
        let found = self.account_row(&email).await?;
        let hash = found.as_ref().map(|row| row.password_hash.clone());
        let right = self.options.passwords.verify(password, hash).await?;

        let change = self.change().await.map_err(failed())?;
        let now = self.clock.now(&change.tx).await.map_err(failed())?;
        let Some(row) = found.filter(|_| right) else {
            for (subject, _) in subjects {
                let failure =
                    sign_in_failure::ActiveModel { id: Set(new_id(now)), subject: Set(subject), at: Set(now.0) };
                let insert = sign_in_failure::Entity::insert(failure);
                insert.exec_without_returning(&change.tx).await.map_err(failed())?;
            }
            change.commit().await.map_err(failed())?;
            return Ok(SignIn::Refused);
        };
        // Whoever knows the password starts anew; what is over is forgotten on the way.
        let forgotten = sign_in_failure::Column::Subject
            .eq(subjects[0].0.as_str())
            .or(sign_in_failure::Column::At.lt(now.0 - COUNTED.0));
        sign_in_failure::Entity::delete_many().filter(forgotten).exec(&change.tx).await.map_err(failed())?;
        let over = session::Column::ExpiresAt.lte(now.0);
        session::Entity::delete_many().filter(over).exec(&change.tx).await.map_err(failed())?;
        let token = random_token();
        let until = Micros(now.0.saturating_add(self.session_idle()));
        let begun = session::ActiveModel {
            token_hash: Set(token_hash(&token)),
            account_id: Set(row.id.clone()),
            created_at: Set(now.0),
            expires_at: Set(until.0),
        };
        session::Entity::insert(begun).exec_without_returning(&change.tx).await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        Ok(SignIn::Done { user: to_user(row), token: Secret::new(token), until })
    }

    pub(super) async fn use_session(&self, token: &Secret) -> Result<Option<Session>, Fault> {
        let failed = || statement_failed("look for the session");
        let hash = token_hash(token.reveal());
        let Some(row) = session::Entity::find_by_id(hash.as_str()).one(&self.database).await.map_err(failed())? else {
            return Ok(None);
        };
        let now = self.clock.now(&self.database).await.map_err(failed())?;
        if row.expires_at <= now.0 {
            return Ok(None);
        }
        let user = account::Entity::find_by_id(row.account_id.as_str()).one(&self.database).await.map_err(failed())?;
        let Some(user) = user else { return Ok(None) };
        let idle = self.session_idle();
        let until =
            Ord::min(now.0.saturating_add(idle), row.created_at.saturating_add(idle.saturating_mul(LIFETIME_IDLES)));
        if until - row.expires_at >= PROLONG_AFTER.0 {
            let change = self.change().await.map_err(failed())?;
            session::Entity::update_many()
                .col_expr(session::Column::ExpiresAt, Expr::value(until))
                .filter(session::Column::TokenHash.eq(hash))
                .exec(&change.tx)
                .await
                .map_err(failed())?;
            change.commit().await.map_err(failed())?;
        }
        Ok(Some(Session { user: to_user(user), until: Micros(Ord::max(until, row.expires_at)) }))
    }

    /// Microseconds that a session lasts without use.
    fn session_idle(&self) -> i64 {
        i64::try_from(self.options.session.as_micros()).unwrap_or(i64::MAX)
    }

    pub(super) async fn end_session(&self, token: &Secret) -> Result<(), Fault> {
        let failed = || statement_failed("sign out");
        let change = self.change().await.map_err(failed())?;
        session::Entity::delete_by_id(token_hash(token.reveal())).exec(&change.tx).await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }
}

/// How long a subject has to wait: until the oldest of its last wrong attempts no longer counts.
async fn locked(
    on: &impl ConnectionTrait,
    subject: &str,
    failures_max: u64,
    now: Micros,
) -> Result<Option<Duration>, Fault> {
    let oldest = sign_in_failure::Entity::find()
        .filter(sign_in_failure::Column::Subject.eq(subject))
        .filter(sign_in_failure::Column::At.gt(now.0 - COUNTED.0))
        .order_by_desc(sign_in_failure::Column::At)
        .offset(failures_max - 1)
        .limit(1)
        .one(on)
        .await
        .map_err(statement_failed("count attempts to sign in"))?;
    Ok(oldest.map(|oldest| {
        let wait = oldest.at + COUNTED.0 - now.0;
        Duration::from_micros(u64::try_from(wait).unwrap_or_default())
    }))
}
