//! Attempts at a run: what an earlier one left at an output, and what becomes of it.
//!
//! A run is what is written to one output, whoever asks for it. Of an export to standard output nothing
//! can be continued, so nothing is remembered of it, and any number of them run side by side.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Checkpoint, Fault, FaultKind, FileName, FileReceipt, Micros, RunId, RunLog, Stop};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{HeldRun, NativeStore, RunHold, RunHolder, RunState, StoreLog};

use super::output::Output;
use super::request::Request;
use super::spec::hex;
use crate::cli::ExportArgs;

/// A run before this attempt at it.
pub struct Run {
    /// Its id.
    pub id: RunId,
    asked: Value,
    /// Whether it was begun with `--overwrite`, by this or an earlier attempt.
    replaces: bool,
    remembered: bool,
    left: Left,
    /// Kept while the run is carried out.
    _hold: Option<RunHold>,
}

/// What earlier attempts left.
enum Left {
    Nothing,
    /// To be continued.
    Unfinished(Checkpoint),
    /// To be removed.
    Abandoned(Checkpoint),
}

/// This attempt.
pub struct Attempt {
    /// Where it records its progress, and who may stop it.
    pub log: Arc<dyn RunLog>,
    /// The same, where it is remembered.
    stored: Option<StoreLog>,
}

impl Run {
    /// Finds what earlier attempts left at this output, and holds the run, which no other process may be
    /// carrying out. With `--resume` it must have been asked for in the same words.
    pub async fn find(
        store: &NativeStore,
        args: &ExportArgs,
        source: Option<String>,
        request: &Request,
        output: &Output,
    ) -> Result<Self, Fault> {
        let place = format!("{}\n{}{}", output.place, output.layout.stem, output.layout.extension);
        let id = RunId::new(hex(&Sha256::digest(place))[..16].to_owned());
        let asked = asked(args, source, request, output);
        let remembered = output.destination.limits().resumable;
        // Before anything is looked at: what another process is writing is no unfinished export.
        let hold = if remembered && !args.dry_run { Some(hold(store, &id, output).await?) } else { None };
        let unfinished = if remembered { store.unfinished_run(&id).await? } else { None };
        let begun_to_replace = unfinished.as_ref().is_some_and(|left| left.request["overwrite"] == json!(true));
        let left = match unfinished {
            Some(left) if args.resume && !same_files(&left.request, &asked) => {
                return Err(Fault::new(
                    FaultKind::Conflict,
                    format!("the unfinished export to {} asked for something else", output.shown),
                )
                .hint("repeat the command it was started with, or start again without --resume"));
            }
            Some(left) if args.resume => Left::Unfinished(left.checkpoint),
            Some(left) => Left::Abandoned(left.checkpoint),
            None => Left::Nothing,
        };
        let replaces = args.overwrite || (args.resume && begun_to_replace);
        Ok(Self { id, asked, replaces, remembered, left, _hold: hold })
    }

