//! What is removed by its age: rows of the embedded store, ended exports, entries of the audit log.
//!
//! One process does it at a time for the metadata store, since a removal that is done twice removes
//! nothing the second time; the embedded store has an owner of its own.

use std::time::Duration;

use lake::Lake;
use model::{Fault, Micros, PageRequest, PeopleStore, Stop};
use pipeline::{RealWaits, Waits};
use store::NativeStore;

use crate::config;
use crate::config::Settings;

/// Between two rounds. Retention is measured in days; an hour more does not matter.
const EVERY: Duration = Duration::from_secs(3_600);

/// Projects that are looked at together.
const PROJECTS_PER_PAGE: u32 = 200;

/// Removes what is too old, every hour, until `stop` is raised.
pub async fn maintain(settings: Settings, store: NativeStore, lake: Option<Lake>, stop: Stop) {
    loop {
        if let Err(fault) = round(&settings, &store, lake.as_ref()).await {
            tracing::warn!(fault = %fault, "what is too old could not be removed");
        }
        tokio::select! {
            () = RealWaits.sleep(EVERY) => {}
            _ = stop.raised() => return,
        }
    }
}

async fn round(settings: &Settings, store: &NativeStore, lake: Option<&Lake>) -> Result<(), Fault> {
    let retention = &settings.retention;
    let removed = store.sweep(retention.exports.0, retention.audit.map(|period| period.0)).await?;
    if removed > 0 {
        tracing::info!(removed, "removed {removed} ended exports and entries that are too old");
    }
    match lake {
        Some(lake) => expire_rows(settings, store, lake).await,
        None => Ok(()),
    }
}

/// Removes rows that are older than their project keeps them.
async fn expire_rows(settings: &Settings, store: &NativeStore, lake: &Lake) -> Result<(), Fault> {
    let now = config::now();
    let before = |age: Duration| Micros(now.0.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX)));
    let usual = settings.retention.rows.map(|period| before(period.0));
    let mut own = Vec::new();
    let mut page = PageRequest::first(PROJECTS_PER_PAGE);
    loop {
        let found = store.projects(None, &page).await?;
        own.extend(found.items.into_iter().filter_map(|project| {
            let days = project.retention_days?;
            Some((project.id, before(Duration::from_secs(u64::from(days) * 24 * 3_600))))
        }));
        page.after = found.next;
        if page.after.is_none() {
            break;
        }
    }
    if usual.is_none() && own.is_empty() {
        return Ok(());
    }
    for table in tables::stored() {
        let (lake, own, name) = (lake.clone(), own.clone(), table.name);
        let expire = move || {
            let limit =
                |project: &str| own.iter().find(|(id, _)| id.as_str() == project).map(|(_, limit)| *limit).or(usual);
            lake.expire_by_project(name, &limit, now)
        };
        let expired = tokio::task::spawn_blocking(expire).await;
        let expired = expired.map_err(|panic| Fault::bug("removing old rows panicked").because(panic))??;
        if expired.rows.get() > 0 {
            tracing::info!(rows = expired.rows.get(), "removed {} old rows of {name}", expired.rows.human());
        }
    }
    Ok(())
}
