//! The worker on a real store: what becomes of jobs that end well, badly, early or not at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use model::{
    ByteCount, Checkpoint, Claim, ClaimLimits, DeliveryCounts, Enqueued, Fault, FaultKind, FileName, HashState, Job,
    JobId, JobKind, JobProgress, JobQuery, JobState, JobStore, JobSummary, KeyDigest, Lane, Lease, NewJob, NewPart,
    OpenFile, Outcome, Page, PageRequest, ProjectId, QueueFigures, RowCount, RunLog, Stop, StopReason, TableDelivery,
    TableName, Task, Unsettled, UploadState, Wish,
};
use pipeline::{ProgressState, RealWaits};
use serde_json::json;
use store::NativeStore;

use crate::{Context, Done, RetryRule, Runner, Worker, WorkerSettings};

/// A runner that does what the job's spec says.
#[derive(Default)]
struct Scripted {
    running: AtomicUsize,
    most_running: AtomicUsize,
    stopped: Mutex<Vec<StopReason>>,
    cleaned: Mutex<Vec<(JobId, Option<Checkpoint>)>>,
}

#[async_trait]
impl Runner for Scripted {
    async fn run(&self, job: &Job, context: Context) -> Result<Done, Fault> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let done = self.do_as_told(job, &context).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        done
    }

    async fn clean_up(&self, job: &Job) -> Result<(), Fault> {
        self.cleaned.lock().unwrap().push((job.id.clone(), job.checkpoint.clone()));
        Ok(())
    }
}

impl Scripted {
    async fn do_as_told(&self, job: &Job, context: &Context) -> Result<Done, Fault> {
        let fault = |kind| Err(Fault::new(kind, "as told").during("testing"));
        match job.spec["do"].as_str().unwrap() {
            "finish" => Ok(Done::Completed(json!({"parts": job.parts.len()}))),
            "split" if job.parts.is_empty() => {
                let part = || NewPart { kind: JobKind::File, spec: json!({"do": "finish"}) };
                Ok(Done::Split(vec![part(), part()]))
            }
            "split" => Ok(Done::Completed(json!({"parts": job.parts.len()}))),
            "bad request" => fault(FaultKind::Configuration),
            "outage" => fault(FaultKind::Unavailable),
            "send and fail" => {
                context.log.record(&sent(u64::from(job.attempt))).await?;
                fault(FaultKind::Unavailable)
            }
            "go on" => {
                if job.checkpoint.is_some() {
                    return Ok(Done::Completed(json!("went on")));
                }
                self.wait_for_stop(context).await
            }
            "wait" => self.wait_for_stop(context).await,
            other => panic!("{other}?"),
        }
    }