    /// The checkpoint that this attempt continues from.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match &self.left {
            Left::Unfinished(checkpoint) => Some(checkpoint),
            Left::Abandoned(_) | Left::Nothing => None,
        }
    }

    /// Whether an earlier attempt began to write.
    pub fn begun_before(&self) -> bool {
        !matches!(self.left, Left::Nothing)
    }

    /// Whether an earlier export at this output is replaced.
    pub fn replaces(&self) -> bool {
        self.replaces
    }

    /// Files of that export which an attempt that will not be continued has found.
    pub fn known_to_be_replaced(&self) -> &[FileName] {
        match &self.left {
            Left::Abandoned(checkpoint) => checkpoint.replaced.as_deref().unwrap_or_default(),
            Left::Unfinished(_) | Left::Nothing => &[],
        }
    }

    /// Whole files of an attempt that will not be continued.
    pub fn abandoned_files(&self) -> &[FileReceipt] {
        match &self.left {
            Left::Abandoned(checkpoint) => &checkpoint.done,
            Left::Unfinished(_) | Left::Nothing => &[],
        }
    }

    /// Begins the attempt: earlier ones are fenced off, and what will not be continued is removed.
    pub async fn begin(&self, store: &NativeStore, output: &Output, now: Micros) -> Result<Attempt, Fault> {
        if !self.remembered {
            return Ok(Attempt { log: Arc::new(Forgotten::default()), stored: None });
        }
        let stored = match &self.left {
            Left::Unfinished(_) => store.continue_run(&self.id, now).await?,
            Left::Abandoned(checkpoint) => {
                // Fenced off first: an attempt that still lives must not write on while its files are removed.
                store.continue_run(&self.id, now).await?;
                remove(output, checkpoint).await?;
                store.begin_run(&self.id, &self.asked, now).await?
            }
            Left::Nothing => store.begin_run(&self.id, &self.asked, now).await?,
        };
        Ok(Attempt { log: Arc::new(stored.clone()), stored: Some(stored) })
    }
}

impl Attempt {
    /// Remembers how the attempt ended.
    pub async fn settle(&self, state: RunState, failure: Option<&Fault>, now: Micros) -> Result<(), Fault> {
        match &self.stored {
            Some(log) => log.settle(state, failure, now).await,
            None => Ok(()),
        }
    }
}

/// Holds the run for as long as this process carries it out.
async fn hold(store: &NativeStore, id: &RunId, output: &Output) -> Result<RunHold, Fault> {
    let RunHolder { process, since, rows } = match store.hold_run(id).await? {
        HeldRun::Here(hold) => return Ok(hold),
        HeldRun::Elsewhere(holder) => holder,
    };
    let who = process.map_or_else(|| "another process".to_owned(), |process| format!("process {process}"));
    let far = since.map_or_else(String::new, |since| format!(", begun {since}, {} written so far", rows.counted()));
    Err(Fault::new(FaultKind::Conflict, format!("{} is being exported already: by {who}{far}", output.full_name()))
        .hint("wait until it is done or stop it, or give another --output"))
}

/// What identifies the request of a run: times as they were written, because `-24h` means the same
/// hours for every attempt.
fn asked(args: &ExportArgs, source: Option<String>, request: &Request, output: &Output) -> Value {
    let mut asked = request.query.clone();
    asked["window"] = json!({"from": args.since, "to": args.until});
    asked["roll_bytes"] = json!(output.layout.roll_bytes);
    asked["source"] = json!(source);
    asked["overwrite"] = json!(args.overwrite);
    asked["output"] = json!(output.full_name());
    asked
}

/// Whether two requests for the same output ask for the same files, whatever they find in their place.
fn same_files(a: &Value, b: &Value) -> bool {
    let [a, b] = [a, b].map(|asked| {
        let mut asked = asked.clone();
        if let Some(asked) = asked.as_object_mut() {
            asked.remove("overwrite");
        }
        asked
    });
    a == b
}

async fn remove(output: &Output, checkpoint: &Checkpoint) -> Result<(), Fault> {
    if let Some(open) = &checkpoint.open {
        output.destination.discard(&open.upload).await?;
    }
    // What it had begun and not yet recorded, where that can be found; if not, the run that follows says so.
    if let Some(file) = output.layout.under_way(checkpoint)? {
        output.destination.discard_unrecorded(&file, None).await?;
    }
    for file in &checkpoint.done {
        output.destination.remove(&file.key).await?;
    }
    Ok(())
}

/// The log of a run that cannot be continued.
#[derive(Default)]
struct Forgotten {
    stop: Stop,
}

#[async_trait]
impl RunLog for Forgotten {
    async fn record(&self, _: &Checkpoint) -> Result<(), Fault> {
        Ok(())
    }

    fn stop(&self) -> Stop {
        self.stop.clone()
    }
}
