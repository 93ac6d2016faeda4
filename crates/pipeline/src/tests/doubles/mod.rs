//! A source, a format, a destination and a log in memory, and the trouble they can be told to make.

mod destination;
mod format;
mod inbox;
mod source;
mod trouble;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use model::*;

use crate::canonical::CanonicalRule;
use crate::run::run_cut;
use crate::{Budget, Earlier, EmptyRun, FileLayout, Ports, Progress, ProgressState, RunOutcome, RunSpec};

pub(crate) use destination::Shelf;
pub(crate) use format::{LINES, STATELESS_LINES};
pub(crate) use inbox::{Inbox, Letters, Sent};
pub(crate) use source::{ListSource, Nothing, Row, Shout, batch_of, row};
pub(crate) use trouble::{Calls, NoWaits, Trouble};

/// Checkpoints as text, as a store keeps them.
pub(crate) struct Notebook {
    pub(crate) calls: Arc<Calls>,
    pub(crate) recorded: Mutex<Vec<String>>,
}

impl Notebook {
    pub(crate) fn last(&self) -> Option<Checkpoint> {
        self.recorded.lock().unwrap().last().map(|text| serde_json::from_str(text).unwrap())
    }
}

#[async_trait]
impl RunLog for Notebook {
    async fn record(&self, checkpoint: &Checkpoint) -> Result<(), Fault> {
        let trouble = self.calls.before("record").await?;
        self.recorded.lock().unwrap().push(serde_json::to_string(checkpoint).unwrap());
        self.calls.after(trouble).await
    }

    fn stop(&self) -> Stop {
        self.calls.stop()
    }
}

#[derive(Default)]
pub(crate) struct Watched(pub(crate) Mutex<Vec<ProgressState>>);

impl Progress for Watched {
    fn update(&self, state: &ProgressState) {
        self.0.lock().unwrap().push(state.clone());
    }
}

/// Everything a test may vary, and the doubles of the latest run.
pub(crate) struct Bench {
    pub(crate) source: Arc<ListSource>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) notebook: Arc<Notebook>,
    pub(crate) watched: Arc<Watched>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) spec: RunSpec,
    pub(crate) rule: CanonicalRule,
    attempts: AtomicUsize,
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Ended {
    Done(Box<RunOutcome>),
    Failed(Fault),
    Crashed,
}

impl Bench {
    /// `count` rows in slices of 7 and batches of 3, stretches of 4 rows, parts of 50 bytes.
    pub(crate) fn new(count: usize) -> Self {
        let calls = Arc::new(Calls::default());
        let rows = (0..count).map(row).collect();
        Self {
            source: Arc::new(ListSource::new(rows, &calls)),
            shelf: Arc::new(Shelf::new(&calls)),
            notebook: Arc::new(Notebook { calls: Arc::clone(&calls), recorded: Mutex::default() }),
            watched: Arc::default(),
            calls,
            spec: spec(),
            rule: CanonicalRule { rows_max: 4, cell_bytes_max: ByteCount(120) },
            attempts: AtomicUsize::new(0),
        }
    }

    pub(crate) fn rolled(mut self, bytes: u64) -> Self {
        self.spec.files.roll_bytes = Some(ByteCount(bytes));
        self
    }

    pub(crate) fn ports(&self) -> Ports {
        Ports {
            source: Arc::clone(&self.source) as _,
            comments: Arc::new(Nothing),
            prices: Arc::new(Nothing),
            destination: Arc::clone(&self.shelf) as _,
            log: Arc::clone(&self.notebook) as _,
            progress: Arc::clone(&self.watched) as _,
            waits: Arc::new(NoWaits),
        }
    }

    /// Runs once, without trouble.
    pub(crate) async fn run(&self) -> Result<RunOutcome, Fault> {
        run_cut(self.spec.clone(), self.ports(), None, self.rule).await
    }

    /// Runs from the last checkpoint, if any, with trouble at a call.
    pub(crate) async fn attempt(&self, trouble: Option<(usize, Trouble)>) -> Ended {
        self.calls.arm(trouble);
        let begun_before = self.attempts.fetch_add(1, Ordering::SeqCst) > 0;
        let run = run_cut(RunSpec { begun_before, ..self.spec.clone() }, self.ports(), self.notebook.last(), self.rule);
        tokio::select! {
            ended = run => ended.map_or_else(Ended::Failed, |outcome| Ended::Done(Box::new(outcome))),
            () = self.calls.crashed() => Ended::Crashed,
        }
    }

    /// Calls made since the last attempt began.
    pub(crate) fn calls_made(&self) -> usize {
        self.calls.made()
    }

    /// All visible files.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.shelf.visible.lock().unwrap().clone()
    }
}

fn spec() -> RunSpec {
    RunSpec {
        request: request(),
        output_columns: vec!["id".into(), "text".into()],
        enrichments: vec![],
        range: KeyRange::ALL,
        limit: None,
        format: &*LINES,
        format_options: FormatOptions::default(),
        files: FileLayout {
            stem: "out".into(),
            extension: ".txt".into(),
            roll_bytes: None,
            manifest: Some(FileName::new("out.txt.manifest.json").unwrap()),
            empty: EmptyRun::File,
        },
        earlier: Earlier::Nothing,
        begun_before: false,
        query: serde_json::json!({}),
        query_fingerprint: "f".into(),
        product_version: "0".into(),
        warnings: vec![],
        budget: Budget { checkpoint_bytes: ByteCount(1), ..Budget::for_cores(2) },
    }
}

pub(crate) fn request() -> ReadRequest {
    let column = |name: &str, stored: &str, nullable| ColumnSpec {
        name: name.to_owned(),
        kind: ColumnType::Text,
        nullable,
        expr: Expr::column(stored),
        group: "core",
        default: true,
        role: FieldRole::Plain,
        timestamps: TimestampStyle::SqlMicros,
    };
    let columns = vec![
        column("text", "text", true),
        column("event_ts", "version", false),
        column("id", "id", false),
        column("traceId", "trace_id", false),
    ];
    let stored = StoredTable {
        name: "events",
        columns: vec![],
        key: &["project_id", "trace_id", "id"],
        time: "time",
        version: "version",
        deleted: "deleted",
        ingested: "ingested",
    };
    let table = TableSpec {
        name: TableName::new("events"),
        doc: "",
        relation: Relation::Stored(Arc::new(stored)),
        attached: None,
        order: OrderColumns { time: "time", trace_id: Some("trace_id"), id: "id" },
        columns: columns.clone(),
        filters: vec![],
        search: SearchColumns::default(),
        comments: None,
        scores: false,
    };
    ReadRequest {
        run: RunId::new("run-1"),
        project: ProjectId::new("p"),
        table: Arc::new(table),
        columns,
        filter: None,
        window: Window::default(),
        cursor: Cursor::StartTime,
        as_of: Micros(2_000_000),
        snapshot: None,
        scores_since: None,
        batch_bytes_max: ByteCount::mebibytes(1),
        versions: VersionScope::default(),
        deleted: DeletedRows::LeftOut,
        row_bytes_max: ByteCount::mebibytes(100),
    }
}
