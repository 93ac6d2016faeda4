//! One checkpoint for a window of several tables.
//!
//! Tables are written one after the other. What is durable of all of them is one checkpoint, in the shape that
//! every run has: files that are done, of earlier tables first, and the file under way. A successor finds out
//! from it which tables are done and where the next one stops.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use model::{Begun, Checkpoint, Fault, FileReceipt, RunLog, Snapshot, Stop, TableName};
use pipeline::{FileLayout, Progress, ProgressState};

/// The checkpoint of all tables, and who watches them.
pub struct TablesLog {
    log: Arc<dyn RunLog>,
    watch: Arc<dyn Progress>,
    tables: usize,
    begun: Begun,
    /// What an earlier attempt left, until its tables are taken up again.
    left: Option<Checkpoint>,
    /// Files of the tables that are done.
    done: Vec<FileReceipt>,
    snapshot: Arc<Mutex<Option<Snapshot>>>,
}

/// What an earlier attempt left of a table.
pub struct Left {
    /// Where to go on; `None` where nothing was begun.
    pub checkpoint: Option<Checkpoint>,
    /// Whether all its files are complete, so that nothing is to be read any more.
    pub complete: bool,
}

impl TablesLog {
    /// A log over the log of a job, for `tables` tables that are begun so, with what earlier attempts left.
    pub fn new(
        log: Arc<dyn RunLog>,
        watch: Arc<dyn Progress>,
        (begun, tables): (Begun, usize),
        left: Option<Checkpoint>,
    ) -> Self {
        let snapshot = left.as_ref().and_then(|left| left.snapshot.clone());
        Self { log, watch, tables, begun, left, done: Vec::new(), snapshot: Arc::new(Mutex::new(snapshot)) }
    }

    /// The stored state that every table is read from, once one was opened.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is left of a table whose files are named so; `later` are those that come after it.
    pub fn left_of(&self, table: &TableName, files: &FileLayout, later: &[TableName]) -> Left {
        let Some(left) = &self.left else { return Left { checkpoint: None, complete: false } };
        let mine: Vec<FileReceipt> = left.done.iter().filter(|file| file.table == *table).cloned().collect();
        let later_done = left.done.iter().any(|file| later.contains(&file.table));
        let opens_another = left.open.as_ref().is_some_and(|open| !files.names(&open.name));
        let complete = !mine.is_empty() && (later_done || opens_another);
        if complete {
            let checkpoint = Checkpoint { done: mine, open: None, done_after: None, ..left.clone() };
            return Left { checkpoint: Some(checkpoint), complete };
        }
        if mine.is_empty() && (opens_another || left.open.is_none()) {
            return Left { checkpoint: None, complete: false };
        }
        Left { checkpoint: Some(Checkpoint { done: mine, ..left.clone() }), complete: false }
    }

    /// The log of the next table.
    pub fn table(&self) -> Arc<TableLog> {
        Arc::new(TableLog {
            log: Arc::clone(&self.log),
            begun: self.begun.clone(),
            before: self.done.clone(),
            snapshot: Arc::clone(&self.snapshot),
        })
    }

    /// Whoever watches the next table.
    pub fn progress(&self, number: usize) -> Arc<dyn Progress> {
        Arc::new(TableProgress {
            watch: Arc::clone(&self.watch),
            before: self.done.clone(),
            number,
            tables: self.tables,
        })
    }

    /// A table is written.
    pub fn finished(&mut self, files: &[FileReceipt]) {
        self.done.extend(files.iter().cloned());
    }
}

/// The log of one table: its checkpoints stand behind the files of the tables before it.
pub struct TableLog {
    log: Arc<dyn RunLog>,
    begun: Begun,
    before: Vec<FileReceipt>,
    snapshot: Arc<Mutex<Option<Snapshot>>>,
}

#[async_trait]
impl RunLog for TableLog {
    async fn record(&self, checkpoint: &Checkpoint) -> Result<(), Fault> {
        if let Some(read) = &checkpoint.snapshot {
            self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| read.clone());
        }
        let done = self.before.iter().chain(&checkpoint.done).cloned().collect();
        self.log.record(&Checkpoint { done, begun: Some(self.begun.clone()), ..checkpoint.clone() }).await
    }

    fn stop(&self) -> Stop {
        self.log.stop()
    }
}

/// Adds what the tables before have written.
struct TableProgress {
    watch: Arc<dyn Progress>,
    before: Vec<FileReceipt>,
    number: usize,
    tables: usize,
}

