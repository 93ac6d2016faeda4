//! Which embedded store the jobs of this database read: that of whoever came first, until somebody says otherwise.
//! Nothing is noted of rows in ClickHouse.

use model::{Fault, FaultKind};
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, Set};

use super::entities::rows_of;
use super::{NativeStore, statement_failed};

/// The id of the only row.
const ONLY: i32 = 1;

impl NativeStore {
    /// The embedded store that the jobs of this database read, where one was noted.
    pub async fn rows_of(&self) -> Result<Option<String>, Fault> {
        let noted = rows_of::Entity::find_by_id(ONLY).one(&self.database).await;
        Ok(noted.map_err(statement_failed("look for the embedded store"))?.map(|noted| noted.lake))
    }

    /// Fails unless `lake` is the embedded store that the jobs of this database read. It becomes that where none was
    /// noted; of processes that start at once the first one decides.
    pub async fn expect_rows_of(&self, lake: &str) -> Result<(), Fault> {
        let failed = || statement_failed("note the embedded store");
        let change = self.change().await.map_err(failed())?;
        let keep = OnConflict::column(rows_of::Column::Id).do_nothing().to_owned();
        let insert = rows_of::Entity::insert(row(lake)).on_conflict(keep);
        insert.exec_without_returning(&change.tx).await.map_err(failed())?;
        let noted = rows_of::Entity::find_by_id(ONLY).one(&change.tx).await.map_err(failed())?;
        change.commit().await.map_err(failed())?;
        match noted {
            Some(noted) if noted.lake == lake => Ok(()),
            noted => {
                let noted = noted.map(|noted| noted.lake).unwrap_or_default();
                let message =
                    format!("jobs of this database read the rows of embedded store {noted}; here is another, {lake}");
                Err(Fault::new(FaultKind::Configuration, message).hint(
                    "start every process with the same data directory (on a disk they share), or read rows from \
                     ClickHouse (source.url); if this store is to replace the other, run `outgest data adopt` with it",
                ))
            }
        }
    }

    /// Has the jobs of this database read the rows of `lake` from now on.
    pub async fn read_rows_of(&self, lake: &str) -> Result<(), Fault> {
        let failed = || statement_failed("note the embedded store");
        let change = self.change().await.map_err(failed())?;
        let replace = OnConflict::column(rows_of::Column::Id).update_column(rows_of::Column::Lake).to_owned();
        let insert = rows_of::Entity::insert(row(lake)).on_conflict(replace);
        insert.exec_without_returning(&change.tx).await.map_err(failed())?;
        change.commit().await.map_err(failed())
    }
}

fn row(lake: &str) -> rows_of::ActiveModel {
    rows_of::ActiveModel { id: Set(ONLY), lake: Set(lake.to_owned()) }
}
