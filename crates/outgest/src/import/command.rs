//! `outgest import`: files into the embedded store and the metadata store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use lake::{Appender, Lake};
use model::{Fault, Micros, ProjectId, Stop, StoredTable};
use store::{NativeStore, NewPrices};
use tokio::runtime::Handle;

use super::{Committing, Importable, Input, NewComment, NewModel, Options, Sink, import as import_files};
use crate::cli::ImportArgs;
use crate::config::{self, Settings};
use crate::report::print;
use crate::{data, signals};

/// How long an import that was cancelled may finish what it is doing, commits aside. One that waits for input
/// does not notice at all.
const GRACE: Duration = Duration::from_secs(2);

/// Carries out `outgest import`.
pub async fn import(settings: &Settings, args: &ImportArgs) -> Result<(), Fault> {
    let now = config::now();
    let mut options = Options::at(now);
    options.project = args.project.as_deref().map(ProjectId::new);
    options.table = Some(args.table.as_str().to_owned());
    options.rejects = args.rejects.clone();
    let commit_every = args.commit_every.as_deref().map(|size| config::parse_size("--commit-every", size));
    options.commit_every = commit_every.transpose().map_err(|problem| Fault::of_problems(vec![problem]))?;
    let inputs =
        args.files.iter().map(|file| if file == Path::new("-") { Input::stdin() } else { Input::File(file.clone()) });
    let inputs: Vec<Input> = inputs.collect();
    let lake = data::create_lake(&settings.data, now)?.keeping_replaced_files(settings.retention.replaced_files.0);
    let store = data::open_metadata(settings).await?;

    let stop = options.stop.clone();
    let committing = options.committing.clone();
    let stopping = signals::stop_on_signal(stop.clone(), "a commit that has begun is finished, nothing more is stored");
    let mut sink = StoreSink::new(lake, store, Handle::current(), now);
    let work = tokio::task::spawn_blocking(move || import_files(inputs, &importable(), &options, &mut sink));
    let report = tokio::select! {
        biased;
        ended = work => ended.map_err(|error| Fault::bug("the import ended without an answer").because(error))?,
        fault = given_up(&stop, &committing, GRACE) => Err(fault),
    }?;
    stopping.abort();
    print(&if args.json { format!("{}\n", serde_json::json!(report)) } else { format!("{report}\n") })
}

/// Resolves when a cancelled import has had its time and commits nothing.
async fn given_up(stop: &Stop, committing: &Committing, grace: Duration) -> Fault {
    let reason = stop.raised().await;
    tokio::time::sleep(grace).await;
    while committing.is_under_way() {
        while committing.is_under_way() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Now it can say that it has ended, and how.
        tokio::time::sleep(grace).await;
    }
    reason.fault()
}

/// The tables that rows can be imported into: those stored as rows, not made of others.
pub fn importable() -> Vec<Importable> {
    tables::stored()
        .into_iter()
        .filter_map(|stored| {
            let export = tables::find(stored.name)?;
            Some(Importable { stored, export })
        })
        .collect()
}

/// Commits rows to the embedded store, comments and prices to the metadata store.
pub struct StoreSink {
    lake: Lake,
    store: NativeStore,
    runtime: Handle,
    appenders: BTreeMap<&'static str, Appender>,
    comments: Vec<NewComment>,
    models: Vec<NewModel>,
    now: Micros,
}

impl StoreSink {
    /// A sink into these stores, for a thread that may block.
    pub fn new(lake: Lake, store: NativeStore, runtime: Handle, now: Micros) -> Self {
        Self { lake, store, runtime, appenders: BTreeMap::new(), comments: Vec::new(), models: Vec::new(), now }
    }
}

impl Sink for StoreSink {
    fn rows(&mut self, table: &Arc<StoredTable>, batch: RecordBatch) -> Result<(), Fault> {
        let appender = match self.appenders.entry(table.name) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(self.lake.append(table.name)?),
        };
        appender.push(batch)
    }

    fn comments(&mut self, comments: Vec<NewComment>) -> Result<(), Fault> {
        // Held back until the commit, so that a bad row further on leaves none of them.
        self.comments.extend(comments);
        Ok(())
    }

    fn models(&mut self, models: Vec<NewModel>) -> Result<(), Fault> {
        self.models.extend(models);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Fault> {
        for (_, appender) in std::mem::take(&mut self.appenders) {
            appender.commit(self.now, "import")?;
        }
        let mut by_project: BTreeMap<ProjectId, Vec<store::NewComment>> = BTreeMap::new();
        for new in self.comments.drain(..) {
            by_project.entry(new.project).or_default().push(store::NewComment { kind: new.kind, comment: new.comment });
        }
        for (project, comments) in by_project {
            self.runtime.block_on(self.store.put_comments(&project, &comments))?;
        }
        let prices = self.models.drain(..).map(|new| NewPrices { project: new.project, prices: new.prices });
        let prices: Vec<NewPrices> = prices.collect();
        if !prices.is_empty() {
            self.runtime.block_on(self.store.put_prices(&prices))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use model::StopReason;

    use super::*;

    /// A sink that tells when its commit begins and takes for it as long as the test wants.
    struct Slow {
        begun: Sender<()>,
        go: Receiver<()>,
    }

    impl Sink for Slow {
        fn rows(&mut self, _: &Arc<StoredTable>, _: RecordBatch) -> Result<(), Fault> {
            Ok(())
        }

        fn comments(&mut self, _: Vec<NewComment>) -> Result<(), Fault> {
            Ok(())
        }

        fn models(&mut self, _: Vec<NewModel>) -> Result<(), Fault> {
            Ok(())
        }

        fn commit(&mut self) -> Result<(), Fault> {
            self.begun.send(()).unwrap();
            self.go.recv().map_err(|_| Fault::bug("the test has ended"))
        }
    }

    fn no_rows() -> Vec<Input> {
        vec![Input::Stream { name: "empty.jsonl".to_owned(), reader: Box::new(std::io::empty()) }]
    }

    #[tokio::test]
    async fn a_commit_that_has_begun_is_waited_for() {
        let options = Options::at(Micros(0));
        let (stop, committing) = (options.stop.clone(), options.committing.clone());
        let ((begun, begins), (ends, go)) = (channel(), channel());
        let mut sink = Slow { begun, go };
        let import = std::thread::spawn(move || import_files(no_rows(), &importable(), &options, &mut sink));
        begins.recv().unwrap();
        stop.raise(StopReason::Cancelled);
        let grace = Duration::from_millis(10);
        let waited = tokio::time::timeout(30 * grace, given_up(&stop, &committing, grace)).await;
        assert!(waited.is_err(), "the process would have left during a commit");
        ends.send(()).unwrap();
        import.join().unwrap().unwrap();
        given_up(&stop, &committing, grace).await;
    }

    #[test]
    fn no_commit_begins_after_the_stop() {
        let options = Options::at(Micros(0));
        options.stop.raise(StopReason::Cancelled);
        let ((begun, begins), (_ends, go)) = (channel(), channel());
        let committed = options.committing.commit(&options.stop, &mut Slow { begun, go });
        assert!(begins.try_recv().is_err());
        assert_eq!(committed.unwrap_err().kind(), model::FaultKind::Cancelled);
        assert!(!options.committing.is_under_way());
    }
}
