//! Valid → live: opens the source and the receiver, wires the families into the pipeline, and settles.

use std::sync::Arc;
use std::time::Instant;

use model::{
    CheckState, CheckStep, DeliveryReceipt, EventDestination, Fault, FaultKind, Micros, ProjectId, RowCount, RunLog,
    Source, StopReason,
};
use pipeline::{Budget, DeliveryPorts, Pace, Progress, RealWaits};
use store::{NativeStore, RunState, StoreLog};
use tables::analytics::EventTable;

use super::ask::{Asked, connect, identity};
use super::letters::LetterFile;
use super::receipt;
use super::replay::replay;
use crate::cli::{DeliverArgs, exit_code};
use crate::config::{self, Settings};
use crate::data::{self, RowLookups, SourceChoice};
use crate::export::watcher;
use crate::report::print;
use crate::signals;

/// Carries out `outgest deliver`. Returns its exit code.
pub async fn deliver(settings: &Settings, args: &DeliverArgs) -> Result<u8, Fault> {
    let now = config::now();
    let base_url = args.base_url.clone().or_else(|| settings.source.base_url());
    let asked = Asked::new(args, base_url.as_deref(), now)?;
    let destination = connect(settings, args)?;
    if args.check {
        return check(&*destination).await;
    }
    if let Some(file) = &args.replay {
        return replay(args, file, &asked, destination).await;
    }
    data::refuse_inside("--dead-letters", &args.dead_letters, &settings.data)?;
    let choice = SourceChoice::read(settings, args.source.as_deref())?;
    let parts = Parts {
        named: choice.name(),
        base_url,
        source: choice.open(settings)?,
        store: data::open_metadata(settings).await?,
        lookups: choice.lookups(settings).await?,
        destination,
    };
    let mut code = exit_code::OK;
    for table in &asked.tables {
        let project = &asked.delivery.facts.project;
        if !parts.source.has_project(project, &table.table).await? {
            return Err(no_such_project(project, table, &*parts.source));
        }
        let began = Instant::now();
        let (receipt, letters) = deliver_table(args, now, table, &parts).await?;
        let refused = receipt.counts.rejected > RowCount::ZERO;
        if refused {
            code = exit_code::REFUSED;
        }
        let letters = refused.then_some(letters.path());
        print(&match args.json {
            true => format!("{}\n", receipt::to_json(&receipt, letters, began.elapsed())),
            false => receipt::to_text(&receipt, letters, began.elapsed()),
        })?;
    }
    Ok(code)
}

/// What all tables of a delivery share.
struct Parts {
    /// What the source is called in records of runs.
    named: Option<String>,
    /// What links begin with.
    base_url: Option<String>,
    source: Arc<dyn Source>,
    store: NativeStore,
    lookups: RowLookups,
    destination: Arc<dyn EventDestination>,
}

async fn deliver_table(
    args: &DeliverArgs,
    now: Micros,
    table: &EventTable,
    parts: &Parts,
) -> Result<(DeliveryReceipt, LetterFile), Fault> {
    let (run, query) = identity(args, (parts.named.as_deref(), parts.base_url.as_deref()), table, &*parts.destination);
    let left = if args.resume { parts.store.unfinished_run(&run).await? } else { None };
    let resume = left.map(|left| left.checkpoint);
    // A resumed delivery reads again what its first attempt meant by "now".
    let as_of = resume.as_ref().map_or(now, |checkpoint| checkpoint.as_of);
    let asked = Asked::new(args, parts.base_url.as_deref(), as_of)?;
    let spec = asked.delivery.spec(table, &run, as_of, Budget::default().threads);
    let letters = LetterFile::new(&args.dead_letters, &table.table.name, &run);
    let log = match &resume {
        Some(_) => parts.store.continue_run(&run, now).await?,
        None => {
            letters.remove()?;
            parts.store.begin_run(&run, &query, now).await?
        }
    };
    let stopping = signals::stop_on_signal(log.stop(), "what was accepted is remembered; --resume goes on from there");
    let ports = DeliveryPorts {
        source: Arc::clone(&parts.source),
        comments: Arc::clone(&parts.lookups.comments),
        prices: Arc::clone(&parts.lookups.prices),
        destination: Arc::clone(&parts.destination),
        pace: Pace::default(),
        letters: Arc::new(letters.clone()),
        sent: None,
        log: Arc::new(log.clone()),
        progress: Arc::<dyn Progress>::from(watcher(args.progress)),
        waits: Arc::new(RealWaits),
    };
    let outcome = pipeline::deliver(spec, ports, resume).await;
    stopping.abort();
    settle(&log, &outcome).await?;
    Ok((outcome?, letters))
}

/// Notes how a delivery ended. What it has sent cannot be taken back, so one that was cancelled can go on.
async fn settle(log: &StoreLog, outcome: &Result<DeliveryReceipt, Fault>) -> Result<(), Fault> {
    let fault = match outcome {
        Ok(_) => return log.settle(RunState::Completed, None, config::now()).await,
        Err(fault) => fault,
    };
    if log.stop().reason() == Some(StopReason::LeaseLost) {
        return Ok(());
    }
    // The failure itself is what the user must see, not that it could not be noted.
    if let Err(unsettled) = log.settle(RunState::Failed, Some(fault), config::now()).await {
        tracing::warn!(cause = %unsettled, "the end of the delivery could not be noted");
    }
    Ok(())
}

/// Prints each step of a check as it ends.
async fn check(destination: &dyn EventDestination) -> Result<u8, Fault> {
    let mut printed = Ok(());
    let checked = destination
        .check(&mut |step: CheckStep| {
            let end = match step.state {
                CheckState::Begun => return,
                CheckState::Passed => step.note.map_or_else(|| "ok".to_owned(), |note| format!("ok; {note}")),
                CheckState::Failed(said) => said,
            };
            if printed.is_ok() {
                printed = print(&format!("{}: {end}\n", step.name));
            }
        })
        .await;
    checked?;
    printed.map(|()| exit_code::OK)
}

fn no_such_project(project: &ProjectId, table: &EventTable, source: &dyn Source) -> Fault {
    let message = format!(
        "--project: {source} has no rows of project {project:?} in table {table}",
        project = project.as_str(),
        table = table.table.name,
    );
    Fault::new(FaultKind::BadRequest, message)
        .hint("check the name (outgest data info lists those of the embedded store) and --tables")
}
