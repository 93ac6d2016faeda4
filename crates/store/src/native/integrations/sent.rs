//! Which rows a window of events has sent: hashes of their keys, kept until the window has been compared.

use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use model::{Fault, JobId, KeptFrom};
use sea_orm::sea_query::SelectStatement;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use crate::native::entities::sent_keys::{ActiveModel, Column, Entity};
use crate::native::jobs::held;
use crate::native::json::count_to_column;
use crate::native::{NativeStore, statement_failed};

/// Rows of the table that are read at once; each has the keys of one request, at most 10,000 as usual.
const READ_AT_ONCE: u64 = 32;

impl NativeStore {
    pub(super) async fn put_sent_keys(&self, from: &KeptFrom, hashes: &[u64]) -> Result<(), Fault> {
        let failed = || statement_failed("keep the keys of what was sent");
        let number = count_to_column(from.number);
        let change = self.change().await.map_err(failed())?;
        held(&change.tx, &from.run, from.token).await?;
        Entity::delete_many()
            .filter(Column::RunId.eq(from.run.as_str()))
            .filter(Column::TableName.eq(from.table.as_str()))
            .filter(Column::Number.gte(number))
            .exec(&change.tx)
            .await
            .map_err(failed())?;
        if !hashes.is_empty() {
            let row = ActiveModel {
                run_id: Set(from.run.as_str().to_owned()),
                table_name: Set(from.table.clone()),
                number: Set(number),
                hashes: Set(hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect()),
            };
            Entity::insert(row).exec_without_returning(&change.tx).await.map_err(failed())?;
        }
        change.commit().await.map_err(failed())
    }

    pub(super) fn read_sent_keys(&self, run: &JobId, table: &str) -> BoxStream<'static, Result<Vec<u64>, Fault>> {
        let (store, run, table) = (self.clone(), run.as_str().to_owned(), table.to_owned());
        let pieces = stream::try_unfold(-1, move |after: i64| {
            let kept = Entity::find()
                .filter(Column::RunId.eq(run.as_str()))
                .filter(Column::TableName.eq(table.as_str()))
                .filter(Column::Number.gt(after))
                .order_by_asc(Column::Number)
                .limit(READ_AT_ONCE);
            let store = store.clone();
            async move {
                let failed = statement_failed("read the keys of what was sent");
                let rows = kept.all(&store.database).await.map_err(failed)?;
                let Some(last) = rows.last() else { return Ok(None) };
                let last = last.number;
                let hashes = rows.iter().flat_map(|row| row.hashes.as_chunks().0);
                Ok(Some((hashes.map(|hash| u64::from_le_bytes(*hash)).collect(), last)))
            }
        });
        pieces.boxed()
    }
}

/// Forgets what a run has sent.
pub(super) async fn forget(tx: &impl ConnectionTrait, run: &str) -> Result<(), Fault> {
    let forgotten = Entity::delete_many().filter(Column::RunId.eq(run)).exec(tx).await;
    forgotten.map(drop).map_err(statement_failed("forget the keys of what was sent"))
}

/// Forgets what all of these runs have sent.
pub(super) async fn forget_all(tx: &impl ConnectionTrait, runs: SelectStatement) -> Result<(), Fault> {
    let forgotten = Entity::delete_many().filter(Column::RunId.in_subquery(runs)).exec(tx).await;
    forgotten.map(drop).map_err(statement_failed("forget the keys of what was sent"))
}
