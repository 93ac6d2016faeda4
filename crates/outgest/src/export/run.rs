//! Valid → live: opens the source and the output, wires the families into the pipeline, and settles.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use model::{Cursor, Fault, ProjectId, Source, StopReason};
use pipeline::{Budget, Earlier, Ports, Progress, RealWaits, RunSpec};
use serde_json::json;
use store::RunState;

use super::attempt::Run;
use super::bar;
use super::output::{Output, OutputName};
use super::receipt;
use super::request::Request;
use super::spec::run_spec;
use crate::cli::ExportArgs;
use crate::config::{self, Settings};
use crate::data::{self, SourceChoice};
use crate::report::print;
use crate::signals;

/// Carries out `outgest export`.
pub async fn export(settings: &Settings, args: &ExportArgs) -> Result<(), Fault> {
    let began = Instant::now();
    let output_name = OutputName::new(args);
    if args.resume && output_name.is_stdout() {
        return Err(Fault::bad_request("--resume: standard output cannot be continued").hint("write to a file or URL"));
    }
    let max_rate = args.max_rate.as_deref().map(|rate| config::parse_size("--max-rate", rate));
    let max_rate = max_rate.transpose().map_err(|problem| Fault::of_problems(vec![problem]))?;
    // Checked before anything is opened; a resumed run is read again below, at its own "now".
    let now = config::now();
    let choice = SourceChoice::read(settings, args.source.as_deref())?;
    let (request, warnings) = Request::new(args, &output_name, choice.comments(), now)?;
    let output =
        output_name.connect(args, request.format.descriptor(), request.format_options.compression, &settings.data)?;

    let source = choice.open(settings)?;
    let store = data::open_metadata(settings).await?;
    let lookups = choice.lookups(settings).await?;
    let run = Run::find(&store, args, choice.name(), &request, &output).await?;
    let resume = run.checkpoint().cloned();
    let request = match &resume {
        Some(checkpoint) => Request::new(args, &output_name, choice.comments(), checkpoint.as_of)?.0,
        None => request,
    };
    if resume.is_none() && !args.overwrite {
        output.refuse_existing(run.abandoned_files()).await?;
    }
    if !args.allow_empty && !source.has_project(&request.project, &request.table).await? {
        return Err(no_such_project(&request.project, source.as_ref()));
    }

    let as_of = resume.as_ref().map_or(now, |checkpoint| checkpoint.as_of);
    let snapshot = resume.as_ref().and_then(|checkpoint| checkpoint.snapshot.clone());
    let budget = args.threads.map_or_else(Budget::default, Budget::for_cores);
    let comments = lookups.comments.as_ref();
    let mut spec = run_spec(&request, &run.id, as_of, comments, output.layout.clone(), budget).await?;
    spec.request.snapshot = snapshot;
    spec.warnings = warnings;
    spec.begun_before = run.begun_before();
    if run.replaces() {
        let mut manifests: Vec<_> = spec.files.manifest.iter().chain(&output.usual_manifest).cloned().collect();
        manifests.dedup();
        spec.earlier = Earlier::Replaced { manifests, known: run.known_to_be_replaced().to_vec() };
    }
    if args.dry_run {
        return dry_run(args, &spec, source.as_ref(), &output).await;
    }

    let attempt = run.begin(&store, &output, now).await?;
    let stopping = signals::stop_on_signal(attempt.log.stop(), "what was written is removed");
    let destination = match max_rate {
        Some(rate) => destinations::throttled(Arc::clone(&output.destination), rate),
        None => Arc::clone(&output.destination),
    };
    let ports = Ports {
        source,
        comments: lookups.comments,
        prices: lookups.prices,
        destination,
        log: Arc::clone(&attempt.log),
        progress: Arc::<dyn Progress>::from(bar::watcher(args.progress)),
        waits: Arc::new(RealWaits),
    };
    let outcome = pipeline::run(spec, ports, resume).await;
    stopping.abort();
    match outcome {
        Ok(outcome) => {
            // Files and manifest are there: the user must see the receipt, whatever happens to the note.
            if let Err(unsettled) = attempt.settle(RunState::Completed, None, config::now()).await {
                tracing::warn!(cause = %unsettled, "the end of the run could not be noted");
            }
            let took = began.elapsed();
            let text = if args.json {
                format!("{}\n", receipt::to_json(&outcome.receipt, took))
            } else {
                receipt::to_text(&outcome.receipt, &output.shown, took)
            };
            // With rows on stdout the receipt must not be among them.
            if output_name.is_stdout() {
                std::io::stderr().write_all(text.as_bytes()).ok();
                return Ok(());
            }
            print(&text)
        }
        Err(fault) => {
            let cancelled = attempt.log.stop().reason() == Some(StopReason::Cancelled);
            let state = if cancelled { RunState::Cancelled } else { RunState::Failed };
            // The failure itself is what the user must see, not that it could not be noted.
            if let Err(unsettled) = attempt.settle(state, Some(&fault), config::now()).await {
                tracing::warn!(cause = %unsettled, "the end of the run could not be noted");
            }
            Err(fault)
        }
    }
}

fn no_such_project(project: &ProjectId, source: &dyn Source) -> Fault {
    Fault::bad_request(format!("--project: {source} has no rows of project {project:?}", project = project.as_str()))
        .hint("check the name (outgest data info lists those of the embedded store), or export an empty file with --allow-empty")
}

async fn dry_run(args: &ExportArgs, spec: &RunSpec, source: &dyn Source, output: &Output) -> Result<(), Fault> {
    let reading = source.prepare(spec.request.clone()).await?;
    let plan = reading.plan(None).await;
    pipeline::end_reading(&*reading).await;
    let plan = plan?;
    if args.json {
        let answer = json!({
            "rows_max": plan.rows(),
            "bytes_max": plan.bytes(),
            "slices": plan.slices.len(),
            "output": spec.files.file(1)?,
            "destination": output.shown,
            "query": spec.query,
        });
        return print(&format!("{answer}\n"));
    }
    let mut text = format!(
        "at most {}, about {} of cells, in {} slice{}; filters are not counted\nto {} in {}\n",
        plan.rows().counted(),
        plan.bytes().human(),
        plan.slices.len(),
        if plan.slices.len() == 1 { "" } else { "s" },
        spec.files.file(1)?,
        output.shown,
    );
    if spec.request.cursor == Cursor::Ingested {
        text.push_str("the window is measured on the time of ingestion\n");
    }
    print(&text)
}
