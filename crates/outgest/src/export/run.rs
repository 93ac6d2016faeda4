//! Valid → live: opens the source and the output, wires the families into the pipeline, and settles.

use std::sync::Arc;
use std::time::Instant;

use enrich::{Comments, Prices, Scores, resolve_comments};
use model::{
    Checkpoint, CommentLookup, CompareOp, Cursor, Enrichment, Expr, Fault, FaultKind, FieldRole, Literal, Micros,
    ProjectId, ReadRequest, RunId, RunLog, Snapshot, Source, StopReason, VersionScope,
};
use pipeline::{Budget, Ports, Progress, RealWaits, RunSpec};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{NativeStore, RunState};

use super::bar;
use super::output::{Output, OutputName};
use super::receipt;
use super::request::Request;
use crate::cli::ExportArgs;
use crate::config::{self, Settings};
use crate::{data, signals};

/// Scores may be older than the rows they belong to by this much: two days and one hour (promise 3).
const SCORE_LOOKBACK_SECONDS: i64 = 49 * 3_600;

/// A row with more stored bytes fails the run (promise 12).
const ROW_BYTES_MAX: model::ByteCount = model::ByteCount::mebibytes(100);

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
    let store = NativeStore::open(&settings.data).await?;
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
    let spec = spec(args, &request, &output, &run, as_of, snapshot, &store).await?;
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

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to memory cannot fail");
        text
    })
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

async fn spec(
    args: &ExportArgs,
    request: &Request,
    output: &Output,
    run: &RunId,
    as_of: Micros,
    snapshot: Option<Snapshot>,
    store: &NativeStore,
) -> Result<RunSpec, Fault> {
    let mut budget = Budget::default();
    if let Some(threads) = args.threads {
        budget = Budget::for_cores(threads.max(1));
    }
    let mut read = read_request(request, run, as_of, store).await?;
    read.snapshot = snapshot;
    read.batch_bytes_max = budget.batch_bytes;
    Ok(RunSpec {
        request: read,
        output_columns: request.selection.columns.iter().map(|column| column.name.clone()).collect(),
        enrichments: enrichments(request),
        limit: request.limit,
        format: request.format,
        format_options: request.format_options.clone(),
        files: output.layout.clone(),
        query_fingerprint: hex(&Sha256::digest(request.query.to_string())),
        query: request.query.clone(),
        product_version: env!("CARGO_PKG_VERSION").to_owned(),
        warnings: Vec::new(),
        budget,
    })
}

/// What is read for a request: its columns, and its filter with comment tests replaced by the ids
/// that pass them as of now.
pub async fn read_request(
    request: &Request,
    run: &RunId,
    as_of: Micros,
    comments: &dyn CommentLookup,
) -> Result<ReadRequest, Fault> {
    let filter = match (request.filter.clone(), request.table.comments) {
        (Some(filter), Some(kind)) => {
            Some(resolve_comments(filter, &request.project, kind, comments, request.table.order.id).await?)
        }
        (filter, _) => filter,
    };
    let starts_from = starts_from(filter.as_ref(), request.table.order.time);
    let since = [request.window.from, starts_from].into_iter().flatten().max();
    Ok(ReadRequest {
        run: run.clone(),
        project: request.project.clone(),
        table: Arc::clone(&request.table),
        columns: request.selection.columns.clone(),
        filter,
        window: request.window,
        cursor: request.cursor,
        as_of,
        snapshot: None,
        scores_since: since.map(|since| since.minus_seconds(SCORE_LOOKBACK_SECONDS)),
        batch_bytes_max: Budget::default().batch_bytes,
        versions: VersionScope::default(),
        row_bytes_max: ROW_BYTES_MAX,
    })
}

/// What is added to rows; masks come last, so that nothing is added behind them.
fn enrichments(request: &Request) -> Vec<Arc<dyn Enrichment>> {
    let comments = request.selection.columns.iter().any(|column| column.role == FieldRole::Comments);
    let mut enrichments: Vec<Arc<dyn Enrichment>> = Vec::new();
    if comments {
        enrichments.push(Arc::new(Comments));
    }
    if request.selection.columns.iter().any(|column| matches!(column.role, FieldRole::Price(_))) {
        enrichments.push(Arc::new(Prices));
    }
    if request.selection.scores {
        enrichments.push(Arc::new(Scores));
    }
    if let Some(mask) = &request.mask {
        enrichments.push(Arc::new(mask.clone()));
    }
    enrichments
}

/// The latest lower bound on the start time that every row must pass, for the look-back of scores:
/// the table UI sends its time range as filters.
fn starts_from(filter: Option<&Expr>, time: &str) -> Option<Micros> {
    match filter? {
        Expr::And(parts) => parts.iter().filter_map(|part| starts_from(Some(part), time)).max(),
        Expr::Compare { left, op: CompareOp::Greater | CompareOp::GreaterEq, right } => match (&**left, &**right) {
            (Expr::Column(column), Expr::Literal(Literal::Timestamp(bound))) if &**column == time => Some(*bound),
            _ => None,
        },
        _ => None,
    }
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
