//! `demo`: what Outgest does, shown on sample data; with `--serve` its server and its web app.
//!
//! [`samples`] keeps the rows that are served.

mod samples;

use anyhow::Result;

use crate::command::{binary, cargo, run as run_command};
use crate::ui;
use samples::Samples;

/// `cargo xtask demo …`
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["--serve"] => serve(),
        _ => show(words),
    }
}

/// The commands of the product, one after another.
fn show(words: &[&str]) -> Result<()> {
    eprintln!("building outgest: about ten minutes on two cores the first time, seconds after that");
    run_command(cargo().args(["run", "--quiet", "--package", "outgest", "--", "demo"]).args(words))
}

/// Builds app and binary and serves both on sample data that ends now.
fn serve() -> Result<()> {
    ui::build()?;
    eprintln!("building outgest: about ten minutes on two cores the first time, seconds after that");
    run_command(cargo().args(["build", "--quiet", "--locked", "--package", "outgest"]))?;
    let samples = Samples::prepare(binary()?)?;
    eprintln!("sample data: {}; Ctrl-C ends the server", samples.folder.display());
    run_command(samples.outgest().arg("serve"))
}
