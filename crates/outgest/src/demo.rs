//! `outgest demo`: the whole product in one command, by the same commands a user would type.
//!
//! It runs this very binary, so whatever it shows is what a user gets.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use model::{Fault, FaultKind, RowCount};

use crate::cli::DemoArgs;
use crate::report::print;

/// Carries out `outgest demo`.
pub async fn demo(args: &DemoArgs) -> Result<(), Fault> {
    let folder = &args.folder;
    let in_use = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if in_use {
        return Err(Fault::new(FaultKind::Conflict, format!("{} is not empty", folder.display()))
            .hint("remove it, or name another folder with --folder"));
    }
    std::fs::create_dir_all(folder).map_err(|error| {
        Fault::new(FaultKind::Configuration, format!("cannot create {}: {error}", folder.display()))
            .hint("name a folder that can be written with --folder")
    })?;
    let events = args.events.to_string();
    print(&format!(
        "Sample data: {} events of an agent that chats, calls tools and is scored.\n\n",
        RowCount(args.events).human()
    ))?;
    step(
        folder,
        &[
            "generate",
            "--project",
            "demo",
            "--events",
            &events,
            "--output",
            "events.jsonl",
            "--scores-output",
            "scores.jsonl",
        ],
    )?;
    step(folder, &["import", "events.jsonl"])?;
    step(folder, &["import", "--table", "scores", "scores.jsonl"])?;
    print("Three exports: everything, what failed, and what the last day cost.\n\n")?;
    step(folder, &["export", "--project", "demo", "--output", "all.parquet"])?;
    step(folder, &["export", "--project", "demo", "--where", "level = \"ERROR\"", "--output", "errors.csv"])?;
    step(
        folder,
        &[
            "export",
            "--project",
            "demo",
            "--where",
            "type = \"GENERATION\" and totalCost > 0.001",
            "--since",
            "2026-06-30",
            "--columns",
            "id,name,providedModelName,usageDetails,totalCost,latencyMs,scores",
            "--output",
            "costs.jsonl.gz",
        ],
    )?;
    print("Proof that nothing is missing.\n\n")?;
    for manifest in ["all.parquet.manifest.json", "errors.csv.manifest.json", "costs.jsonl.gz.manifest.json"] {
        step(folder, &["verify", manifest])?;
    }
    // Shown by its path, which works whether or not it was installed.
    let outgest = this_binary()?;
    let (folder, outgest) = (folder.display(), outgest.display());
    print(&format!(
        "The files are in {folder}. To try next:\n\n  cd {folder}\n  head -3 errors.csv\n  \
         {outgest} export --project demo --search invoice --search-type content --limit 3 --format jsonl -o -\n  \
         {outgest} export --help\n"
    ))
}

fn this_binary() -> Result<PathBuf, Fault> {
    std::env::current_exe().map_err(|error| Fault::bug("cannot find this program's own file").because(error))
}

/// Shows a command, runs it in the folder, and fails where it fails.
fn step(folder: &Path, arguments: &[&str]) -> Result<(), Fault> {
    let quoted: Vec<String> = arguments.iter().map(|argument| quote(argument)).collect();
    print(&format!("$ outgest {}\n", quoted.join(" ")))?;
    let failed =
        |why: String| Fault::new(FaultKind::Bug, format!("the demo stopped at outgest {}: {why}", arguments[0]));
    let status = Command::new(this_binary()?)
        .current_dir(folder)
        // What is shown has to work for whoever types it: the demo's data is in its own folder.
        .env_remove("OUTGEST_DATA")
        .env_remove("OUTGEST_CONFIG")
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .map_err(|error| failed(error.to_string()))?;
    print("\n")?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}

fn quote(argument: &str) -> String {
    let plain = argument.chars().all(|c| c.is_ascii_alphanumeric() || "-_./,=:".contains(c));
    if plain { argument.to_owned() } else { format!("'{argument}'") }
}
