//! Whether the process can do its work.
//!
//! The metadata store decides: without it no call can be answered. The source is told about and decides nothing. It is
//! the same for every process of a deployment, so taking them all out of a load balancer would only add the calls
//! that need no rows to what does not work; and runs wait for it by themselves. A source that hangs must not make a
//! probe hang either: it is asked beside the answer, which waits for it for a moment only.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::SourceState;
use async_trait::async_trait;
use model::{Fault, FaultKind, ProjectId, Source};
use store::NativeStore;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// What is waited for at most before something counts as away.
const PROBE_MAX: Duration = Duration::from_secs(4);

/// How long an answer waits for the source before it tells what was seen last: supervisors give up after a second.
const SOURCE_WAIT: Duration = Duration::from_millis(500);

/// How long an answer of the source is taken for its state: it is asked less often than supervisors probe.
const SOURCE_FRESH: Duration = Duration::from_secs(5);

/// Ready is who reaches the metadata store.
pub struct Reachable {
    store: NativeStore,
    source: Arc<dyn Source>,
    seen: watch::Sender<Seen>,
    /// The question that is on its way to the source; at most one.
    asking: Mutex<JoinSet<()>>,
}

/// What the source last said, and when.
struct Seen {
    at: Option<Instant>,
    state: SourceState,
}

impl Reachable {
    /// Nobody has been asked yet.
    pub fn new(store: NativeStore, source: Arc<dyn Source>) -> Self {
        let seen = watch::Sender::new(Seen { at: None, state: SourceState::Unknown });
        Self { store, source, seen, asking: Mutex::default() }
    }

    async fn source_state(&self) -> SourceState {
        // Whoever waits registers before the question is put, or its answer might come before.
        let mut seen = self.seen.subscribe();
        if self.ask_if_stale() {
            drop(timeout(SOURCE_WAIT, seen.changed()).await);
        }
        seen.borrow().state.clone()
    }

    /// True where an answer is on its way.
    fn ask_if_stale(&self) -> bool {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        while asking.try_join_next().is_some() {}
        if self.seen.borrow().at.is_some_and(|at| at.elapsed() <= SOURCE_FRESH) {
            return false;
        }
        if asking.is_empty() {
            let (source, seen) = (Arc::clone(&self.source), self.seen.clone());
            asking.spawn(async move {
                let state = ask(source.as_ref()).await;
                seen.send_replace(Seen { at: Some(Instant::now()), state });
            });
        }
        true
    }
}

/// Puts the least that a source can be asked.
async fn ask(source: &dyn Source) -> SourceState {
    let Some(table) = tables::all().first() else { return SourceState::Ok };
    // No project has this name.
    let nobody = ProjectId::new("-");
    match timeout(PROBE_MAX, source.has_project(&nobody, table)).await {
        Ok(Ok(_)) => SourceState::Ok,
        Ok(Err(fault)) => SourceState::Away(fault.public_message().to_owned()),
        Err(_) => SourceState::Away(format!("{source} does not answer in {PROBE_MAX:?}")),
    }
}

#[async_trait]
impl api::Readiness for Reachable {
    async fn ready(&self) -> Result<SourceState, Fault> {
        let away = || Fault::new(FaultKind::Timeout, format!("the metadata store does not answer in {PROBE_MAX:?}"));
        timeout(PROBE_MAX, self.store.ping()).await.unwrap_or_else(|_| Err(away()))?;
        Ok(self.source_state().await)
    }
}
