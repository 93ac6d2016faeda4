//! A ClickHouse that is connected when it is first read.
//!
//! A server starts, answers and keeps its queue while its ClickHouse is down; what is read meanwhile fails
//! and is tried again by whoever asked. Its tables are looked at again every minute, so that a deployment may
//! move to another layout under a server that runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use model::{Fault, ProjectId, ReadRequest, Reading, Source, SourceCapabilities, TableSpec};
use sources::clickhouse::{ClickHouseOptions, ClickHouseSource};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A look at the tables holds this long.
const FRESH: Duration = Duration::from_secs(60);

/// A place that can be connected to.
#[async_trait]
pub trait Remote: fmt::Display + Send + Sync {
    /// What reads from it.
    type Connection: Source + Clone;

    /// Connects and looks at its tables.
    async fn connect(&self) -> Result<Self::Connection, Fault>;

    /// The same connection with another look at the tables.
    async fn look_again(&self, connection: &Self::Connection) -> Result<Self::Connection, Fault>;
}

#[async_trait]
impl Remote for ClickHouseOptions {
    type Connection = ClickHouseSource;

    async fn connect(&self) -> Result<ClickHouseSource, Fault> {
        ClickHouseSource::connect(self.clone(), tables::clickhouse_tables()).await
    }

    async fn look_again(&self, connection: &ClickHouseSource) -> Result<ClickHouseSource, Fault> {
        connection.looking_again(tables::clickhouse_tables()).await
    }
}

/// Connects with the first read, and with the next one where that failed.
pub struct LateSource<R: Remote> {
    remote: R,
    /// How long a look at the tables holds.
    fresh: Duration,
    /// The connection and when its tables were looked at. Whoever looks holds it: reads that come together look once.
    connected: Mutex<Option<(Instant, R::Connection)>>,
    /// How many processes read from it.
    processes: AtomicUsize,
}

impl<R: Remote> LateSource<R> {
    /// Nothing is sent yet.
    pub fn new(remote: R) -> Self {
        Self { remote, fresh: FRESH, connected: Mutex::new(None), processes: AtomicUsize::new(1) }
    }

    async fn connected(&self) -> Result<R::Connection, Fault> {
        let mut connected = self.connected.lock().await;
        let source = match &*connected {
            Some((looked, source)) if looked.elapsed() < self.fresh => return Ok(source.clone()),
            Some((_, source)) => self.remote.look_again(source).await?,
            None => self.remote.connect().await?,
        };
        source.shared_by(self.processes.load(Ordering::Relaxed));
        // A server sorts a slice before it sends any of it.
        crate::ALLOCATOR.expect_bursts();
        *connected = Some((Instant::now(), source.clone()));
        Ok(source)
    }
}

impl<R: Remote> fmt::Display for LateSource<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.remote.fmt(f)
    }
}

#[async_trait]
impl<R: Remote> Source for LateSource<R> {
    fn capabilities(&self) -> SourceCapabilities {
        SourceCapabilities { snapshots: false }
    }

    async fn prepare(&self, request: ReadRequest) -> Result<Arc<dyn Reading>, Fault> {
        self.connected().await?.prepare(request).await
    }

    async fn has_project(&self, project: &ProjectId, table: &TableSpec) -> Result<bool, Fault> {
        self.connected().await?.has_project(project, table).await
    }

    fn shared_by(&self, processes: usize) {
        self.processes.store(processes, Ordering::Relaxed);
        // Whoever connects just now reads the number after that, or is told the next one.
        if let Ok(connected) = self.connected.try_lock()
            && let Some((_, source)) = &*connected
        {
            source.shared_by(processes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as Kept;

    use super::*;
    use crate::data::told::ToldSource;

    /// A place that makes a new connection with each look, and keeps it.
    #[derive(Clone, Default)]
    struct Place(Arc<Kept<Vec<ToldSource>>>);

    impl Place {
        fn new_connection(&self) -> ToldSource {
            let connection = ToldSource::default();
            self.0.lock().unwrap().push(connection.clone());
            connection
        }

        /// Of how many processes each connection was told.
        fn told(&self) -> Vec<Vec<usize>> {
            self.0.lock().unwrap().iter().map(ToldSource::told).collect()
        }
    }

    impl fmt::Display for Place {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a place without rows")
        }
    }

    #[async_trait]
    impl Remote for Place {
        type Connection = ToldSource;

        async fn connect(&self) -> Result<ToldSource, Fault> {
            assert!(self.told().is_empty(), "whoever has a connection looks again");
            Ok(self.new_connection())
        }

        async fn look_again(&self, _connection: &ToldSource) -> Result<ToldSource, Fault> {
            Ok(self.new_connection())
        }
    }

    #[tokio::test]
    async fn every_connection_knows_how_many_processes_read() {
        let place = Place::default();
        // Each read looks again.
        let source = LateSource { fresh: Duration::ZERO, ..LateSource::new(place.clone()) };
        let (project, table) = (ProjectId::new("p"), &tables::all()[0]);
        source.shared_by(3);
        assert!(place.told().is_empty(), "nobody has connected");
        assert!(source.has_project(&project, table).await.unwrap());
        source.shared_by(2);
        assert!(source.has_project(&project, table).await.unwrap());
        source.shared_by(1);
        assert_eq!(place.told(), [[3, 2], [2, 1]]);
    }
}
