use std::collections::VecDeque;
use std::sync::Mutex;

use futures_util::stream::{self, BoxStream};
use model::{
    Actor, ByteCount, EndedExport, ExportState, FaultKind, JobId, Micros, NoticeId, ProjectId, RowCount, StopReason,
    Told, UserId,
};

use super::*;

/// An outbox in memory: what is due, and what became of it.
#[derive(Default)]
struct Outbox {
    due: Mutex<VecDeque<Notice>>,
    forgotten: Mutex<Vec<NoticeId>>,
    delayed: Mutex<Vec<(NoticeId, Duration)>>,
}

#[async_trait]
impl NoticeStore for Outbox {
    async fn claim_notice(&self, channel: Channel, _: Duration) -> Result<Option<Notice>, Fault> {
        let mut due = self.due.lock().unwrap();
        let found = due.iter().position(|notice| notice.channel == channel);
        Ok(found.and_then(|index| due.remove(index)))
    }

    async fn forget_notice(&self, id: &NoticeId) -> Result<(), Fault> {
        self.forgotten.lock().unwrap().push(id.clone());
        Ok(())
    }

    async fn delay_notice(&self, id: &NoticeId, wait: Duration) -> Result<(), Fault> {
        self.delayed.lock().unwrap().push((id.clone(), wait));
        Ok(())
    }

    fn notices(&self) -> BoxStream<'static, ()> {
        stream::iter([()]).chain(stream::pending()).boxed()
    }
}

/// Answers each notice with the next of these.
struct Answers(Mutex<VecDeque<Result<(), Fault>>>);

#[async_trait]
impl Messenger for Answers {
    fn channel(&self) -> Channel {
        Channel::Webhook
    }

    async fn send(&self, _: &Notice) -> Result<(), Fault> {
        self.0.lock().unwrap().pop_front().expect("no more was expected to be sent")
    }
}

/// Waits of full length that take no time.
struct LongWaits;

#[async_trait]
impl Waits for LongWaits {
    async fn sleep(&self, _: Duration) {}

    fn chance(&self) -> f64 {
        1.0
    }
}

fn notice(id: &str, channel: Channel, attempt: u32, age: Duration) -> Notice {
    let export = EndedExport {
        id: JobId::new("e"),
        project: ProjectId::new("p"),
        name: "nightly".to_owned(),
        state: ExportState::Completed,
        table: "events".to_owned(),
        format: "csv".to_owned(),
        created_by: Actor::User(UserId::new("u")),
        created_at: Micros(0),
        finished_at: Micros(1),
        expires_at: None,
        rows: RowCount(1),
        bytes: ByteCount(2),
        truncated: false,
        warnings: Vec::new(),
        files: Vec::new(),
        failure: None,
    };
    Notice { id: NoticeId::new(id), channel, about: Told::Export(Box::new(export)), age, attempt }
}

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, "the receiver answered so")
}

async fn deliver(due: Vec<Notice>, answers: Vec<Result<(), Fault>>) -> Arc<Outbox> {
    let outbox = Arc::new(Outbox { due: Mutex::new(due.into()), ..Outbox::default() });
    let messenger = Answers(Mutex::new(answers.into()));
    send_due(outbox.as_ref(), &messenger, &LongWaits).await.unwrap();
    outbox
}

#[tokio::test]
async fn what_was_sent_is_forgotten_and_other_channels_are_left_alone() {
    let due = vec![
        notice("1", Channel::Mail, 1, Duration::ZERO),
        notice("2", Channel::Webhook, 1, Duration::ZERO),
        notice("3", Channel::Webhook, 1, Duration::ZERO),
    ];
    let outbox = deliver(due, vec![Ok(()), Ok(())]).await;
    assert_eq!(*outbox.forgotten.lock().unwrap(), [NoticeId::new("2"), NoticeId::new("3")]);
    assert_eq!(outbox.due.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn waits_double_up_to_an_hour_and_obey_the_receiver() {
    for (attempt, seconds) in [(1, 30), (2, 60), (5, 480), (9, 3_600), (u32::MAX, 3_600)] {
        let due = vec![notice("n", Channel::Webhook, attempt, Duration::ZERO)];
        let outbox = deliver(due, vec![Err(fault(FaultKind::Unavailable))]).await;
        let delayed = outbox.delayed.lock().unwrap().clone();
        assert_eq!(delayed, [(NoticeId::new("n"), Duration::from_secs(seconds))], "attempt {attempt}");
    }
    let asked = fault(FaultKind::Throttled).retry_after(Duration::from_secs(90));
    let outbox = deliver(vec![notice("n", Channel::Webhook, 1, Duration::ZERO)], vec![Err(asked)]).await;
    assert_eq!(outbox.delayed.lock().unwrap()[0].1, Duration::from_secs(120));
}

#[tokio::test]
async fn what_will_not_get_better_and_what_is_a_day_old_is_given_up() {
    let refused = vec![notice("1", Channel::Webhook, 1, Duration::ZERO)];
    let outbox = deliver(refused, vec![Err(fault(FaultKind::Rejected))]).await;
    assert_eq!(*outbox.forgotten.lock().unwrap(), [NoticeId::new("1")]);

    let old = vec![notice("2", Channel::Webhook, 30, AGE_MAX - BACKOFF_MIN)];
    let outbox = deliver(old, vec![Err(fault(FaultKind::Timeout))]).await;
    assert_eq!(*outbox.forgotten.lock().unwrap(), [NoticeId::new("2")]);
    assert!(outbox.delayed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_loop_ends_when_it_is_stopped() {
    let stop = Stop::new();
    let outbox = Arc::new(Outbox::default());
    let messenger = Arc::new(Answers(Mutex::default()));
    let sending = tokio::spawn(send_notices(outbox, messenger, Arc::new(LongWaits), stop.clone()));
    stop.raise(StopReason::Cancelled);
    tokio::time::timeout(Duration::from_secs(5), sending).await.unwrap().unwrap();
}