impl Progress for TableProgress {
    fn update(&self, state: &ProgressState) {
        let whole = ProgressState {
            share: (self.number as f64 + state.share) / self.tables.max(1) as f64,
            rows: self.before.iter().map(|file| file.rows).sum::<model::RowCount>() + state.rows,
            bytes_written: self.before.iter().map(|file| file.head.bytes).sum::<model::ByteCount>()
                + state.bytes_written,
            files_done: self.before.len() + state.files_done,
            file: state.file.clone(),
        };
        self.watch.update(&whole);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::{ByteCount, FileName, HashState, KeyDigest, Micros, ObjectHead, OpenFile, RowCount, UploadState};
    use pipeline::{EmptyRun, Silent};

    use super::super::tests::kept::Kept;
    use super::*;

    fn receipt(table: &str) -> FileReceipt {
        FileReceipt {
            key: FileName::new(format!("p/{table}/w.csv")).unwrap(),
            table: TableName::new(table),
            format: "csv".to_owned(),
            compression: "none".to_owned(),
            content_type: "text/csv".to_owned(),
            head: ObjectHead { bytes: ByteCount(1), tag: None },
            rows: RowCount(1),
            sha256: String::new(),
            cursor_min: None,
            cursor_max: None,
            key_digest: KeyDigest::default(),
        }
    }

    fn begun() -> Begun {
        let manifest = FileName::new("p/manifests/w.json").unwrap();
        Begun { fingerprint: "f".to_owned(), options: BTreeMap::new(), manifest }
    }

    fn open(table: &str) -> OpenFile {
        OpenFile {
            name: FileName::new(format!("p/{table}/w.csv")).unwrap(),
            after: None,
            block_end: ByteCount::ZERO,
            encoder: None,
            upload: UploadState(serde_json::Value::Null),
            upload_bytes: ByteCount::ZERO,
            ahead_sha256: None,
            sha256: HashState::default(),
            rows: RowCount::ZERO,
            digest: KeyDigest::default(),
            cursor_min: None,
            cursor_max: None,
        }
    }

    /// What an attempt that recorded this leaves of three tables: nothing, something, everything.
    fn left(done: &[&str], under_way: Option<&str>) -> Vec<&'static str> {
        let checkpoint = Checkpoint {
            version: 1,
            as_of: Micros(1),
            done: done.iter().map(|table| receipt(table)).collect(),
            open: under_way.map(open),
            ..Checkpoint::default()
        };
        let log = TablesLog::new(Arc::new(Kept::default()), Arc::new(Silent), (begun(), 3), Some(checkpoint));
        let tables = ["scores", "traces", "observations_v2"].map(TableName::new);
        (0..3)
            .map(|at| {
                let files = FileLayout {
                    stem: format!("p/{}/w", tables[at]),
                    extension: ".csv".to_owned(),
                    roll_bytes: None,
                    manifest: None,
                    empty: EmptyRun::File,
                };
                let left = log.left_of(&tables[at], &files, &tables[at + 1..]);
                match (left.checkpoint.is_some(), left.complete) {
                    (false, false) => "nothing",
                    (true, false) => "something",
                    (true, true) => "everything",
                    (false, true) => unreachable!(),
                }
            })
            .collect()
    }

    #[test]
    fn a_successor_finds_out_which_tables_are_done_and_where_the_next_one_stops() {
        assert_eq!(left(&[], None), ["nothing", "nothing", "nothing"]);
        assert_eq!(left(&[], Some("scores")), ["something", "nothing", "nothing"]);
        // Whether a file is the last one of its table only the run of the table knows.
        assert_eq!(left(&["scores"], None), ["something", "nothing", "nothing"]);
        assert_eq!(left(&["scores"], Some("scores")), ["something", "nothing", "nothing"]);
        assert_eq!(left(&["scores"], Some("traces")), ["everything", "something", "nothing"]);
        assert_eq!(left(&["scores", "traces"], None), ["everything", "something", "nothing"]);
        assert_eq!(left(&["scores", "traces"], Some("observations_v2")), ["everything", "everything", "something"]);
    }

    #[tokio::test]
    async fn checkpoints_of_later_tables_hold_the_files_of_earlier_ones() {
        let kept = Arc::new(Kept::default());
        let mut log = TablesLog::new(Arc::<Kept>::clone(&kept), Arc::new(Silent), (begun(), 2), None);
        log.finished(&[receipt("scores")]);
        let snapshot = Some(Snapshot("events=3".to_owned()));
        let checkpoint = Checkpoint { snapshot, done: vec![receipt("traces")], ..Checkpoint::default() };
        log.table().record(&checkpoint).await.unwrap();
        let recorded = kept.last();
        let tables: Vec<&str> = recorded.done.iter().map(|file| file.table.as_str()).collect();
        assert_eq!(tables, ["scores", "traces"]);
        assert_eq!(log.snapshot(), Some(Snapshot("events=3".to_owned())));
        assert_eq!(recorded.begun, Some(begun()));
    }
}
