//! `outgest serve`: API, scheduler and worker in one process, or some of them.
//!
//! Reading order: [`wiring`] connects what the roles share; [`runner`] carries exports out for the worker
//! ([`parts`] cuts them into files, [`place`] is where these go, [`spec`] what a job says); [`desk`] answers
//! the API about requests; [`maintenance`] is what the scheduler does besides planning; [`seal`] keeps the
//! key of secrets.
//!
//! The roles meet in the metadata store only. When the process is asked to end, running work is handed over
//! to whoever is left, with everything that is durable of it.

mod desk;
mod maintenance;
mod parts;
mod place;
mod runner;
mod seal;
mod spec;
mod wiring;

use model::{Fault, Stop};
use tokio::task::JoinSet;

use crate::config::Settings;
use crate::config::settings::Role;
use crate::signals;
use wiring::Wired;

/// Carries out `outgest serve`: until the process is asked to end.
pub async fn serve(settings: &Settings) -> Result<(), Fault> {
    if settings.server.roles.contains(&Role::Api) {
        // Refused rather than left out: nobody would answer where the user expects an API.
        return Err(
            Fault::bad_request("--roles: the API is not wired into this build yet").hint("give --roles schedule,work")
        );
    }
    let wired = Wired::connect(settings).await?;
    let drain = Stop::new();
    let signals = signals::drain_on_signal(drain.clone());
    let mut roles: JoinSet<()> = JoinSet::new();
    for role in &settings.server.roles {
        match role {
            Role::Work => {
                roles.spawn(wired.worker().work(drain.clone()));
            }
            Role::Schedule => {
                let (store, lake) = (wired.store.clone(), wired.lake.clone());
                roles.spawn(maintenance::maintain(settings.clone(), store, lake, drain.clone()));
            }
            Role::Api => {}
        }
    }
    tracing::info!("serving");
    drain.raised().await;
    let patience = settings.server.drain.0;
    let all = async { while roles.join_next().await.is_some() {} };
    if tokio::time::timeout(patience, all).await.is_err() {
        // Their leases run out, and other workers go on from the last durable block.
        tracing::warn!("running work could not be handed over in time");
    }
    signals.abort();
    Ok(())
}
