//! Ctrl-C and SIGTERM become the wish that a run ends; a limit on file sizes becomes an error.

use std::io::Write;

use model::{Stop, StopReason};
use tokio::task::JoinHandle;

/// Raised by Linux and macOS for a write beyond the limit that `ulimit -f` sets.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

/// Cancels the run at the first signal and says what becomes of it. A second one ends the process at
/// once, as the user insists.
///
/// The task ends with the process or when it is aborted.
pub fn stop_on_signal(stop: Stop, consequence: &'static str) -> JoinHandle<()> {
    tokio::spawn(async move {
        if wait().await.is_err() {
            // Without handlers the signal keeps its default effect, which is to end the process.
            return;
        }
        // The signal is obeyed whether or not anybody can read so.
        writeln!(std::io::stderr(), "stopping: {consequence}; press Ctrl-C again to leave at once").ok();
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

/// Makes a write beyond the limit on file sizes fail, so that what it began can be removed. By default
/// the signal ends the process.
#[cfg(unix)]
pub fn survive_file_size_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    if let Err(error) = signal(SignalKind::from_raw(SIGXFSZ)) {
        tracing::debug!(cause = %error, "a limit on file sizes will end the process");
    }
}

/// Other systems send no signal.
#[cfg(not(unix))]
pub fn survive_file_size_limit() {}

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
