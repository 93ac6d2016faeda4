//! Deliveries: every row is accounted for, whatever the receiver says and whenever the process dies.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use model::*;
use serde_json::value::RawValue;

use super::doubles::{Bench, Inbox, Letters, NoWaits, Nothing, Row, Sent, Trouble, request, row};
use crate::{Budget, DeliveryPorts, DeliverySpec, Pace, Waits, deliver, replay};

/// A receiver and the doubles of a [`Bench`].
struct Post {
    bench: Bench,
    inbox: Arc<Inbox>,
    letters: Arc<Letters>,
    sent: Arc<Sent>,
    budget: Budget,
    pace: Pace,
    waits: Arc<dyn Waits>,
}

#[derive(Debug)]
enum Delivered {
    Done(DeliveryReceipt),
    Failed(Fault),
    Crashed,
}

impl Post {
    fn new(rows: usize) -> Self {
        Self::with(rows, |_| {})
    }

    fn with(rows: usize, change: impl FnOnce(&mut Inbox)) -> Self {
        let bench = Bench::new(rows);
        let mut inbox = Inbox::new(&bench.calls);
        change(&mut inbox);
        Self {
            bench,
            inbox: Arc::new(inbox),
            letters: Arc::default(),
            sent: Arc::default(),
            budget: Budget::for_events(2),
            pace: Pace::default(),
            waits: Arc::new(NoWaits),
        }
    }

    fn stream() -> EventStream {
        EventStream {
            project: ProjectId::new("p"),
            kind: EventKind::Observation,
            dialect: Dialect::Event,
            historical: false,
        }
    }

    async fn attempt(&self, trouble: Option<(usize, Trouble)>) -> Delivered {
        self.bench.calls.arm(trouble);
        let (stream, budget) = (Self::stream(), self.budget);
        let spec = DeliverySpec { request: request(), enrichments: vec![], stream, budget };
        let ports = DeliveryPorts {
            source: Arc::clone(&self.bench.source) as _,
            comments: Arc::new(Nothing),
            prices: Arc::new(Nothing),
            destination: Arc::clone(&self.inbox) as _,
            pace: self.pace.clone(),
            letters: Arc::clone(&self.letters) as _,
            sent: Some(Arc::clone(&self.sent) as _),
            log: Arc::clone(&self.bench.notebook) as _,
            progress: Arc::clone(&self.bench.watched) as _,
            waits: Arc::clone(&self.waits),
        };
        tokio::select! {
            ended = deliver(spec, ports, self.bench.notebook.last()) => {
                ended.map_or_else(Delivered::Failed, Delivered::Done)
            }
            () = self.bench.calls.crashed() => Delivered::Crashed,
        }
    }

    /// Sends letters to this receiver.
    async fn replay(&self, letters: Vec<DeadLetter>) -> (DeliveryCounts, Vec<DeadLetter>) {
        let (table, inbox) = (TableName::new("events"), Arc::clone(&self.inbox) as Arc<dyn EventDestination>);
        replay(&Self::stream(), &table, letters, inbox, Stop::new(), Arc::new(NoWaits)).await.unwrap()
    }

    async fn done(&self) -> DeliveryReceipt {
        match self.attempt(None).await {
            Delivered::Done(receipt) => receipt,
            other => panic!("{other:?}"),
        }
    }

    fn call(&self, index: usize) -> String {
        self.bench.calls.names.lock().unwrap().get(index).cloned().unwrap_or_default()
    }

    /// Rows of dead letters and why they are.
    fn dead(&self) -> Vec<(String, String)> {
        let letters = self.letters.0.lock().unwrap();
        letters.iter().map(|letter| (letter.row.id.to_string(), letter.reason.clone())).collect()
    }
}

fn all(rows: usize) -> Vec<String> {
    (0..rows).map(|index| format!("s{index:03}")).collect()
}

