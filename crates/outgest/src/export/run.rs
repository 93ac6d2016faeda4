//! Valid → live: opens the source and the output, wires the families into the pipeline, and settles.

use std::sync::Arc;
use std::time::Instant;

use model::{Checkpoint, Cursor, Fault, FaultKind, ProjectId, RunId, RunLog, Source, StopReason};
use pipeline::{Budget, Ports, Progress, RealWaits, RunSpec};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::RunState;

use super::bar;
use super::output::{Output, OutputName};
use super::receipt;
use super::request::Request;
use super::spec::{hex, run_spec};
use crate::cli::ExportArgs;
use crate::config::{self, Settings};
use crate::{data, signals};

/// Carries out `outgest export`.
pub async fn export(settings: &Settings, args: &ExportArgs) -> Result<(), Fault> {
    let began = Instant::now();
    let output_name = OutputName::new(args);
    if args.resume && output_name.is_stdout() {
        return Err(Fault::bad_request("--resume: standard output cannot be continued").hint("write to a file or URL"));
    }
    // Checked before anything is opened; a resumed run is read again below, at its own "now".
    let now = config::now();
    let request = Request::new(args, &output_name, now)?;
    let output =
        output_name.connect(args, request.format.descriptor(), request.format_options.compression, &settings.data)?;

    let source = data::open_source(&settings.data, args.source.as_deref())?;
    let store = data::open_metadata(settings).await?;
    let run = run_id(&output);
    let asked = asked(args, &request, &output);
    let unfinished = store.unfinished_run(&run).await?;
    let (request, resume) = match unfinished {
        Some(left) if args.resume => {
            if left.request != asked {
                return Err(Fault::new(
                    FaultKind::Conflict,
                    format!("the unfinished export to {} asked for something else", output.shown),
                )
                .hint("repeat the command it was started with, or start again without --resume"));
            }
            (Request::new(args, &output_name, left.checkpoint.as_of)?, Some(left.checkpoint))
        }
        Some(left) => {
            discard(&output, &left.checkpoint).await?;
            (request, None)
        }
        None => (request, None),
    };
    if resume.is_none() && !args.overwrite {
        output.refuse_existing().await?;
    }
    if !args.allow_empty && !source.has_project(&request.project, &request.table).await? {
        return Err(no_such_project(&request.project, source.as_ref()));
    }

    let as_of = resume.as_ref().map_or(now, |checkpoint| checkpoint.as_of);
    let snapshot = resume.as_ref().and_then(|checkpoint| checkpoint.snapshot.clone());
    let budget = args.threads.map_or_else(Budget::default, |threads| Budget::for_cores(threads.max(1)));
    let mut spec = run_spec(&request, &run, as_of, &store, output.layout.clone(), budget).await?;
    spec.request.snapshot = snapshot;
    if args.dry_run {
        return dry_run(args, &spec, source.as_ref(), &output).await;
    }

    let log = store.begin_run(&run, &asked, now).await?;
    let stopping = signals::stop_on_signal(log.stop());
    let destination = match &args.max_rate {
        Some(rate) => destinations::throttled(
            Arc::clone(&output.destination),
            config::parse_size("--max-rate", rate).map_err(|problem| Fault::of_problems(vec![problem]))?,
        ),
        None => Arc::clone(&output.destination),
    };
    let ports = Ports {
        source,
        comments: Arc::new(store.clone()),
        prices: Arc::new(store.clone()),
        destination,
        log: Arc::new(log.clone()),
        progress: Arc::<dyn Progress>::from(bar::watcher(args.progress)),
        waits: Arc::new(RealWaits),
    };
    let outcome = pipeline::run(spec, ports, resume).await;
    stopping.abort();
    match outcome {
        Ok(outcome) => {
            log.settle(RunState::Completed, None, config::now()).await?;
            let took = began.elapsed();
            let text = if args.json {
                format!("{}\n", receipt::to_json(&outcome.receipt, took))
            } else {
                receipt::to_text(&outcome.receipt, &output.shown, took)
            };
            // With rows on stdout the receipt must not be among them.
            if output_name.is_stdout() {
                eprint!("{text}")
            } else {
                print!("{text}")
            }
            Ok(())
        }
        Err(fault) => {
            let cancelled = log.stop().reason() == Some(StopReason::Cancelled);
            let state = if cancelled { RunState::Cancelled } else { RunState::Failed };
            // The failure itself is what the user must see, not that it could not be noted.
            if let Err(unsettled) = log.settle(state, Some(&fault), config::now()).await {
                tracing::warn!(cause = %unsettled, "the end of the run could not be noted");
            }
            Err(fault)
        }
    }
}

/// One run per output: what is being written there, whoever asked for it.
fn run_id(output: &Output) -> RunId {
    let place = format!("{}\n{}{}", output.destination, output.layout.stem, output.layout.extension);
    RunId::new(hex(&Sha256::digest(place))[..16].to_owned())
}

/// What identifies the request of a run: times as they were written, because `-24h` means the same
/// hours for every attempt.
fn asked(args: &ExportArgs, request: &Request, output: &Output) -> Value {
    let mut asked = request.query.clone();
    asked["window"] = json!({"from": args.since, "to": args.until});
    asked["roll_bytes"] = json!(output.layout.roll_bytes);
    asked["source"] = json!(args.source);
    asked
}

/// Removes what an unfinished run left that will not be continued.
async fn discard(output: &Output, checkpoint: &Checkpoint) -> Result<(), Fault> {
    if let Some(open) = &checkpoint.open {
        output.destination.discard(&open.upload).await?;
    }
    for file in &checkpoint.done {
        output.destination.remove(&file.key).await?;
    }
    Ok(())
}

fn no_such_project(project: &ProjectId, source: &dyn Source) -> Fault {
    Fault::bad_request(format!("--project: {source} has no rows of project {project:?}", project = project.as_str()))
        .hint("check the name with outgest data info, or export an empty file with --allow-empty")
}

async fn dry_run(args: &ExportArgs, spec: &RunSpec, source: &dyn Source, output: &Output) -> Result<(), Fault> {
    let reading = source.prepare(spec.request.clone()).await?;
    let plan = reading.plan(None).await?;
    reading.close().await?;
    if args.json {
        let answer = json!({
            "rows_max": plan.rows(),
            "bytes_max": plan.bytes(),
            "slices": plan.slices.len(),
            "output": spec.files.file(1)?,
            "destination": output.shown,
            "query": spec.query,
        });
        println!("{answer}");
        return Ok(());
    }
    println!(
        "at most {} rows, about {} of cells, in {} slices; filters are not counted\nto {} in {}",
        plan.rows().human(),
        plan.bytes().human(),
        plan.slices.len(),
        spec.files.file(1)?,
        output.shown,
    );
    if spec.request.cursor == Cursor::Ingested {
        println!("the window is measured on the time of ingestion");
    }
    Ok(())
}
