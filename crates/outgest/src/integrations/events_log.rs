//! One checkpoint for a window of several tables that is delivered as events.
//!
//! The twin of [`tables_log`](super::tables_log). Tables are delivered one after the other; the checkpoint of the
//! one under way carries what became of those before it, so a successor knows which rows of which table are
//! accounted for. What another receiver was told is nothing to a receiver that the integration has now.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use model::{ByteCount, Checkpoint, DeliveryCounts, Fault, RowCount, RunLog, Snapshot, Stop, TableDelivery, TableName};
use pipeline::{Progress, ProgressState};

/// The checkpoint of all tables, and who watches them.
pub struct EventsLog {
    log: Arc<dyn RunLog>,
    watch: Arc<dyn Progress>,
    destination: String,
    tables: usize,
    /// What an earlier attempt left.
    left: Option<Checkpoint>,
    /// What became of the tables that are done.
    done: Vec<TableDelivery>,
    snapshot: Arc<Mutex<Option<Snapshot>>>,
}

/// What an earlier attempt left of a table.
#[derive(Debug, PartialEq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// Rows up to the checkpoint's are accounted for.
    Something(Box<Checkpoint>),
    /// Every row is accounted for.
    Everything(TableDelivery),
}

impl EventsLog {
    /// A log over the log of a job, for `tables` tables that go to `destination`, with what earlier attempts left.
    pub fn new(
        log: Arc<dyn RunLog>,
        watch: Arc<dyn Progress>,
        (destination, tables): (String, usize),
        left: Option<Checkpoint>,
    ) -> Self {
        let snapshot = left.as_ref().and_then(|left| left.snapshot.clone());
        Self { log, watch, destination, tables, left, done: Vec::new(), snapshot: Arc::new(Mutex::new(snapshot)) }
    }

    /// The stored state that every table is read from, once one was opened.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is left of a table.
    pub fn left_of(&self, table: &TableName) -> Left {
        let Some(left) = &self.left else { return Left::Nothing };
        let known = left.tables.iter().position(|known| known.table == *table && known.destination == self.destination);
        match known {
            Some(at) if at + 1 < left.tables.len() => Left::Everything(left.tables[at].clone()),
            Some(_) => Left::Something(Box::new(Checkpoint { tables: Vec::new(), ..left.clone() })),
            None => Left::Nothing,
        }
    }

    /// The log of the next table.
    pub fn table(&self, table: &TableName) -> Arc<dyn RunLog> {
        let (log, before) = (Arc::clone(&self.log), self.done.clone());
        let (table, destination) = (table.clone(), self.destination.clone());
        Arc::new(TableLog { log, before, table, destination, snapshot: Arc::clone(&self.snapshot) })
    }

    /// Whoever watches the next table.
    pub fn progress(&self) -> Arc<dyn Progress> {
        let counts = self.counts();
        let (rows, bytes) = (counts.read, counts.bytes);
        Arc::new(TableProgress {
            watch: Arc::clone(&self.watch),
            rows,
            bytes,
            done: self.done.len(),
            tables: self.tables,
        })
    }

    /// A table is delivered.
    pub fn finished(&mut self, table: TableName, counts: DeliveryCounts) {
        self.done.push(TableDelivery { table, destination: self.destination.clone(), counts });
    }

    /// What became of the tables that are done, together.
    pub fn counts(&self) -> DeliveryCounts {
        let mut counts = DeliveryCounts::default();
        self.done.iter().for_each(|table| counts += table.counts);
        counts
    }

    /// What became of each of the tables that are done.
    pub fn into_tables(self) -> Vec<TableDelivery> {
        self.done
    }
}

/// The log of one table: its checkpoints stand behind what became of the tables before it.
struct TableLog {
    log: Arc<dyn RunLog>,
    before: Vec<TableDelivery>,
    table: TableName,
    destination: String,
    snapshot: Arc<Mutex<Option<Snapshot>>>,
}

