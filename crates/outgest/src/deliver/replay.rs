//! `outgest deliver --replay`: dead letters of a file, sent once more.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use model::{DeadLetter, EventDestination, EventKind, EventStream, Fault, FaultKind, RowCount, Stop, TableName};
use pipeline::RealWaits;
use serde_json::json;

use super::ask::Asked;
use crate::cli::{DeliverArgs, exit_code};
use crate::report::print;
use crate::signals;

/// Sends the letters and leaves in the file those that are refused once more. Returns the exit code.
pub async fn replay(
    args: &DeliverArgs,
    file: &Path,
    asked: &Asked,
    destination: Arc<dyn EventDestination>,
) -> Result<u8, Fault> {
    let (table, letters) = read(file)?;
    let stream = EventStream {
        project: asked.delivery.facts.project.clone(),
        // Letters are events already: what they tell of is in them.
        kind: EventKind::Observation,
        dialect: asked.delivery.facts.dialect,
        historical: asked.delivery.historical,
    };
    let stop = Stop::new();
    let stopping = signals::stop_on_signal(stop.clone(), "the file stays as it is");
    let replayed = pipeline::replay(&stream, &table, letters, destination, stop, Arc::new(RealWaits)).await;
    stopping.abort();
    let (counts, left) = replayed?;
    write(file, &left)?;
    let accepted = counts.accepted;
    print(&match args.json {
        true => format!("{}\n", json!({"table": table, "counts": counts, "dead_letters": file})),
        false if left.is_empty() => format!("{table}: {} events accepted; none is left\n", accepted.human()),
        false => format!(
            "{table}: {} events accepted, {} refused once more: {}\n",
            accepted.human(),
            counts.rejected.human(),
            file.display()
        ),
    })?;
    Ok(if counts.rejected > RowCount::ZERO { exit_code::REFUSED } else { exit_code::OK })
}

/// The letters of a file, which are all of one table.
fn read(file: &Path) -> Result<(TableName, Vec<DeadLetter>), Fault> {
    let bad = |why: String| {
        Fault::bad_request(format!("--replay: {}: {why}", file.display()))
            .hint("name a file of dead letters as an earlier delivery printed it")
    };
    let opened = File::open(file).map_err(|error| bad(error.to_string()))?;
    let mut letters: Vec<DeadLetter> = Vec::new();
    for (line, text) in (1..).zip(BufReader::new(opened).lines()) {
        let text = text.map_err(|error| bad(error.to_string()))?;
        letters.push(serde_json::from_str(&text).map_err(|error| bad(format!("line {line}: {error}")))?);
    }
    let table = letters.first().map(|letter| letter.table.clone()).ok_or_else(|| bad("it is empty".to_owned()))?;
    match letters.iter().find(|letter| letter.table != table) {
        Some(other) => Err(bad(format!("it has letters of {table} and of {}", other.table))),
        None => Ok((table, letters)),
    }
}

/// Replaces the file by one with these letters, or removes it where there are none.
fn write(file: &Path, letters: &[DeadLetter]) -> Result<(), Fault> {
    let failed = |error: std::io::Error| {
        let message = format!("--replay: cannot write {}: {error}", file.display());
        Fault::new(FaultKind::Configuration, message)
            .hint("the letters that are still in the file can be sent again without harm")
    };
    if letters.is_empty() {
        return std::fs::remove_file(file).map_err(failed);
    }
    let mut text = Vec::new();
    for letter in letters {
        serde_json::to_writer(&mut text, letter)
            .map_err(|error| Fault::bug("cannot write a dead letter as JSON").because(error))?;
        text.push(b'\n');
    }
    let partial = file.with_extension("jsonl.partial");
    let written = File::create(&partial).and_then(|mut new| new.write_all(&text).and_then(|()| new.sync_all()));
    written.and_then(|()| std::fs::rename(&partial, file)).map_err(failed)
}
