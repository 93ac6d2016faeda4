//! `outgest serve`: API, scheduler and worker in one process, or some of them.
//!
//! Reading order: [`wiring`] connects what the roles share; [`runner`] carries exports out for the worker,
//! and [`runners`] whatever else there is to do
//! ([`parts`] cuts them into files, [`place`] is where these go, [`spec`] what a job says); [`ports`] is what
//! the API works with: [`desk`] answers about requests, [`downloads`] hands files out, [`ingest`] takes rows in,
//! [`figures`] counts them, [`readiness`] tells whether it can
//! answer; [`listening`] is its socket. [`maintenance`] is what the scheduler does besides
//! planning; [`seal`] keeps the key of secrets; [`sharing`] has all processes together keep a source's limits.
//!
//! The roles meet in the metadata store only. When the process is asked to end, running work is handed over
//! to whoever is left, with everything that is durable of it.

mod desk;
mod downloads;
mod figures;
mod ingest;
mod listening;
mod maintenance;
mod parts;
mod place;
mod ports;
mod readiness;
mod runner;
mod runners;
mod seal;
mod sharing;
mod spec;
mod wiring;

use std::sync::Arc;

use jobs::notices::send_notices;
use model::{Fault, JobStore, Stop};
use pipeline::RealWaits;
use tokio::task::JoinSet;

use crate::config::Settings;
use crate::config::connect::guard;
use crate::config::settings::Role;
use crate::observe::metrics::Metrics;
use crate::{config, notify, signals};
pub use place::Place;
pub use spec::read as read_spec;
use wiring::Wired;

/// Carries out `outgest serve`: until the process is asked to end.
pub async fn serve(settings: &Settings) -> Result<(), Fault> {
    let (listener, address) = listening::take(&settings.server).await?;
    let mut settings = settings.clone();
    settings.server.listen = address;
    let metrics = if settings.metrics.enabled { Some(Arc::new(Metrics::install()?)) } else { None };
    let wired = Wired::connect(&settings).await?;
    let drain = Stop::new();
    let signals = signals::drain_on_signal(drain.clone());

    let mut roles: JoinSet<Result<(), Fault>> = JoinSet::new();
    if let Some(metrics) = metrics.clone() {
        roles.spawn(follow(metrics, wired.store.clone(), drain.clone()));
    }
    let (source, queue) = (Arc::clone(&wired.source), wired.store.clone());
    let sharing = sharing::share(source, queue, wired.beginnings.clone(), drain.clone());
    roles.spawn(async move {
        sharing.await;
        Ok(())
    });
    for role in &settings.server.roles {
        start(*role, &wired, &drain, &mut roles)?;
    }
    let (ports, api_settings) = (wired.ports(metrics, drain.clone()), wired.api_settings());
    let answering_all = settings.server.roles.contains(&Role::Api);
    let router = if answering_all { api::router(ports, api_settings) } else { api::probes(ports, api_settings) };
    roles.spawn(api::serve(listener, router, drain.clone()));
    match answering_all {
        true => listening::announce(&settings.server, &wired.store).await?,
        false => listening::announce_probes(&settings.server)?,
    }
    tracing::info!(address = %address, "serving");

    let failed = until_asked_to_end(&drain, &mut roles).await;
    let all = async { while roles.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.server.drain.0, all).await.is_err() {
        // Their leases run out, and other workers go on from the last durable block; downloads are continued.
        tracing::warn!("running work could not be handed over in time");
    }
    signals.abort();
    failed
}

/// Starts what a role does besides answering requests.
fn start(role: Role, wired: &Wired, drain: &Stop, roles: &mut JoinSet<Result<(), Fault>>) -> Result<(), Fault> {
    match role {
        Role::Api => {}
        Role::Work => {
            let working = wired.worker().work(drain.clone());
            roles.spawn(async move {
                working.await;
                Ok(())
            });
        }
        Role::Schedule => {
            let (settings, store) = (wired.settings.clone(), wired.store.clone());
            let maintaining = maintenance::maintain(settings, store.clone(), wired.lake.clone(), drain.clone());
            roles.spawn(async move {
                maintaining.await;
                Ok(())
            });
            let scheduling = wired.scheduler().schedule(drain.clone());
            roles.spawn(async move {
                scheduling.await;
                Ok(())
            });
            let people = Arc::new(store.clone());
            for messenger in notify::messengers(&wired.settings, &guard(&wired.settings), people)? {
                let sending = send_notices(Arc::new(store.clone()), messenger, Arc::new(RealWaits), drain.clone());
                roles.spawn(async move {
                    sending.await;
                    Ok(())
                });
            }
        }
    }
    Ok(())
}

/// Keeps the figures of the queue up to date.
async fn follow(metrics: Arc<Metrics>, queue: impl JobStore, drain: Stop) -> Result<(), Fault> {
    metrics.follow(&queue, config::now, &drain).await;
    Ok(())
}

/// Waits for the wish to end. A part that ends by itself ends the process: a supervisor starts it anew, while
/// half a server would look like a whole one.
async fn until_asked_to_end(drain: &Stop, roles: &mut JoinSet<Result<(), Fault>>) -> Result<(), Fault> {
    loop {
        tokio::select! {
            _ = drain.raised() => return Ok(()),
            Some(ended) = roles.join_next() => {
                if drain.reason().is_some() {
                    continue;
                }
                drain.raise(model::StopReason::HandOver);
                return match ended {
                    Ok(Ok(())) => Err(Fault::bug("a part of the server ended by itself")),
                    Ok(Err(fault)) => Err(fault),
                    Err(panic) => Err(Fault::bug("a part of the server panicked").because(panic)),
                };
            }
        }
    }
}