/// The hashes of the keys of the first rows, sorted.
fn hashes(rows: usize) -> Vec<u64> {
    let hash = |row: Row| KeyDigest::hash(&row.trace, &row.id, Some(Micros(row.version)), &mut Vec::new());
    let mut hashes: Vec<u64> = (0..rows).map(row).map(hash).collect();
    hashes.sort_unstable();
    hashes
}

fn some(rows: &[&str]) -> BTreeSet<String> {
    rows.iter().map(|row| (*row).to_owned()).collect()
}

fn unique(mut rows: Vec<String>) -> Vec<String> {
    rows.dedup();
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_is_sent_once_in_requests_within_the_limits() {
    let post = Post::new(95);
    let receipt = post.done().await;

    assert_eq!(post.inbox.rows(), all(95));
    let sizes = post.inbox.sizes.lock().unwrap();
    assert_eq!(sizes.len(), 10);
    assert!(sizes.iter().all(|(events, _)| *events <= 10));
    let counts = receipt.counts;
    assert_eq!((counts.read, counts.accepted, counts.rejected), (RowCount(95), RowCount(95), RowCount(0)));
    assert_eq!((counts.requests, counts.retried, receipt.rows_resumed), (10, RowCount(0), RowCount(0)));
    assert_eq!(post.sent.hashes(), hashes(95));
    let states = post.bench.watched.0.lock().unwrap();
    assert_eq!(states.last().map(|state| (state.share, state.rows)), Some((1.0, RowCount(95))));
    // Nothing is shown of the 14 slices of seven rows of which no row is accounted for.
    for state in states.iter().filter(|state| state.rows < RowCount(95)) {
        assert!(state.share <= state.rows.get().div_ceil(7) as f64 / 14.0, "{state:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_cut_by_bytes_too() {
    // An event of five characters, two quotes and a separator.
    let post = Post::with(40, |inbox| inbox.limits.bytes_max = ByteCount(21));
    post.done().await;
    assert!(post.inbox.sizes.lock().unwrap().iter().all(|(events, _)| *events <= 3));
    assert_eq!(post.inbox.rows(), all(40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failure_of_any_call_loses_no_row() {
    let whole = Post::new(40);
    whole.done().await;
    for call in 0..whole.bench.calls_made() {
        for kind in [FaultKind::Unavailable, FaultKind::Throttled, FaultKind::Timeout] {
            for trouble in [Trouble::FailBefore(kind), Trouble::FailAfter(kind)] {
                let post = Post::new(40);
                let ended = post.attempt(Some((call, trouble))).await;
                let name = post.call(call);
                let Delivered::Done(receipt) = ended else { panic!("{trouble:?} at {call} ({name}): {ended:?}") };
                assert_eq!(unique(post.inbox.rows()), all(40), "{trouble:?} at {call} ({name})");
                assert!(post.inbox.rows().len() <= 50, "{trouble:?} at {call} ({name})");
                assert_eq!(receipt.counts.accepted, RowCount(40), "{trouble:?} at {call} ({name})");
                assert_eq!(receipt.counts.retried > RowCount::ZERO, name == "send", "{trouble:?} at {call} ({name})");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_sends_again_at_most_what_was_in_flight() {
    let unwanted = some(&["s007", "s023"]);
    let whole = Post::with(60, |inbox| inbox.unwanted = unwanted.clone());
    whole.done().await;
    let kept: Vec<String> = all(60).into_iter().filter(|row| !unwanted.contains(row)).collect();
    for call in 0..whole.bench.calls_made() {
        for trouble in [Trouble::CrashBefore, Trouble::CrashAfter] {
            let post = Post::with(60, |inbox| inbox.unwanted = unwanted.clone());
            let ended = post.attempt(Some((call, trouble))).await;
            let name = post.call(call);
            assert!(matches!(ended, Delivered::Crashed), "{trouble:?} at {call} ({name}): {ended:?}");
            let receipt = post.done().await;

            assert_eq!(unique(post.inbox.rows()), kept, "{trouble:?} at {call} ({name})");
            // Two requests of ten events are in flight at most.
            let again = post.inbox.rows().len() - kept.len();
            assert!(again <= 20, "{trouble:?} at {call} ({name}): {again} events were sent again");
            let counts = receipt.counts;
            assert_eq!((counts.read, counts.accepted, counts.rejected), (RowCount(60), RowCount(58), RowCount(2)));
            let dead: Vec<String> = post.dead().into_iter().map(|(row, _)| row).collect();
            assert_eq!(dead.len(), 2, "{trouble:?} at {call} ({name}): {dead:?}");
            assert_eq!(dead.into_iter().collect::<BTreeSet<_>>(), unwanted);
            assert_eq!(post.sent.hashes(), hashes(60), "{trouble:?} at {call} ({name})");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_too_large_is_halved_and_later_ones_are_smaller() {
    for tells_limit in [false, true] {
        let post = Post::with(200, |inbox| {
            *inbox.bytes_taken_max.lock().unwrap() = 40;
            inbox.tells_limit = tells_limit;
        });
        let receipt = post.done().await;
        assert_eq!(post.inbox.rows(), all(200));
        assert_eq!(receipt.counts.rejected, RowCount(0));
        let sizes = post.inbox.sizes.lock().unwrap();
        let too_large = sizes.iter().filter(|(_, bytes)| *bytes > 40).count();
        assert!((1..=8).contains(&too_large), "{too_large} requests of {} were too large", sizes.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_alone_is_too_large_is_a_dead_letter() {
    let post = Post::with(3, |inbox| *inbox.bytes_taken_max.lock().unwrap() = 3);
    let receipt = post.done().await;
    assert_eq!(receipt.counts.rejected, RowCount(3));
    assert!(post.dead().iter().all(|(_, reason)| reason == "too large"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_request_is_bisected_to_the_events_that_are_refused() {
    let post = Post::with(60, |inbox| inbox.poison = some(&["s000", "s017", "s018", "s059"]));
    let receipt = post.done().await;
    let counts = receipt.counts;
    assert_eq!((counts.accepted, counts.rejected), (RowCount(56), RowCount(4)));
    assert_eq!(post.inbox.rows().len(), 56);
    let dead: BTreeSet<String> = post.dead().into_iter().map(|(row, _)| row).collect();
    assert_eq!(dead, post.inbox.poison);
    let letters = post.letters.0.lock().unwrap();
    assert!(letters.iter().all(|letter| letter.reason == "something in it is wrong"));
    assert!(letters.iter().all(|letter| letter.event.get() == format!("{:?}", &*letter.row.id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_the_answer_names_are_dead_letters_or_sent_once_more() {
    let post = Post::with(30, |inbox| {
        inbox.unwanted = some(&["s003", "s029"]);
        *inbox.postponed.lock().unwrap() = some(&["s004", "s012"]);
    });
    let receipt = post.done().await;
    let counts = receipt.counts;
    assert_eq!((counts.accepted, counts.rejected, counts.retried), (RowCount(28), RowCount(2), RowCount(2)));
    assert_eq!(post.inbox.rows().len(), 28, "only what was asked for is sent again");
    assert!(post.dead().contains(&("s003".to_owned(), "s003 is not wanted".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_are_unfit_are_never_sent() {
    let post = Post::with(25, |inbox| inbox.unfit = some(&["s000", "s011", "s024"]));
    let receipt = post.done().await;
    assert_eq!((receipt.counts.accepted, receipt.counts.rejected), (RowCount(22), RowCount(3)));
    assert_eq!(post.inbox.rows().len(), 22);
    assert!(post.dead().iter().all(|(_, reason)| reason == "it is unfit"));
    assert_eq!(post.sent.hashes(), hashes(25), "what is refused is told too");

    let nothing_fits = Post::with(5, |inbox| inbox.unfit = all(5).into_iter().collect());
    assert_eq!(nothing_fits.done().await.counts.rejected, RowCount(5));
    assert!(nothing_fits.inbox.sizes.lock().unwrap().is_empty(), "a request without events was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_refuses_everything_ends_the_delivery() {
    let post = Post::with(400, |inbox| inbox.poison = all(400).into_iter().collect());
    let Delivered::Failed(fault) = post.attempt(None).await else { panic!("it was delivered") };
    assert_eq!(fault.kind(), FaultKind::Rejected);
    assert!(fault.public_message().contains("each by itself: something in it is wrong"), "{fault}");
    assert!(post.inbox.sizes.lock().unwrap().len() < 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_cannot_heal_ends_the_delivery_and_the_next_attempt_goes_on() {
    let whole = Post::new(60);
    whole.done().await;
    let requests = whole.bench.calls.names.lock().unwrap().iter().filter(|name| *name == "send").count();
    let post = Post::new(60);
    post.bench.calls.only("send");
    let last = Some((requests - 1, Trouble::FailBefore(FaultKind::Credentials)));
    let Delivered::Failed(fault) = post.attempt(last).await else { panic!("it was delivered") };
    assert_eq!((fault.kind(), fault.step()), (FaultKind::Credentials, Some("sending events")));
    let receipt = post.done().await;
    assert!(receipt.rows_resumed > RowCount::ZERO);
    assert_eq!(unique(post.inbox.rows()), all(60));
}

/// A worker has few places, and its queue is patient.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_shares_places_gives_its_own_back_soon_and_the_next_attempt_goes_on() {
    let away: [(fn() -> Fault, usize); 3] = [
        (|| Fault::new(FaultKind::Unavailable, "503"), 4),
        (|| Fault::new(FaultKind::Timeout, "no answer in time"), 1),
        (|| Fault::new(FaultKind::Throttled, "429").retry_after(Duration::from_secs(60)), 1),
    ];
    for (fault, sharing) in away {
        for (budget, tries) in [(Budget::for_events(2), 12), (Budget::for_events(2).sharing_places(), sharing)] {
            // One request of ten events.
            let mut post = Post::with(10, |inbox| inbox.away = Some(fault));
            post.budget = budget;
            let Delivered::Failed(failed) = post.attempt(None).await else { panic!("it was delivered") };
            assert_eq!((failed.kind(), failed.step()), (fault().kind(), Some("sending events")));
            assert_ne!(failed.retry(), Retry::Never, "the queue is to try again");
            let sent = post.bench.calls.names.lock().unwrap().iter().filter(|name| *name == "send").count();
            assert_eq!(sent, tries, "{failed}");
        }
    }
    // What was accepted before stays accepted.
    let mut post = Post::new(60);
    post.budget = post.budget.sharing_places();
    post.bench.calls.only("send");
    let last = Some((5, Trouble::FailBefore(FaultKind::Timeout)));
    let Delivered::Failed(_) = post.attempt(last).await else { panic!("it was delivered") };
    assert!(post.done().await.rows_resumed > RowCount::ZERO);
    assert_eq!(unique(post.inbox.rows()), all(60));
}

/// Notes how long is slept in all, and how many ever slept at once.
#[derive(Default)]
struct Naps {
    asleep: AtomicUsize,
    at_once: AtomicUsize,
    slept: Mutex<Duration>,
}

#[async_trait]
impl Waits for Naps {
    async fn sleep(&self, wait: Duration) {
        let asleep = self.asleep.fetch_add(1, Ordering::SeqCst) + 1;
        self.at_once.fetch_max(asleep, Ordering::SeqCst);
        *self.slept.lock().unwrap() += wait;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
    }

    fn chance(&self) -> f64 {
        0.0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_to_one_destination_keep_to_its_rate_together() {
    let (naps, pace) = (Arc::new(Naps::default()), Pace::default());
    let posts = [40, 40].map(|rows| {
        let mut post = Post::with(rows, |inbox| inbox.limits.events_per_second_max = Some(10));
        post.waits = Arc::<Naps>::clone(&naps);
        post.pace = pace.clone();
        post
    });
    let (first, second) = futures_util::join!(posts[0].done(), posts[1].done());
    assert_eq!((first.counts.accepted, second.counts.accepted), (RowCount(40), RowCount(40)));
    assert_eq!(naps.at_once.load(Ordering::SeqCst), 1, "two windows had the whole rate each");
    assert_eq!(*naps.slept.lock().unwrap(), Duration::from_secs(8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_the_delivery_without_sending_more() {
    let whole = Post::new(60);
    whole.done().await;
    for call in 0..whole.bench.calls_made() {
        let post = Post::new(60);
        let ended = post.attempt(Some((call, Trouble::Stop(StopReason::Cancelled)))).await;
        // Behind the last call there is nothing to stop any more.
        if let Delivered::Failed(fault) = ended {
            assert_eq!(fault.kind(), FaultKind::Cancelled, "call {call}");
        }
        let sent = post.inbox.sizes.lock().unwrap().len();
        tokio::task::yield_now().await;
        assert_eq!(post.inbox.sizes.lock().unwrap().len(), sent);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_nobody_accounts_for_fail_the_delivery() {
    let post = Post::new(30);
    post.done().await;
    // A checkpoint that claims more than was read: the counts no longer agree.
    let mut claimed = post.bench.notebook.last().unwrap();
    claimed.delivery.as_mut().unwrap().counts.accepted += RowCount(1);
    post.bench.notebook.recorded.lock().unwrap().push(serde_json::to_string(&claimed).unwrap());
    let Delivered::Failed(fault) = post.attempt(None).await else { panic!("it was delivered") };
    assert_eq!(fault.kind(), FaultKind::Bug);
    assert!(fault.public_message().contains("accounted for"), "{fault}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_without_rows_is_delivered() {
    let receipt = Post::new(0).done().await;
    assert_eq!(receipt.counts, DeliveryCounts::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_that_are_sent_again_are_accepted_or_stay() {
    let post = Post::with(40, |inbox| inbox.unwanted = some(&["s003", "s017", "s029"]));
    post.done().await;
    let mut letters = post.letters.0.lock().unwrap().clone();
    letters.push(letters[0].clone());

    // By now the receiver has changed its mind about all but one.
    let again = Post::with(0, |inbox| inbox.unwanted = some(&["s017"]));
    let (counts, left) = again.replay(letters).await;

    assert_eq!((counts.read, counts.accepted, counts.rejected), (RowCount(3), RowCount(2), RowCount(1)));
    assert_eq!(again.inbox.rows(), ["s003", "s029"]);
    assert_eq!(left.iter().map(|letter| &*letter.row.id).collect::<Vec<_>>(), ["s017"]);
    assert_eq!(left[0].event.get(), r#""s017""#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_that_are_too_large_stay_and_are_not_sent() {
    let post = Post::with(40, |inbox| inbox.unwanted = some(&["s003", "s017"]));
    post.done().await;
    let mut letters = post.letters.0.lock().unwrap().clone();
    let large = format!("{:?}", "s017".repeat(20));
    let letter = letters.iter_mut().find(|letter| &*letter.row.id == "s017").unwrap();
    letter.event = RawValue::from_string(large.clone()).unwrap();

    // The receiver would take it and say nothing.
    let again = Post::with(0, |inbox| inbox.limits.event_bytes_max = ByteCount(80));
    let (counts, left) = again.replay(letters).await;

    assert_eq!((counts.read, counts.accepted, counts.rejected), (RowCount(2), RowCount(1), RowCount(1)));
    assert_eq!(again.inbox.rows(), ["s003"]);
    assert_eq!((left.len(), left[0].event.get()), (1, large.as_str()));
    assert_eq!(left[0].reason, "the event has 82 bytes, an inbox takes 80");
    // Where there are none, nothing is sent.
    assert_eq!(again.replay(Vec::new()).await.0, DeliveryCounts::default());
}