#[async_trait]
impl RunLog for TableLog {
    async fn record(&self, checkpoint: &Checkpoint) -> Result<(), Fault> {
        if let Some(read) = &checkpoint.snapshot {
            self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| read.clone());
        }
        let counts = checkpoint.delivery.as_ref().map(|delivery| delivery.counts).unwrap_or_default();
        let under_way = TableDelivery { table: self.table.clone(), destination: self.destination.clone(), counts };
        let tables = self.before.iter().cloned().chain([under_way]).collect();
        self.log.record(&Checkpoint { tables, ..checkpoint.clone() }).await
    }

    fn stop(&self) -> Stop {
        self.log.stop()
    }
}

/// Adds what the tables before have delivered.
struct TableProgress {
    watch: Arc<dyn Progress>,
    rows: RowCount,
    bytes: ByteCount,
    done: usize,
    tables: usize,
}

impl Progress for TableProgress {
    fn update(&self, state: &ProgressState) {
        self.watch.update(&ProgressState {
            share: (self.done as f64 + state.share) / self.tables.max(1) as f64,
            rows: self.rows + state.rows,
            bytes_written: self.bytes + state.bytes_written,
            ..state.clone()
        });
    }
}

#[cfg(test)]
mod tests {
    use model::{DeliveryProgress, OrderKey};
    use pipeline::Silent;

    use super::super::tests::kept::Kept;
    use super::*;

    fn counts(read: u64) -> DeliveryCounts {
        DeliveryCounts { read: RowCount(read), accepted: RowCount(read), ..DeliveryCounts::default() }
    }

    /// What an attempt recorded that delivered some tables to `there` and came so far in the last one.
    async fn recorded(tables: &[(&str, u64)]) -> Checkpoint {
        let kept = Arc::new(Kept::default());
        let log = Arc::<Kept>::clone(&kept);
        let mut events = EventsLog::new(log, Arc::new(Silent), ("there".to_owned(), 3), None);
        for (table, read) in tables {
            let table = TableName::new(*table);
            let after = OrderKey { time: model::Micros(1), trace_id: "t".into(), id: "s".into() };
            let delivery = Some(DeliveryProgress { after: Some(after), counts: counts(*read) });
            let snapshot = Some(Snapshot("events=3".to_owned()));
            let checkpoint = Checkpoint { delivery, snapshot, ..Checkpoint::default() };
            events.table(&table).record(&checkpoint).await.unwrap();
            events.finished(table, counts(*read));
        }
        assert_eq!(events.snapshot(), Some(Snapshot("events=3".to_owned())));
        kept.last()
    }

    fn left_of(checkpoint: &Checkpoint, table: &str, destination: &str) -> Left {
        let (log, watch) = (Arc::new(Kept::default()), Arc::new(Silent));
        let log = EventsLog::new(log, watch, (destination.to_owned(), 3), Some(checkpoint.clone()));
        log.left_of(&TableName::new(table))
    }

    #[tokio::test]
    async fn a_successor_finds_out_which_tables_are_delivered_and_where_the_next_one_stops() {
        let checkpoint = recorded(&[("events", 7), ("scores", 2)]).await;
        let delivered =
            TableDelivery { table: TableName::new("events"), destination: "there".to_owned(), counts: counts(7) };
        assert_eq!(left_of(&checkpoint, "events", "there"), Left::Everything(delivered));
        let Left::Something(under_way) = left_of(&checkpoint, "scores", "there") else {
            panic!("scores are under way")
        };
        assert_eq!(under_way.delivery.unwrap().counts, counts(2));
        assert_eq!(left_of(&checkpoint, "traces", "there"), Left::Nothing);
    }

    #[tokio::test]
    async fn another_receiver_begins_with_the_first_row() {
        let checkpoint = recorded(&[("events", 7), ("scores", 2)]).await;
        assert_eq!(left_of(&checkpoint, "events", "elsewhere"), Left::Nothing);
        assert_eq!(left_of(&checkpoint, "scores", "elsewhere"), Left::Nothing);
    }
}
