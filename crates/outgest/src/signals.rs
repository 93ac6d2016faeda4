//! Ctrl-C and SIGTERM become the wish that a run ends.

use model::{Stop, StopReason};
use tokio::task::JoinHandle;

/// Cancels the run at the first signal. A second one ends the process at once, as the user insists.
///
/// The task ends with the process or when it is aborted.
pub fn stop_on_signal(stop: Stop) -> JoinHandle<()> {
    tokio::spawn(async move {
        if wait().await.is_err() {
            // Without handlers the signal keeps its default effect, which is to end the process.
            return;
        }
        eprintln!("stopping: what was written is removed; press Ctrl-C again to leave at once");
        stop.raise(StopReason::Cancelled);
        if wait().await.is_ok() {
            crate::leave_interrupted();
        }
    })
}

/// Asks for a hand-over at the first signal. A second one ends the process at once.
pub fn drain_on_signal(drain: Stop) -> JoinHandle<()> {
    tokio::spawn(async move {
        if wait().await.is_err() {
            return;
        }
        tracing::info!("ending: running work is handed over");
        drain.raise(StopReason::HandOver);
        if wait().await.is_ok() {
            crate::leave_interrupted();
        }
    })
}

#[cfg(unix)]
async fn wait() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn wait() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
