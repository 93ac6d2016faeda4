//! Names of scores, kept once for all runs of an integration: windows that are exported side by side add to one list.

use model::{Fault, IntegrationId, ScoreNames, WindowResult};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};

use crate::native::entities::score_names::{ActiveModel, Column, Entity, Model};
use crate::native::{NativeStore, json, statement_failed};

impl NativeStore {
    pub(super) async fn read_score_names(&self, id: &IntegrationId) -> Result<Vec<ScoreNames>, Fault> {
        let rows = Entity::find()
            .filter(Column::IntegrationId.eq(id.as_str()))
            .order_by_asc(Column::TableName)
            .all(&self.database)
            .await
            .map_err(statement_failed("read the names of scores"))?;
        rows.into_iter().map(of_row).collect()
    }
}

/// Takes the names out of the result of a run and adds them to those of its integration. What a run that ended
/// meanwhile has told as new is new no more.
pub(super) async fn keep(tx: &impl ConnectionTrait, integration: &str, result: &mut WindowResult) -> Result<(), Fault> {
    let mut told = std::mem::take(&mut result.score_names);
    // Runs that end at the same time wait for one another in this order.
    told.sort_by(|one, other| one.table.cmp(&other.table));
    for more in told {
        let before = add(tx, integration, &more).await?;
        for change in result.schema_changed.iter_mut().filter(|change| change.table == more.table) {
            change.score_names.retain(|name| !before.names.contains(name));
        }
    }
    result.schema_changed.retain(|change| !change.is_none());
    Ok(())
}

/// Adds names to a table's. Returns those that were there before.
async fn add(tx: &impl ConnectionTrait, integration: &str, more: &ScoreNames) -> Result<ScoreNames, Fault> {
    let failed = || statement_failed("keep the names of scores");
    let none = ActiveModel {
        integration_id: Set(integration.to_owned()),
        table_name: Set(more.table.clone()),
        names: Set("[]".to_owned()),
        more: Set(false),
    };
    // The row has to be there to be locked.
    let stays = OnConflict::columns([Column::IntegrationId, Column::TableName]).do_nothing().to_owned();
    let insert = Entity::insert(none).on_conflict(stays);
    insert.exec_without_returning(tx).await.map_err(failed())?;
    let row = Entity::find()
        .filter(Column::IntegrationId.eq(integration))
        .filter(Column::TableName.eq(more.table.as_str()))
        .lock_exclusive()
        .one(tx)
        .await
        .map_err(failed())?;
    let row = row.ok_or_else(|| Fault::bug("names of scores have no row"))?;
    let before = of_row(row.clone())?;
    let mut all = before.clone();
    all.add(&more.names);
    all.more |= more.more;
    if all != before {
        let mut changed: ActiveModel = row.into();
        changed.names = Set(json::to_text(&all.names)?);
        changed.more = Set(all.more);
        changed.update(tx).await.map_err(failed())?;
    }
    Ok(before)
}

/// Forgets the names of an integration.
pub(super) async fn forget(tx: &impl ConnectionTrait, integration: &str) -> Result<(), Fault> {
    let forgotten = Entity::delete_many().filter(Column::IntegrationId.eq(integration)).exec(tx).await;
    forgotten.map(drop).map_err(statement_failed("forget the names of scores"))
}

fn of_row(row: Model) -> Result<ScoreNames, Fault> {
    let names = json::of_text("the names of scores", &row.names)?;
    Ok(ScoreNames { table: row.table_name, names, more: row.more })
}
