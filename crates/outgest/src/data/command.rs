//! `outgest data`: what the embedded store holds, and looking after it.

use std::path::Path;

use model::{Fault, FaultKind, Micros, RowCount};
use serde_json::json;
use store::HeldRun;

use super::restore::restore;
use super::{cannot_write, lake_directory, open_lake, open_metadata, refuse_inside};
use crate::cli::{DataArgs, DataCommand};
use crate::config::{self, Settings};
use crate::report::{counted, print};

/// Carries out `outgest data`.
pub async fn data(settings: &Settings, args: &DataArgs) -> Result<(), Fault> {
    let now = config::now();
    match &args.command {
        DataCommand::Info { json } => info(settings, *json).await,
        DataCommand::Check { json } => check(&settings.data, *json),
        DataCommand::Compact => {
            let lake = open_lake(&settings.data)?.keeping_replaced_files(settings.retention.replaced_files.0);
            for table in tables::stored() {
                let done = lake.compact(table.name, now)?;
                print(&format!(
                    "{}: {} became {}, {} became {}, {} left out\n",
                    table.name,
                    counted(done.files_before as u64, "file"),
                    done.files_after,
                    done.bytes_before.human(),
                    done.bytes_after.human(),
                    counted(done.rows_dropped.get(), "superseded row"),
                ))?;
            }
            Ok(())
        }
        DataCommand::Expire { older_than } => {
            let limit = Micros::parse("--older-than", &format!("-{older_than}"), now).map_err(|fault| {
                Fault::bad_request(format!("--older-than: {older_than:?} is no age"))
                    .hint("write 90d, 12h or 4w")
                    .because(fault)
            })?;
            let lake = open_lake(&settings.data)?.keeping_replaced_files(settings.retention.replaced_files.0);
            for table in tables::stored() {
                let done = lake.expire(table.name, limit, now)?;
                print(&format!("{}: {} before {limit} removed\n", table.name, done.rows.counted()))?;
            }
            Ok(())
        }
        DataCommand::Adopt => {
            let lake = open_lake(&settings.data)?;
            let rows: RowCount =
                lake.info()?.tables.iter().flat_map(|table| &table.projects).map(|project| project.live_rows).sum();
            let store = open_metadata(settings).await?;
            store.read_rows_of(&lake.id()?).await?;
            print(&format!("servers read what is in {} from now on: {}\n", settings.data.display(), rows.counted()))
        }
        DataCommand::Backup { folder } => backup(settings, folder).await,
        DataCommand::Restore { folder } => restore(&settings.data, folder, now),
    }
}

async fn info(settings: &Settings, as_json: bool) -> Result<(), Fault> {
    let info = open_lake(&settings.data)?.info()?;
    let store = open_metadata(settings).await?;
    let runs = store.runs().await?;
    if as_json {
        let runs: Vec<_> = runs
            .iter()
            .map(|run| {
                json!({"id": run.id, "state": run.state, "attempts": run.attempts, "rows": run.rows,
                    "bytes": run.bytes, "failure": run.failure, "started_at": run.started_at})
            })
            .collect();
        return print(&format!("{}\n", json!({"store": info, "runs": runs})));
    }
    let mut text = format!("{} (format {})\n", info.directory.display(), info.format);
    for table in &info.tables {
        text.push_str(&format!("\n{} at version {}\n", table.name, table.version));
        if table.projects.is_empty() {
            text.push_str("  no rows\n");
        }
        for project in &table.projects {
            text.push_str(&format!(
                "  project {}: {} ({} stored, {} in {}), {} to {}\n",
                project.project,
                project.live_rows.counted(),
                project.rows.human(),
                project.bytes.human(),
                counted(project.files as u64, "file"),
                project.time.min,
                project.time.max,
            ));
        }
    }
    let mut under_way = String::new();
    let mut unfinished = String::new();
    for run in runs.iter().filter(|run| run.state != "completed") {
        let output = run.request["output"].as_str().unwrap_or("an output that was not noted");
        let rows = RowCount(run.rows).counted();
        let failure = run.failure.as_deref().map(|failure| format!(": {failure}")).unwrap_or_default();
        let running = run.state == "running";
        if running && matches!(store.hold_run(&run.id).await?, HeldRun::Elsewhere(_)) {
            under_way.push_str(&format!("  {} to {output}, {rows} so far\n", run.id));
        } else {
            let state = if running { "interrupted" } else { &run.state };
            unfinished.push_str(&format!("  {} to {output}, {state} after {rows}{failure}\n", run.id));
        }
    }
    for (title, lines) in [("under way", under_way), ("that did not finish", unfinished)] {
        if !lines.is_empty() {
            text.push_str(&format!("\nexports {title}\n{lines}"));
        }
    }
    print(&text)
}

fn check(data: &Path, as_json: bool) -> Result<(), Fault> {
    let checked = open_lake(data)?.check()?;
    let mut text = String::new();
    if as_json {
        text.push_str(&format!("{}\n", json!(checked)));
    } else {
        text.extend(checked.damaged.iter().map(|damage| format!("{damage}\n")));
        text.push_str(&format!("{} with {} read\n", counted(checked.files as u64, "file"), checked.bytes.human()));
        if checked.without_checksum > 0 {
            let count = checked.without_checksum;
            text.push_str(&format!("{count} of them were written by an earlier version, without a checksum\n"));
        }
    }
    print(&text)?;
    match checked.damaged.len() {
        0 => Ok(()),
        damaged => Err(Fault::corrupt(format!("{damaged} of {} files of the store are damaged", checked.files))
            .hint("restore the store from a backup, or import the rows again into a new data directory")),
    }
}

async fn backup(settings: &Settings, folder: &Path) -> Result<(), Fault> {
    if settings.database.is_some() {
        return Err(Fault::bad_request(
            "the metadata store lies in Postgres, and a copy without it would not be whole",
        )
        .hint("copy the database with pg_dump and the data directory with your own tools"));
    }
    if folder.exists() {
        return Err(Fault::new(FaultKind::Conflict, format!("{} exists already", folder.display()))
            .hint("give a folder that does not exist yet"));
    }
    refuse_inside("the backup", folder, &settings.data)?;
    let lake = open_lake(&settings.data)?;
    let store = open_metadata(settings).await?;
    std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    // Whatever state of the rows a run has noted is there, since these are copied later.
    let copied = match store.backup(folder).await {
        Ok(()) => lake.backup(&lake_directory(folder)),
        Err(fault) => Err(fault),
    };
    match copied {
        Ok(bytes) => print(&format!("{} copied to {}\n", bytes.human(), folder.display())),
        Err(fault) => {
            remove_half(folder);
            Err(fault)
        }
    }
}

/// Removes a copy that was not completed, so that it is not taken for one and the command can be repeated.
fn remove_half(folder: &Path) {
    if let Err(cause) = std::fs::remove_dir_all(folder) {
        tracing::warn!(folder = %folder.display(), %cause, "an incomplete copy could not be removed");
    }
}
