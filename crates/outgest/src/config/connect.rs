//! `outgest config check --connect`: tries what the settings point at, and changes nothing.
//!
//! The destination is the exception: whether files can be written is only known by writing one, which is
//! removed again.

use std::path::Path;

use destinations::Guard;
use model::{CheckState, CheckStep, Fault, FaultKind, FileName};
use sources::clickhouse;
use store::{NativeStore, Place};
use uuid::Uuid;

use super::Settings;
use crate::{data, notify, serve};

/// Something the settings point at, and whether it answered.
pub struct Tried {
    /// What it is: `mail server`.
    pub what: &'static str,
    /// What was found, or why it cannot be used.
    pub outcome: Result<String, Fault>,
}

/// Tries everything that is configured, one after another.
pub async fn try_all(settings: &Settings) -> Vec<Tried> {
    let mut tried = vec![
        Tried { what: "metadata store", outcome: try_store(settings).await },
        Tried { what: "source", outcome: try_source(settings).await },
        Tried { what: "export destination", outcome: try_destination(settings).await },
    ];
    let optional = [
        ("mail server", try_mail(settings).await),
        ("webhook", try_webhook(settings).await),
        ("trace collector", try_collector(settings).await),
    ];
    for (what, outcome) in optional {
        tried.extend(outcome.transpose().map(|outcome| Tried { what, outcome }));
    }
    tried
}

async fn try_store(settings: &Settings) -> Result<String, Fault> {
    let place = match &settings.database {
        Some(database) => Place::parse(database.reveal())?,
        None => Place::Directory(settings.data.clone()),
    };
    if let Place::Directory(folder) = &place
        && !folder.join(NativeStore::FILE_NAME).exists()
    {
        writable(folder)?;
        return Ok(format!("{place} will be made at the first start"));
    }
    NativeStore::reach(&place).await?;
    Ok(place.to_string())
}

/// Whether a folder can be made or written, told without making it.
fn writable(folder: &Path) -> Result<(), Fault> {
    let existing = folder.ancestors().find(|path| path.as_os_str().is_empty() || path.exists());
    let read_only = existing.map_or(Ok(true), |path| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        path.metadata().map(|metadata| metadata.permissions().readonly() || !metadata.is_dir())
    });
    match read_only {
        Ok(false) => Ok(()),
        _ => Err(Fault::new(
            FaultKind::Configuration,
            format!("the data directory {} cannot be written", folder.display()),
        )
        .hint("name a directory that can be written with data in outgest.toml, or --data")),
    }
}

async fn try_source(settings: &Settings) -> Result<String, Fault> {
    let choice = data::SourceChoice::read(settings, None)?;
    if let Some(options) = choice.clickhouse() {
        let version = clickhouse::version(options.clone()).await?;
        return Ok(format!("{options} (ClickHouse {version})"));
    }
    let named = settings.source.url.as_ref();
    if named.is_none() && !data::lake_directory(&settings.data).is_dir() {
        return Ok("the embedded store will be made by the first import".to_owned());
    }
    choice.open(settings)?;
    Ok(named.map_or_else(|| "the embedded store".to_owned(), ToString::to_string))
}

async fn try_destination(settings: &Settings) -> Result<String, Fault> {
    let Some(named) = &settings.export.destination else {
        return Ok(format!("{} is made when it is needed", settings.data.join("exports").display()));
    };
    let place = serve::Place::connect(named.reveal())?;
    let file = place.key(&check_file("")?)?;
    let mut steps = Vec::new();
    let report = &mut |step: CheckStep| {
        if step.state == CheckState::Passed {
            steps.push(step.name);
        }
    };
    place.destination.check(&file, report).await?;
    Ok(format!("{named} ({})", steps.join(", ")))
}

/// The file that a check of a destination writes into a folder: no other check has it, and readers of tables leave out
/// files whose names begin like that.
pub fn check_file(folder: &str) -> Result<FileName, Fault> {
    let slash = if folder.is_empty() { "" } else { "/" };
    FileName::new(format!("{folder}{slash}_outgest-check-{}", Uuid::new_v4().simple()))
}

async fn try_mail(settings: &Settings) -> Result<Option<String>, Fault> {
    let reached = notify::check_mail(&settings.smtp).await?;
    Ok(reached.and(settings.smtp.url.as_ref()).map(ToString::to_string))
}

async fn try_webhook(settings: &Settings) -> Result<Option<String>, Fault> {
    let Some(url) = notify::webhook_url(&settings.webhook)? else { return Ok(None) };
    guard(settings).check("webhook.url", &url).await?;
    // Its receiver would take any request for news, so none is sent.
    Ok(Some(format!("{} may be reached; nothing was sent", url.host_str().unwrap_or_default())))
}

/// The guard for hosts that users name.
pub fn guard(settings: &Settings) -> Guard {
    Guard::new(settings.egress.allow.iter().map(|network| network.0).collect())
}

async fn try_collector(settings: &Settings) -> Result<Option<String>, Fault> {
    let Some(endpoint) = &settings.otlp.endpoint else { return Ok(None) };
    crate::observe::traces::check(&settings.otlp).await?;
    Ok(Some(endpoint.to_string()))
}
