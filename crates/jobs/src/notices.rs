//! The third loop: notices that are due are sent, and sent again after a wait where that makes sense.
//!
//! Mails and webhook requests have a loop each, so that a receiver that hangs delays nobody else. Sending is
//! at least once; how a notice is sent only its [`Messenger`] knows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use model::{Channel, Fault, Notice, NoticeStore, Retry, Stop};
use pipeline::Waits;

use crate::metrics;

/// A claimed notice is sent within this, or another process sends it again: longer than the longest
/// timeout of a messenger.
const LEASE: Duration = Duration::from_secs(120);

/// First wait after a failure; doubled each time, and jittered over its whole length.
const BACKOFF_MIN: Duration = Duration::from_secs(30);

/// Longest wait, and the longest that a receiver can ask for.
const BACKOFF_MAX: Duration = Duration::from_secs(3_600);

/// After a day the file is usually gone: nobody is helped by hearing of it then.
const AGE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Before the store is asked again after it failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Sends notices of one channel.
#[async_trait]
pub trait Messenger: Send + Sync {
    /// The channel whose notices it sends.
    fn channel(&self) -> Channel;

    /// Sends a notice within a minute, or says by the fault whether another try makes sense.
    async fn send(&self, notice: &Notice) -> Result<(), Fault>;
}

/// Sends the notices of one channel until `stop` is raised. One that is being sent then is sent again by
/// whoever runs next.
pub async fn send_notices(
    store: Arc<dyn NoticeStore>,
    messenger: Arc<dyn Messenger>,
    waits: Arc<dyn Waits>,
    stop: Stop,
) {
    let sending = async {
        let mut looks = store.notices();
        while looks.next().await.is_some() {
            if let Err(fault) = send_due(store.as_ref(), messenger.as_ref(), waits.as_ref()).await {
                tracing::warn!(channel = messenger.channel().as_str(), fault = %fault, "notices cannot be read or kept");
                waits.sleep(STORE_PAUSE).await;
            }
        }
    };
    tokio::select! {
        () = sending => {}
        _ = stop.raised() => {}
    }
}

async fn send_due(store: &dyn NoticeStore, messenger: &dyn Messenger, waits: &dyn Waits) -> Result<(), Fault> {
    while let Some(notice) = store.claim_notice(messenger.channel(), LEASE).await? {
        let channel = notice.channel.as_str();
        match messenger.send(&notice).await {
            Ok(()) => {
                metrics::notice(channel, "sent");
                store.forget_notice(&notice.id).await?;
            }
            Err(fault) => match wait(&fault, &notice, waits.chance()) {
                Some(wait) => {
                    metrics::notice(channel, "retried");
                    tracing::info!(channel, notice.id = %notice.id, attempt = notice.attempt, fault = %fault,
                        wait.seconds = wait.as_secs_f64(), "a notice is sent again later");
                    store.delay_notice(&notice.id, wait).await?;
                }
                None => {
                    metrics::notice(channel, "given_up");
                    tracing::error!(channel, notice.id = %notice.id, about.id = notice.about.id(),
                        project.id = %notice.about.project(), fault = %fault, hint = fault.public_hint(),
                        "nobody was told of an end");
                    store.forget_notice(&notice.id).await?;
                }
            },
        }
    }
    Ok(())
}

/// How long to wait before the next attempt; `None` where there should be none.
fn wait(fault: &Fault, notice: &Notice, chance: f64) -> Option<Duration> {
    let wait = match fault.retry() {
        Retry::Never => return None,
        Retry::After(wait) => wait.min(BACKOFF_MAX) + BACKOFF_MIN.mul_f64(chance),
        Retry::Backoff => {
            let doubled = BACKOFF_MIN.saturating_mul(1 << notice.attempt.saturating_sub(1).min(16));
            doubled.min(BACKOFF_MAX).mul_f64(chance)
        }
    };
    Some(wait).filter(|wait| notice.age + *wait < AGE_MAX)
}

#[cfg(test)]
mod tests;