    /// Records a checkpoint, then does nothing until it is stopped.
    async fn wait_for_stop(&self, context: &Context) -> Result<Done, Fault> {
        context.log.record(&checkpoint(10)).await?;
        context.progress.update(&ProgressState { share: 0.5, rows: RowCount(5), ..ProgressState::default() });
        let stop = context.log.stop();
        let reason = loop {
            // As the pipeline does in front of every call.
            if let Some(reason) = stop.reason() {
                break reason;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        self.stopped.lock().unwrap().push(reason);
        Err(reason.fault())
    }
}

fn checkpoint(bytes: u64) -> Checkpoint {
    let open = OpenFile {
        name: FileName::new("f").unwrap(),
        after: None,
        block_end: ByteCount(bytes),
        encoder: None,
        upload: UploadState::default(),
        upload_bytes: ByteCount(bytes),
        ahead_sha256: None,
        sha256: HashState::default(),
        rows: RowCount(1),
        digest: KeyDigest::default(),
        cursor_min: None,
        cursor_max: None,
    };
    Checkpoint { version: 1, open: Some(open), ..Checkpoint::default() }
}

/// A checkpoint of a run that has so many rows sent as events.
fn sent(rows: u64) -> Checkpoint {
    let counts = DeliveryCounts { read: RowCount(rows), ..DeliveryCounts::default() };
    let table = TableDelivery { table: TableName::new("events"), destination: "there".to_owned(), counts };
    Checkpoint { version: 1, tables: vec![table], ..Checkpoint::default() }
}

/// A worker at work on a store of its own.
struct Bench {
    _folder: tempfile::TempDir,
    store: NativeStore,
    runner: Arc<Scripted>,
    drain: Stop,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = NativeStore::open(folder.path()).await.unwrap();
        Self { _folder: folder, store, runner: Arc::default(), drain: Stop::new() }
    }

    fn start(&self, settings: WorkerSettings) -> tokio::task::JoinHandle<()> {
        self.start_on(Arc::new(self.store.clone()), settings)
    }

    fn start_on(&self, store: Arc<dyn JobStore>, settings: WorkerSettings) -> tokio::task::JoinHandle<()> {
        let runner = Arc::<Scripted>::clone(&self.runner);
        tokio::spawn(Worker::new(store, runner, Arc::new(RealWaits), settings).work(self.drain.clone()))
    }

    async fn queue(&self, what: &str) -> JobId {
        let new = NewJob {
            project: ProjectId::new("p"),
            kind: JobKind::File,
            lane: Lane::Live,
            spec: json!({"do": what}),
            unique: None,
            not_before: None,
        };
        match self.store.enqueue(new).await.unwrap() {
            Enqueued::New(id) | Enqueued::Existing(id) => id,
        }
    }

    async fn job(&self, id: &JobId) -> JobSummary {
        self.store.job(id).await.unwrap().unwrap()
    }

    /// Waits until something holds of a job.
    async fn until(&self, id: &JobId, what: &str, holds: impl Fn(&JobSummary) -> bool) -> JobSummary {
        for _ in 0..6_000 {
            let job = self.job(id).await;
            if holds(&job) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what}: {:?}", self.job(id).await);
    }

    /// Waits until so many jobs run.
    async fn until_running(&self, jobs: usize) {
        for _ in 0..6_000 {
            if self.runner.running.load(Ordering::SeqCst) >= jobs {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{jobs} jobs never ran at once");
    }

    async fn until_state(&self, id: &JobId, state: JobState) -> JobSummary {
        self.until(id, state.as_str(), |job| job.state == state).await
    }
}

fn settings() -> WorkerSettings {
    WorkerSettings { beat: Duration::from_millis(50), ..WorkerSettings::default() }
}

#[tokio::test]
async fn jobs_are_carried_out_as_they_come_and_at_most_so_many_at_once() {
    let bench = Bench::new().await;
    let early = bench.queue("finish").await;
    let worker = bench.start(settings());
    bench.until_state(&early, JobState::Completed).await;
    // It sleeps now, and hears of new jobs at once.
    let late = bench.queue("split").await;
    let split = bench.until_state(&late, JobState::Completed).await;
    assert_eq!(split.result, Some(json!({"parts": 2})));
    for _ in 0..3 {
        bench.queue("wait").await;
    }
    bench.until_running(2).await;
    // The third would have its chance now.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(bench.runner.most_running.load(Ordering::SeqCst), 2);
    bench.drain.raise(StopReason::HandOver);
    worker.await.unwrap();
}

#[tokio::test]
async fn progress_is_reported_while_a_job_runs() {
    let bench = Bench::new().await;
    let id = bench.queue("wait").await;
    let worker = bench.start(settings());
    let job = bench.until(&id, "progress", |job| job.progress.rows == RowCount(5)).await;
    assert_eq!((job.progress.share, job.worker.as_deref()), (0.5, Some("worker")));
    bench.drain.raise(StopReason::HandOver);
    worker.await.unwrap();
}

#[tokio::test]
async fn a_fault_that_somebody_has_to_heal_ends_the_job_and_an_outage_does_not() {
    let bench = Bench::new().await;
    let (bad, outage) = (bench.queue("bad request").await, bench.queue("outage").await);
    let worker = bench.start(settings());
    let bad = bench.until_state(&bad, JobState::Failed).await;
    let failure = bad.failure.unwrap();
    assert_eq!((failure.step.as_deref(), failure.kind.as_str(), bad.attempts), (Some("testing"), "configuration", 1));
    let outage = bench.until(&outage, "failure", |job| job.failure.is_some()).await;
    assert_eq!((outage.state, outage.attempts), (JobState::Queued, 1));
    let wait = outage.not_before.unwrap().0 - outage.started_at.unwrap().0;
    assert!(wait < 11_000_000, "{wait}");
    bench.drain.raise(StopReason::HandOver);
    worker.await.unwrap();
}

#[tokio::test]
async fn an_outage_that_does_not_end_fails_the_job_in_the_end() {
    let bench = Bench::new().await;
    let id = bench.queue("outage").await;
    let retry = RetryRule { outage_attempts_max: 3, wait_min: Duration::from_millis(1), ..RetryRule::default() };
    let worker = bench.start(WorkerSettings { retry, ..settings() });
    let job = bench.until_state(&id, JobState::Failed).await;
    assert_eq!(job.attempts, 3);
    bench.drain.raise(StopReason::HandOver);
    worker.await.unwrap();
}

#[tokio::test]
async fn attempts_that_send_events_before_they_fail_are_not_counted_together() {
    let bench = Bench::new().await;
    let id = bench.queue("send and fail").await;
    let retry = RetryRule { outage_attempts_max: 2, wait_min: Duration::from_millis(1), ..RetryRule::default() };
    let worker = bench.start(WorkerSettings { retry, ..settings() });
    let job = bench.until(&id, "attempts", |job| job.attempts > 4 || job.state == JobState::Failed).await;
    assert_ne!(job.state, JobState::Failed, "{job:?}");
    bench.drain.raise(StopReason::HandOver);
    worker.await.unwrap();
}

#[tokio::test]
async fn a_cancelled_job_stops_within_two_seconds_and_is_cleaned_up() {
    let bench = Bench::new().await;
    let id = bench.queue("wait").await;
    let worker = bench.start(settings());
    bench.until(&id, "progress", |job| job.progress.rows == RowCount(5)).await;
    let asked = std::time::Instant::now();
    bench.store.cancel(&id).await.unwrap();
    while bench.runner.cleaned.lock().unwrap().is_empty() {
        assert!(asked.elapsed() < Duration::from_secs(2));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(*bench.runner.stopped.lock().unwrap(), [StopReason::Cancelled]);
    assert_eq!(*bench.runner.cleaned.lock().unwrap(), [(id.clone(), Some(checkpoint(10)))]);
    assert_eq!(bench.job(&id).await.state, JobState::Cancelled);
    bench.drain.raise(StopReason::HandOver);
    worker.await.unwrap();
}

#[tokio::test]
async fn a_drained_worker_hands_its_jobs_over() {
    let bench = Bench::new().await;
    let id = bench.queue("go on").await;
    let worker = bench.start(settings());
    bench.until(&id, "progress", |job| job.progress.rows == RowCount(5)).await;

    bench.drain.raise(StopReason::HandOver);
    tokio::time::timeout(Duration::from_secs(2), worker).await.unwrap().unwrap();

    let job = bench.job(&id).await;
    assert_eq!((job.state, job.attempts, job.worker), (JobState::Queued, 0, None));
    let next = Bench { drain: Stop::new(), ..bench };
    let worker = next.start(settings());
    assert_eq!(next.until_state(&id, JobState::Completed).await.result, Some(json!("went on")));
    next.drain.raise(StopReason::HandOver);
    worker.await.unwrap();
}

#[tokio::test]
async fn a_worker_whose_job_was_taken_over_touches_nothing() {
    let bench = Bench::new().await;
    let id = bench.queue("go on").await;
    let worker = bench.start(WorkerSettings { beat: Duration::from_secs(3_600), ..settings() });
    bench.until(&id, "a worker", |job| job.worker.is_some()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    bench.store.set_clock_ahead(Duration::from_secs(60));
    let limits = ClaimLimits {
        worker: "successor".to_owned(),
        lease: Duration::from_secs(30),
        lanes: vec![Lane::Live],
        running_per_project_max: 3,
        windows_per_integration_max: 1,
        lost_max: 20,
    };
    let successor = bench.store.claim(&limits).await.unwrap().unwrap();

    for _ in 0..6_000 {
        if !bench.runner.stopped.lock().unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(*bench.runner.stopped.lock().unwrap(), [StopReason::LeaseLost]);
    assert_eq!(successor.lease.task, Task::Run);
    bench.store.settle(successor.lease, Outcome::Completed(json!("by the successor"))).await.unwrap();
    assert_eq!(bench.job(&id).await.result, Some(json!("by the successor")));
    bench.drain.raise(StopReason::HandOver);
    worker.await.unwrap();
}

/// A store that stops answering renewals.
struct Deaf(NativeStore);

#[async_trait]
impl JobStore for Deaf {
    async fn enqueue(&self, new: NewJob) -> Result<Enqueued, Fault> {
        self.0.enqueue(new).await
    }

    async fn claim(&self, limits: &ClaimLimits) -> Result<Option<Claim>, Fault> {
        self.0.claim(limits).await
    }

    async fn renew(&self, _: &Lease, _: &JobProgress) -> Result<(), Fault> {
        Err(Fault::new(FaultKind::Unavailable, "deaf"))
    }

    fn wishes(&self, lease: &Lease) -> BoxStream<'static, Wish> {
        self.0.wishes(lease)
    }

    fn run_log(&self, lease: &Lease, stop: Stop) -> Arc<dyn RunLog> {
        self.0.run_log(lease, stop)
    }

    async fn settle(&self, lease: Lease, outcome: Outcome) -> Result<(), Unsettled> {
        self.0.settle(lease, outcome).await
    }

    async fn cancel(&self, job: &JobId) -> Result<(), Fault> {
        self.0.cancel(job).await
    }

    async fn retry(&self, job: &JobId) -> Result<(), Fault> {
        self.0.retry(job).await
    }

    async fn job(&self, job: &JobId) -> Result<Option<JobSummary>, Fault> {
        self.0.job(job).await
    }

    async fn page(&self, query: &JobQuery, page: &PageRequest) -> Result<Page<JobSummary>, Fault> {
        self.0.page(query, page).await
    }

    fn work(&self) -> BoxStream<'static, ()> {
        self.0.work()
    }

    async fn figures(&self) -> Result<QueueFigures, Fault> {
        self.0.figures().await
    }

    async fn workers(&self) -> Result<usize, Fault> {
        self.0.workers().await
    }
}

#[tokio::test]
async fn a_worker_that_cannot_renew_stops_before_its_lease_ends() {
    let bench = Bench::new().await;
    bench.queue("wait").await;
    let lease = Duration::from_millis(900);
    let began = std::time::Instant::now();
    let worker = bench.start_on(Arc::new(Deaf(bench.store.clone())), WorkerSettings { lease, ..settings() });
    while bench.runner.stopped.lock().unwrap().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never stopped");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(*bench.runner.stopped.lock().unwrap(), [StopReason::LeaseLost]);
    assert!(began.elapsed() >= lease * 2 / 3);
    bench.drain.raise(StopReason::HandOver);
    worker.await.unwrap();
}

#[tokio::test]
async fn catching_up_leaves_a_place_to_what_is_live() {
    let bench = Bench::new().await;
    let backfill = |n: u32| NewJob {
        project: ProjectId::new(format!("p{n}")),
        kind: JobKind::File,
        lane: Lane::Backfill,
        spec: json!({"do": "wait"}),
        unique: None,
        not_before: None,
    };
    for n in 0..4 {
        bench.store.enqueue(backfill(n)).await.unwrap();
    }
    let worker = bench.start(settings());
    bench.until_running(1).await;
    // A second one would have its chance now.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let live = bench.queue("finish").await;
    bench.until_state(&live, JobState::Completed).await;
    assert_eq!(bench.runner.running.load(Ordering::SeqCst), 1);
    bench.drain.raise(StopReason::HandOver);
    worker.await.unwrap();
}
