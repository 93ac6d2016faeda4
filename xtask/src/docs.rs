//! `docs`: documents that are written from the program itself.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{cargo, output, root, run as run_command, target};

/// Document and the words that make the program print it.
const DOCUMENTS: &[(&str, &[&str])] = &[("docs/configuration.md", &["config", "reference"])];

/// Writes every document anew. A binary that was built already can be named; otherwise it is built.
pub fn run(words: &[&str]) -> Result<()> {
    let outgest = match words {
        [] => {
            run_command(cargo().args(["build", "--locked", "--package", "outgest"]))?;
            target().join("debug/outgest")
        }
        [binary] => fs::canonicalize(binary)?,
        _ => bail!("usage: cargo xtask docs [BINARY]"),
    };
    for (document, words) in DOCUMENTS {
        let text = output(Command::new(&outgest).args(*words))?;
        fs::write(root().join(document), text).with_context(|| format!("cannot write {document}"))?;
    }
    Ok(())
}
