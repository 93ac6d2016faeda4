//! Our own schema, reached through SeaORM so that one code path serves SQLite and Postgres.
//!
//! Reading order: [`open`](NativeStore::open) connects and migrates ([`connect`]); [`change`] is how
//! everything is written, [`clock`] what time it is and [`signals`] who is told. Then the families of
//! tables: `comments`, `prices`, `runs` (exports of the command line) and `holds` (who carries one out),
//! `jobs` and `exports` (those of the service), `integrations`, `people`, `secrets`, `audit`; and what is forgotten by age
//! (`sweep`); `rows` notes which embedded store all of this is about. Instants are stored as microseconds, never as
//! text; what only one reader understands is JSON in a text column.

mod audit;
mod change;
mod clock;
mod comments;
mod connect;
mod entities;
mod exports;
mod holds;
mod integrations;
mod jobs;
mod json;
mod lookup;
mod migrations;
mod notices;
mod paging;
mod people;
mod prices;
mod rows;
mod runs;
mod seal;
mod secrets;
mod signals;
mod sweep;
mod token;

#[cfg(test)]
mod conformance;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::{Channel, Fault, FaultKind};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};

pub use comments::NewComment;
pub use connect::Place;
pub use holds::{HeldRun, RunHold, RunHolder};
pub use people::PasswordCost;
pub use prices::NewPrices;
pub use runs::{RunRecord, RunState, StoreLog, UnfinishedRun};
pub use seal::{SealingKey, SealingKeys};

use change::Turn;
use clock::Clock;
use signals::Signals;

/// An open metadata store. Clones share the connections.
#[derive(Clone)]
pub struct NativeStore {
    database: DatabaseConnection,
    /// Who may write next, where the database takes one writer at a time.
    turn: Turn,
    clock: Clock,
    signals: Arc<Signals>,
    options: Arc<StoreOptions>,
}

/// What a store needs to know besides its place.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Keys that secrets are sealed with; without them none can be stored or read.
    pub sealing: Option<SealingKeys>,
    /// How expensive guessing a password is.
    pub passwords: PasswordCost,
    /// A session ends so long after it was last used.
    pub session: Duration,
    /// How people and programs are told that an export ended.
    pub notices: Vec<Channel>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        let week = Duration::from_secs(7 * 24 * 3_600);
        Self { sealing: None, passwords: PasswordCost::default(), session: week, notices: Vec::new() }
    }
}

impl NativeStore {
    /// Name of the SQLite file in a data directory.
    pub const FILE_NAME: &'static str = "outgest.db";

    /// Opens the store of a data directory, creating directory, file and schema where missing.
    pub async fn open(data: &Path) -> Result<Self, Fault> {
        Self::open_at(&Place::Directory(data.to_owned()), StoreOptions::default()).await
    }

    /// Opens the store at a place and brings its schema up to date, one process at a time.
    pub async fn open_at(place: &Place, options: StoreOptions) -> Result<Self, Fault> {
        let database = connect::connect(place).await?;
        let store = Self {
            turn: Turn::of(&database),
            clock: Clock::default(),
            signals: Signals::start(&database),
            options: Arc::new(options),
            database,
        };
        connect::migrate(&store, place).await?;
        Ok(store)
    }

    /// Connects, asks for the time and leaves again; the schema is left as it is.
    pub async fn reach(place: &Place) -> Result<(), Fault> {
        let database = connect::connect(place).await?;
        Clock::default().now(&database).await.map(drop).map_err(statement_failed("reach anything"))
    }

    /// Fails where the database does not answer: the readiness of a server.
    pub async fn ping(&self) -> Result<(), Fault> {
        self.clock.now(&self.database).await.map(drop).map_err(statement_failed("reach anything"))
    }

    /// Copies a consistent state into another folder, which must not hold a metadata store yet.
    pub async fn backup(&self, folder: &Path) -> Result<(), Fault> {
        let target = folder.join(Self::FILE_NAME);
        let failed =
            || Fault::new(FaultKind::Configuration, format!("cannot copy the metadata store to {}", target.display()));
        let path = target.to_str().ok_or_else(|| failed().hint("the folder's name must be UTF-8"))?;
        let copy = Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [path.into()]);
        let unwritable = |error| failed().hint("see that it can be written and has room").because(error);
        self.database.execute_raw(copy).await.map_err(unwritable)?;
        Ok(())
    }

    fn backend(&self) -> DbBackend {
        self.database.get_database_backend()
    }
}

/// What a failed statement means to a caller: the store may come back, so it may be tried again.
fn statement_failed(doing: &str) -> impl FnOnce(DbErr) -> Fault {
    let message = format!("cannot {doing} in the metadata store");
    move |error| Fault::new(FaultKind::Unavailable, message).because(error)
}
